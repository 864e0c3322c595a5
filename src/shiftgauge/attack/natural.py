"""Changes that happen to images by themselves, put on the scale of decibels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from shiftgauge.attack.snr import set_snr_db
from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.models.input_scale import InputScale


@dataclass(frozen=True, kw_only=True)
class NaturalShift:
    """A change of images with a strength, such as brightness or blur.

    Args:
        name: For tables and figures.
        levels: Strengths to try, at least one, in any order.
        apply: (images (N, C, H, W) in [0, 1], strength) → images like them. It is called once for each strength with
            all images; a random change must take its numbers from a seed of its own.
        unit: Of the strength, such as `px` or `deg`; may be empty.

    Raises:
        ConfigError: No name, no strength, or one that is no number.

    Example:
        >>> dim = NaturalShift(name="dimmed", levels=(0.9, 0.5), apply=lambda images, factor: images * factor)
        >>> float(dim.images(torch.ones(1, 1, 2, 2), 0.5).mean())
        0.5
    """

    name: str
    levels: tuple[float, ...]
    apply: Callable[[Tensor, float], Tensor]
    unit: str = ""

    def __post_init__(self) -> None:
        if not self.name or not self.levels:
            raise ConfigError("a natural shift needs a `name` and at least one of `levels`")
        object.__setattr__(self, "levels", tuple(require_range("levels", level) for level in self.levels))

    def images(self, images_nchw: Tensor, level: float) -> Tensor:
        """The images at a strength.

        Raises:
            DataError: What `apply` gives has another shape.
            NumericalError: It holds NaN or infinity.
        """
        found = self.apply(images_nchw.clone(), level)
        if not isinstance(found, Tensor) or found.shape != images_nchw.shape:
            shape = tuple(getattr(found, "shape", ()))
            raise DataError(f"`{self.name}` must give images of the shape {tuple(images_nchw.shape)}, got {shape}")
        if not bool(torch.isfinite(found).all()):
            raise NumericalError(f"`{self.name}` gives NaN or infinity at the strength {level:g}")
        return found.detach().to(torch.float32)


def level_at_snr(
    shift: NaturalShift,
    images_nchw: Tensor,
    snr_db: float,
    *,
    weak: float,
    strong: float,
    scale: InputScale | None = None,
    tolerance_db: float = 0.05,
    steps: int = 60,
) -> float:
    """Returns the strength at which a shift has a signal-to-noise ratio over the whole set, by bisection.

    The ratio must fall from `weak` to `strong`. Where it jumps over the ratio asked for (shifts by whole pixels), the
    strength just after the jump is returned, and its ratio differs.

    Args:
        shift: The shift.
        images_nchw: (N, C, H, W), pixels.
        snr_db: Ratio asked for, finite.
        weak: A strength with a larger ratio, such as the one that changes nothing.
        strong: A strength with a smaller one.
        scale: The network's input scale, in which ratios are then taken; None for pixels.
        tolerance_db: How close is close enough, > 0.
        steps: Halvings at most, ≥ 1.

    Raises:
        ConfigError: The ratio does not lie between those of the two strengths; they are told.

    Example:
        >>> dim = NaturalShift(name="dimmed", levels=(0.5,), apply=lambda images, factor: images * factor)
        >>> round(level_at_snr(dim, torch.rand(4, 1, 8, 8), 20.0, weak=1.0, strong=0.0), 3)
        0.9
    """
    require_range("snr_db", snr_db)
    require_positive_int("steps", steps)

    def ratio(level: float) -> float:
        pair = images_nchw.double(), shift.images(images_nchw, level).double()
        return set_snr_db(*(pair if scale is None else (scale.of_pixels(images) for images in pair)))

    quiet, loud = ratio(weak), ratio(strong)
    if not quiet >= snr_db >= loud:
        raise ConfigError(
            f"`snr_db` must lie between {loud:g} dB (`strong` = {strong:g}) and {quiet:g} dB (`weak` = {weak:g}) for "
            f"`{shift.name}`, got {snr_db:g}"
        )
    for _ in range(steps):
        middle = (weak + strong) / 2
        found = ratio(middle)
        if math.isclose(found, snr_db, rel_tol=0, abs_tol=tolerance_db):
            return middle
        weak, strong = (middle, strong) if found > snr_db else (weak, middle)
    return strong
