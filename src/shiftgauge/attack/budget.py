"""How much an attack may change: ε or decibels, in which unit, in which norm, within which range of pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.ball import Ball
from shiftgauge.attack.snr import NormName, epsilon_for_snr, image_rms, set_rms
from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.input_scale import InputScale, ScaleName

Epsilon: TypeAlias = float | Sequence[float] | npt.NDArray[np.floating] | Tensor
"""One ε for all images, or one for each."""
_MOST = 2.0
"""Images without a negative value that hold larger ones than this are none in [0, 1], changed or not."""
SnrOf: TypeAlias = Literal["image", "set"]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The largest change that an attack may make, as ε or as a signal-to-noise ratio.

    A ratio is turned into ε by the loudest change that fits the ball: `epsilon_for_snr`. So an attack asked for 40 dB
    is never louder than 40 dB, and a noise asked for 40 dB has 40 dB exactly, image by image (before the range of
    pixels cuts it).

    Args:
        epsilon: ε ≥ 0, one for all images or one for each (N,); or None with `snr_db`.
        snr_db: In dB, infinite for no change; or None with `epsilon`.
        snr_of: `image` (default): the ratio holds for each image, so that bright images get a larger ε; `set`: one ε
            from the root mean square of all images.
        unit: `pixel` (default): ε and ratio are in units of [0, 1]; `input`: in the network's input scale (p − μ) / σ,
            that is, ε σ_c in pixels in channel c.
        norm: `linf` (default) or `l2`.
        bounds: Range in which pixels must stay, such as (0, 1); None (default, as published) for no clipping. What is
            cut off makes a change quieter than asked; results hold what it was.

    Raises:
        ConfigError: Both or neither of ε and ratio, a value outside its range, an unknown word.

    Example:
        >>> Budget(epsilon=8 / 255, bounds=(0, 1)).norm
        'linf'
        >>> Budget.from_snr(40).radii(torch.full((1, 1, 2, 2), 0.5), None).tolist()
        [0.005]
    """

    epsilon: Epsilon | None = None
    snr_db: float | None = None
    snr_of: SnrOf = "image"
    unit: ScaleName = "pixel"
    norm: NormName = "linf"
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if (self.epsilon is None) == (self.snr_db is None):
            raise ConfigError("a budget needs either `epsilon` or `snr_db`, and not both")
        require_in("snr_of", self.snr_of, ("image", "set"))
        require_in("unit", self.unit, ("pixel", "input"))
        require_in("norm", self.norm, ("linf", "l2"))
        if self.epsilon is not None:
            object.__setattr__(self, "epsilon", _plain(self.epsilon))
        elif self.snr_db != math.inf:
            object.__setattr__(self, "snr_db", require_range("snr_db", self.snr_db, hint="infinite is no change"))
        if self.bounds is not None:
            low, high = (require_range("bounds", end) for end in self.bounds)
            if low >= high:
                raise ConfigError(f"`bounds` must rise, such as (0, 1), got ({low:g}, {high:g})")
            object.__setattr__(self, "bounds", (low, high))

    @classmethod
    def from_snr(
        cls,
        db: float,
        *,
        of: SnrOf = "image",
        unit: ScaleName = "pixel",
        norm: NormName = "linf",
        bounds: tuple[float, float] | None = None,
    ) -> Budget:
        """The budget of a signal-to-noise ratio in dB; see the arguments of the class."""
        return cls(snr_db=db, snr_of=of, unit=unit, norm=norm, bounds=bounds)

    @property
    def per_image(self) -> bool:
        """Whether ε is stated for each image."""
        return isinstance(self.epsilon, tuple)

    def radii(self, images_nchw: Tensor, scale: InputScale | None) -> Tensor:
        """ε of each image in the budget's unit, float64 (N,).

        Args:
            images_nchw: All images of the set, pixels.
            scale: The network's input scale; used with the unit `input`.

        Raises:
            ConfigError: Another number of ε than images, or no scale for the unit `input`.
        """
        n = len(images_nchw)
        if self.epsilon is not None:
            if isinstance(self.epsilon, tuple) and len(self.epsilon) != n:
                raise ConfigError(
                    f"`epsilon` must be one number or one for each of {n} images, got {len(self.epsilon)}"
                )
            return torch.as_tensor(self.epsilon, dtype=torch.float64).expand(n).clone()
        seen = images_nchw if self.unit == "pixel" else self.scale_of(scale).of_pixels(images_nchw)
        rms = image_rms(seen) if self.snr_of == "image" else np.full(n, set_rms(seen))
        size = math.prod(images_nchw.shape[1:])
        return torch.from_numpy(epsilon_for_snr(float(self.snr_db or 0.0), rms, norm=self.norm, n_values=size))

    def scale_of(self, scale: InputScale | None) -> InputScale:
        """The scale of the unit `input`.

        Raises:
            ConfigError: It was not given.
        """
        if scale is None:
            raise ConfigError("`unit` is `input`, but no input scale was given; pass `scale`, or state ε in pixels")
        return scale

    def for_noise(self) -> Budget:
        """The budget in which noise is drawn: where a ratio is asked for, the L2 ball whose surface has that ratio."""
        return self if self.snr_db is None else replace(self, norm="l2")

    def ball(self, images_nchw: Tensor, radii_n: Tensor, scale: InputScale | None) -> Ball:
        """The ball of a batch of images with their `radii`."""
        weight = torch.ones(1, 1, 1, 1, dtype=torch.float64)
        if self.unit == "input":
            weight = torch.tensor(self.scale_of(scale).std, dtype=torch.float64).view(1, -1, 1, 1)
        return Ball(
            centre=images_nchw,
            epsilon=radii_n.to(images_nchw.device),
            weight=weight.to(images_nchw.device),
            norm=self.norm,
            bounds=self.bounds,
        )

    def check_images(self, images_nchw: Tensor) -> None:
        """Checks that images lie in the range in which they must stay.

        Raises:
            DataError: They do not, they are NaN or infinite, or they look like values from 0 to 255.
        """
        low, high = float(images_nchw.min()), float(images_nchw.max())
        if not math.isfinite(low + high):
            raise DataError("images hold values that are NaN or infinite")
        whole = high > 1 and bool((images_nchw == images_nchw.round()).all())
        if low >= 0 and (whole or high > _MOST):
            kind = "whole numbers" if whole else "values"
            raise DataError(f"images hold {kind} up to {high:g}; pixels are from 0 to 1, so divide by 255")
        if self.bounds is None:
            return
        least, most = torch.tensor(self.bounds, dtype=images_nchw.dtype).tolist()
        if low < least or high > most:
            raise DataError(
                f"images hold values from {low:g} to {high:g}, outside `bounds` from {least:g} to {most:g}; clip them, "
                "or widen the bounds"
            )

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain JSON-able values; an infinite ratio is the text `inf`."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {**plain, "snr_db": "inf" if self.snr_db == math.inf else self.snr_db}


