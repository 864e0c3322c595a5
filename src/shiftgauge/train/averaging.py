"""Averaging in testing: the mean of the probabilities that a network gives to several views of an image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.shifts.limits import Fill
from shiftgauge.shifts.pipeline import ShiftPipeline

Flip: TypeAlias = Literal["horizontal", "vertical"]
Predict: TypeAlias = Callable[[Tensor], Tensor]
"""Images (N, C, H, W) in [0, 1] → probabilities (N, K)."""
_AXES: Final[dict[str, int]] = {"horizontal": 3, "vertical": 2}
_SLACK: Final = 1e-4


@dataclass(frozen=True, kw_only=True)
class View:
    """One way of looking at an image.

    Args:
        flip: `horizontal` (left and right change places), `vertical`, or None.
        quarter_turns: Turns by 90 degrees, counter-clockwise, 0 … 3; square images alone.
        rotation_deg: Rotation about the centre in degrees, in [-180, 180].
        scale: Size of the picture in its frame, in [0.25, 4]; below 1 more of the surroundings is filled in.

    Example:
        >>> View(flip="horizontal").is_plain, View().is_plain
        (False, True)
    """

    flip: Flip | None = None
    quarter_turns: int = 0
    rotation_deg: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.flip is not None:
            require_in("flip", self.flip, get_args(Flip))
        if isinstance(self.quarter_turns, bool) or self.quarter_turns not in (0, 1, 2, 3):
            raise ConfigError(f"`quarter_turns` must be 0, 1, 2 or 3, got {self.quarter_turns!r}")
        require_range("rotation_deg", self.rotation_deg, -180, 180)
        require_range("scale", self.scale, 0.25, 4)

    @property
    def is_plain(self) -> bool:
        """Whether the view is the image itself."""
        return self == View()

    def of(self, images_nchw: Tensor, fill: Fill = "reflect") -> Tensor:
        """Images as the view shows them: flipped, then turned by quarters, then rotated and scaled.

        Args:
            images_nchw: Images in [0, 1].
            fill: What lies outside a rotated or smaller picture: `reflect`, `edge` or `constant` (black).

        Raises:
            ConfigError: An odd number of quarter turns of images that are not square.

        Example:
            >>> View(flip="horizontal").of(torch.tensor([[[[0.0, 1.0]]]])).tolist()
            [[[[1.0, 0.0]]]]
        """
        height, width = images_nchw.shape[-2:]
        if self.quarter_turns % 2 and height != width:
            raise ConfigError(
                f"quarter turns need square images, got {height}×{width}; leave them out of the averaging"
            )
        seen = images_nchw if self.flip is None else images_nchw.flip(_AXES[self.flip])
        if self.quarter_turns:
            seen = torch.rot90(seen, self.quarter_turns, (2, 3))
        if self.rotation_deg == 0 and self.scale == 1:
            return seen
        theta = torch.tensor([[self.rotation_deg, self.scale]], dtype=torch.float64).expand(len(seen), 2)
        pipeline = ShiftPipeline(["rotation", "scale"], fill=fill)
        return pipeline(seen, theta, torch.zeros(len(seen), dtype=torch.int64))


@dataclass(frozen=True, kw_only=True)
class AveragingOptions:
    """Which views are averaged: the image itself, and each change on its own.

    Args:
        flips: `horizontal`, `vertical`.
        quarter_turns: 1, 2, 3, each a number of turns by 90 degrees; square images alone.
        rotations_deg: Rotations in degrees.
        scales: Sizes of the picture in its frame.
        fill: What lies outside a rotated or smaller picture: `reflect`, `edge` or `constant` (black).

    Raises:
        ConfigError: A change outside its range.

    Example:
        >>> len(AveragingOptions(flips=("horizontal", "vertical")).views), AveragingOptions().is_plain
        (3, True)
    """

    flips: tuple[Flip, ...] = ()
    quarter_turns: tuple[int, ...] = ()
    rotations_deg: tuple[float, ...] = ()
    scales: tuple[float, ...] = ()
    fill: Fill = "reflect"

    def __post_init__(self) -> None:
        require_in("fill", self.fill, get_args(Fill))
        for name in ("flips", "quarter_turns", "rotations_deg", "scales"):
            given = getattr(self, name)
            if isinstance(given, str) or not isinstance(given, Sequence):
                raise ConfigError(f"`{name}` must be a list, got {given!r}")
            object.__setattr__(self, name, tuple(given))
        _ = self.views

    @property
    def views(self) -> tuple[View, ...]:
        """The views, the image itself first, none twice."""
        found = [
            View(),
            *(View(flip=flip) for flip in self.flips),
            *(View(quarter_turns=turns) for turns in self.quarter_turns),
            *(View(rotation_deg=float(angle)) for angle in self.rotations_deg),
            *(View(scale=float(scale)) for scale in self.scales),
        ]
        return tuple(dict.fromkeys(found))

    @property
    def is_plain(self) -> bool:
        """Whether nothing is averaged."""
        return len(self.views) == 1

    def to_list(self) -> list[dict[str, Any]]:
        """The views as plain values, for a model's record; empty when nothing is averaged."""
        return [] if self.is_plain else [{**asdict(view), "fill": self.fill} for view in self.views]


def average_probabilities(predict: Predict, images_nchw: Tensor, options: AveragingOptions) -> Tensor:
    """Returns the mean over views of the probabilities, p̄ = 1/V Σ_v p(view_v(x)), in float64.

    A network whose output does not change with a view gives the same number as without averaging, bit for bit where
    its outputs are float32 and the views few.

    Args:
        predict: Images in [0, 1] → probabilities (N, K), in [0, 1].
        images_nchw: Images (N, C, H, W) in [0, 1].
        options: The views.

    Returns:
        (N, K) float64.

    Raises:
        ConfigError: Quarter turns of oblong images.
        ModelError: `predict` gives something else than probabilities; logits must not be averaged here.

    Example:
        >>> mean = lambda x: x.mean(dim=(1, 2, 3), keepdim=True).flatten(1)
        >>> images = torch.rand(2, 1, 4, 4)
        >>> options = AveragingOptions(flips=("horizontal",))
        >>> bool(torch.allclose(average_probabilities(mean, images, options), mean(images).double()))
        True
    """
    total = torch.zeros((), dtype=torch.float64)
    for view in options.views:
        found = predict(view.of(images_nchw, options.fill)).detach().double()
        if found.ndim != 2 or len(found) != len(images_nchw):
            raise ModelError(f"predictions must have shape ({len(images_nchw)}, K), got {tuple(found.shape)}")
        if not bool(((found >= -_SLACK) & (found <= 1 + _SLACK)).all()):
            raise ModelError("only probabilities in [0, 1] can be averaged; turn logits into probabilities first")
        total = total.to(found.device) + found
    return total / len(options.views)
