"""Photometric shifts: pure functions of a batch of images and one value per image.

Every function takes images in [0, 1], (N, C, H, W), and returns the same shape in [0, 1]. Values are (N,).
Sums over an image are formed so that their order cannot matter, and transcendental functions are chosen whose
result does not depend on a pixel's place in memory, so a row's outcome is the same whatever the batch.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from shiftgauge.shifts.tensors import clip, column, exact_mean, power

_LUMA: Final = (0.299, 0.587, 0.114)
"""Weights of grey in ITU-R BT.601, as Pillow and torchvision use them."""
_SRGB_TOE: Final = 0.0031308
"""Light below this is encoded in a straight line."""


def brightness(images_nchw: Tensor, factor_n: Tensor) -> Tensor:
    """Multiplies pixel values: y = min(b x, 1).

    Args:
        images_nchw: Images in [0, 1].
        factor_n: b ≥ 0; 1 changes nothing, 0 gives black.

    Returns:
        Images in [0, 1].

    Example:
        >>> brightness(torch.tensor([0.2, 0.8]).view(1, 1, 1, 2), torch.tensor([2.0])).flatten().tolist()
        [0.4000000059604645, 1.0]
    """
    return clip(images_nchw * column(factor_n, images_nchw))


def contrast(images_nchw: Tensor, factor_n: Tensor) -> Tensor:
    """Stretches pixel values about the mean grey m of the image: y = m + c (x − m), clipped.

    m is the mean of the BT.601 grey for three channels, and of all values otherwise.

    Args:
        images_nchw: Images in [0, 1].
        factor_n: c ≥ 0; 1 changes nothing, 0 gives a plain grey image.

    Returns:
        Images in [0, 1].

    Example:
        >>> contrast(torch.tensor([0.25, 0.75]).view(1, 1, 1, 2), torch.tensor([0.5])).flatten().tolist()
        [0.375, 0.625]
    """
    means_nc = exact_mean(images_nchw)
    if images_nchw.shape[1] == 3:
        mean_n = sum(weight * means_nc[:, k] for k, weight in enumerate(_LUMA))
    else:
        mean_n = sum(means_nc.unbind(1)) / means_nc.shape[1]
    factor = column(factor_n, images_nchw)
    return clip(images_nchw * factor + column(torch.as_tensor(mean_n), images_nchw) * (1 - factor))


def gamma(images_nchw: Tensor, exponent_n: Tensor) -> Tensor:
    """Raises pixel values to a power: y = x^γ.

    Args:
        images_nchw: Images in [0, 1].
        exponent_n: γ > 0; 1 changes nothing, above 1 darkens.

    Returns:
        Images in [0, 1].

    Example:
        >>> gamma(torch.full((1, 1, 1, 1), 0.5), torch.tensor([2.0])).item()
        0.25
    """
    return clip(power(images_nchw, column(exponent_n, images_nchw)))


def exposure(images_nchw: Tensor, stops_n: Tensor) -> Tensor:
    """Multiplies light, not pixel values: y = encode(2^EV decode(x)), clipped at 1.

    decode and encode are the sRGB curve (IEC 61966-2-1), applied to every channel.

    Args:
        images_nchw: Images in [0, 1], sRGB encoded.
        stops_n: EV, in stops; 0 changes nothing, +1 doubles the light.

    Returns:
        Images in [0, 1].

    Example:
        >>> round(exposure(torch.full((1, 1, 1, 1), 0.5), torch.tensor([1.0])).item(), 4)
        0.6858
    """
    gain = column(torch.exp(stops_n.double() * math.log(2)), images_nchw)
    x = images_nchw
    light = torch.where(x <= 0.04045, x / 12.92, power((x + 0.055) / 1.055, torch.full_like(gain, 2.4)))
    light = (light * gain).clamp(max=1)
    bright = power(light.clamp_min(_SRGB_TOE), torch.full_like(gain, 1 / 2.4))
    return clip(torch.where(light <= _SRGB_TOE, light * 12.92, bright * 1.055 - 0.055))


def saturation(images_nchw: Tensor, factor_n: Tensor) -> Tensor:
    """Stretches colours about their own BT.601 grey g: y = g + s (x − g), clipped.

    Args:
        images_nchw: Colour images in [0, 1], (N, 3, H, W).
        factor_n: s ≥ 0; 1 changes nothing, 0 gives grey.

    Returns:
        Images in [0, 1].

    Example:
        >>> pixel = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
        >>> saturation(pixel, torch.tensor([0.0])).flatten().tolist()
        [0.29899999499320984, 0.29899999499320984, 0.29899999499320984]
    """
    red, green, blue = images_nchw.unbind(1)
    grey = (red * _LUMA[0] + green * _LUMA[1] + blue * _LUMA[2])[:, None]
    factor = column(factor_n, images_nchw)
    return clip(images_nchw * factor + grey * (1 - factor))


def hue(images_nchw: Tensor, angle_deg_n: Tensor) -> Tensor:
    """Turns colours round the HSV circle; value (largest channel) and saturation stay.

    With V the largest channel, C the chroma and H the hue in sixths of the circle, channel n = 5, 3, 1 (red, green,
    blue) becomes V − C max(0, min(k, 4 − k, 1)), k = (n + H) mod 6.

    Args:
        images_nchw: Colour images in [0, 1], (N, 3, H, W).
        angle_deg_n: Degrees in [−180, 180]; 0 changes nothing, 120 turns red to green.

    Returns:
        Images in [0, 1].

    Example:
        >>> hue(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), torch.tensor([120.0])).flatten().tolist()
        [0.0, 1.0, 0.0]
    """
    red, green, blue = images_nchw.unbind(1)
    value = images_nchw.amax(dim=1)
    chroma = value - images_nchw.amin(dim=1)
    divisor = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sector = torch.where(
        value == red,
        (green - blue) / divisor,
        torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
    )
    turned = sector + (angle_deg_n / 60).to(images_nchw.device, images_nchw.dtype)[:, None, None]
    channels = []
    for n in (5.0, 3.0, 1.0):
        k = torch.remainder(turned + n, 6.0)
        channels.append(value - chroma * torch.minimum(k, 4 - k).clamp(0, 1))
    return clip(torch.stack(channels, dim=1))


def uneven_illumination(images_nchw: Tensor, strength_n: Tensor, angle_deg_n: Tensor) -> Tensor:
    """Multiplies by a plane of light: y = min(x (1 + s t), 1), t from −1 (dark) to +1 (bright corner or side).

    Args:
        images_nchw: Images in [0, 1].
        strength_n: s in [0, 1]; 0 changes nothing.
        angle_deg_n: Where the light comes from: 0 right, 90 top, counter-clockwise.

    Returns:
        Images in [0, 1].

    Example:
        >>> lit = uneven_illumination(torch.full((1, 1, 1, 2), 0.5), torch.tensor([0.8]), torch.tensor([0.0]))
        >>> [round(v, 6) for v in lit.flatten().tolist()]
        [0.3, 0.7]
    """
    height, width = images_nchw.shape[-2:]
    options = {"device": images_nchw.device, "dtype": images_nchw.dtype}
    angle = torch.deg2rad(angle_deg_n)
    cos, sin = angle.cos() * width, angle.sin() * height
    reach = cos.abs() + sin.abs()
    x = (torch.arange(width, **options) + 0.5) * (2 / width) - 1
    y = ((torch.arange(height, **options) + 0.5) * (2 / height) - 1)[:, None]
    plane = column(strength_n * cos / reach, images_nchw) * x - column(strength_n * sin / reach, images_nchw) * y
    return clip(images_nchw * (1 + plane))
