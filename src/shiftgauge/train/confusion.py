"""Confusion matrices as shares of what is true, with intervals over groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shiftgauge.estimate.group_bootstrap import GroupBootstrap, bootstrap_interval
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfusionShares:
    """Shares of the rows of a confusion matrix; NaN in a row without images.

    Args:
        share: (..., K), adding up to 1 along the last axis.
        low: Lower ends of the intervals.
        high: Upper ends.
    """

    share: FloatArray
    low: FloatArray
    high: FloatArray


def label_shares(
    count_k22: npt.NDArray[np.int64],
    cell_r4k: FloatArray,
    truth_nk: npt.NDArray[np.bool_],
    bootstrap: GroupBootstrap,
    confidence_level: float,
) -> ConfusionShares:
    """Shares of the 2 × 2 matrix of every label.

    Args:
        count_k22: Images (K, 2, 2), rows without and with the label, columns decided without and with it.
        cell_r4k: TP, FP, FN, TN of every label in every resample (R, 4, K).
        truth_nk: Whether each image bears each label (N, K).
        bootstrap: The resamples.
        confidence_level: Of the intervals.
    """
    tp, fp, fn, tn = cell_r4k.transpose(1, 2, 0)
    resampled = np.stack([np.stack([tn, fp], axis=1), np.stack([fn, tp], axis=1)], axis=1)
    groups = [[bootstrap.groups_of(~truth), bootstrap.groups_of(truth)] for truth in truth_nk.T]
    share = _of_row(count_k22.astype(np.float64), axis=-1)
    low, high = bootstrap_interval(share, _of_row(resampled, axis=2), np.array(groups)[..., None], confidence_level)
    return ConfusionShares(share=share, low=low, high=high)


def class_shares(
    count_kk: npt.NDArray[np.int64],
    truth_n: npt.NDArray[np.int64],
    decided_n: npt.NDArray[np.int64],
    bootstrap: GroupBootstrap,
    confidence_level: float,
) -> ConfusionShares:
    """Shares of the rows of a K × K matrix.

    Args:
        count_kk: Images by true class (rows) and decided class (columns).
        truth_n: True classes (N,).
        decided_n: Decided classes (N,).
        bootstrap: The resamples.
        confidence_level: Of the intervals.

    Example:
        >>> drawn = GroupBootstrap.of(None, 3, resamples=0)
        >>> classes = np.array([0, 0, 1])
        >>> class_shares(np.diag([2, 1]), classes, classes, drawn, 0.95).share.tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    share = _of_row(count_kk.astype(np.float64), axis=-1)
    low, high = np.full_like(share, np.nan), np.full_like(share, np.nan)
    for row in np.unique(truth_n):
        of_row = truth_n == row
        met = np.unique(decided_n[of_row])
        cells = of_row[:, None] & (decided_n[:, None] == met)
        ends = np.zeros((share.shape[1], bootstrap.resamples))
        ends[met] = _of_row(bootstrap.sums(cells), axis=1).T
        low[row], high[row] = bootstrap_interval(share[row], ends, bootstrap.groups_of(of_row), confidence_level)
    return ConfusionShares(share=share, low=low, high=high)


def _of_row(counts: FloatArray, axis: int) -> FloatArray:
    whole = counts.sum(axis=axis, keepdims=True)
    return np.where(whole > 0, counts / np.where(whole > 0, whole, 1.0), np.nan)
