"""Precision, recall, F1 and cost of one label at every threshold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdCurve:
    """Figures of one label at rising thresholds.

    Args:
        threshold: (T,) rising, in [0, 1]; the label holds where p ≥ threshold.
        precision: TP / (TP + FP), NaN where nothing is decided.
        recall: TP / (TP + FN), NaN without an image of the label.
        f1: 2 TP / (2 TP + FP + FN), NaN where all three are 0.
        cost: (ratio · FN + FP) / N.
    """

    threshold: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    cost: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """The curve as plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}


def counts_at(
    score_n: FloatArray, truth_n: npt.NDArray[np.bool_], threshold_t: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """TP, FP and FN (T,) at each threshold, where p ≥ t decides.

    Example:
        >>> [c.tolist() for c in counts_at(np.array([0.2, 0.8]), np.array([True, True]), np.array([0.2, 0.5]))]
        [[2.0, 1.0], [0.0, 0.0], [0.0, 1.0]]
    """
    positive, negative = np.sort(score_n[truth_n]), np.sort(score_n[~truth_n])
    missed = np.searchsorted(positive, threshold_t, side="left").astype(np.float64)
    false = len(negative) - np.searchsorted(negative, threshold_t, side="left").astype(np.float64)
    return len(positive) - missed, false, missed


def curve_at(
    score_n: FloatArray, truth_n: npt.NDArray[np.bool_], threshold_t: FloatArray, ratio: float
) -> ThresholdCurve:
    """The figures at the thresholds.

    Args:
        score_n: Probabilities of one label (N,).
        truth_n: Whether each image bears it (N,).
        threshold_t: Thresholds (T,), rising.
        ratio: What a missed label costs, a false alarm costing 1.

    Example:
        >>> found = curve_at(np.array([0.2, 0.4, 0.8]), np.array([False, True, True]), np.array([0.3, 0.5]), 5)
        >>> found.recall.tolist(), found.precision.tolist(), found.cost.round(3).tolist()
        ([1.0, 0.5], [1.0, 1.0], [0.0, 1.667])
    """
    tp, fp, fn = counts_at(score_n, truth_n, threshold_t)
    return ThresholdCurve(
        threshold=threshold_t,
        precision=_ratio(tp, tp + fp),
        recall=_ratio(tp, tp + fn),
        f1=_ratio(2 * tp, 2 * tp + fp + fn),
        cost=(ratio * fn + fp) / len(score_n),
    )


def scores_between(score_n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cuts [0, 1] into the stretches (edge, next edge] within which a threshold changes no decision.

    Returns:
        Edges (T + 1,), the different scores between 0 and 1; and a threshold inside each stretch (T,), half way.

    Example:
        >>> [part.tolist() for part in scores_between(np.array([0.2, 0.6, 0.6]))]
        [[0.0, 0.2, 0.6, 1.0], [0.1, 0.4, 0.8]]
    """
    edges = np.unique(np.concatenate([[0.0, 1.0], score_n]))
    middles = (edges[:-1] + edges[1:]) / 2
    return edges, np.where(middles > edges[:-1], middles, edges[1:])


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
