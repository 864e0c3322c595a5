"""Optical shifts: blurs and sharpness, one value per image.

Lengths are in pixels of the image that the pipeline receives, which in an audit is the image at the network's
input size: a blur of 2 px is as coarse to a network that sees 224 × 224 pixels as 4 px to one that sees 448 × 448.
Beyond the border the nearest pixel is continued. Blur kernels are summed to 1 and vary smoothly with their
parameters, also between whole pixels. Every image is filtered on its own, so a row's outcome does not depend on
the rows beside it.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from scipy.fft import next_fast_len
from torch import Tensor
from torch.nn import functional

from shiftgauge.shifts.tensors import clip, column

_SIGMAS: Final = 4.0
"""A Gaussian kernel ends after this many standard deviations, as in scipy.ndimage."""
_MOST_TAPS: Final = 150
"""Kernels with more entries are applied by Fourier transform."""
_LINE_POINTS: Final = 256
"""Points that stand for a motion line; at 60 px they lie a quarter of a pixel apart."""


def gaussian_blur(images_nchw: Tensor, sigma_px_n: Tensor) -> Tensor:
    """Blurs with a Gaussian, w_k ∝ exp(−k² / 2σ²) for |k| ≤ 4σ, along rows and then columns.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        sigma_px_n: σ ≥ 0 in pixels, (N,); 0 changes nothing.

    Returns:
        Images in [0, 1].

    Example:
        >>> spot = torch.zeros(1, 1, 1, 9); spot[..., 4] = 1
        >>> [round(v, 3) for v in gaussian_blur(spot, torch.tensor([1.0])).flatten().tolist()]
        [0.0, 0.004, 0.054, 0.242, 0.399, 0.242, 0.054, 0.004, 0.0]
    """
    blurred = []
    for image, sigma in zip(images_nchw, sigma_px_n.double().cpu(), strict=True):
        radius = max(int(_SIGMAS * float(sigma.detach()) + 0.5), 1)
        offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
        line = torch.exp(-(offsets**2) / (2 * sigma.clamp_min(0.05) ** 2))
        line = line / line.sum()
        blurred.append(_filter(_filter(image, line[None, :]), line[:, None]))
    return clip(torch.stack(blurred))


def defocus(images_nchw: Tensor, radius_px_n: Tensor) -> Tensor:
    """Blurs with an even disc, the image of a point by a lens out of focus: w ∝ min(1, max(0, r + 1/2 − d)).

    d is the distance of a pixel from the centre; the half pixel softens the rim, so that the kernel grows smoothly.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        radius_px_n: r ≥ 0 in pixels, (N,); up to 0.5 nothing changes.

    Returns:
        Images in [0, 1].

    Example:
        >>> spot = torch.zeros(1, 1, 3, 3); spot[..., 1, 1] = 1
        >>> [round(v, 3) for v in defocus(spot, torch.tensor([1.0]))[0, 0, 1].tolist()]
        [0.15, 0.299, 0.15]
    """
    blurred = []
    for image, radius in zip(images_nchw, radius_px_n.double().cpu(), strict=True):
        reach = math.ceil(float(radius.detach()) + 0.5)
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
        distance = torch.hypot(offsets[:, None], offsets)
        disc = (radius + 0.5 - distance).clamp(0, 1)
        blurred.append(_filter(image, disc / disc.sum()))
    return clip(torch.stack(blurred))


def motion_blur(images_nchw: Tensor, length_px_n: Tensor, angle_deg_n: Tensor) -> Tensor:
    """Blurs along a straight line, as of a part that moves evenly while the shutter is open.

    y(p) = mean over t in [−L/2, L/2] of x(p + t u), u = (cos α, −sin α), x interpolated bilinearly.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        length_px_n: L ≥ 0 in pixels, (N,); 0 changes nothing.
        angle_deg_n: α, 0 level, 90 upright, counter-clockwise, (N,).

    Returns:
        Images in [0, 1].

    Example:
        >>> spot = torch.zeros(1, 1, 3, 7); spot[..., 1, 3] = 1
        >>> blurred = motion_blur(spot, torch.tensor([3.0]), torch.tensor([0.0]))
        >>> [round(v, 2) for v in blurred[0, 0, 1].tolist()]
        [0.0, 0.04, 0.29, 0.33, 0.29, 0.04, 0.0]
    """
    blurred = []
    for image, length, angle in zip(
        images_nchw, length_px_n.double().cpu(), torch.deg2rad(angle_deg_n.double().cpu()), strict=True
    ):
        blurred.append(_filter(image, _line_kernel(length, angle)))
    return clip(torch.stack(blurred))


def sharpness(images_nchw: Tensor, factor_n: Tensor) -> Tensor:
    """Blends with a smoothed copy s: y = s + f (x − s), clipped.

    s is the 3 × 3 mean with weight 5 in the middle (sum 13), as in Pillow; the outermost pixels stay as they are.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        factor_n: f ≥ 0, (N,); 1 changes nothing, 0 smooths, above 1 sharpens.

    Returns:
        Images in [0, 1].

    Example:
        >>> spot = torch.zeros(1, 1, 3, 3); spot[..., 1, 1] = 1
        >>> round(sharpness(spot, torch.tensor([0.0]))[0, 0, 1, 1].item(), 4)
        0.3846
    """
    if min(images_nchw.shape[-2:]) < 3:
        return images_nchw.clone()
    inner = images_nchw[..., 1:-1, 1:-1]
    across = images_nchw[..., :-2] + images_nchw[..., 1:-1] + images_nchw[..., 2:]
    total = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]
    detail = inner - (total + inner * 4) / 13
    return clip(images_nchw + functional.pad(detail * column(factor_n - 1, images_nchw), (1, 1, 1, 1)))


def _line_kernel(length: Tensor, angle: Tensor) -> Tensor:
    """The line, each of its points shared out to the four pixels about it."""
    reach = math.ceil(float(length.detach()) / 2) + 1
    t = (torch.arange(_LINE_POINTS, dtype=torch.float64) + 0.5) / _LINE_POINTS - 0.5
    x, y = t * length * angle.cos() + reach, -t * length * angle.sin() + reach
    column, row = x.detach().floor(), y.detach().floor()
    across, down = x - column, y - row
    side = 2 * reach + 2
    corner = (row * side + column).long()
    kernel = torch.zeros(side * side, dtype=torch.float64)
    shares = ((1 - across) * (1 - down), across * (1 - down), (1 - across) * down, across * down)
    for step, share in zip((0, 1, side, side + 1), shares, strict=True):
        kernel = kernel.index_add(0, corner + step, share / _LINE_POINTS)
    return kernel.reshape(side, side)[:-1, :-1]


def _filter(image_chw: Tensor, kernel_kl: Tensor) -> Tensor:
    """Correlates with a kernel of odd sides."""
    half = (kernel_kl.shape[0] // 2, kernel_kl.shape[1] // 2)
    padded = functional.pad(image_chw[None], (half[1], half[1], half[0], half[0]), mode="replicate")[0]
    taps = kernel_kl.detach().nonzero().tolist()
    if len(taps) > _MOST_TAPS:
        return _filter_by_transform(padded, kernel_kl, image_chw)
    height, width = image_chw.shape[-2:]
    views = (padded[:, i : i + height, j : j + width] for i, j in taps)
    if torch.is_grad_enabled() and (image_chw.requires_grad or kernel_kl.requires_grad):
        weights = kernel_kl.to(image_chw.device, image_chw.dtype)
        return torch.stack([view * weights[i, j] for view, (i, j) in zip(views, taps, strict=True)]).sum(0)
    weights = kernel_kl.detach()[tuple(zip(*taps, strict=True))].tolist()
    total = torch.zeros_like(image_chw, memory_format=torch.contiguous_format)
    for view, weight in zip(views, weights, strict=True):
        total.add_(view, alpha=weight)
    return total


def _filter_by_transform(padded_chw: Tensor, kernel_kl: Tensor, like_chw: Tensor) -> Tensor:
    height, width = like_chw.shape[-2:]
    size = tuple(next_fast_len(n, real=True) for n in padded_chw.shape[-2:])
    kernel = kernel_kl.flip(0, 1).to(like_chw.device, like_chw.dtype)
    product = torch.fft.rfft2(padded_chw, s=size) * torch.fft.rfft2(kernel, s=size)
    top, left = kernel_kl.shape[0] - 1, kernel_kl.shape[1] - 1
    return torch.fft.irfft2(product, s=size)[:, top : top + height, left : left + width]