def budgets_at(
    epsilons: Sequence[float],
    *,
    unit: ScaleName = "pixel",
    norm: NormName = "linf",
    bounds: tuple[float, float] | None = None,
) -> tuple[Budget, ...]:
    """One budget for each ε.

    Example:
        >>> [b.epsilon for b in budgets_at([0.0, 0.01], unit="input")]
        [0.0, 0.01]
    """
    return tuple(Budget(epsilon=e, unit=unit, norm=norm, bounds=bounds) for e in epsilons)


def budgets_at_snr(
    dbs: Sequence[float],
    *,
    of: SnrOf = "image",
    unit: ScaleName = "pixel",
    norm: NormName = "linf",
    bounds: tuple[float, float] | None = None,
) -> tuple[Budget, ...]:
    """One budget for each ratio in dB.

    Example:
        >>> [b.snr_db for b in budgets_at_snr([50, 40])]
        [50.0, 40.0]
    """
    return tuple(Budget.from_snr(db, of=of, unit=unit, norm=norm, bounds=bounds) for db in dbs)


def _plain(epsilon: Any) -> float | tuple[float, ...]:
    if isinstance(epsilon, (Tensor, np.ndarray)) and epsilon.ndim == 0:
        epsilon = float(epsilon)
    if isinstance(epsilon, (Tensor, np.ndarray)):
        epsilon = epsilon.tolist()
    if isinstance(epsilon, (list, tuple)):
        return tuple(require_range("epsilon", value, 0) for value in epsilon)
    return require_range("epsilon", epsilon, 0)
