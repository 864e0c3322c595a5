"""Balanced accuracy of frames and of recordings, with intervals over recordings and paired differences between ways."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.types import FloatArray

BALANCED: Final = "balanced accuracy"
ACCURACY: Final = "accuracy"
RESAMPLES: Final = 2000


def score_arrays(
    said: Mapping[str, FloatArray],
    labels_n: npt.NDArray[np.int64],
    units_n: npt.NDArray[np.int64],
    names: tuple[str, ...],
    *,
    level: float,
    seed: int,
    prefix: str,
) -> xr.Dataset:
    r"""Scores of every way on the same frames, and their differences from the first way.

    Balanced accuracy is the mean of the recalls, $\frac{1}{K} \sum_k TP_k / n_k$: 1/K for whoever says the same of
    every frame. Whole units are drawn with replacement, the same ones for every way; networks stay as they are.

    Args:
        said: Way → probabilities (n, K).
        labels_n: Classes (n,).
        units_n: Frames with the same number are drawn together.
        names: Names of the classes.
        level: Of the intervals.
        seed: Of the draws.
        prefix: Of the variables and of the axis of ways.

    Returns:
        PREFIX_score, PREFIX_difference over (PREFIX, figure), and both with `_interval` over (…, bound).

    Example:
        >>> said = {"a": np.eye(2)[[0, 1, 1]], "b": np.eye(2)[[0, 0, 0]]}
        >>> found = score_arrays(said, np.array([0, 1, 1]), np.arange(3), ("x", "y"), level=0.9, seed=0, prefix="way")
        >>> found["way_score"].sel(figure="balanced accuracy").values.tolist()
        [1.0, 0.5]
    """
    drawn = GroupBootstrap.of([str(u) for u in units_n], len(units_n), resamples=RESAMPLES, seed=seed)
    truth = np.eye(len(names))[labels_n]
    rows, resampled = [], []
    for probability in said.values():
        right = (probability.argmax(axis=1) == labels_n)[:, None] * truth
        cells = np.hstack([right, truth])
        rows.append(_figures(cells.sum(axis=0)[None])[0])
        resampled.append(_figures(drawn.sums(cells)))
    value, spread = np.array(rows), np.stack(resampled)  # (W, F), (W, R, F)
    gap, gaps = value - value[0], spread - spread[0]
    axes = (prefix, "figure")
    return xr.Dataset(
        {
            f"{prefix}_score": (axes, value),
            f"{prefix}_score_interval": ((*axes, "bound"), _interval(spread, level)),
            f"{prefix}_difference": (axes, gap),
            f"{prefix}_difference_interval": ((*axes, "bound"), _interval(gaps, level)),
        },
        coords={
            prefix: list(said),
            "figure": [BALANCED, ACCURACY, *(f"recall of {name}" for name in names)],
            "bound": ["low", "high"],
        },
    )


def of_recordings(
    said: Mapping[str, FloatArray],
    labels_n: npt.NDArray[np.int64],
    units_n: npt.NDArray[np.int64],
    recordings: tuple[str, ...],
) -> tuple[dict[str, FloatArray], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """What is said of whole recordings: the mean of the probabilities of their frames.

    Args:
        said: Way → probabilities (n, K).
        labels_n: Classes (n,); a recording has that of most of its frames.
        units_n: Unit of each frame.
        recordings: Recording of each frame.

    Returns:
        Way → probabilities (m, K), classes (m,), units (m,).
    """
    _, first, place = np.unique(np.array(recordings), return_index=True, return_inverse=True)
    count = np.bincount(place)
    n_classes = next(iter(said.values())).shape[1]
    votes = np.zeros((len(first), n_classes))
    np.add.at(votes, (place, labels_n), 1)
    means = {}
    for way, probability in said.items():
        total = np.zeros((len(first), n_classes))
        np.add.at(total, place, probability)
        means[way] = total / count[:, None]
    return means, votes.argmax(axis=1).astype(np.int64), units_n[first]


def confusion(said_nk: FloatArray, labels_n: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Frames of each class (rows) that are said to be of each class (columns), (K, K)."""
    counts = np.zeros((said_nk.shape[1],) * 2, np.int64)
    np.add.at(counts, (labels_n, said_nk.argmax(axis=1)), 1)
    return counts


def _figures(cells_r2k: FloatArray) -> FloatArray:
    """Balanced accuracy, accuracy and recalls (R, 2 + K); classes that a resample lacks are left out of the mean."""
    right, there = np.split(np.asarray(cells_r2k, float), 2, axis=1)
    recall = np.where(there > 0, right / np.where(there > 0, there, 1), np.nan)
    known = np.isfinite(recall)
    balanced = np.where(known, recall, 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    accuracy = right.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return np.column_stack([balanced, accuracy, recall])


def _interval(values_wrf: FloatArray, level: float) -> FloatArray:
    return percentile_interval(np.moveaxis(values_wrf, 1, -1), level)
