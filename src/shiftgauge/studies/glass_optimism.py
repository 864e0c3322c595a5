"""How much better a score looks on the images that thresholds and epoch were chosen on than on others like them.

A difference between choosing on test and choosing on validation mixes two things: luck of the images that one chose
on, and that test images are as many, and of as much the same kind, as the images that are scored. Halves of test tell
them apart: both halves are of one kind and size, so what a choice has on its own half and not on the other is luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.random import generator
from shiftgauge.studies.glass_recipe import PUBLISHED_GRID
from shiftgauge.train.decisions import HALF
from shiftgauge.train.f1 import f1_of, macro
from shiftgauge.types import FloatArray

DIVISIONS: Final = 1000
JUDGED: Final = ("micro F1", "macro F1")
_FEWEST: Final = 4
_SAME: Final = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Halves:
    """What choices were worth on halves of the test images, mean of both directions of each division.

    Args:
        claimed: Micro and macro F1 on the half that was chosen on (R, 2).
        fresh: The same choice on the other half (R, 2).
    """

    claimed: FloatArray
    fresh: FloatArray

    @property
    def optimism(self) -> FloatArray:
        """What is claimed on a half beyond what the choice of the other half has on it (R, 2)."""
        return self.claimed - self.fresh


def choose_and_judge(
    said_enk: FloatArray,
    truth_nk: FloatArray,
    units_n: npt.NDArray[np.int64],
    *,
    grid: Sequence[float] = PUBLISHED_GRID,
    divisions: int = DIVISIONS,
    seed: int = 0,
) -> Halves:
    """Chooses thresholds and epoch on one half of the images and judges them on both, for many divisions.

    On a half, the threshold of each label and epoch is that of the largest F1, of equal ones the middle one; the epoch
    is that of the largest micro F1. Each half is chosen on in turn, so that choices are compared on the same images.

    Args:
        said_enk: Probabilities after every epoch (E, n, K).
        truth_nk: 0 and 1 (n, K).
        units_n: Images with the same number are never divided (n,).
        grid: Thresholds to choose from.
        divisions: R.
        seed: Of the divisions.

    Example:
        >>> truth = np.tile([[0.0], [1.0]], (20, 1))
        >>> float(abs(choose_and_judge(truth[None], truth, np.arange(40), divisions=8).optimism).max())
        0.0
    """
    members, unit = np.unique(units_n, return_inverse=True)
    order = np.argsort(generator(seed, "glass", "halves").random((divisions, len(members))), axis=1)
    first = (order < len(members) // 2).astype(float)
    truth, levels = np.asarray(truth_nk) > HALF, np.asarray(grid, float)
    own, other = [], []  # for each epoch (2, R, 2): half chosen on, division, figure
    for said_nk in said_enk:
        decided = said_nk[..., None] >= levels
        hits = _per_unit(decided & truth[..., None], unit, len(members))
        calls = _per_unit(decided, unit, len(members))
        bears = _per_unit(truth, unit, len(members))
        sides = [tuple(np.tensordot(w, c, axes=1) for c in (hits, calls, bears)) for w in (first, 1 - first)]
        places = [_best(f1_of(h, c, b[..., None])) for h, c, b in sides]
        own.append([_figures(side, place) for side, place in zip(sides, places, strict=True)])
        other.append([_figures(side, place) for side, place in zip(sides[::-1], places, strict=True)])
    claimed, fresh = np.array(own), np.array(other)  # (E, 2, R, 2)
    best = np.nan_to_num(claimed[..., :1]).argmax(axis=0)[None]
    found = [np.take_along_axis(values, best, axis=0)[0].mean(axis=0) for values in (claimed, fresh)]
    return Halves(claimed=found[0], fresh=found[1])


def optimism_arrays(
    said_enk: FloatArray,
    truth_nk: FloatArray,
    units_n: npt.NDArray[np.int64],
    ways: dict[str, slice],
    *,
    level: float,
    seed: int,
) -> xr.Dataset:
    """Mean and spread of the optimism over divisions; empty where there are too few groups to divide.

    Args:
        said_enk: Probabilities of the test images after every epoch (E, n, K).
        truth_nk: 0 and 1 (n, K).
        units_n: Images with the same number are never divided.
        ways: Name of a way to choose → the epochs that it chooses from.
        level: Share of the divisions between the bounds.
        seed: Of the divisions.
    """
    if len(np.unique(units_n)) < _FEWEST:
        return xr.Dataset()
    found = [choose_and_judge(said_enk[epochs], truth_nk, units_n, seed=seed) for epochs in ways.values()]
    axes = ("chosen", "judged")
    gaps = np.stack([halves.optimism for halves in found])
    return xr.Dataset(
        {
            "watch_optimism": (axes, gaps.mean(axis=1)),
            "watch_optimism_interval": ((*axes, "bound"), percentile_interval(np.moveaxis(gaps, 1, -1), level)),
            "watch_half_claimed": (axes, np.stack([halves.claimed.mean(axis=0) for halves in found])),
            "watch_half_fresh": (axes, np.stack([halves.fresh.mean(axis=0) for halves in found])),
        },
        coords={"chosen": list(ways), "judged": list(JUDGED), "bound": ["low", "high"]},
    )


def _per_unit(values_n: npt.NDArray[np.bool_], unit_n: npt.NDArray[Any], count: int) -> FloatArray:
    """Sums over the images of each unit, (n, …) → (U, …)."""
    found = np.zeros((count, *values_n.shape[1:]))
    np.add.at(found, unit_n, values_n.astype(float))
    return found


def _best(f1_rkg: FloatArray) -> npt.NDArray[np.int64]:
    """Place of the largest F1 on the grid, of equal ones the middle one, (R, K, 1)."""
    known = np.nan_to_num(f1_rkg)
    equal = np.cumsum(known >= known.max(axis=-1, keepdims=True) - _SAME, axis=-1)
    return (equal >= (equal[..., -1:] + 1) // 2).argmax(axis=-1)[..., None]


def _figures(side: tuple[FloatArray, ...], place_rk1: npt.NDArray[np.int64]) -> FloatArray:
    """Micro and macro F1 of a half with the thresholds at the given places, (R, 2)."""
    hits, calls = (np.take_along_axis(values, place_rk1, axis=-1)[..., 0] for values in side[:2])
    micro = f1_of(*(values.sum(axis=1) for values in (hits, calls, side[2])))
    return np.stack([micro, np.nan_to_num(macro(f1_of(hits, calls, side[2])))], axis=-1)
