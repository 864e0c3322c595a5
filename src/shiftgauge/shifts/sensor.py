"""Sensor shifts: noise, stuck pixels, coarse levels, compression, dirt; one value per image.

Functions that are random take their random numbers as an argument (`draw` makes them), so each is a plain
function: with the numbers held fixed, an image changes smoothly or in nested steps as the value grows.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shiftgauge.shifts.tensors import clip, column, exact_mean

_FEW_PHOTONS: Final = 4.0
"""Below this mean the Poisson distribution is inverted step by step."""
_MOST_STEPS: Final = 30
"""No count above this is met at a mean of 4 within the 65,536 levels of the random numbers."""


def gaussian_noise(images_nchw: Tensor, std_n: Tensor, normal_nchw: Tensor) -> Tensor:
    """Adds independent normal noise: y = clip(x + σ z).

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        std_n: σ ≥ 0 on the scale of the images, (N,); 0 changes nothing.
        normal_nchw: Standard normal numbers z.

    Returns:
        Images in [0, 1].

    Example:
        >>> gaussian_noise(torch.full((1, 1, 1, 1), 0.5), torch.tensor([0.25]), torch.ones(1, 1, 1, 1)).item()
        0.75
    """
    return clip(images_nchw + _like(normal_nchw, images_nchw) * column(std_n, images_nchw))


def noise_snr(images_nchw: Tensor, snr_db_n: Tensor, normal_nchw: Tensor) -> Tensor:
    """Adds normal noise at a stated signal-to-noise ratio: σ² = mean(x²) / 10^(dB / 10).

    The signal's power is the mean square over all pixels and channels of the one image (not its variance, and not
    a figure of the data set). Clipping to [0, 1] takes away a little noise where pixels are near black or white.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        snr_db_n: Ratio in dB, (N,); the catalogue takes 120 for no noise.
        normal_nchw: Standard normal numbers.

    Returns:
        Images in [0, 1].

    Example:
        >>> noise_snr(torch.full((1, 1, 1, 1), 0.5), torch.tensor([20.0]), torch.ones(1, 1, 1, 1)).item()
        0.550000011920929
    """
    power_n = exact_mean(images_nchw**2).mean(dim=1).clamp_min(1e-30)
    ratio_n = torch.exp(snr_db_n.double() * (-np.log(10) / 20))
    return gaussian_noise(images_nchw, power_n.sqrt() * ratio_n.to(power_n.device), normal_nchw)


def shot_noise(images_nchw: Tensor, photons_n: Tensor, normal_nchw: Tensor) -> Tensor:
    """Counts photons: y = min(K / P, 1) with K Poisson of mean λ = P x.

    K is the Poisson quantile of the probability Φ(z), so that with z held fixed the count grows with the light.
    For λ < 4 the distribution function is summed. Above, K is the whole part of the normal expansion to the order
    λ⁻¹ (Giles 2016), λ + √λ z + (z²/6 + 1/3) − (z³/72 + z/36)/√λ + (z⁴/270 + 7z²/810 − 8/405)/λ, which misses the
    quantile by one photon in at most 0.2 % of pixels. Counts above 2²⁴ are rounded as the float32 image itself is.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        photons_n: P, the count of a pixel at full scale, (N,); the catalogue takes 1e12 for no noise.
        normal_nchw: Standard normal numbers z.

    Returns:
        Images in [0, 1].

    Example:
        >>> shot_noise(torch.full((1, 1, 1, 1), 0.5), torch.tensor([100.0]), torch.zeros(1, 1, 1, 1)).item()
        0.5

    References:
        M. B. Giles (2016), Algorithm 955: approximation of the inverse Poisson cumulative distribution function,
        ACM Transactions on Mathematical Software 42(1), doi:10.1145/2699466.
    """
    photons = column(photons_n, images_nchw)
    mean, z = images_nchw.contiguous() * photons, _like(normal_nchw, images_nchw).contiguous()
    root = mean.clamp_min(_FEW_PHOTONS).sqrt_()
    square = z * z
    count = (square * (1 / 270) + 7 / 810).mul_(square).sub_(8 / 405).div_(root)
    count.sub_((square * (1 / 72) + 1 / 36).mul_(z)).div_(root)
    count.add_(root.mul_(z)).add_(square.div_(6)).add_(1 / 3).add_(mean).floor_().clamp_min_(0)
    few = (mean < _FEW_PHOTONS).flatten().nonzero().flatten()
    if len(few):
        probability = torch.special.ndtr(z.flatten().index_select(0, few))
        count.view(-1).index_copy_(0, few, _poisson_quantile(mean.flatten().index_select(0, few), probability))
    return clip(count.div_(photons))


def salt_pepper(images_nchw: Tensor, fraction_n: Tensor, uniform_n1hw: Tensor) -> Tensor:
    """Sets a fraction of the pixels to black or white, all channels of a pixel together.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        fraction_n: Expected share of such pixels, half of them black, (N,); 0 changes nothing.
        uniform_n1hw: Uniform numbers, one a pixel; a pixel that is stuck stays so as the fraction grows.

    Returns:
        Images in [0, 1].

    Example:
        >>> u = torch.tensor([0.01, 0.5, 0.99]).view(1, 1, 1, 3)
        >>> salt_pepper(torch.full((1, 1, 1, 3), 0.5), torch.tensor([0.1]), u).flatten().tolist()
        [0.0, 0.5, 1.0]
    """
    half = column(fraction_n / 2, images_nchw)
    u = _like(uniform_n1hw, images_nchw)
    stuck = torch.where(u < half, torch.zeros_like(images_nchw), images_nchw)
    return torch.where(u > 1 - half, torch.ones_like(images_nchw), stuck)


def bit_depth(images_nchw: Tensor, bits_n: Tensor) -> Tensor:
    """Rounds to even levels: y = round(x L) / L, L = round(2^b) − 1.

    Depths between whole bits give level counts between powers of two. An 8-bit image is not changed by b = 8.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        bits_n: b ≥ 1, (N,); the catalogue takes 16 for no rounding at all.

    Returns:
        Images in [0, 1].

    Example:
        >>> bit_depth(torch.tensor([0.2, 0.6]).view(1, 1, 1, 2), torch.tensor([1.0])).flatten().tolist()
        [0.0, 1.0]
    """
    steps = column(torch.exp2(bits_n.double()).round() - 1, images_nchw)
    return torch.round(images_nchw * steps) / steps


def jpeg_quality(images_nchw: Tensor, quality_n: Tensor) -> Tensor:
    """Codes and decodes each image as baseline JPEG through Pillow, colour at half resolution (4:2:0).

    Images are rounded to 8 bits first. Three channels are one colour image; any other number of channels is coded
    channel by channel as grey images.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        quality_n: 1 to 100, rounded to a whole number, (N,); above 100.5 (the catalogue's "off") nothing is done.

    Returns:
        Images in [0, 1].

    Example:
        >>> coded = jpeg_quality(torch.full((1, 3, 16, 16), 0.5), torch.tensor([75.0]))
        >>> bool((coded - 0.5).abs().max() < 0.01)
        True
    """
    pixels = (images_nchw.detach() * 255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy()
    qualities = np.floor(quality_n.detach().double().cpu().numpy() + 0.5).astype(int)
    for row, quality in enumerate(qualities):
        if quality <= 100:
            pixels[row] = _through_jpeg(pixels[row], int(quality))
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()
    coded = planes.to(images_nchw.device).to(images_nchw.dtype).div_(255)
    for row in np.flatnonzero(qualities > 100):
        coded[row] = images_nchw[row].detach()
    return coded


def occlusion(images_nchw: Tensor, area_n: Tensor, x_n: Tensor, y_n: Tensor, level_n: Tensor) -> Tensor:
    """Covers a rectangle of the image's proportions: sides √a of the image's, wholly inside it.

    Pixels on the rim are covered in part, so that the covered area is exactly a, and the image varies smoothly with
    every value. As a grows the rectangle grows about a point that stays.

    Args:
        images_nchw: Images in [0, 1], (N, C, H, W).
        area_n: Covered share a of the area in [0, 1], (N,); 0 changes nothing.
        x_n: Place across, 0 at the left edge, 1 at the right, (N,).
        y_n: Place down, 0 at the top edge, 1 at the bottom, (N,).
        level_n: Grey level of the cover in [0, 1], (N,).

    Returns:
        Images in [0, 1].

    Example:
        >>> one = torch.ones(1)
        >>> round(occlusion(torch.ones(1, 1, 8, 8), one * 0.3, one * 0.5, one * 0.2, one * 0).mean().item(), 6)
        0.7
    """
    height, width = images_nchw.shape[-2:]
    side = area_n.double().clamp_min(1e-12).sqrt()
    across, down = _covered(x_n, side, width), _covered(y_n, side, height)
    cover = (down[:, :, None] * across[:, None, :])[:, None].to(images_nchw.device, images_nchw.dtype)
    return clip(images_nchw + cover * (column(level_n, images_nchw) - images_nchw))


def _covered(place_n: Tensor, side_n: Tensor, count: int) -> Tensor:
    """The covered share of each of `count` pixels along one axis, (N, count)."""
    start = (place_n.double() * (1 - side_n) * count)[:, None]
    pixel = torch.arange(count, dtype=torch.float64, device=place_n.device)
    return (torch.minimum(pixel + 1, start + side_n[:, None] * count) - torch.maximum(pixel, start)).clamp(0, 1)


def _poisson_quantile(mean: Tensor, probability: Tensor) -> Tensor:
    """The smallest count whose distribution function reaches the probability, for small means."""
    term = torch.exp(-mean)
    reached, count = term.clone(), torch.zeros_like(mean)
    for step in range(1, _MOST_STEPS):
        short = reached < probability
        if step % 4 == 0 and not short.any():
            break
        count.add_(short)
        reached.add_(term.mul_(mean).mul_(1 / step))
    return count


def _through_jpeg(pixels_hwc: np.ndarray, quality: int) -> np.ndarray:
    if pixels_hwc.shape[2] == 3:
        return _coded(pixels_hwc, quality)
    channels = np.moveaxis(pixels_hwc, 2, 0)
    return np.stack([_coded(np.ascontiguousarray(channel), quality) for channel in channels], axis=2)


def _coded(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    buffer.seek(0)
    with Image.open(buffer, formats=["JPEG"]) as image:
        return np.asarray(image)


def _like(numbers: Tensor, images_nchw: Tensor) -> Tensor:
    return numbers.to(images_nchw.device, images_nchw.dtype)
