"""Convolutions of small windows with fewer multiplications: tiny maps as one matrix, channels at rest left out."""

from __future__ import annotations

from typing import Final

import torch
from torch import nn
from torch.nn import functional

_ADVANTAGE: Final = 0.6
"""Share of the multiplications of a convolution up to which a matrix is taken."""
_MOST_ENTRIES: Final = 2**24
"""Of a matrix: 64 MiB."""
_FEW_CHANGED: Final = 0.75
"""Share of changed channels up to which the others are left out: copying the weights must pay."""
_MANY_CHANNELS: Final = 32


class Matrices:
    """A convolution of whole tiny maps as a matrix, kept for each size.

    On a map of 2×2 a 3×3 kernel reads five zeros of the padding for every four values: as a matrix it needs 4/9 of the
    multiplications.

    Args:
        conv: The convolution, of one group.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        self._conv = conv
        self._kept: dict[tuple[tuple[int, int], ...], torch.Tensor] = {}

    def multiplied(self, values_nchw: torch.Tensor, before: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
        """Convolves without bias.

        Args:
            values_nchw: The window.
            before: Rows and columns of zeros before the window.
            size: Rows and columns of the output.
        """
        key = ((int(values_nchw.shape[2]), int(values_nchw.shape[3])), before, size)
        if key not in self._kept:
            self._kept[key] = self._matrix(*key)
        rows = values_nchw.permute(0, 2, 3, 1).reshape(len(values_nchw), -1)
        out = _product(rows, self._kept[key])
        return out.view(len(rows), *size, -1).permute(0, 3, 1, 2)

    def _matrix(self, window: tuple[int, int], before: tuple[int, int], size: tuple[int, int]) -> torch.Tensor:
        """Axes (output row, output column, output channel), (row, column, channel), each flattened."""
        weight, stride, dilation = self._conv.weight, self._conv.stride, self._conv.dilation
        out_channels, channels, *kernel = weight.shape
        matrix = weight.new_zeros(*size, out_channels, *window, channels)
        for i, j in _pairs(size):
            for k, m in _pairs((kernel[0], kernel[1])):
                row = i * stride[0] - before[0] + k * dilation[0]
                column = j * stride[1] - before[1] + m * dilation[1]
                if 0 <= row < window[0] and 0 <= column < window[1]:
                    matrix[i, j, :, row, column] = weight[:, :, k, m]
        return matrix.reshape(size[0] * size[1] * out_channels, -1)


def is_smaller_as_matrix(conv: nn.Conv2d, window: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Tells whether a matrix needs clearly fewer multiplications than the convolution of a window.

    Example:
        >>> conv = nn.Conv2d(8, 8, 3, padding=1)
        >>> is_smaller_as_matrix(conv, (2, 2), (2, 2)), is_smaller_as_matrix(conv, (4, 4), (4, 4))
        (True, False)
    """
    inputs, taps = window[0] * window[1], conv.kernel_size[0] * conv.kernel_size[1]
    entries = inputs * size[0] * size[1] * conv.in_channels * conv.out_channels
    return conv.groups == 1 and inputs <= _ADVANTAGE * taps and entries <= _MOST_ENTRIES


def changed_channels(values_nchw: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns changes and weights without the channels that no push of the batch changes, where many do not change.

    A channel that a ReLU keeps at 0 in the whole window stays at rest; in deep blocks of trained networks most do.
    """
    channels = values_nchw.shape[1]
    if channels < _MANY_CHANNELS:
        return values_nchw, weight
    largest = values_nchw.permute(0, 2, 3, 1).reshape(-1, channels).abs().amax(dim=0)
    changed = largest.ne(0).nonzero().squeeze(1)
    if not 0 < len(changed) <= _FEW_CHANGED * channels:
        return values_nchw, weight
    return _some(values_nchw, changed), _some(weight, changed)


def _some(values: torch.Tensor, channels: torch.Tensor) -> torch.Tensor:
    """Some channels, next to each other in memory; `index_select` takes three times as long here."""
    return values.permute(0, 2, 3, 1)[..., channels].permute(0, 3, 1, 2)


def _product(rows: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """rows · matrixᵀ; on a CPU in float32 by oneDNN, which is twice as fast here as the default."""
    fast = getattr(torch.ops.mkldnn, "_linear_pointwise", None)
    if fast is not None and rows.device.type == "cpu" and rows.dtype == torch.float32:
        try:
            return fast(rows, matrix, None, "none", [], "")
        except (RuntimeError, TypeError, NotImplementedError):  # another signature in another version of torch
            pass
    return functional.linear(rows, matrix)


def _pairs(size: tuple[int, int]) -> list[tuple[int, int]]:
    return [(i, j) for i in range(size[0]) for j in range(size[1])]
