"""Images and values that the tests of the shifts share."""

import numpy as np
import torch

from shiftgauge.shifts.catalog import CATALOG
from shiftgauge.shifts.pipeline import ShiftPipeline

MAINS = tuple(name for name, shift in CATALOG.items() if not shift.companion_of)
DIFFERENTIABLE = tuple(name for name in MAINS if CATALOG[name].differentiable)
ROUGH = tuple(name for name in MAINS if not CATALOG[name].differentiable)
RANDOM = tuple(name for name in MAINS if CATALOG[name].random)


def smooth_images(n=1, channels=3, height=24, width=20, seed=0, dtype=torch.float32):
    """Soft blobs with values in [0.2, 0.8], so that little is clipped and no two pixels tie."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    waves = np.zeros((n, channels, height, width))
    for _ in range(6):
        fx, fy, phase = rng.uniform(-2, 2, (3, n, channels, 1, 1))
        waves += np.sin(2 * np.pi * (fx * x + fy * y) + 6 * phase)
    low, high = waves.min((2, 3), keepdims=True), waves.max((2, 3), keepdims=True)
    return torch.from_numpy(0.2 + 0.6 * (waves - low) / (high - low)).to(dtype)


def draw_values(name, n, seed=0):
    """Values from the default distribution of a shift."""
    default = CATALOG[name].default
    u = np.random.default_rng(seed).uniform(size=n)
    low, high = default["low"], default["high"]
    values = low + (high - low) * u if default["distribution"] == "uniform" else low * (high / low) ** u
    return torch.from_numpy(values)


def streams(n, start=0):
    return torch.arange(start, start + n)


def theta_of(names, n, seed=0):
    return torch.stack([draw_values(name, n, seed + k) for k, name in enumerate(names)], dim=1)


def run(names, images, theta, numbers=None, **options):
    numbers = streams(len(images)) if numbers is None else numbers
    return ShiftPipeline(names, **options)(images, theta, numbers)
