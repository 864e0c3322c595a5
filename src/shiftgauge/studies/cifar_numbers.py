"""The numbers of the CIFAR-10 study: profiles over depth and colour, and ratios of blocks, with intervals."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.studies.cifar_recipe import Network
from shiftgauge.types import FloatArray

KINDS: Final = ("sensitivity", "relative")
"""Of a block: the mean of ‖B(x + ε e) − B(x)‖₂, and the same over ‖B(x)‖₂."""
Interval = tuple[float, float, float]
_FLOOR: Final = 6.0
_STEM: Final = "stem"


def mean_of(values: FloatArray) -> Interval:
    """Mean over images, and its interval.

    Example:
        >>> tuple(round(v, 2) for v in mean_of(np.array([1.0, 2.0, 3.0])))
        (2.0, -0.48, 4.48)
    """
    mean, low, high = mean_interval(values)
    return float(mean), float(low), float(high)


def above(found: Interval, bound: float) -> bool | None:
    """Whether a mean lies above a bound; None where its interval holds the bound, or there is none.

    Example:
        >>> above((0.5, 0.4, 0.6), 0.3), above((0.5, 0.4, 0.6), 0.7), above((0.5, 0.4, 0.6), 0.45)
        (True, False, None)
    """
    return True if found[1] > bound else False if found[2] < bound else None


def block_numbers(a: xr.Dataset, name: Network) -> FloatArray:
    """Numbers of the blocks as published: from 1, a stem before them 0."""
    blocks = a["block"].sel(network=name).values.tolist()
    return np.arange(len(blocks)) + (blocks[0] != _STEM)


def depth_ratio(a: xr.Dataset, name: Network, kind: str) -> FloatArray:
    """log10 of the last block's sensitivity over the first's, for each image; a stem before the blocks is left out.

    A block that does not answer at all has the ratio 10⁻⁶ or 10⁶, so that an image of a dead block counts; NaN where
    neither block answers.

    Args:
        a: Arrays of the study.
        name: The network.
        kind: `sensitivity`, or `relative` to the block's own size.
    """
    values = a[kind].sel(network=name).mean("colour", skipna=False).values
    still = (a["sensitivity"].sel(network=name) == 0).all("colour").values
    values = np.where(still, 0.0, values)  # relative to an output of size 0 it would be no number
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log10(values[:, -1] / values[:, int(np.argmax(block_numbers(a, name) == 1))])
    return np.clip(found, -_FLOOR, _FLOOR)


def dead_images(a: xr.Dataset, name: Network) -> int:
    """Images to which the last block does not answer at all."""
    return int((a["sensitivity"].sel(network=name).isel(depth=-1) == 0).all("colour").sum())


def profile_arrays(a: xr.Dataset) -> xr.Dataset:
    """Every figure of every block, and the ratio of the last block to the first, as a mean over images with interval.

    Args:
        a: Arrays of the study, with `sensitivity`, `relative`, `share` and `channel_correlation`.

    Returns:
        `profile` (figure, network, depth) and `depth_ratio` (kind, network) with their `…_interval` (…, bound), and
        `number` (network, depth), the published numbers of the blocks.
    """
    names: list[Network] = a["network"].values.tolist()
    figures = {
        kind: a[kind].mean("colour", skipna=False).transpose("network", "looked", "depth").values for kind in KINDS
    }
    figures |= {n: a[n].transpose("network", "looked", "depth").values for n in ("share", "channel_correlation")}
    profile = np.stack([np.stack(mean_interval(values, axis=1)) for values in figures.values()])
    ratios = np.array([[mean_of(depth_ratio(a, name, kind)) for name in names] for kind in KINDS])
    return xr.Dataset(
        {
            "profile": (("figure", "network", "depth"), profile[:, 0]),
            "profile_interval": (("figure", "network", "depth", "bound"), np.moveaxis(profile[:, 1:], 1, -1)),
            "depth_ratio": (("kind", "network"), ratios[..., 0]),
            "depth_ratio_interval": (("kind", "network", "bound"), ratios[..., 1:]),
            "number": (("network", "depth"), np.stack([block_numbers(a, name) for name in names])),
        },
        coords={"figure": list(figures), "kind": list(KINDS), "network": names, "bound": ["low", "high"]},
    )
