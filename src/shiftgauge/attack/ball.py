"""The images that an attack may give: a ball around each image, cut by the range of pixels; float rounding included."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from shiftgauge.attack.snr import NormName

_GUARD = 1 + 1e-13
"""A length in float64 counts as so much larger, so that rounding of the length itself cannot leave the ball."""
_SHRINK = 1 - 1e-12
"""What is too long is shortened to so much of ε."""


def rows_of(images: Tensor) -> Tensor:
    """Images (n, C, H, W) as rows (n, d) in the order in which they lie in memory: quick to reduce, and no copy."""
    dense = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
    return (images.permute(0, 2, 3, 1) if dense else images).flatten(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Ball:
    r"""A ball around each image of a batch, and the range of pixels where one is given.

    $$ \lVert (x' - x) / w \rVert \le \epsilon, \qquad low \le x' \le high $$

    w is 1 for ε in pixels, and σ_c for ε in the network's input scale. Images are float32. Where rounding to float32
    would put a value outside, the next value towards the image is taken, so that the inequality holds for the numbers
    as they are stored.

    Args:
        centre: x, (n, C, H, W) float32.
        epsilon: ε, (n,) float64, ≥ 0.
        weight: w, float64, (1, 1, 1, 1) or (1, C, 1, 1), > 0.
        norm: `linf` or `l2`.
        bounds: Range of pixels, or None.
    """

    centre: Tensor
    epsilon: Tensor
    weight: Tensor
    norm: NormName
    bounds: tuple[float, float] | None = None

    @cached_property
    def radius(self) -> Tensor:
        """ε w, the radius in pixels, float64 (n, 1 or C, 1, 1)."""
        return self.epsilon.view(-1, 1, 1, 1) * self.weight

    @cached_property
    def reach(self) -> Tensor:
        """`radius` in float32, rounded down."""
        near = self.radius.to(self.centre.dtype)
        return torch.where(near.double() > self.radius, torch.nextafter(near, torch.zeros_like(near)), near)

    @cached_property
    def span(self) -> Tensor:
        """w in float32."""
        return self.weight.to(self.centre.dtype)

    @cached_property
    def corners(self) -> tuple[Tensor, Tensor]:
        """L∞: smallest and largest pixel allowed, (n, C, H, W)."""
        low, high = (self._inward(self.centre + sign * self.reach, self.radius) for sign in (-1, 1))
        return self._cut(low), self._cut(high)

    def take(self, rows: Tensor) -> Ball:
        """The balls of some of the images."""
        return replace(self, centre=self.centre[rows], epsilon=self.epsilon[rows])

    def steepest(self, gradient: Tensor) -> Tensor:
        """The direction of length 1 in which a function with this gradient rises fastest; 0 where the gradient is 0.

        L∞: its sign. L2: the gradient with respect to x / w, over its length.
        """
        if self.norm == "linf":
            return gradient.sign()
        return self.unit(gradient * self.span)

    def unit(self, direction: Tensor) -> Tensor:
        """Scales each image's direction to the length 1 in the ball's norm; zeros stay."""
        length = _length(rows_of(direction), self.norm).view(-1, 1, 1, 1)
        return direction / torch.where(length > 0, length, 1)

    def along(self, direction: Tensor) -> Tensor:
        """x + ε w d for directions d of length at most 1, inside the ball and the range."""
        moved = torch.addcmul(self.centre, direction, self.reach)
        return self.settle(moved) if self.norm == "l2" else self._cut(self._inward(moved, self.radius))

    def step(self, images: Tensor, direction: Tensor, share: float | Tensor) -> Tensor:
        """Goes `share` · ε w d from images, and back into the ball and the range."""
        return self.project(torch.addcmul(images, direction, self.reach * share))

    def project(self, images: Tensor) -> Tensor:
        """The nearest images of the ball, then of the range; L2 up to rounding, which `settle` takes away."""
        if self.norm == "linf":
            return torch.clamp(images, *self.corners)
        away = (images - self.centre) / self.span
        length = _length(rows_of(away), "l2").view(-1, 1, 1, 1)
        limit = self.epsilon.to(length.dtype).view(-1, 1, 1, 1)
        shrink = torch.where(length > limit, limit / torch.where(length > 0, length, 1), 1)
        return self._cut(self.centre + away * (shrink * self.span))

    def settle(self, images: Tensor) -> Tensor:
        """Projects without any excess: what an attack gives must pass through here."""
        if self.norm == "linf":
            return torch.clamp(images, *self.corners)
        images = images if self.bounds is None else images.clamp(*self.bounds)
        far = self.distance(images) * _GUARD > self.epsilon
        if not bool(far.any()):
            return images
        inner = self.take(far)
        centre = inner.centre.double()
        away = images[far].double() - centre
        length = inner.length(away)
        shrink = (inner.epsilon / torch.where(length > 0, length, 1) * _SHRINK).view(-1, 1, 1, 1)
        away = away * shrink
        kept = images.clone()
        kept[far] = inner._inward((centre + away).to(images.dtype), away.abs())
        return kept

    def distance(self, images: Tensor) -> Tensor:
        """‖(x' − x) / w‖ of each image in the ball's norm, float64 (n,)."""
        return self.length(images.double() - self.centre.double())

    def length(self, away: Tensor) -> Tensor:
        """The same for differences x' − x in float64."""
        return _length(rows_of(away / self.weight), self.norm)

    def _inward(self, images: Tensor, limit: Tensor) -> Tensor:
        """Images of which each value that lies further from x than the limit is replaced by its neighbour towards x."""
        over = (images.double() - self.centre.double()).abs_() > limit
        return torch.where(over, torch.nextafter(images, self.centre), images)

    def _cut(self, images: Tensor) -> Tensor:
        return images if self.bounds is None else images.clamp_(*self.bounds)


def _length(rows_nd: Tensor, norm: NormName) -> Tensor:
    return rows_nd.abs().amax(dim=1) if norm == "linf" else torch.linalg.vector_norm(rows_nd, 2, dim=1)
