"""Where an ascent begins: noise, given images, or the mean image of a class."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.checks import require_finite, require_positive_int
from shiftgauge.errors import DataError
from shiftgauge.models.input_scale import InputScale
from shiftgauge.random import generator

_MID_GREY = 0.5
_FAR = 10.0
"""Pixel values beyond this are grey levels of 0 to 255 rather than images that left [0, 1]."""


def noise_image(shape: tuple[int, int, int], scale: InputScale, *, deviation: float, seed: int) -> torch.Tensor:
    r"""Draws one image of normal noise about mid-grey, cut off at black and white.

    $$ p = \min(\max(\tfrac{1}{2} + \sigma_c d z, 0), 1), \qquad z \sim N(0, 1) $$

    The middle is that of the image, not the 0 of the scale, which is black where a network normalises nothing.

    Args:
        shape: (C, H, W).
        scale: `deviation` is in its units, σ of a channel each.
        deviation: Standard deviation d, ≥ 0.
        seed: Decides the noise.

    Returns:
        float32 (C, H, W), pixels in [0, 1].

    Example:
        >>> pixels = InputScale(mean=(0.0,), std=(1.0,))
        >>> noise_image((1, 2, 2), pixels, deviation=0.0, seed=0).flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    drawn = generator(seed, "explain", "start").standard_normal(shape)
    std = np.asarray(scale.std).reshape(-1, 1, 1)
    return torch.from_numpy(np.clip(_MID_GREY + std * deviation * drawn, 0, 1).astype(np.float32))


def given_images(
    images: torch.Tensor | npt.ArrayLike, shape: tuple[int, int, int], count: int | None = None
) -> torch.Tensor:
    """Checks images and returns a copy of them as float32 (N, C, H, W).

    Args:
        images: (C, H, W) or (N, C, H, W), pixels in [0, 1]; values outside are kept.
        shape: (C, H, W) of the classifier's input.
        count: How many there must be; a single image is repeated. None takes any number ≥ 1.

    Raises:
        DataError: Another size or number, no images, whole numbers, values far outside [0, 1] or not finite.

    Example:
        >>> given_images(np.full((1, 2, 2), 0.5), (1, 2, 2), 3).shape
        torch.Size([3, 1, 2, 2])
    """
    values = images.detach().cpu() if isinstance(images, torch.Tensor) else torch.from_numpy(np.array(images))
    wanted = f"(N, {', '.join(map(str, shape))})"
    batch = values[None] if values.ndim == 3 else values
    if batch.ndim != 4 or tuple(batch.shape[1:]) != shape:
        raise DataError(f"images must have the shape {wanted}, got {tuple(values.shape)}; pass them through `prepare`")
    if not len(batch):
        raise DataError("the set of images is empty; give at least one")
    if not batch.is_floating_point():
        raise DataError(f"images must be real numbers in [0, 1], got {batch.dtype}; divide grey levels by 255")
    require_finite("images", batch.float().numpy(), error=DataError)
    if float(batch.abs().max()) > _FAR:
        raise DataError(f"pixels must be in [0, 1], got {float(batch.abs().max()):g}; divide grey levels by 255")
    if count is not None and len(batch) not in (1, count):
        raise DataError(f"give one image for all {count} targets or one for each, got {len(batch)}")
    rows = batch if count is None or len(batch) == count else batch.expand(count, -1, -1, -1)
    return rows.to(torch.float32, copy=True).contiguous()


def class_means(
    batches: Iterable[tuple[torch.Tensor | npt.ArrayLike, npt.ArrayLike]], n_classes: int
) -> npt.NDArray[np.float32]:
    """Averages the images of each class, holding one batch at a time.

    Args:
        batches: Pairs of images (n, C, H, W), pixels in [0, 1], and their class numbers (n,).
        n_classes: K, ≥ 1.

    Returns:
        float32 (K, C, H, W).

    Raises:
        DataError: No images, images of several sizes, a number that is no class, or a class without images.

    Example:
        >>> class_means([(np.array([0.0, 0.5, 1.0]).reshape(3, 1, 1, 1), [0, 1, 1])], 2).ravel().tolist()
        [0.0, 0.75]
    """
    require_positive_int("n_classes", n_classes)
    sums: np.ndarray | None = None
    counts = np.zeros(n_classes, np.int64)
    for images, labels in batches:
        values, places = np.asarray(images, dtype=np.float64), np.asarray(labels)
        if values.ndim != 4 or places.shape != (len(values),):
            raise DataError(f"give images (n, C, H, W) and n labels, got {values.shape} and {places.shape}")
        if not len(places):
            continue
        if not np.issubdtype(places.dtype, np.integer) or places.min() < 0 or places.max() >= n_classes:
            raise DataError(f"labels must be whole numbers from 0 to {n_classes - 1}")
        sums = np.zeros((n_classes, *values.shape[1:])) if sums is None else sums
        if sums.shape[1:] != values.shape[1:]:
            raise DataError(f"images must be of one size, got {sums.shape[1:]} and {values.shape[1:]}")
        np.add.at(sums, places, values)
        counts += np.bincount(places, minlength=n_classes)
    if sums is None or not counts.any():
        raise DataError("the set of images is empty; give at least one")
    if not counts.all():
        raise DataError(f"class {int(np.argmin(counts))} has no images to average")
    return (sums / counts.reshape(-1, 1, 1, 1)).astype(np.float32)
