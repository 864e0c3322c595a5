"""Precision, recall, F1, areas, curves and confusion matrices of a classifier, all with intervals over groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in
from shiftgauge.errors import DataError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap, bootstrap_interval
from shiftgauge.estimate.resampling import check_resampling, percentile_interval
from shiftgauge.train import metric_values
from shiftgauge.train.confusion import ConfusionShares, class_shares, label_shares
from shiftgauge.train.decisions import HALF, checked_pair, decide, one_versus_rest
from shiftgauge.train.f1 import f1_of
from shiftgauge.train.measured import Averages, ClassMetrics, Curve, Estimate, Metrics
from shiftgauge.train.rank_metrics import SHARES, RankResamples, rank_resamples
from shiftgauge.types import FloatArray

_POINTS: Final = 400
"""Most points of a curve that are kept."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Judged:
    """Scores, truth and decisions of every image, and the resamples."""

    score_nk: FloatArray
    truth_nk: npt.NDArray[np.bool_]
    said_nk: npt.NDArray[np.bool_]
    bootstrap: GroupBootstrap
    level: float

    def estimate(self, value: float, resampled_r: FloatArray, groups: int, share: float = 1.0) -> Estimate:
        """A value with its interval."""
        low, high = bootstrap_interval(value, resampled_r, groups, self.level, share)
        return Estimate(value=value, low=float(low), high=float(high))

    def confusion(self, task: str, cell_r4k: FloatArray) -> tuple[npt.NDArray[np.int64], ConfusionShares]:
        """Counts, and shares of their rows with intervals."""
        if task == "multi":
            count = metric_values.label_confusion(self.truth_nk, self.said_nk)
            return count, label_shares(count, cell_r4k, self.truth_nk, self.bootstrap, self.level)
        truth, said = self.truth_nk.argmax(axis=1), self.said_nk.argmax(axis=1)
        count = metric_values.class_confusion(truth, said, self.truth_nk.shape[1])
        return count, class_shares(count, truth, said, self.bootstrap, self.level)


