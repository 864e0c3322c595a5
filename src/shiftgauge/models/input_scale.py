"""The scale in which a network sees an image, and pixels back from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from shiftgauge.checks import require_in
from shiftgauge.errors import ModelError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.types import Classifier

ScaleName: TypeAlias = Literal["input", "pixel"]


@dataclass(frozen=True, kw_only=True)
class InputScale:
    r"""Numbers per channel that turn a pixel p in [0, 1] into what the network sees.

    $$ x = (p - \mu_c) / \sigma_c $$

    Args:
        mean: μ, one number per channel.
        std: σ > 0, one number per channel.

    Example:
        >>> InputScale(mean=(0.5,), std=(0.5,)).bounds
        ((-1.0,), (1.0,))
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """What black and white are in this scale, (0 − μ) / σ and (1 − μ) / σ per channel."""
        pairs = list(zip(self.mean, self.std, strict=True))
        return tuple((0 - m) / s for m, s in pairs), tuple((1 - m) / s for m, s in pairs)

    @property
    def per_pixel(self) -> torch.Tensor:
        """How much one unit of [0, 1] is in this scale, 1 / σ, axes (C, 1, 1)."""
        return 1 / self.width(torch.empty(0, dtype=torch.float32))[0]

    def width(self, like: torch.Tensor) -> torch.Tensor:
        """σ as (1, C, 1, 1), of the type and on the device of a tensor."""
        return like.new_tensor(self.std).view(1, -1, 1, 1)

    def of_pixels(self, images_nchw: torch.Tensor) -> torch.Tensor:
        """Pixels (N, C, H, W) in [0, 1] → the same images in this scale."""
        return (images_nchw - images_nchw.new_tensor(self.mean).view(1, -1, 1, 1)) / self.width(images_nchw)


def input_scale(classifier: Classifier, scale: ScaleName = "input") -> InputScale:
    """Returns the scale of a classifier's input, or that of its pixels.

    Args:
        classifier: Any classifier.
        scale: `input` for the network's own (its preprocessing says mean and std), `pixel` for values in [0, 1].

    Raises:
        ConfigError: An unknown scale.
        ModelError: The classifier does not say its mean and std, and `input` is asked for.
    """
    require_in("scale", scale, ("input", "pixel"))
    channels = classifier.input_shape[0]
    if scale == "pixel":
        return InputScale(mean=(0.0,) * channels, std=(1.0,) * channels)
    preprocessing = getattr(classifier, "preprocessing", None)
    if not isinstance(preprocessing, Preprocessing):
        raise ModelError(
            f"a {type(classifier).__name__} does not say the mean and std of its input; state sizes in pixels with "
            "scale `pixel`"
        )
    return InputScale(mean=preprocessing.mean, std=preprocessing.std)
