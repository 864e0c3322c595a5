"""A network's layers with the shapes of their outputs and their numbers of parameters."""

from __future__ import annotations

from dataclasses import dataclass

from shiftgauge.engine.layer import named_parameters
from shiftgauge.engine.sequential import Sequential
from shiftgauge.engine.workspace import Shape


@dataclass(frozen=True, kw_only=True)
class LayerSummary:
    """One line of a network's description.

    Args:
        path: Where the layer stands, such as `3`.
        kind: Its class.
        shape: Shape of its output for one image.
        n_parameters: Numbers that it learns.
    """

    path: str
    kind: str
    shape: Shape
    n_parameters: int


def summarise(layers: Sequential, input_shape: Shape) -> list[LayerSummary]:
    """Describes layers in order.

    Args:
        layers: The layers.
        input_shape: Of one image, (C, H, W), or (F,).

    Raises:
        ConfigError: A layer does not take what the one before it gives.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> [(line.kind, line.shape, line.n_parameters) for line in summarise(Sequential(Linear(4, 2)), (4,))]
        [('Linear', (2,), 10)]
    """
    found, shape = [], input_shape
    for path, layer in layers.children.items():
        shape = layer.output_shape(shape)
        count = sum(value.numel() for value in named_parameters(layer).values())
        found.append(LayerSummary(path=path, kind=type(layer).__name__, shape=shape, n_parameters=count))
    return found