def classification_metrics(
    task: Literal["single", "multi"],
    probabilities_nk: npt.ArrayLike,
    targets: npt.ArrayLike,
    class_names: Sequence[str],
    *,
    thresholds: Sequence[float] | None = None,
    decided: npt.ArrayLike | None = None,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> Metrics:
    """Measures a classifier on images that took no part in training it, nor in choosing its thresholds.

    The numbers are those of torchmetrics. Intervals are percentiles over resamples of whole groups (every image is its
    own group where none is named); they hold for new groups of the same kind, and with few groups they are too narrow.
    Where all groups agree, so that every resample gives 0 or 1, the interval is widened to what so few groups allow.
    F1 and average precision depend on the prevalence, which stands beside them: at another one they are others.

    Args:
        task: `single`, one class an image, decided by the largest probability; or `multi`.
        probabilities_nk: (N, K) in [0, 1].
        targets: Classes (N,), or 0 and 1 (N, K).
        class_names: Names of the K classes or labels.
        thresholds: For `multi`: a label holds where p ≥ threshold, a tie included; default one half for each.
        decided: Decisions that replace those: classes (N,), or 0 and 1 (N, K), such as `decide` gives for costs.
        groups: Group of each image: board, person, recording …; None or an empty name for images on their own.
        resamples: Resamples behind the intervals, ≥ 0; 0 gives none.
        confidence_level: In [0.5, 0.999].
        seed: Of the resamples.

    Returns:
        Values with intervals, for each class and over all of them.

    Raises:
        ConfigError: Thresholds for one class an image, or a number outside its range.
        DataError: Probabilities, targets, names and groups that do not go together.
        MissingExtraError: torchmetrics is not installed.

    Example:
        >>> p = np.array([[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.6, 0.4]])
        >>> found = classification_metrics("single", p, [0, 0, 1, 1], ["good", "bad"], resamples=200)
        >>> found.confusion.tolist(), found.accuracy.value, round(found.classes[1].f1.value, 3)
        ([[2, 0], [1, 1]], 0.75, 0.667)

    References:
        Saito, T., Rehmsmeier, M. (2015). The precision-recall plot is more informative than the ROC plot when
        evaluating binary classifiers on imbalanced datasets. doi:10.1371/journal.pone.0118432
    """
    require_in("task", task, ("single", "multi"))
    check_resampling(resamples, confidence_level)
    p = np.asarray(probabilities_nk, np.float64)
    if p.ndim != 2 or p.shape[1] != len(class_names):
        raise DataError(f"{len(class_names)} class names do not go with probabilities of shape {p.shape}")
    k = len(class_names)
    answers = decide(p, task, thresholds=thresholds) if decided is None else np.asarray(decided)
    score, truth = checked_pair(p, _columns(np.asarray(targets), task, k, p))
    _, said = checked_pair(p, _columns(answers, task, k, p))
    judged = _Judged(
        score_nk=score,
        truth_nk=truth,
        said_nk=said,
        bootstrap=GroupBootstrap.of(groups, len(p), resamples=resamples, seed=seed),
        level=confidence_level,
    )
    limits = None if task == "single" or decided is not None else (thresholds or (HALF,) * k)
    return _measure(task, judged, class_names, limits)


def _columns(values: npt.NDArray[np.generic], task: str, k: int, p: FloatArray) -> npt.NDArray[np.generic]:
    if task == "multi":
        return values
    if values.shape != p.shape[:1]:
        raise DataError(f"classes must have shape ({len(p)},), got {values.shape}; one class for each image")
    return one_versus_rest(values, k)


def _measure(
    task: Literal["single", "multi"], judged: _Judged, names: Sequence[str], limits: Sequence[float] | None
) -> Metrics:
    truth, said, drawn = judged.truth_nk, judged.said_nk, judged.bootstrap
    k = len(names)
    cells = [truth & said, ~truth & said, truth & ~said, ~truth & ~said]
    counts = np.stack([cell.sum(axis=0) for cell in cells]).astype(np.float64)
    resampled = drawn.sums(np.concatenate(cells, axis=1)).reshape(drawn.resamples, 4, k)
    value, spread = _ratios(counts[:3]), _ratios(resampled[:, :3].swapaxes(0, 1))
    right = (truth == said).all(axis=1)
    ranks = [rank_resamples(judged.score_nk[:, c], truth[:, c], drawn) for c in range(k)]
    classes = tuple(
        _class(judged, names[c], c, None if limits is None else float(limits[c]), value[:, c], spread[..., c], ranks[c])
        for c in range(k)
    )
    confusion, shares = judged.confusion(task, resampled)
    accuracy_r = drawn.sums(np.column_stack([right, np.ones_like(right)]))
    return Metrics(
        task=task,
        n_images=len(truth),
        n_groups=drawn.n_groups,
        resamples=drawn.resamples,
        confidence_level=judged.level,
        accuracy=judged.estimate(float(right.mean()), accuracy_r[:, 0] / accuracy_r[:, 1], drawn.n_groups),
        macro=_macro(judged, counts, resampled, value, spread),
        micro=_micro(judged, counts, resampled),
        average_precision=_mean_area(judged, [c.average_precision.value for c in classes], ranks, "average_precision"),
        roc_auc=_mean_area(judged, [c.roc_auc.value for c in classes], ranks, "roc_auc"),
        classes=classes,
        confusion=confusion,
        confusion_share=shares.share,
        confusion_low=shares.low,
        confusion_high=shares.high,
    )


def _ratios(counts: FloatArray) -> FloatArray:
    """TP, FP, FN (3, ...) → precision, recall, F1 (3, ...), NaN where not defined."""
    tp, fp, fn = counts
    whole = np.stack([tp + fp, tp + fn])
    shares = np.where(whole > 0, tp / np.where(whole > 0, whole, 1.0), np.nan)
    return np.concatenate([shares, f1_of(tp, *whole)[None]])


def _class(
    judged: _Judged,
    name: str,
    c: int,
    limit: float | None,
    value_3: FloatArray,
    spread_3r: FloatArray,
    ranks: RankResamples,
) -> ClassMetrics:
    score, truth, said = judged.score_nk[:, c], judged.truth_nk[:, c], judged.said_nk[:, c]
    of = judged.bootstrap.groups_of
    with_it, without = of(truth), of(~truth)
    shown = [
        judged.estimate(float(value), resampled, groups)
        for value, resampled, groups in zip(value_3, spread_3r, (of(said), with_it, of(truth | said)), strict=True)
    ]
    ap, auc = metric_values.average_precision(score, truth), metric_values.roc_auc(score, truth)
    roc = pr = None
    if truth.any():
        pr = _curve(metric_values.precision_recall_points(score, truth), ranks.precision, judged.level)
    if truth.any() and not truth.all():
        roc = _curve(metric_values.roc_points(score, truth), ranks.true_positive_rate, judged.level)
    return ClassMetrics(
        name=name,
        threshold=limit,
        support=int(truth.sum()),
        decided=int(said.sum()),
        prevalence=float(truth.mean()),
        precision=shown[0],
        recall=shown[1],
        f1=shown[2],
        average_precision=judged.estimate(ap, ranks.average_precision, with_it),
        roc_auc=judged.estimate(auc, ranks.roc_auc, min(with_it, without)),
        roc=roc,
        precision_recall=pr,
    )


def _curve(points: tuple[FloatArray, FloatArray, FloatArray], band_rb: FloatArray, level: float) -> Curve:
    kept = np.unique(np.linspace(0, len(points[0]) - 1, _POINTS).round().astype(int))
    x, y, threshold = (values[kept] for values in points)
    low, high = percentile_interval(band_rb.T, level).T
    return Curve(x=x, y=y, threshold=threshold, band_x=SHARES, low=low, high=high)


def _macro(
    judged: _Judged, counts: FloatArray, resampled: FloatArray, value: FloatArray, spread: FloatArray
) -> Averages:
    there, there_r = counts[:3].sum(axis=0) > 0, resampled[:, :3].sum(axis=1) > 0
    fewest, share = _fewest(judged, there)
    shown = [judged.estimate(float(_mean(value[i], there)), _mean(spread[i], there_r), fewest, share) for i in range(3)]
    return Averages(precision=shown[0], recall=shown[1], f1=shown[2])


def _micro(judged: _Judged, counts: FloatArray, resampled: FloatArray) -> Averages:
    value, spread = _ratios(counts[:3].sum(axis=1)), _ratios(resampled[:, :3].sum(axis=2).T)
    groups = judged.bootstrap.groups_of(np.asarray((judged.truth_nk | judged.said_nk).any(axis=1)))
    shown = [judged.estimate(float(value[i]), spread[i], groups) for i in range(3)]
    return Averages(precision=shown[0], recall=shown[1], f1=shown[2])


def _mean_area(judged: _Judged, values: Sequence[float], ranks: Sequence[RankResamples], name: str) -> Estimate:
    value, spread = np.array(values), np.stack([getattr(rank, name) for rank in ranks], axis=1)
    known = ~np.isnan(value)
    fewest, share = _fewest(judged, known)
    return judged.estimate(float(_mean(value, known)), _mean(spread, ~np.isnan(spread)), fewest, share)


def _fewest(judged: _Judged, of_k: npt.NDArray[np.bool_]) -> tuple[int, float]:
    """Groups of the class that occurs in fewest, and its share in a mean over the classes."""
    groups = [judged.bootstrap.groups_of(judged.truth_nk[:, c]) for c in np.flatnonzero(of_k)]
    return min(groups, default=0), 1 / max(len(groups), 1)


def _mean(values: FloatArray, there: npt.NDArray[np.bool_]) -> FloatArray:
    """Mean over the last axis of what is there, what is not defined counting 0; NaN where nothing is there."""
    count = there.sum(axis=-1)
    total = np.where(there, np.nan_to_num(values), 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
