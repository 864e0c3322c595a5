"""Grouped convolutions in float32 within a training in bfloat16 on a processor, where they are faster so.

oneDNN has fast kernels in bfloat16 for plain convolutions and for the forward pass of grouped ones. The backward pass
of depthwise convolutions with a stride, or with five taps, takes several times as long in bfloat16 as in float32, so
that a network of the EfficientNet family trains slower in bfloat16 than in float32. With its grouped convolutions in
float32 and everything else in bfloat16 it trains faster than in either alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def grouped_in_float32(network: nn.Module, *, wanted: bool = True) -> Iterator[None]:
    """Within, grouped convolutions under a CPU autocast take and compute float32, and give the autocast's type.

    Args:
        network: The network; its weights, names and hooks stay as they are.
        wanted: False does nothing.

    Example:
        >>> layer = nn.Conv2d(4, 4, 3, groups=4)
        >>> with grouped_in_float32(layer), torch.autocast("cpu", torch.bfloat16):
        ...     layer(torch.ones(1, 4, 5, 5)).dtype
        torch.bfloat16
    """
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1] if wanted else []
    before = [layer.__dict__.get("forward") for layer in layers]
    for layer in layers:
        layer.__dict__["forward"] = _in_float32(layer.forward)
    try:
        yield
    finally:
        for layer, forward in zip(layers, before, strict=True):
            del layer.__dict__["forward"]
            if forward is not None:
                layer.__dict__["forward"] = forward


def _in_float32(forward: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    def run(inputs: Tensor) -> Tensor:
        if not torch.is_autocast_enabled("cpu"):
            return forward(inputs)
        narrow = torch.get_autocast_dtype("cpu")
        with torch.autocast("cpu", enabled=False):
            return forward(inputs.float()).to(narrow)

    return run
