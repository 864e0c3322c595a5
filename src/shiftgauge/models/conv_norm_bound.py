r"""Upper bounds of the norms of convolutions that hold for zero padding and images of any size.

On an endless grid a convolution of stride 1 multiplies each frequency ω by its symbol S(ω) = Σ_j W_j exp(i ω·j), and
its norm is sup_ω σ_max(S(ω)). Zero padding and a finite image only leave rows and columns of that map out, so the
supremum is an upper bound of every zero-padded layer, and the norms of growing images rise to it.
"""

from __future__ import annotations

import math
from typing import Final

import torch

from shiftgauge.checks import require_range
from shiftgauge.models.conv_norm import Pair, Sizes, checked_kernel, largest_singular, overlap, pair

ROUNDING: Final = 1 + 1e-9
"""Covers the rounding of float64 many times over."""
_FIRST_GRID: Final = 16
_BATCH: Final = 256


def norm_bound(
    weight: torch.Tensor,
    *,
    stride: Sizes = 1,
    dilation: Sizes = 1,
    groups: int = 1,
    tolerance: float = 1e-3,
    most: int = 20_000,
) -> float:
    r"""Returns a number that the norm of a convolution cannot exceed, whatever the size of its zero-padded image.

    Along each axis a, u*S(ω)v is a trigonometric polynomial of degree m_a = (taps − 1) / 2, so by the inequality of
    Bernstein and Szegő a supremum M at ω* shows around it: σ_max(S(ω)) ≥ M cos(Σ_a m_a |ω_a − ω*_a|). Hence, with V the
    largest value found on a grid of half-width h, M ≤ V / cos(Σ_a m_a h_a), and only cells whose value reaches
    V cos(Σ_a m_a h_a) can hold ω*: these alone are cut in four, until the cosine is within `tolerance` of 1.

    The bound by windows, ‖flattened kernel‖ √m with m windows over a value, is taken where it is smaller.

    A strided convolution is one of stride 1 on s² times as many channels (its pixels dealt out by their position within
    a step), which leaves every norm as it is.

    Args:
        weight: Kernel (outputs, inputs / groups, height, width), with its scale.
        stride: As of the layer.
        dilation: As of the layer.
        groups: As of the layer.
        tolerance: Most that the bound may lie above the supremum, relative, in [1e-6, 0.5].
        most: Frequencies after which cutting stops; the bound holds then too, but is wider.

    Raises:
        ConfigError: A number outside its range.
        ModelError: Not the kernel of a convolution.
        NumericalError: The weights hold NaN or infinity.

    Example:
        >>> round(norm_bound(torch.ones(1, 1, 3, 3) / 3), 6)
        3.0
        >>> round(norm_bound(torch.ones(1, 1, 2, 2) / 2, stride=2), 6)
        1.0

    References:
        Ehlich, H.; Zeller, K. (1964). Schwankung von Polynomen zwischen Gitterpunkten. doi:10.1007/BF01111276
        Sedghi, H.; Gupta, V.; Long, P. (2019). The Singular Values of Convolutional Layers. arXiv:1805.10408
    """
    require_range("tolerance", tolerance, 1e-6, 0.5)
    kernel, steps, spread = checked_kernel(weight, groups), pair(stride), pair(dilation)
    windows = math.sqrt(math.prod(map(overlap, kernel.shape[3:], steps, spread)))
    flat = float(largest_singular(kernel.flatten(2)).max()) * windows * ROUNDING
    return min(flat, max(_supremum(_dealt_out(part, steps, spread), tolerance, most) for part in kernel))


def _dealt_out(kernel: torch.Tensor, stride: Pair, dilation: Pair) -> torch.Tensor:
    """The kernel of the same map with stride 1: (outputs, inputs · s_y · s_x, taps_y, taps_x)."""
    taps = [(k - 1) * d // s + 1 for k, d, s in zip(kernel.shape[2:], dilation, stride, strict=True)]
    found = kernel.new_zeros(*kernel.shape[:2], *stride, *taps)
    y, x = (torch.arange(kernel.shape[2 + a]) * dilation[a] for a in (0, 1))
    place = ((y % stride[0])[:, None], (x % stride[1])[None, :], (y // stride[0])[:, None], (x // stride[1])[None, :])
    found[:, :, *place] = kernel
    return found.flatten(1, 3)


def _supremum(kernel: torch.Tensor, tolerance: float, most: int) -> float:
    degrees = [(taps - 1) / 2 for taps in kernel.shape[2:]]
    if not any(degrees):
        return float(largest_singular(kernel[:, :, 0, 0])) * ROUNDING
    grid = [1 if m == 0 else max(_FIRST_GRID, 2 ** math.ceil(math.log2(8 * m))) for m in degrees]
    half = torch.tensor([math.pi / n for n in grid], dtype=torch.float64)
    # S(−ω) is the conjugate of S(ω): half of one axis is enough
    axes = [torch.arange(n, dtype=torch.float64) * (2 * math.pi / n) for n in grid]
    folded = 0 if degrees[0] else 1
    axes[folded] = axes[folded][: grid[folded] // 2 + 1]
    cells = torch.cartesian_prod(*axes)
    values, best, spent = _values(kernel, cells), 0.0, len(cells)
    while True:
        best = max(best, float(values.max()))
        seen = math.cos(sum(m * float(h) for m, h in zip(degrees, half, strict=True)))
        cells = cells[values >= best * seen * (2 - ROUNDING)]
        if seen >= 1 / (1 + tolerance) or best == 0 or spent + 4 * len(cells) > most:
            return best / seen * ROUNDING
        half = half / 2
        sides = (torch.tensor([-1.0, 1.0] if m else [0.0], dtype=torch.float64) for m in degrees)
        shifts = torch.cartesian_prod(*[h * side for h, side in zip(half, sides, strict=True)])
        cells = (cells[:, None] + shifts).flatten(0, 1)
        values, spent = _values(kernel, cells), spent + len(cells)


def _values(kernel: torch.Tensor, frequencies: torch.Tensor) -> torch.Tensor:
    """σ_max(S(ω)) at frequencies (F, 2)."""
    taps = torch.cartesian_prod(*[torch.arange(n, dtype=torch.float64) for n in kernel.shape[2:]])
    flat = kernel.flatten(2).permute(2, 0, 1).flatten(1).to(torch.complex128)
    found = []
    for some in frequencies.split(_BATCH):
        symbols = torch.polar(torch.ones(len(some), len(taps), dtype=torch.float64), some @ taps.T) @ flat
        found.append(largest_singular(symbols.unflatten(1, kernel.shape[:2])))
    return torch.cat(found)
