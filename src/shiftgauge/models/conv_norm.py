r"""Operator norms of convolutions: how much a layer, as a linear map of images, can enlarge a change in l2.

The singular values of the flattened kernel are not those of the layer: a value of the image stands in several windows,
so that a 3×3 convolution with a tight kernel can have norm 3. Exact for circular padding (Fourier transform), measured
for every other padding (power iteration with the layer and its transpose). `conv_norm_bound` has upper bounds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.nn import functional
from torch.nn.grad import conv2d_input

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.random import check_seed

Pair: TypeAlias = tuple[int, int]
Sizes: TypeAlias = int | Sequence[int]
"""One number for rows and columns, or two."""
_ENTRIES = 1 << 22
"""Largest number of complex values that are held at once."""


@dataclass(frozen=True, kw_only=True)
class PowerNorm:
    """A norm as power iteration found it: never above the true one, but for rounding.

    Args:
        value: ‖A v‖ of the best unit vector v.
        iterations: Steps that were taken.
        converged: Whether ‖AᵀA v − ‖A v‖² v‖ ≤ tolerance · ‖A v‖². A singular value then lies within tolerance / 2 of
            `value`, relative, and as a rule far nearer: the error of the value is the square of that of the vector.
    """

    value: float
    iterations: int
    converged: bool


def overlap(kernel: int, stride: int = 1, dilation: int = 1) -> int:
    """Most windows along one axis that a value can stand in: ⌈kernel / (stride / gcd(stride, dilation))⌉.

    Example:
        >>> overlap(3), overlap(3, stride=2), overlap(2, stride=2), overlap(1, stride=2)
        (3, 2, 1, 1)
    """
    return -(-kernel // (stride // math.gcd(stride, dilation)))


def circular_norm(
    weight: torch.Tensor, size: Sizes, *, stride: Sizes = 1, dilation: Sizes = 1, groups: int = 1
) -> float:
    r"""Returns the operator norm of a convolution with circular padding, exactly.

    A circular convolution is diagonal in blocks in the Fourier basis: with Ŵ(ω) (outputs × inputs) the transform of the
    kernel at the frequency ω of the image,

    $$ \lVert A \rVert = \max_\omega \sigma_{\max}(\hat W(\omega)). $$

    Of a stride s, the s² frequencies that fall on one another stand side by side, divided by s.

    Args:
        weight: Kernel (outputs, inputs / groups, height, width).
        size: Rows and columns of the image, or one number for both; each a multiple of the stride.
        stride: As of the layer.
        dilation: As of the layer.
        groups: As of the layer.

    Raises:
        ConfigError: A size that the stride does not divide.
        ModelError: Not the kernel of a convolution.
        NumericalError: The weights hold NaN or infinity.

    Example:
        >>> flat = torch.ones(1, 1, 2, 2) / 2
        >>> circular_norm(flat, 8), circular_norm(flat, 8, stride=2)
        (2.0, 1.0)

    References:
        Sedghi, H.; Gupta, V.; Long, P. (2019). The Singular Values of Convolutional Layers. arXiv:1805.10408
    """
    kernel, (rows, columns) = checked_kernel(weight, groups), pair(size)
    (down, across), spread = pair(stride), pair(dilation)
    if rows % down or columns % across:
        raise ConfigError(f"the stride {(down, across)} must divide the size of a circular image, got {rows}×{columns}")
    around = torch.zeros(*kernel.shape[:3], rows * columns, dtype=torch.float64)
    y, x = (torch.arange(kernel.shape[3 + a]) * spread[a] % (rows, columns)[a] for a in (0, 1))
    places = (y[:, None] * columns + x[None, :]).flatten()
    around = around.index_add(3, places, kernel.flatten(3)).unflatten(3, (rows, columns))  # a kernel may reach round
    norms = []
    for group in around:
        part = max(1, _ENTRIES // (group.shape[1] * rows * columns))
        fourier = torch.cat([torch.fft.fft2(some) for some in group.split(part)])
        folded = fourier.unflatten(3, (across, -1)).unflatten(2, (down, -1))  # (o, i, down, rows', across, columns')
        blocks = folded.permute(3, 5, 0, 1, 2, 4).flatten(3).flatten(0, 1)
        norms.append(max(float(largest_singular(some).max()) for some in blocks.split(64)))
    return max(norms) / math.sqrt(down * across)


def padded_norm(
    conv: nn.Conv2d,
    size: Sizes,
    *,
    tolerance: float = 1e-3,
    iterations: int = 1000,
    vectors: int = 4,
    seed: int = 0,
) -> PowerNorm:
    r"""Measures the operator norm of a convolution as it is, padding and stride included, by power iteration.

    $$ V \leftarrow \operatorname{orth}(A^\top A V), \qquad
       \sqrt{\lambda_{\max}(V^\top A^\top A V)} \to \sigma_{\max}(A) $$

    with A the layer without its bias and Aᵀ its transpose, on a few orthonormal vectors at once: the singular values of
    convolutions lie close together, and the error falls by (σ₅/σ₁)² a step with four vectors instead of (σ₂/σ₁)².

    Args:
        conv: The layer; a `ScaledConv2d` with its factor. It is not changed. The iteration runs on the CPU, in the
            precision of its weights.
        size: Rows and columns of its input, or one number for both.
        tolerance: Of the residual, > 0.
        iterations: Most steps, ≥ 1.
        vectors: At once, ≥ 1; 1 is the plain power iteration.
        seed: Of the first vectors.

    Raises:
        ConfigError: A number outside its range.
        NumericalError: The weights hold NaN or infinity.

    Example:
        >>> layer = nn.Conv2d(1, 1, 3, padding=1, bias=False)
        >>> _ = nn.init.constant_(layer.weight, 1 / 3)
        >>> found = padded_norm(layer, 8, tolerance=1e-4)
        >>> round(found.value, 4), found.converged  # (1 + 2 cos(π / 9))² / 3
        (2.7636, True)
    """
    require_range("tolerance", tolerance, 1e-12, 1)
    require_positive_int("iterations", iterations)
    require_positive_int("vectors", vectors)
    run, shape = _linear_part(conv), (conv.in_channels, *pair(size))
    start = torch.randn(
        math.prod(shape), min(vectors, math.prod(shape)), generator=generator(seed), dtype=conv.weight.dtype
    )
    basis, largest, done, converged = torch.linalg.qr(start).Q, 0.0, 0, False
    while done < iterations and not converged:
        back, done = _there_and_back(run, basis.mT.reshape(-1, *shape)).flatten(1).mT, done + 1
        values, mixed = torch.linalg.eigh(basis.mT @ back)
        largest, top = max(float(values[-1]), 0.0), mixed[:, -1]
        converged = float((back @ top - largest * (basis @ top)).norm()) <= tolerance * largest
        basis = torch.linalg.qr(back).Q
    return PowerNorm(value=math.sqrt(largest), iterations=done, converged=converged)


def padded_power_step(conv: nn.Conv2d, weight: torch.Tensor, vector: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of power iteration of a convolution with zero padding and these weights.

    Args:
        conv: Gives stride, padding, dilation and groups.
        weight: Kernel, outside the autograd graph.
        vector: v (1, inputs, H, W) of norm 1.

    Returns:
        ‖A v‖, and AᵀA v / ‖AᵀA v‖.
    """
    geometry: Any = (conv.stride, conv.padding, conv.dilation, conv.groups)
    out = functional.conv2d(vector, weight, None, *geometry)
    back = conv2d_input(vector.shape, weight, out, *geometry)
    return out.norm(), back / back.norm().clamp_min(torch.finfo(back.dtype).tiny)


