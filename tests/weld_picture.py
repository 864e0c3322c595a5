"""Drawn pictures of weld seams, and simple versions of the shifts."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, rotate


def weld_picture(index: int, side: int = 64) -> np.ndarray:
    """A drawn weld seam, uint8 (side, side, 3): a rippled bright bead on brushed metal."""
    rng = np.random.default_rng(1000 + index)
    y, x = np.mgrid[0:side, 0:side] / side
    metal = 0.34 + 0.25 * gaussian_filter(rng.standard_normal((side, side)), (0.4, 6))
    centre = 0.5 + 0.05 * np.sin(5 * x + index)
    bead = np.exp(-(((y - centre) / (0.11 + 0.02 * (index % 3))) ** 2))
    ripple = 0.12 * np.sin(2 * np.pi * (9 * x - 4 * (y - centre) ** 2 * 20)) * bead
    hole = 0.6 * np.exp(-(((x - 0.6) / 0.05) ** 2 + ((y - 0.5) / 0.04) ** 2)) * (index % 3 == 1)
    grey = np.clip(metal + 0.4 * bead + ripple - hole, 0, 1)[..., None]
    return (255 * np.clip(grey * np.array([1.0, 0.98, 0.94]), 0, 1)).astype(np.uint8)


def shifted(picture, name, value, rng):
    image = picture.astype(float)
    if name == "rotation":
        image = rotate(image, value, reshape=False, order=1)
    elif name == "brightness":
        image = image * value
    elif name == "tilt":
        image = np.roll(image, int(value / 2), axis=0)
    elif name == "gaussian_blur":
        image = gaussian_filter(image, (value, value, 0))
    else:
        image = image + 255 * value * rng.standard_normal(image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)
