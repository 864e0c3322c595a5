"""Gradient ascent on an activation: the options, where it begins and one step of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias

import torch

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.explain.operators import Operator, View
from shiftgauge.explain.regularizers import Regularizer, TotalVariation
from shiftgauge.models.input_scale import InputScale, ScaleName
from shiftgauge.random import check_seed

Activate: TypeAlias = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Images (n, C, H, W), pixels in [0, 1] → activations (n,) and logits (n, K), inside the autograd graph."""


@dataclass(frozen=True, kw_only=True)
class Ascent:
    """Where an ascent stands.

    Args:
        images_nchw: The images, as pixels: [0, 1] is black to white.
        scale: The units of the steps.
        step: Steps taken.
    """

    images_nchw: torch.Tensor
    scale: InputScale
    step: int = 0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is measured of the images of an ascent.

    Args:
        activation: (n,).
        penalty: (n,), the weighted sum of the regularisers.
        predicted: (n,), number of the class with the largest logit.
        slope: (n,), length ‖∇a‖₂ in the units of the steps, through the views of the step; NaN where none was taken.
    """

    activation: torch.Tensor
    penalty: torch.Tensor
    predicted: torch.Tensor
    slope: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class ActivationMaximization:
    r"""Gradient ascent on an activation a, with regularisers R, operators r and views τ.

    $$ x_{t+1} = r(x_t) + e_1 \nabla_x a(\tau_t(x_t)) - e_2 \sum_k w_k \nabla_x R_k(x_t), \qquad
       x = (p - \mu_c) / \sigma_c $$

    After each step a pixel is put back to black or white where it went beyond: in the input scale the bounds are
    (0 − μ) / σ and (1 − μ) / σ per channel. (The published code clamps a normalised image to [0, 1]: all that is darker
    than the mean jumps to it at the first step, and half of the range is lost.) A start beyond the bounds is kept where
    it is and goes no further out. With both sizes 0 and no operator an image stays as it is, bit for bit.

    Args:
        steps: T ≥ 1; default 300, as published for CIFAR-10 (500 for lung ultrasound).
        step_size: e1 ≥ 0, in the units of `scale`; default 0.1 as published.
        penalty_size: e2 ≥ 0; default 0.1 as published.
        regularizers: R_k; default the total variation as the published code has it (anisotropic, mean), which at
            e2 = 0.1 hardly acts; see `TotalVariation`.
        operators: r, applied in this order; default none.
        views: τ, applied in this order and drawn anew for each step; default none.
        gradient: `plain` (default) or `normalised`: ∇a over its length ‖∇a‖₂, image by image, so that e1 is the length
            of a step.
        bounds: `image` (default) or `none`.
        scale: `input` (default) for sizes and regularisers in the network's input scale, `pixel` for [0, 1].
        noise: Standard deviation of a start from noise about mid-grey, in the units of `scale`, ≥ 0; default 0.1.
        seed: Decides noise and views; all images of a call get the same ones, so that what differs is due to targets.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> ActivationMaximization(steps=10, gradient="normalised").penalty_size
        0.1

    References:
        Erhan, D.; Bengio, Y.; Courville, A.; Vincent, P. (2009). Visualizing higher-layer features of a deep network.
        Université de Montréal, technical report 1341.
        Mahendran, A.; Vedaldi, A. (2016). Visualizing deep convolutional neural networks using natural pre-images.
        International Journal of Computer Vision 120, 233-255. doi:10.1007/s11263-016-0911-8
    """

    steps: int = 300
    step_size: float = 0.1
    penalty_size: float = 0.1
    regularizers: tuple[Regularizer, ...] = (TotalVariation(),)
    operators: tuple[Operator, ...] = ()
    views: tuple[View, ...] = ()
    gradient: Literal["plain", "normalised"] = "plain"
    bounds: Literal["image", "none"] = "image"
    scale: ScaleName = "input"
    noise: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_int("steps", self.steps)
        for name in ("step_size", "penalty_size", "noise"):
            require_range(name, getattr(self, name), 0)
        require_in("gradient", self.gradient, ("plain", "normalised"))
        require_in("bounds", self.bounds, ("image", "none"))
        require_in("scale", self.scale, ("input", "pixel"))
        check_seed(self.seed)
        for name in ("regularizers", "operators", "views"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def init(self, images_nchw: torch.Tensor, scale: InputScale) -> Ascent:
        """Begins at images (n, C, H, W), pixels in [0, 1]; they are not written to."""
        return Ascent(images_nchw=images_nchw.detach(), scale=scale)

    def step(self, state: Ascent, activate: Activate) -> tuple[Ascent, Reading]:
        """Takes one step, and says what was measured of the images before it."""
        images = state.images_nchw.clone().requires_grad_()
        with torch.enable_grad():
            activation, logits = activate(self._seen(images, state.step))
            uphill, slope = self._uphill(activation, images, state.scale)
            penalty, downhill = self._penalty(state)
        reading = _reading(activation, penalty, logits) if not self.views else self.read(state, activate)
        reading = replace(reading, slope=slope)
        moved = kept = self._operated(state)
        width = state.scale.width(images)
        if uphill is not None:
            moved = moved + width * (self.step_size * uphill)
        if downhill is not None:
            moved = moved - width * (self.penalty_size * downhill)
        if self.bounds == "image":  # what stands beyond black or white may stay there
            moved = torch.clamp(moved, kept.clamp(max=0.0), kept.clamp(min=1.0))
        return replace(state, images_nchw=moved, step=state.step + 1), reading

    def read(self, state: Ascent, activate: Activate) -> Reading:
        """Measures the images as they are, through no view."""
        with torch.no_grad():
            activation, logits = activate(state.images_nchw)
            inputs = state.scale.of_pixels(state.images_nchw)
            return _reading(activation, self._sum_of_penalties(inputs), logits)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options as plain JSON-able values."""
        lists = ("regularizers", "operators", "views")
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in lists}
        return {**plain, **{name: [part.to_dict() for part in getattr(self, name)] for name in lists}}

    def _seen(self, images: torch.Tensor, step: int) -> torch.Tensor:
        for view in self.views:
            images = view.look(images, step, self.seed)
        return images

    def _operated(self, state: Ascent) -> torch.Tensor:
        images = state.images_nchw
        for operator in self.operators:
            images = operator.apply(images, state.step)
        return images

    def _uphill(
        self, activation: torch.Tensor, images: torch.Tensor, scale: InputScale
    ) -> tuple[torch.Tensor | None, torch.Tensor]:
        """∇a in the units of the steps, and its length: dp = σ dx, so the slope along x is σ times that along p."""
        if not self.step_size:
            return None, images.new_full((len(images),), torch.nan)
        slope = None
        if activation.requires_grad:
            (slope,) = torch.autograd.grad(activation.sum(), images, allow_unused=True)
        if slope is None:
            return None, images.new_zeros(len(images))
        slope = slope * scale.width(images)
        length = torch.linalg.vector_norm(slope, dim=(1, 2, 3))
        if self.gradient == "normalised":
            slope = slope / length.masked_fill(length == 0, 1.0).view(-1, 1, 1, 1)
        return slope, length

    def _penalty(self, state: Ascent) -> tuple[torch.Tensor, torch.Tensor | None]:
        inputs = state.scale.of_pixels(state.images_nchw)
        if not self.regularizers or not self.penalty_size:
            return self._sum_of_penalties(inputs), None
        inputs = inputs.requires_grad_()
        total = self._sum_of_penalties(inputs)
        (slope,) = torch.autograd.grad(total.sum(), inputs, allow_unused=True)
        return total.detach(), slope

    def _sum_of_penalties(self, inputs: torch.Tensor) -> torch.Tensor:
        parts = [part.weight * part.penalty(inputs) for part in self.regularizers]
        return torch.stack(parts).sum(dim=0) if parts else inputs.new_zeros(len(inputs))


def _reading(activation: torch.Tensor, penalty: torch.Tensor, logits: torch.Tensor) -> Reading:
    return Reading(
        activation=activation.detach(),
        penalty=penalty.detach(),
        predicted=logits.detach().argmax(dim=1),
        slope=torch.full_like(penalty.detach(), torch.nan),
    )
