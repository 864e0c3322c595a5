"""Upper bounds in l2 of the linear layers of a network: what a convolution or a matrix enlarges a change by at most."""

from __future__ import annotations

import torch
from torch import nn

from shiftgauge.errors import NumericalError
from shiftgauge.models.conv_norm import Pair, effective_weight, largest_singular
from shiftgauge.models.conv_norm_bound import ROUNDING, norm_bound


class NoBoundError(Exception):
    """No Lipschitz constant follows; the text says at which part and why."""


def linear_gain(
    layer: nn.Module,
    size: Pair,
    *,
    before: torch.Tensor | None = None,
    after: torch.Tensor | None = None,
    tolerance: float = 1e-3,
) -> float:
    """An upper bound of ‖diag(after) A diag(before)‖ for the linear part A of a layer, its bias left out.

    Args:
        layer: An `nn.Conv2d` (a `ScaledConv2d` with its factor) or an `nn.Linear`.
        size: Rows and columns of the input of a convolution.
        before: A factor ≥ 0 for each input channel; None for 1.
        after: A factor ≥ 0 for each output channel; None for 1.
        tolerance: Most that the bound of a convolution may lie above its supremum, relative.

    Raises:
        NoBoundError: A convolution with a padding that repeats values.
        NumericalError: The weights hold NaN or infinity.
        TypeError: Another kind of layer.

    Example:
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = layer.weight.data.copy_(torch.tensor([[3.0, 4.0]]))
        >>> round(linear_gain(layer, (1, 1)), 6), round(linear_gain(layer, (1, 1), before=torch.tensor([1.0, 0.0])), 6)
        (5.0, 3.0)
    """
    if isinstance(layer, nn.Linear):
        return float(largest_singular(weighted_matrix(layer, before, after))) * ROUNDING
    if not isinstance(layer, nn.Conv2d):
        raise TypeError(f"a gain is known of convolutions and linear layers, got a {type(layer).__name__}")
    _require_plain_padding(layer, size)
    kernel = effective_weight(layer).double()
    if before is not None:
        per_group = before.to(kernel).view(layer.groups, -1)
        kernel = (kernel.unflatten(0, (layer.groups, -1)) * per_group[:, None, :, None, None]).flatten(0, 1)
    if after is not None:
        kernel = kernel * after.to(kernel).view(-1, 1, 1, 1)
    geometry = {"stride": layer.stride, "dilation": layer.dilation, "groups": layer.groups}
    return norm_bound(kernel, **geometry, tolerance=tolerance)


def weighted_matrix(
    layer: nn.Linear, before: torch.Tensor | None = None, after: torch.Tensor | None = None
) -> torch.Tensor:
    """diag(after) W diag(before) of a linear layer, float64 on the CPU.

    Raises:
        NumericalError: The weights hold NaN or infinity.
    """
    matrix = layer.weight.detach().cpu().double()
    if not bool(matrix.isfinite().all()):
        raise NumericalError("the weights hold NaN or infinity, so that the layer has no norm; train again")
    matrix = matrix if before is None else matrix * before.to(matrix)
    return matrix if after is None else matrix * after.to(matrix)[:, None]


def batch_norm_gains(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> torch.Tensor:
    """|γ| / √(σ² + ε) of each channel, as in evaluation: what it multiplies changes by, float64.

    Raises:
        NoBoundError: It keeps no running statistics.
        NumericalError: They hold NaN or infinity.

    Example:
        >>> norm = nn.BatchNorm2d(1, eps=0.0)
        >>> _ = norm.running_var.fill_(4.0)
        >>> batch_norm_gains(norm).tolist()
        [0.5]
    """
    if norm.running_var is None:
        raise NoBoundError("without running statistics its output depends on the other images of the batch")
    gains = (norm.running_var.detach().cpu().double() + norm.eps).rsqrt()
    if norm.weight is not None:
        gains = gains * norm.weight.detach().cpu().double().abs()
    if not bool(gains.isfinite().all()):
        raise NumericalError("a batch normalisation holds NaN, infinity or a variance of 0; train again")
    return gains


def _require_plain_padding(layer: nn.Conv2d, size: Pair) -> None:
    """Zeros never repeat a value; circular padding does not as long as no window goes round twice."""
    if layer.padding_mode == "zeros":
        return
    if layer.padding_mode != "circular":
        raise NoBoundError(f"its padding `{layer.padding_mode}` repeats values of the edge; zeros or circular do not")
    padding = (0, 0) if isinstance(layer.padding, str) else layer.padding  # `same` gives as many as come in
    for axis in (0, 1):
        reach = (layer.kernel_size[axis] - 1) * layer.dilation[axis] + 1
        count = (size[axis] + 2 * int(padding[axis]) - reach) // layer.stride[axis] + 1
        if count * layer.stride[axis] > size[axis]:
            raise NoBoundError("its circular padding goes round more than once; pad by half a kernel")
