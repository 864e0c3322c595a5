"""Which axis of what a block gives holds its channels: the second of most maps, the last of a Swin transformer's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from shiftgauge.models.capture import Recorder, as_features

_FIRST: Final = (_ConvNd, _BatchNorm, _InstanceNorm, nn.GroupNorm)
_POOLS: Final = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)


def channel_axes(network: nn.Module, images_nchw: torch.Tensor, names: Sequence[str]) -> dict[str, int]:
    """Finds the axis of the channels in what named parts of a network give, from one run.

    Layers with weights say how many channels they give, and so which axis holds them. The last such layer before the
    end of a part whose output has the shape of the part's own decides. Without one, a pooling of torch has its channels
    second; maps of a timm network that declares `output_fmt` NHWC have them last, as sequences (N, T, C) have; all
    else has them second.

    Args:
        network: The network, in the mode and with the gradients that the caller wants.
        images_nchw: What it takes.
        names: Module paths of the parts.

    Returns:
        Name → axis in the batch, ≥ 1.

    Raises:
        ModelError: An unknown part, or one that does not give one tensor with a row for each image.

    Example:
        >>> class Last(nn.Module):
        ...     def forward(self, images):
        ...         return images.permute(0, 2, 3, 1)
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), Last(), nn.LayerNorm(4))
        >>> channel_axes(net, torch.zeros(2, 3, 8, 8), ["1", "3"])
        {'1': 1, '3': 3}
    """
    witnesses: list[tuple[tuple[int, ...], int]] = []
    found: dict[str, int] = {}
    modules = dict(network.named_modules(remove_duplicate=False))
    nhwc = str(getattr(network, "output_fmt", "")).upper().endswith("NHWC")

    def testify(module: nn.Module, inputs: Any, output: Any) -> None:
        axis = _axis_of(module, output)
        if axis is not None:
            witnesses.append((tuple(output.shape), axis))

    def settle(name: str, output: Any) -> None:
        shape = tuple(as_features(name, output, len(images_nchw)).shape)
        known = next((axis for seen, axis in reversed(witnesses) if seen == shape), None)
        found[name] = _usual_axis(modules[name], len(shape), nhwc) if known is None else known

    with ExitStack() as stack:
        for module in network.modules():
            if _channels(module) is not None:
                stack.callback(module.register_forward_hook(testify).remove)
        stack.enter_context(Recorder(network, names).into(settle))
        network(images_nchw.clone())  # it may write into what it is given
    return found


def _channels(module: nn.Module) -> int | None:
    """How many channels a layer says that it gives."""
    if isinstance(module, _ConvNd):
        return module.out_channels
    if isinstance(module, (_BatchNorm, _InstanceNorm)):
        return module.num_features
    if isinstance(module, nn.GroupNorm):
        return module.num_channels
    if isinstance(module, nn.Linear):
        return module.out_features
    return int(module.normalized_shape[-1]) if isinstance(module, nn.LayerNorm) else None


def _axis_of(module: nn.Module, output: Any) -> int | None:
    """Axis of the channels that a layer gives; None where it says nothing of it."""
    if not isinstance(output, torch.Tensor) or output.ndim < 3:
        return None
    count, last = _channels(module), output.ndim - 1
    second_fits, last_fits = output.shape[1] == count, output.shape[last] == count
    if second_fits and last_fits:  # as many channels as positions: the kind of the layer tells
        plain = type(module) in (nn.LayerNorm, nn.Linear)
        return 1 if isinstance(module, _FIRST) else last if plain else None
    return 1 if second_fits else last if last_fits else None


def _usual_axis(module: nn.Module, n_axes: int, nhwc: bool) -> int:
    if n_axes == 4 and nhwc and not isinstance(module, _POOLS):
        return 3
    return 2 if n_axes == 3 else 1
