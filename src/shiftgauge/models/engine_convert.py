"""Networks of the engine as PyTorch's own layers, and back: the twin that the engine is held against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.dropout import Dropout
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.network import Network
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.errors import ModelError
from shiftgauge.models.engine_module import EngineSum


def to_torch(layer: Layer) -> nn.Module:
    """The same layers by PyTorch, with copies of the weights; a `Sequential` becomes an `nn.Sequential`.

    Weights are brought to PyTorch's order: (i, j, c, o) of a convolution becomes (o, c, i, j), (in, out) of a matrix
    product becomes (out, in).

    Args:
        layer: A layer of the engine, such as `Network.layers`.

    Returns:
        The module in training mode. The numbers are equal but for rounding.

    Raises:
        ModelError: A layer that PyTorch has no like of.

    Example:
        >>> to_torch(Sequential(Linear(2, 1), ReLU()))
        Sequential(
          (0): Linear(in_features=2, out_features=1, bias=True)
          (1): ReLU()
        )
    """
    if isinstance(layer, Sequential):
        return nn.Sequential(*(to_torch(inner) for inner in layer.layers))
    if isinstance(layer, Residual):
        return EngineSum(to_torch(layer.body), to_torch(layer.shortcut))
    own = {**layer.parameters, **layer.buffers}
    module = _module(layer)
    for value in own.values():
        module.to(device=value.device, dtype=value.dtype)
    state = {name: _torch_order(layer, name, value).clone() for name, value in own.items()}
    module.load_state_dict(state, strict=False)  # the counter of batches that PyTorch keeps is not the engine's
    return module


def from_torch(module: nn.Module, *, input_shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Network:
    """A network of the engine with the layers and weights of a PyTorch one.

    Args:
        module: `nn.Sequential` of convolutions, matrix products, poolings, activations, batch normalisations, dropout,
            flattening, and further `nn.Sequential` and `EngineSum` of these.
        input_shape: Of one image, (C, H, W), or (F,).
        dtype: float32 or float64.

    Raises:
        ModelError: A module that the engine has no like of, or with an option that it does not know.
        ConfigError: Layers that do not fit one another or the input.

    Example:
        >>> twin = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> from_torch(twin, input_shape=(1, 2, 2)).n_parameters
        10
    """
    layers = _layer(module, "")
    network = Network(
        layers if isinstance(layers, Sequential) else Sequential(layers), input_shape=input_shape, dtype=dtype
    )
    given = _weights(module, "" if isinstance(layers, Sequential) else "0.")
    network.load_state({name: value.detach().to(dtype) for name, value in given.items()})
    return network


def _module(layer: Layer) -> nn.Module:
    if isinstance(layer, Conv2d):
        bias, groups, sizes = "bias" in layer.parameters, layer.groups, (layer.kernel_size, layer.stride, layer.padding)
        return nn.Conv2d(layer.in_channels, layer.out_channels, *sizes, groups=groups, bias=bias)
    if isinstance(layer, Linear):
        return nn.Linear(layer.in_features, layer.out_features, bias="bias" in layer.parameters)
    if isinstance(layer, BatchNorm2d):
        return nn.BatchNorm2d(layer.channels, eps=layer.epsilon, momentum=layer.momentum)
    if isinstance(layer, MaxPool2d):
        return nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, AvgPool2d):
        return nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
    if isinstance(layer, LeakyReLU):
        return nn.LeakyReLU(layer.slope)
    if isinstance(layer, Dropout):
        return nn.Dropout(layer.probability)
    alike = {ReLU: nn.ReLU, Sigmoid: nn.Sigmoid, Flatten: nn.Flatten}
    if type(layer) not in alike:
        raise ModelError(f"PyTorch has no layer like `{type(layer).__name__}`")
    return alike[type(layer)]()


def _layer(module: nn.Module, path: str) -> Layer:
    """The engine's layer, its weights still new."""
    if isinstance(module, nn.Sequential):
        return Sequential(*(_layer(inner, f"{path}{name}.") for name, inner in module.named_children()))
    if isinstance(module, EngineSum):
        return Residual(_layer(module.body, f"{path}body."), _layer(module.shortcut, f"{path}shortcut."))
    if isinstance(module, nn.Conv2d):
        size, stride, padding = (_one(value, path) for value in (module.kernel_size, module.stride, module.padding))
        if _one(module.dilation, path) != 1 or module.padding_mode != "zeros":
            raise ModelError(f"`{path[:-1]}`: the engine's convolutions have no dilation and a border of zeros")
        bias, groups = module.bias is not None, module.groups
        ins, outs = module.in_channels, module.out_channels
        return Conv2d(ins, outs, size, stride=stride, padding=padding, groups=groups, bias=bias)
    if isinstance(module, nn.Linear):
        return Linear(module.in_features, module.out_features, bias=module.bias is not None)
    if isinstance(module, nn.BatchNorm2d):
        if not (module.affine and module.track_running_stats and module.momentum is not None):
            raise ModelError(f"`{path[:-1]}`: batch normalisation needs weights, running means and a momentum")
        return BatchNorm2d(module.num_features, epsilon=module.eps, momentum=module.momentum)
    return _layer_without_weights(module, path)


