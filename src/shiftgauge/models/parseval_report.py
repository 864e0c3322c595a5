"""What the kernels of a network do: singular values of each layer, and the norm that the layer really has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.conv_norm import Pair, circular_norm, effective_weight, padded_norm
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.lipschitz_linear import NoBoundError, linear_gain
from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerSpectrum:
    """Singular values of a layer's kernel, and norms of the layer.

    Args:
        name: Module path.
        kind: Class of the layer.
        shape: Of the kernel.
        size: Rows and columns of its input, (1, 1) for a linear layer.
        constrained: Whether the constraint holds for it.
        singular_values: Of the flattened kernel (outputs × inputs · k²), without the layer's factor, descending; those
            of all groups where there are several.
        factor: What the layer multiplies its kernel by; 1 but for a scaled convolution.
        norm: Operator norm of the layer as it is run (factor, padding and stride included) on inputs of this size.
        norm_bound: What the norm cannot exceed for inputs of any size; NaN where its padding repeats values.
        norm_kind: How the norm was found: `exact` (linear), `fourier` (circular padding), `power` (power iteration), or
            `power, not converged`, which may lie below the true one.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    size: Pair
    constrained: bool
    singular_values: FloatArray
    factor: float
    norm: float
    norm_bound: float
    norm_kind: str


def layer_spectra(
    network: nn.Module, input_shape: Sequence[int], options: ParsevalOptions | None = None
) -> tuple[LayerSpectrum, ...]:
    """Measures every convolution and linear layer of a network, in the order in which they are run.

    Args:
        network: Its mode and flags are as before afterwards.
        input_shape: (C, H, W) of an image.
        options: Say which layers count as constrained; default all convolutions.

    Raises:
        ModelError: The network has no such layer, or fails on images of this shape.
        NumericalError: The weights hold NaN or infinity.

    Example:
        >>> from shiftgauge.models.parseval import orthogonal_
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.Flatten(), nn.Linear(256, 2))
        >>> orthogonal_(net)
        >>> first, last = layer_spectra(net, (1, 8, 8))
        >>> first.singular_values.round(3).tolist(), first.constrained, last.constrained
        ([1.0, 1.0, 1.0, 1.0], True, False)

    References:
        Sedghi, H.; Gupta, V.; Long, P. (2019). The Singular Values of Convolutional Layers. arXiv:1805.10408
    """
    sizes = _input_sizes(network, input_shape)
    constrained: tuple[str, ...] = ()
    with suppress(ModelError):  # a network without convolutions has linear layers to report
        constrained = constrained_layers(network, options)
    return tuple(
        _spectrum(name, network.get_submodule(name), size, name in constrained) for name, size in sizes.items()
    )


def spectra_table(spectra: Sequence[LayerSpectrum]) -> pd.DataFrame:
    """A row for each layer.

    Columns: layer, kind, constrained, shape, smallest and largest (singular value of the kernel), rank, factor, norm,
    norm_bound, norm_kind.
    """
    rows = [
        {
            "layer": s.name,
            "kind": s.kind,
            "constrained": s.constrained,
            "shape": "×".join(map(str, s.shape)),
            "smallest": s.singular_values[-1],
            "largest": s.singular_values[0],
            "rank": int((s.singular_values > 1e-6 * s.singular_values[0]).sum()),
            "factor": s.factor,
            "norm": s.norm,
            "norm_bound": s.norm_bound,
            "norm_kind": s.norm_kind,
        }
        for s in spectra
    ]
    return pd.DataFrame(rows)


def _spectrum(name: str, layer: nn.Module, size: Pair, constrained: bool) -> LayerSpectrum:
    values = torch.linalg.svdvals(kernel_matrices(layer).cpu().double()).flatten().sort(descending=True).values
    weight: Any = layer.weight
    norm, kind = _norm(layer, size, float(values[0]))
    try:
        bound = linear_gain(layer, size)
    except NoBoundError:
        bound = math.nan
    return LayerSpectrum(
        name=name,
        kind=type(layer).__name__,
        shape=tuple(weight.shape),
        size=size,
        constrained=constrained,
        singular_values=np.asarray(values.numpy()),
        factor=float(getattr(layer, "factor", 1.0)),
        norm=norm,
        norm_bound=bound,
        norm_kind=kind,
    )


def _norm(layer: nn.Module, size: Pair, largest: float) -> tuple[float, str]:
    if not isinstance(layer, nn.Conv2d):
        return largest, "exact"
    if layer.padding_mode == "circular" and _goes_round_once(layer, size):
        geometry = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
        return circular_norm(effective_weight(layer), size, **geometry), "fourier"
    found = padded_norm(layer, size)
    return found.value, "power" if found.converged else "power, not converged"


def _goes_round_once(layer: nn.Conv2d, size: Pair) -> bool:
    """Whether a circular convolution has one window for each step of its stride."""
    for axis in (0, 1):
        spread, stride = (layer.kernel_size[axis] - 1) * layer.dilation[axis], layer.stride[axis]
        padding = spread / 2 if isinstance(layer.padding, str) else int(layer.padding[axis])
        windows = (size[axis] + 2 * padding - spread - 1) // stride + 1
        if size[axis] % stride or windows * stride != size[axis]:
            return False
    return True


def _input_sizes(network: nn.Module, input_shape: Sequence[int]) -> dict[str, Pair]:
    """Rows and columns that each convolution and linear layer is given, in the order of the run."""
    sizes: dict[str, Pair] = {}

    def kept(name: str) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def keep(layer: nn.Module, given: tuple[Any, ...]) -> None:
            rows, columns = given[0].shape[-2:] if isinstance(layer, nn.Conv2d) else (1, 1)
            sizes.setdefault(name, (int(rows), int(columns)))

        return keep

    layers = [(name, m) for name, m in network.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_pre_hook(kept(name)) for name, layer in layers]
    first = next(network.parameters(), torch.empty(0))
    try:
        with evaluation_mode(network), torch.inference_mode():
            network(torch.zeros(1, *input_shape, device=first.device, dtype=first.dtype))
    except FORWARD_ERRORS as error:
        raise ModelError(f"the network fails on images of the shape {tuple(input_shape)}: {one_line(error)}") from error
    finally:
        for handle in handles:
            handle.remove()
    if not sizes:
        raise ModelError(f"a {type(network).__name__} runs no convolution and no linear layer to be reported")
    return sizes
