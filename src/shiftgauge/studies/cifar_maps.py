"""Sensitivity of the blocks of the CIFAR-10 study's networks, over many images and kept on the way.

The published figures show nine images of one class; here the same numbers are taken of images of all classes, so that
what is said of depth and colour has an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.explain.depth_profile import depth_profile
from shiftgauge.explain.perturbation import PerturbationMaps, PerturbationOptions, perturbation_maps, pixelised
from shiftgauge.studies.kept import kept_arrays
from shiftgauge.types import Classifier, FloatArray

PUBLISHED_LAW: Final = {"law": "normal", "epsilon": 0.1, "offset": -0.05}
"""The published code's random push of each pixel."""
_AT_ONCE: Final = 4
_MEASURED: Final = ("sensitivity", "relative", "share", "correlation", "edges")


@dataclass(frozen=True, kw_only=True)
class Sensitivities:
    """What the maps of many images come to; N images, B blocks.

    Args:
        blocks: Names of the blocks, from input to output.
        sensitivity: Mean of ‖B(x + ε e) − B(x)‖₂ over the pixels (N, B, channel).
        relative: The same over ‖B(x)‖₂.
        share: Share of the variance of a map that lies between its channels (N, B).
        correlation: Mean correlation of the maps of two channels (N, B).
        edges: Correlation of the map, mean of its channels, with the steepness of the image (N, B).
    """

    blocks: tuple[str, ...]
    sensitivity: FloatArray
    relative: FloatArray
    share: FloatArray
    correlation: FloatArray
    edges: FloatArray


def measure_maps(
    classifier: Classifier,
    images_nchw: torch.Tensor,
    *,
    options: PerturbationOptions,
    folder: Path,
    identity: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> Sensitivities:
    """Takes the maps of all images, a few at a time, and keeps what they come to.

    Args:
        classifier: The network.
        images_nchw: Values in [0, 1].
        options: How pixels are pushed.
        folder: Keeps one file for each few images; what is there already is not done again.
        identity: What decides the outcome beside the options: hashes of network and images.
        progress: Called with (images done, images in all).

    Raises:
        StoreError: The folder cannot be written to.
    """
    found, blocks, n = [], (), len(images_nchw)
    for start in range(0, n, _AT_ONCE):
        part = images_nchw[start : start + _AT_ONCE]

        def measure(part: torch.Tensor = part) -> dict[str, npt.NDArray[Any]]:
            return _reduced(perturbation_maps(classifier, part, options=options), part)

        key = {"of": list(identity), "options": options.to_dict(), "rows": [start, start + len(part)]}
        found.append(kept_arrays(folder, f"{start:05d}", key, measure))
        blocks = tuple(str(name) for name in found[-1]["blocks"])
        if progress is not None:
            progress(start + len(part), n)
    return Sensitivities(blocks=blocks, **{name: np.concatenate([f[name] for f in found]) for name in _MEASURED})


def _reduced(maps: PerturbationMaps, images_nchw: torch.Tensor) -> dict[str, Any]:
    profile, values = depth_profile(maps), maps.norm_of_difference.astype(np.float64)
    return {
        "blocks": np.array(maps.blocks),
        "sensitivity": profile.sensitivity,
        "relative": profile.relative,
        "share": profile.channel_share_of_images,
        "correlation": channel_correlation(values),
        "edges": edge_correlation(values, images_nchw.numpy()),
    }


def channel_correlation(maps_nbcyx: npt.NDArray[Any]) -> FloatArray:
    """Mean correlation of the maps of two channels, (N, B); 1 where the channels differ by a factor at most.

    Example:
        >>> one = np.arange(4.0).reshape(1, 1, 1, 2, 2)
        >>> channel_correlation(np.concatenate([one, 2 * one], axis=2)).round(6).tolist()
        [[1.0]]
    """
    unit = _standardised(maps_nbcyx.reshape(*maps_nbcyx.shape[:3], -1))
    products = np.einsum("nbcp,nbdp->nbcd", unit, unit)
    first, second = np.triu_indices(maps_nbcyx.shape[2], 1)
    return products[..., first, second].mean(axis=-1)


def edge_correlation(maps_nbcyx: npt.NDArray[Any], images_nchw: npt.NDArray[Any]) -> FloatArray:
    """Correlation of the maps, mean of the channels, with the length of the image's grey gradient, (N, B)."""
    grey = images_nchw.astype(np.float64).mean(axis=1)
    steep = np.hypot(np.gradient(grey, axis=1), np.gradient(grey, axis=2))
    mean = maps_nbcyx.mean(axis=2)
    unit = _standardised(mean.reshape(*mean.shape[:2], -1))
    return np.einsum("nbp,np->nb", unit, _standardised(steep.reshape(len(steep), -1)))


def repeatability(one_nbcyx: npt.NDArray[Any], other_nbcyx: npt.NDArray[Any], side: int) -> FloatArray:
    """Correlation of two maps of each colour, the mean of which is given, (N, B).

    Args:
        one_nbcyx: Maps by a random push.
        other_nbcyx: The same by other draws.
        side: Pixels of the square cells whose mean is painted back.
    """
    first, second = (
        _standardised(values.reshape(*values.shape[:3], -1))
        for values in (pixelised(maps.astype(np.float64), side) for maps in (one_nbcyx, other_nbcyx))
    )
    return np.einsum("nbcp,nbcp->nbc", first, second).mean(axis=2)


def _standardised(values: npt.NDArray[Any]) -> FloatArray:
    """Values along the last axis with mean 0 and length 1; NaN where they are constant."""
    centred = values - values.mean(axis=-1, keepdims=True)
    length = np.linalg.norm(centred, axis=-1, keepdims=True)
    return np.divide(centred, length, out=np.full_like(centred, np.nan), where=length > 0)
