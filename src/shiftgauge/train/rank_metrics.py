"""Average precision, the area under the ROC curve and bands around both curves, over resamples of groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.types import FloatArray

SHARES: Final[FloatArray] = np.linspace(0, 1, 51)
"""Where bands are drawn: false positive rates of a ROC curve, recalls of a precision-recall curve."""


@dataclass(frozen=True, kw_only=True, eq=False)
class RankResamples:
    """What each resample says of the ranks of one class; NaN where it lacks the class, or everything else.

    Args:
        average_precision: (R,).
        roc_auc: (R,).
        true_positive_rate: At the false positive rates `SHARES`, (R, 51).
        precision: At the first threshold with at least the recalls `SHARES`, (R, 51).
    """

    average_precision: FloatArray
    roc_auc: FloatArray
    true_positive_rate: FloatArray
    precision: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Order:
    """The images of one class and all others by falling score, cut where scores of the class differ."""

    positive_m: npt.NDArray[np.int64]
    negative_m: npt.NDArray[np.int64]
    through_b: npt.NDArray[np.int64]
    """Positives with the score of a block, or more."""
    false_above_b: npt.NDArray[np.int64]
    false_through_b: npt.NDArray[np.int64]


def rank_resamples(score_n: FloatArray, truth_n: npt.NDArray[np.bool_], bootstrap: GroupBootstrap) -> RankResamples:
    """Ranks the images once and counts them anew in every resample.

    With the positives sorted into blocks b of equal score, w_b of them in a resample, T_b positives and F_b others with
    that score or more, and F̃_b = others above it plus half of its equals: AP = Σ_b w_b T_b / (T_b + F_b) / P, and
    AUC = 1 - Σ_b w_b F̃_b / (P N), P and N being the positives and others of the resample.

    Args:
        score_n: Scores of the class (N,).
        truth_n: Whether each image is of the class (N,).
        bootstrap: The resamples.

    Returns:
        The resampled values.

    Example:
        >>> drawn = GroupBootstrap(group_n=np.arange(3), n_groups=3, count_gr=np.ones((3, 1), np.uint8))
        >>> found = rank_resamples(np.array([0.9, 0.8, 0.1]), np.array([True, False, True]), drawn)
        >>> found.average_precision.round(4).tolist(), found.roc_auc.tolist()
        ([0.8333], [0.5])
    """
    r = bootstrap.resamples
    scalars, bands = np.full((2, r), np.nan), np.full((2, r, len(SHARES)), np.nan)
    if truth_n.any():
        order = _ordered(score_n, truth_n)
        for piece in bootstrap.pieces(16 * len(score_n)):
            scalars[:, piece], bands[:, piece] = _piece(order, bootstrap, piece)
    return RankResamples(
        average_precision=scalars[0], roc_auc=scalars[1], true_positive_rate=bands[0], precision=bands[1]
    )


def _ordered(score_n: FloatArray, truth_n: npt.NDArray[np.bool_]) -> _Order:
    order = np.argsort(-score_n, kind="stable")
    positive, negative = order[truth_n[order]], order[~truth_n[order]]
    falling = -score_n[positive]
    through = np.append(np.flatnonzero(np.diff(falling)) + 1, len(falling))
    levels = falling[through - 1]
    return _Order(
        positive_m=positive,
        negative_m=negative,
        through_b=through,
        false_above_b=np.searchsorted(-score_n[negative], levels, side="left"),
        false_through_b=np.searchsorted(-score_n[negative], levels, side="right"),
    )


def _piece(order: _Order, bootstrap: GroupBootstrap, piece: slice) -> tuple[FloatArray, FloatArray]:
    """Scalars (2, r) and bands (2, r, 51) of some resamples."""
    blocks, others = len(order.through_b), len(order.negative_m)
    bounds = np.concatenate([order.false_above_b, order.false_through_b, [others]])
    false = bootstrap.counts_between(order.negative_m, bounds, piece)
    above, through, n = false[:blocks], false[blocks:-1], false[-1]
    true = bootstrap.counts_between(order.positive_m, order.through_b, piece)
    w, p = np.diff(true, axis=0, prepend=0.0), true[-1]
    precision = true / np.maximum(true + through, 1.0)
    known_p, known_n = np.where(p > 0, p, np.nan), np.where(n > 0, n, np.nan)
    ap = (w * precision).sum(axis=0) / known_p
    auc = 1 - (w * (above + through)).sum(axis=0) / (2 * known_p * known_n)
    x_rm = _corners(above, through, n) / known_n[:, None]
    y_rm = _corners(true - w, true, p) / known_p[:, None]
    roc = np.full((len(p), len(SHARES)), np.nan)
    pr = roc.copy()
    rows, recall = precision.T.copy(), true.T.copy()
    for i in np.flatnonzero((p > 0) & (n > 0)):
        roc[i] = np.interp(SHARES, x_rm[i], y_rm[i])
    for i in np.flatnonzero(p > 0):
        pr[i] = rows[i, np.searchsorted(recall[i], np.maximum(SHARES * p[i], 1) - 1e-9)]
    return np.stack([ap, auc]), np.stack([roc, pr])


def _corners(before_br: FloatArray, after_br: FloatArray, end_r: FloatArray) -> FloatArray:
    """Before and after each block in turn, then the end of the curve, (r, 2 B + 1)."""
    blocks, r = before_br.shape
    found = np.empty((r, 2 * blocks + 1))
    found[:, 0:-1:2], found[:, 1::2], found[:, -1] = before_br.T, after_br.T, end_r
    return found
