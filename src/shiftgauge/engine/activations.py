"""Activations: one number in, one number out, each with its slope."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError


class _Activation(Layer):
    """What activations share: the shape stays, and backward works from the output."""

    keeps_output: ClassVar[bool] = True

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the input."""
        return shape

    def _room(self, x: Tensor, ws: Workspace) -> Tensor:
        """Where the output goes: over the input where that is allowed."""
        y = x if ws.may_overwrite else ws.buffer("output", tuple(x.shape), like=x)
        if ws.mode.keep:
            ws.kept["y"] = y
        return y

    def _grad_room(self, ws: Workspace) -> Tensor:
        """Where ∂L/∂x goes: over the output, which is read for the last time on the way."""
        return ws.kept["y"]


class ReLU(_Activation):
    """y = max(x, 0); ∂L/∂x = ∂L/∂y where y > 0, else 0.

    At x = 0, where there are two one-sided slopes, 0 is taken, as everywhere in the field.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> ReLU().forward(torch.tensor([-2.0, 3.0]), Workspace(Mode())).tolist()
        [0.0, 3.0]
    """

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Any shape → the same shape."""
        return torch.clamp(x, min=0, out=self._room(x, ws))

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y → ∂L/∂x."""
        y = self._grad_room(ws)
        return y.sign_().mul_(grad)  # y ≥ 0, so its sign is the slope


class LeakyReLU(_Activation):
    """y = x where x > 0, else a x; ∂L/∂x = ∂L/∂y where x > 0, else a ∂L/∂y.

    Args:
        slope: a, in [0, 1). At 0 itself a is taken.

    Raises:
        ConfigError: A slope outside that range.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> LeakyReLU(0.5).forward(torch.tensor([-2.0, 3.0]), Workspace(Mode())).tolist()
        [-1.0, 3.0]
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = require_range("slope", slope, 0, 1)
        if slope == 1:
            raise ConfigError("`slope` must be below 1, got 1, which changes nothing; 0.01 is customary")

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Any shape → the same shape."""
        scaled = torch.mul(x, self.slope, out=ws.buffer("scaled", tuple(x.shape), like=x))
        return torch.maximum(x, scaled, out=self._room(x, ws))

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y → ∂L/∂x."""
        y = self._grad_room(ws)
        torch.gt(y, 0, out=y)  # 1 where x > 0, else 0
        return y.mul_(1 - self.slope).add_(self.slope).mul_(grad)


class Sigmoid(_Activation):
    """y = 1 / (1 + e⁻ˣ); ∂L/∂x = ∂L/∂y · y (1 − y).

    Where |x| is large y is 0 or 1 to the last digit, and so the gradient is exactly 0 even for an image that is
    confidently wrong: above 17 in float32. Train on the logits (`BinaryCrossEntropyWithLogits`) to avoid it.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> Sigmoid().forward(torch.tensor([0.0]), Workspace(Mode())).tolist()
        [0.5]
    """

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Any shape → the same shape."""
        y = torch.neg(x, out=self._room(x, ws))
        return y.exp_().add_(1).reciprocal_()  # e⁻ˣ overflows to infinity for x → −∞, whose reciprocal is 0

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y → ∂L/∂x."""
        y = self._grad_room(ws)
        return y.addcmul_(y, y, value=-1).mul_(grad)
