"""Images that raise their class, and one image pushed towards every class: figures 11, 12 and 14.

The published code clamps a normalised image to [0, 1], where black is −1: what is darker than mid-grey jumps to it at
the first step. Here bounds are black and white. What such a jump would have changed is measured beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.image_walk import image_walk
from shiftgauge.explain.maximize import maximize
from shiftgauge.types import Classifier, FloatArray

PICTURE: Final = ("colour", "y", "x")


def pair_arrays(
    classifier: Classifier,
    images_nchw: torch.Tensor,
    labels_n: npt.NDArray[np.int64],
    options: ActivationMaximization,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """Each image pushed towards its own class: before, after, and what changed.

    Args:
        classifier: The network.
        images_nchw: Values in [0, 1].
        labels_n: Their classes.
        options: How to climb.
        progress: Called with (steps done, steps in all).
    """
    found = maximize(classifier, labels_n.tolist(), start=images_nchw, options=options, progress=progress)
    change = found.images.astype(np.float64) - found.start
    return xr.Dataset(
        {
            "pair_start": (("pair", *PICTURE), as_bytes(found.start)),
            "pair_after": (("pair", *PICTURE), as_bytes(found.images)),
            "pair_label": ("pair", labels_n),
            "pair_predicted": (("pair", "when"), found.predicted[:, [0, -1]]),
            "pair_activation": (("pair", "when"), found.activation[:, [0, -1]]),
            "pair_rms": ("pair", found.distance_rms[:, -1]),
            "pair_roughness": ("pair", roughness(change)),
        },
        coords={"when": ["before", "after"]},
    )


def walk_arrays(
    classifier: Classifier,
    image_chw: torch.Tensor,
    options: ActivationMaximization,
    progress: Callable[[int, int], None] | None = None,
) -> xr.Dataset:
    """One image pushed towards every class, with the way that it had to go.

    Args:
        classifier: The network.
        image_chw: Values in [0, 1].
        options: How to climb.
        progress: Called with (steps done, steps in all).
    """
    found = image_walk(classifier, image_chw, options=options, progress=progress)
    return xr.Dataset(
        {
            "walk_start": (PICTURE, as_bytes(found.start[0])),
            "walk_after": (("goal", *PICTURE), as_bytes(found.images[0])),
            "walk_source": ((), int(found.source[0])),
            "walk_reached_at": ("goal", found.reached_at[0]),
            "walk_stayed": ("goal", found.stayed[0].astype(np.int64)),
            "walk_reached_rms": ("goal", found.reached_rms[0]),
            "walk_reached_max": ("goal", found.reached_max[0]),
        },
        coords={"goal": list(found.classes)},
    )


def roughness(change_nchw: npt.NDArray[Any]) -> FloatArray:
    """How much neighbouring pixels of a change differ, over how large it is; low is blurred.

    Args:
        change_nchw: Differences of images (N, C, H, W).

    Returns:
        (N,): (mean |∂x| + mean |∂y|) / mean |change|; NaN where nothing changed.

    Example:
        >>> board = np.indices((4, 4)).sum(axis=0) % 2 * 2.0 - 1
        >>> roughness(np.stack([board, np.ones((4, 4))])[:, None]).tolist()
        [4.0, 0.0]
    """
    axes = (1, 2, 3)
    size = np.abs(change_nchw).mean(axis=axes)
    varies = sum(np.abs(np.diff(change_nchw, axis=axis)).mean(axis=axes) for axis in (2, 3))
    return np.divide(varies, size, out=np.full(len(size), np.nan), where=size > 0)


def clamped_share(images_nchw: torch.Tensor) -> FloatArray:
    """Share of the values of each image that the published clamp moves at the first step: those below mid-grey.

    Example:
        >>> clamped_share(torch.tensor([0.0, 0.6, 0.4, 1.0]).view(1, 1, 2, 2)).tolist()
        [0.5]
    """
    return (images_nchw < 0.5).double().mean(dim=(1, 2, 3)).numpy()


def as_bytes(images: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] as grey levels of 0 to 255."""
    return np.round(np.clip(images, 0, 1) * 255).astype(np.uint8)
