"""Batch normalisation: each channel is brought to mean 0 and variance 1 over the batch."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.engine.layer import Layer, require_channels, require_map
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError, DataError

_PIXELS = (0, 1, 2)


class BatchNorm2d(Layer):
    """y = γ x̂ + β with x̂ = (x − μ) s, s = 1 / √(σ² + ε), for each channel; μ and σ² over the M pixels of the batch.

    Gradients, with g = ∂L/∂y and sums over the M pixels: ∂L/∂β = Σ g, ∂L/∂γ = Σ g x̂, and since μ and σ² move with
    every pixel, ∂L/∂x = γ s (g − (Σ g + x̂ Σ g x̂) / M).

    While training μ and σ² are the batch's, and running means of both are kept (of σ² with M − 1 in the denominator).
    Otherwise the running means stand in for them; they do not move with x, so ∂L/∂x = γ s g.

    Args:
        channels: C, ≥ 1.
        epsilon: ε > 0.
        momentum: Share of the new batch in the running means, in [0, 1].

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> x = torch.tensor([1.0, 3.0]).view(2, 1, 1, 1)
        >>> [round(v, 3) for v in BatchNorm2d(1).forward(x, Workspace(Mode(training=True))).flatten().tolist()]
        [-1.0, 1.0]

    References:
        Ioffe, S., Szegedy, C. (2015). Batch normalization: Accelerating deep network training by reducing internal
        covariate shift. arXiv:1502.03167
    """

    mixes_images: ClassVar[bool] = True

    def __init__(self, channels: int, *, epsilon: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.channels = require_positive_int("channels", channels)
        self.epsilon, self.momentum = require_range("epsilon", epsilon, 0), require_range("momentum", momentum, 0, 1)
        if epsilon == 0:
            raise ConfigError("`epsilon` must be above 0, got 0; 1e-5 is customary")
        self.parameters = {"weight": torch.ones(channels), "bias": torch.zeros(channels)}
        self.buffers = {"running_mean": torch.zeros(channels), "running_var": torch.ones(channels)}

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) → (C, H, W)."""
        return require_map("`BatchNorm2d`", shape, self.channels)

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, H, W, C) → (N, H, W, C)."""
        require_channels("`BatchNorm2d`", x, self.channels, axes=4)
        shape = tuple(x.shape)
        centred = x if ws.may_overwrite else ws.buffer("centred", shape, like=x)
        if ws.mode.training:
            variance = self._centre(x, centred, ws.buffer("products", shape, like=x))
        else:
            variance = self.buffers["running_var"]
            torch.sub(x, self.buffers["running_mean"], out=centred)
        scale = (variance + self.epsilon).rsqrt_()
        ws.kept["centred"], ws.kept["scale"] = centred, scale
        weight, bias = self.parameters["weight"] * scale, self.parameters["bias"]
        return torch.addcmul(bias, centred, weight, out=ws.buffer("output", shape, like=x))

    def _centre(self, x: Tensor, centred: Tensor, squares: Tensor) -> Tensor:
        """x − μ goes to `centred`, the running means move; returns σ²."""
        m = x.numel() // self.channels
        if m < 2:
            raise DataError("batch normalisation needs at least 2 pixels to train on, got 1; give more images a batch")
        mean = x.mean(_PIXELS)
        torch.sub(x, mean, out=centred)
        variance = torch.mul(centred, centred, out=squares).mean(_PIXELS)
        self.buffers["running_mean"].lerp_(mean, self.momentum)
        self.buffers["running_var"].lerp_(variance * (m / (m - 1)), self.momentum)
        return variance

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, H, W, C) → ∂L/∂x (N, H, W, C), in the place of x − μ."""
        centred, scale = ws.kept["centred"], ws.kept["scale"]
        total = grad.sum(_PIXELS)
        along = torch.mul(grad, centred, out=ws.buffer("products", tuple(grad.shape), like=grad)).sum(_PIXELS)
        along.mul_(scale)  # Σ g x̂
        for name, value in (("weight", along), ("bias", total)):
            place = ws.gradient(name)
            if place is not None:
                place.add_(value)
        weight = self.parameters["weight"] * scale
        if not ws.mode.training:
            return torch.mul(grad, weight, out=centred)
        m = grad.numel() // self.channels
        torch.addcmul(weight * total / -m, centred, weight * scale * along / -m, out=centred)
        return centred.addcmul_(grad, weight)
