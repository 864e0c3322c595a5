"""The matrix product with a bias, and the step from maps to vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int
from shiftgauge.engine.layer import Layer, require_channels, require_map
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError


class Linear(Layer):
    """y = x W + b for each row of a batch.

    Gradients, with g = ∂L/∂y: ∂L/∂W = xᵀ g, ∂L/∂b = Σ_rows g, ∂L/∂x = g Wᵀ.

    Args:
        in_features: Length of a row of x, ≥ 1.
        out_features: Length of a row of y, ≥ 1.
        bias: Whether b is there.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> layer = Linear(2, 1)
        >>> _ = layer.parameters["weight"].copy_(torch.tensor([[1.0], [10.0]]))
        >>> layer.forward(torch.tensor([[3.0, 4.0]]), Workspace(Mode())).tolist()
        [[43.0]]
    """

    def __init__(self, in_features: int, out_features: int, *, bias: bool = True) -> None:
        super().__init__()
        self.in_features = require_positive_int("in_features", in_features)
        self.out_features = require_positive_int("out_features", out_features)
        self.parameters["weight"] = torch.zeros(in_features, out_features)
        if bias:
            self.parameters["bias"] = torch.zeros(out_features)

    def output_shape(self, shape: Shape) -> Shape:
        """(in_features,) → (out_features,)."""
        if shape != (self.in_features,):
            hint = "; put `Flatten` before it" if len(shape) == 3 else ""
            raise ConfigError(f"`Linear` takes rows of shape ({self.in_features},), got {shape}{hint}")
        return (self.out_features,)

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, in_features) → (N, out_features)."""
        require_channels("`Linear`", x, self.in_features, axes=2)
        if ws.mode.keep:
            ws.kept["x"] = x
        y = ws.buffer("output", (len(x), self.out_features), like=x)
        torch.mm(x, self.parameters["weight"], out=y)
        return y.add_(self.parameters["bias"]) if "bias" in self.parameters else y

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, out_features) → ∂L/∂x (N, in_features)."""
        x, weight = ws.kept["x"], self.parameters["weight"]
        weight_grad = ws.gradient("weight")
        if weight_grad is not None:
            weight_grad.addmm_(x.t(), grad)
        bias_grad = ws.gradient("bias") if "bias" in self.parameters else None
        if bias_grad is not None:
            bias_grad.add_(grad.sum(0))
        if not ws.wants_input_gradient:
            return grad
        return torch.mm(grad, weight.t(), out=ws.buffer("input gradient", tuple(x.shape), like=x))


class Flatten(Layer):
    """A map (H, W, C) becomes a row, in the order channel, row, column, which is that of PyTorch.

    Nothing is computed, so backward puts the entries back where they came from.
    """

    def output_shape(self, shape: Shape) -> Shape:
        """(C, H, W) → (C·H·W,)."""
        return (math.prod(require_map("`Flatten`", shape)),)

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """(N, H, W, C) → (N, C·H·W)."""
        n, height, width, channels = x.shape
        y = ws.buffer("output", (n, channels, height, width), like=x)
        ws.kept["output"] = y
        return y.copy_(x.permute(0, 3, 1, 2)).view(n, -1)

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y (N, C·H·W) → ∂L/∂x (N, H, W, C)."""
        return grad.reshape(ws.kept["output"].shape).permute(0, 2, 3, 1)