def effective_weight(conv: nn.Conv2d) -> torch.Tensor:
    """The kernel that the layer uses, on the CPU: its weights times its `factor`, where it has one."""
    return (conv.weight * getattr(conv, "factor", 1.0)).detach().cpu()


def checked_kernel(weight: torch.Tensor, groups: int) -> torch.Tensor:
    """A kernel as float64 with an axis of groups: (groups, outputs / groups, inputs / groups, height, width).

    Raises:
        ModelError: Not the kernel of a convolution of so many groups.
        NumericalError: The weights hold NaN or infinity.
    """
    if weight.ndim != 4 or weight.shape[0] % groups:
        raise ModelError(
            f"a kernel has the shape (outputs, inputs, height, width) with outputs in {groups} equal groups, got "
            f"{tuple(weight.shape)}"
        )
    if not bool(weight.isfinite().all()):
        raise NumericalError("the weights hold NaN or infinity, so that the layer has no norm; train again")
    return weight.detach().cpu().double().unflatten(0, (groups, -1))


def largest_singular(blocks: torch.Tensor) -> torch.Tensor:
    """Largest singular value of each matrix (..., r, c), by the smaller Gram matrix, (...)."""
    grams = blocks @ blocks.mH if blocks.shape[-2] <= blocks.shape[-1] else blocks.mH @ blocks
    return torch.linalg.eigvalsh(grams)[..., -1].clamp_min(0).sqrt()


def pair(value: Sizes) -> Pair:
    """One number for both axes, or two."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))


def generator(seed: int) -> torch.Generator:
    """A torch generator on the CPU for a seed."""
    return torch.Generator().manual_seed(check_seed(seed))


def _there_and_back(run: Callable[[torch.Tensor], torch.Tensor], vectors: torch.Tensor) -> torch.Tensor:
    """AᵀA v of a linear map, by its own gradient: of ½ ‖A v‖²."""
    with torch.inference_mode(mode=False), torch.enable_grad():
        leaves = vectors.clone().requires_grad_()
        return torch.autograd.grad(0.5 * run(leaves).square().sum(), leaves)[0]


def _linear_part(conv: nn.Conv2d) -> Callable[[torch.Tensor], torch.Tensor]:
    weight = effective_weight(conv)
    checked_kernel(weight, conv.groups)

    def run(images: torch.Tensor) -> torch.Tensor:
        return conv._conv_forward(images, weight, None)

    return run
