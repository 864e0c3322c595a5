"""Layers one after another, and layers beside a short cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from shiftgauge.engine.activations import ReLU
from shiftgauge.engine.layer import Layer, walk
from shiftgauge.engine.pooling import MaxPool2d
from shiftgauge.engine.workspace import Shape, Workspace
from shiftgauge.errors import ConfigError


class Sequential(Layer):
    """y = f_n(… f_2(f_1(x))). The chain rule: the gradient goes through the same layers in the other direction.

    A ReLU right before a max-pooling is done after it: max(ReLU(a), ReLU(b)) = ReLU(max(a, b)), with the same
    gradients, on a quarter of the entries.

    Args:
        layers: f_1 to f_n, or nothing for y = x.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> Sequential(Linear(4, 3), ReLU(), Linear(3, 2)).output_shape((4,))
        (2,)
    """

    def __init__(self, *layers: Layer) -> None:
        super().__init__()
        for k, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise ConfigError(f"layer {k} must be a `Layer` of shiftgauge.engine, got {type(layer).__name__}")
        if len({id(layer) for layer in layers}) < len(layers):
            raise ConfigError("the same layer stands twice in a `Sequential`; make one object for each place")
        self.layers = layers
        self._order = _pooled_before_relu(layers)
        learned = [k for k in self._order if any(inner.parameters for _, inner in walk(layers[k]))]
        self._first_learned = learned[0] if learned else None

    @property
    def children(self) -> Mapping[str, Layer]:
        """The layers, by their number."""
        return {str(k): layer for k, layer in enumerate(self.layers)}

    def output_shape(self, shape: Shape) -> Shape:
        """The shape after the last layer.

        Raises:
            ConfigError: A layer does not take what the one before it gives; the message says which.
        """
        for k, layer in enumerate(self.layers):
            try:
                shape = layer.output_shape(shape)
            except ConfigError as error:
                raise ConfigError(f"layer {k}: {error}") from error
        return shape

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """Through all layers, from the first to the last."""
        free = ws.may_overwrite
        for k in self._order:
            inner = ws.child(str(k))
            inner.may_overwrite = free
            x = self.layers[k].forward(x, inner)
            free = self.layers[k].frees_output(free, inner)
        ws.kept["free"] = free
        return x

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """Through all layers, from the last to the first, or to the first that learns where ∂L/∂x is not wanted."""
        for k in reversed(self._order):
            inner = ws.child(str(k))
            inner.wants_input_gradient = ws.wants_input_gradient or k != self._first_learned
            grad = self.layers[k].backward(grad, inner)
            if not inner.wants_input_gradient:
                break
        return grad

    def frees_output(self, input_free: bool, ws: Workspace) -> bool:
        """As the last layer does."""
        return bool(ws.kept["free"])


class Residual(Layer):
    """y = f(x) + s(x), with s(x) = x where no short cut is given. Both take the whole gradient; at x they add up.

    Args:
        body: f.
        shortcut: s, where f changes the shape: usually a 1 × 1 convolution.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> Residual(Sequential(Linear(4, 3), ReLU(), Linear(3, 4))).output_shape((4,))
        (4,)

    References:
        He, K., Zhang, X., Ren, S., Sun, J. (2016). Deep residual learning for image recognition. CVPR.
        doi:10.1109/CVPR.2016.90
    """

    def __init__(self, body: Layer, shortcut: Layer | None = None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut or Sequential()

    @property
    def children(self) -> Mapping[str, Layer]:
        """`body` and `shortcut`."""
        return {"body": self.body, "shortcut": self.shortcut}

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of both.

        Raises:
            ConfigError: They differ.
        """
        first, second = self.body.output_shape(shape), self.shortcut.output_shape(shape)
        if first != second:
            raise ConfigError(
                f"`Residual` adds a body's output {first} to a short cut's {second}; give it a `shortcut` that brings "
                "the input to the body's shape, such as a convolution of window 1"
            )
        return first

    def forward(self, x: Tensor, ws: Workspace) -> Tensor:
        """f(x) + s(x)."""
        first = self.body.forward(x, ws.child("body"))
        second = self.shortcut.forward(x, ws.child("shortcut"))
        return torch.add(first, second, out=ws.buffer("output", tuple(first.shape), like=first))

    def backward(self, grad: Tensor, ws: Workspace) -> Tensor:
        """(∂f/∂x)ᵀ ∂L/∂y + (∂s/∂x)ᵀ ∂L/∂y."""
        for name in ("body", "shortcut"):
            ws.child(name).wants_input_gradient = ws.wants_input_gradient
        first = self.body.backward(grad, ws.child("body"))
        second = self.shortcut.backward(grad, ws.child("shortcut"))
        if not ws.wants_input_gradient:
            return grad
        return torch.add(first, second, out=ws.buffer("input gradient", tuple(first.shape), like=first))


def _pooled_before_relu(layers: Sequence[Layer]) -> list[int]:
    """The order in which layers are done: where a max-pooling follows a ReLU, the two are exchanged."""
    order = list(range(len(layers)))
    for k in range(len(layers) - 1):
        if isinstance(layers[order[k]], ReLU) and isinstance(layers[k + 1], MaxPool2d):
            order[k], order[k + 1] = order[k + 1], order[k]
    return order