def _layer_without_weights(module: nn.Module, path: str) -> Layer:
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
        size, stride, padding = (_one(value, path) for value in (module.kernel_size, module.stride, module.padding))
        odd = module.dilation != 1 if isinstance(module, nn.MaxPool2d) else not module.count_include_pad
        if odd or module.ceil_mode:
            raise ModelError(f"`{path[:-1]}`: the engine's poolings have no dilation, round down and count the border")
        kind = MaxPool2d if isinstance(module, nn.MaxPool2d) else AvgPool2d
        return kind(size, stride=stride, padding=padding)
    if isinstance(module, nn.LeakyReLU):
        return LeakyReLU(module.negative_slope)
    if isinstance(module, nn.Dropout):
        return Dropout(module.p)
    if isinstance(module, nn.Flatten) and (module.start_dim, module.end_dim) == (1, -1):
        return Flatten()
    if isinstance(module, nn.Identity):
        return Sequential()
    alike = {nn.ReLU: ReLU, nn.Sigmoid: Sigmoid}
    if type(module) not in alike:
        raise ModelError(f"the engine has no layer like `{path[:-1] or 'the network'}`, a {type(module).__name__}")
    return alike[type(module)]()


def _weights(module: nn.Module, path: str) -> dict[str, Tensor]:
    """Path in the engine → weights in the engine's order."""
    if isinstance(module, nn.Sequential | EngineSum):
        parts = enumerate(module) if isinstance(module, nn.Sequential) else module.named_children()
        return {k: v for name, inner in parts for k, v in _weights(inner, f"{path}{name}.").items()}
    own = {k: v for k, v in module.state_dict().items() if k != "num_batches_tracked"}
    if isinstance(module, nn.Conv2d):
        own["weight"] = own["weight"].permute(2, 3, 1, 0)
    if isinstance(module, nn.Linear):
        own["weight"] = own["weight"].t()
    return {f"{path}{name}": value for name, value in own.items()}


def _torch_order(layer: Layer, name: str, value: Tensor) -> Tensor:
    if isinstance(layer, Conv2d) and name == "weight":
        return value.permute(3, 2, 0, 1)
    return value.t() if isinstance(layer, Linear) and name == "weight" else value


def _one(value: object, path: str) -> int:
    """One number for both axes."""
    if isinstance(value, int):
        return value
    if isinstance(value, tuple) and len(value) == 2 and value[0] == value[1] and isinstance(value[0], int):
        return value[0]
    raise ModelError(f"`{path[:-1]}`: the engine has one number for rows and columns, got {value!r}")
