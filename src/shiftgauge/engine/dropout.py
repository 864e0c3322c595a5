"""Dropout: while training, entries are left out at random."""

from __future__ import annotations

import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError


class Dropout(Layer):
    """y = m x / (1 − p), m = 0 with probability p, else 1, drawn for every entry; ∂L/∂x = m ∂L/∂y / (1 − p).

    When not training, y = x.

    Args:
        probability: p, in [0, 1).

    Raises:
        ConfigError: A probability outside that range.

    Example:
        >>> from shiftgauge.engine.workspace import Mode
        >>> mode = Mode(training=True, generator=torch.Generator().manual_seed(0))
        >>> sorted(set(Dropout(0.5).forward(torch.ones(1, 20), Workspace(mode)).flatten().tolist()))
        [0.0, 2.0]

    References:
        Srivastava, N., Hinton, G., Krizhevsky, A., Sutskever, I., Salakhutdinov, R. (2014). Dropout: A simple way to
        prevent neural networks from overfitting. Journal of Machine Learning Research 15, 1929–1958.
    """

    def __init__(self, probability: float = 0.5) -> None:
        super().__init__()
        self.probability = require_range("probability", probability, 0, 1)
        if probability == 1:
            raise ConfigError("`probability` must be below 1, got 1, which drops everything; 0.5 is customary")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the input."""
        return shape

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Any shape → the same shape."""
        if not ws.mode.training:
            return x
        mask = ws.kept["mask"] = ws.buffer("mask", tuple(x.shape), like=x)
        mask.bernoulli_(1 - self.probability, generator=ws.mode.generator).mul_(1 / (1 - self.probability))
        return torch.mul(x, mask, out=ws.buffer("output", tuple(x.shape), like=x))

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """∂L/∂y → ∂L/∂x."""
        if not ws.mode.training:
            return grad
        return torch.mul(grad, ws.kept["mask"], out=ws.buffer("output", tuple(grad.shape), like=grad))

    def frees_output(self, input_free: bool, ws: Workspace) -> bool:
        """The output is the input itself when not training."""
        return True if ws.mode.training else input_free
