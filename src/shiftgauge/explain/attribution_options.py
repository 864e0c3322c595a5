"""How a network is asked which pixels a logit rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from shiftgauge.checks import require_bool, require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.explain.baselines import BASELINES, BaselineName
from shiftgauge.models.input_scale import ScaleName
from shiftgauge.random import check_seed


@dataclass(frozen=True, kw_only=True)
class AttributionOptions:
    """Options of all methods; each uses those that it is named at.

    Args:
        scale: `input`: pixels are differentiated (and multiplied) as the network sees them, (p − mean) / std; `pixel`:
            in units of [0, 1]. Gradients differ by the factor std of each channel; products with the input differ more.
        baseline: Integrated gradients, occlusion: what stands for no image, `zero` (black), `mean` or `blur`.
        blur_px: Standard deviation of the blurred baseline in pixels, > 0.
        steps: Integrated gradients: points of the integral, ≥ 1.
        samples: SmoothGrad: noisy copies, ≥ 1.
        noise: SmoothGrad: standard deviation of the noise in units of [0, 1], ≥ 0; default 0.15, in the middle of what
            the publication found useful.
        window_px: Occlusion: side of the window, ≥ 1; None takes an eighth of the shorter side.
        stride_px: Occlusion: step of the window, from 1 to its side; None takes half the side.
        rectify: Grad-CAM: leave out what speaks against the class, as published.
        enlarge: Grad-CAM: bring the map to the size of the image, bilinearly; False leaves it at that of its layer.
        seed: SmoothGrad: of the noise.
    """

    scale: ScaleName = "input"
    baseline: BaselineName = "zero"
    blur_px: float = 5.0
    steps: int = 50
    samples: int = 25
    noise: float = 0.15
    window_px: int | None = None
    stride_px: int | None = None
    rectify: bool = True
    enlarge: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("scale", self.scale, ("input", "pixel"))
        require_in("baseline", self.baseline, BASELINES)
        if not require_range("blur_px", self.blur_px, 0) > 0:
            raise ConfigError("`blur_px` must be > 0, got 0; the baseline would be the image itself")
        for name in ("steps", "samples"):
            require_positive_int(name, getattr(self, name))
        require_range("noise", self.noise, 0)
        for name in ("window_px", "stride_px"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        if self.stride_px is not None and self.window_px is not None and self.stride_px > self.window_px:
            raise ConfigError(
                f"`stride_px` must be at most `window_px`, {self.window_px}, got {self.stride_px}: pixels would be "
                "passed over"
            )
        for name in ("rectify", "enlarge"):
            require_bool(name, getattr(self, name))
        check_seed(self.seed)

    def window(self, height: int, width: int) -> tuple[int, int]:
        """Side and step of the occluding window for images of a size.

        Raises:
            ConfigError: The window is larger than the image, or the step larger than the window.
        """
        side = max(1, min(height, width) // 8) if self.window_px is None else self.window_px
        step = max(1, side // 2) if self.stride_px is None else self.stride_px
        if side > min(height, width):
            raise ConfigError(f"`window_px` must be at most {min(height, width)}, the image's shorter side, got {side}")
        if step > side:
            raise ConfigError(f"`stride_px` must be at most the window's side, {side}, got {step}")
        return side, step

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)
