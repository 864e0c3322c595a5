"""Layers as plain values, to be kept in a file, and layers made from them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shiftgauge.checks import unknown_name
from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ConfigError

_PLAIN: Final = (Conv2d, Linear, Flatten, ReLU, LeakyReLU, Sigmoid, MaxPool2d, AvgPool2d, BatchNorm2d, Dropout)
KINDS: Final[Mapping[str, type[Layer]]] = {kind.__name__: kind for kind in (*_PLAIN, Sequential, Residual)}
"""Layers by the name that a description calls them."""


def describe(layer: Layer) -> dict[str, Any]:
    """Returns a layer without its weights as plain values: its kind and the options that it was made with.

    Args:
        layer: One of those in `KINDS`.

    Raises:
        ConfigError: A layer of another kind.

    Example:
        >>> describe(Sequential(Linear(2, 1), ReLU()))["layers"][0]
        {'kind': 'Linear', 'in_features': 2, 'out_features': 1, 'bias': True}
    """
    kind = type(layer)
    if KINDS.get(kind.__name__) is not kind:
        raise ConfigError(f"a layer of the kind `{kind.__name__}` cannot be described; there are {', '.join(KINDS)}")
    if isinstance(layer, Sequential):
        return {"kind": "Sequential", "layers": [describe(inner) for inner in layer.layers]}
    if isinstance(layer, Residual):
        return {"kind": "Residual", "body": describe(layer.body), "shortcut": describe(layer.shortcut)}
    options = {name: _option(layer, name) for name in _option_names(kind)}
    return {"kind": kind.__name__, **options}


def layer_of(description: Mapping[str, Any]) -> Layer:
    """Makes a layer of what `describe` gave, with the weights of a new one.

    Args:
        description: `kind` and the options of that kind.

    Raises:
        ConfigError: An unknown kind, or options that it does not take.

    Example:
        >>> layer = layer_of({"kind": "Conv2d", "in_channels": 1, "out_channels": 4, "kernel_size": 3, "padding": 1})
        >>> layer.output_shape((1, 8, 8))
        (4, 8, 8)
    """
    if not isinstance(description, Mapping) or not isinstance(description.get("kind"), str):
        raise ConfigError(f"a layer is described by a group of keys with its `kind`, got {description!r}")
    name, options = description["kind"], {key: value for key, value in description.items() if key != "kind"}
    if name not in KINDS:
        raise ConfigError(unknown_name("layer", name, list(KINDS)))
    if name == "Sequential":
        _require_keys(name, options, ("layers",))
        inner = options["layers"]
        if not isinstance(inner, Sequence) or isinstance(inner, str):
            raise ConfigError(f"`layers` of a `Sequential` must be a list of layers, got {inner!r}")
        return Sequential(*(layer_of(one) for one in inner))
    if name == "Residual":
        _require_keys(name, options, ("body", "shortcut"))
        return Residual(layer_of(options["body"]), layer_of(options["shortcut"]))
    for key in options:
        if key not in _option_names(KINDS[name]):
            raise ConfigError(unknown_name(f"option of the layer {name}", str(key), _option_names(KINDS[name])))
    try:
        return KINDS[name](**options)
    except TypeError as error:
        raise ConfigError(f"the layer `{name}` cannot be made of {options}: {error}") from error


def _option_names(kind: type[Layer]) -> list[str]:
    return [] if kind.__init__ is Layer.__init__ else list(inspect.signature(kind).parameters)


def _option(layer: Layer, name: str) -> Any:
    return "bias" in layer.parameters if name == "bias" else getattr(layer, name)


def _require_keys(kind: str, options: Mapping[str, Any], names: Sequence[str]) -> None:
    if sorted(options) != sorted(names):
        raise ConfigError(f"a `{kind}` is described by {' and '.join(names)}, got {sorted(map(str, options))}")
