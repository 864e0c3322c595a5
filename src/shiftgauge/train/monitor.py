"""What is watched on the validation images after every epoch, as plain functions of logits and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, log_expit, log_softmax

from shiftgauge.types import FloatArray

_HALF = 0.5


def validation_values(logits_nk: FloatArray, targets: npt.NDArray[Any]) -> dict[str, float]:
    """Loss, accuracy, F1 and average precision of all validation images, each counted once.

    One class an image: the class of the largest logit is decided. Several labels: each label holds whose probability
    reaches one half, and an image counts as right when all its labels are. F1_k = 2 TP / (2 TP + FP + FN); a class that
    neither occurs nor is decided has none and is left out of the mean. The average precision of a class is the mean of
    the precision at each of its images, taken in falling order of score; equal scores enter together.

    Args:
        logits_nk: Logits (N, K).
        targets: Classes (N,), or 0 and 1 (N, K).

    Returns:
        `loss` (unweighted cross-entropy, binary with several labels), `accuracy`, `macro_f1`, `micro_f1`,
        `average_precision` (mean over classes that occur).

    Example:
        >>> found = validation_values(np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.array([0, 1, 1]))
        >>> round(found["accuracy"], 3), round(found["macro_f1"], 3)
        (0.667, 0.667)
    """
    logits = np.asarray(logits_nk, np.float64)
    n, k = logits.shape
    if targets.ndim == 1:
        classes = np.asarray(targets, np.int64)
        log_p = log_softmax(logits, axis=1)
        truth, decided = np.eye(k, dtype=bool)[classes], np.eye(k, dtype=bool)[logits.argmax(axis=1)]
        loss, scores = -log_p[np.arange(n), classes].mean(), np.exp(log_p)
    else:
        truth, decided = np.asarray(targets) > _HALF, logits >= 0
        loss = -np.where(truth, log_expit(logits), log_expit(-logits)).mean()
        scores = expit(logits)
    f1 = _f1(truth, decided)
    precision = [average_precision(scores[:, c], truth[:, c]) for c in range(k) if truth[:, c].any()]
    micro = _f1(truth.reshape(-1, 1), decided.reshape(-1, 1))
    return {
        "loss": float(loss),
        "accuracy": float((truth == decided).all(axis=1).mean()),
        "macro_f1": float(np.nanmean(f1)) if np.isfinite(f1).any() else 0.0,
        "micro_f1": float(np.nan_to_num(micro[0])),
        "average_precision": float(np.mean(precision)) if precision else 0.0,
    }


def average_precision(scores_n: FloatArray, truth_n: npt.NDArray[np.bool_]) -> float:
    """Σ_t (R_t - R_{t-1}) P_t over the different scores, falling: the area under the precision-recall steps.

    Example:
        >>> average_precision(np.array([0.9, 0.8, 0.1]), np.array([True, False, True])).__round__(4)
        0.8333
    """
    order = np.argsort(-scores_n, kind="stable")
    hits = truth_n[order]
    last = np.append(np.flatnonzero(np.diff(scores_n[order])), len(hits) - 1)
    true = np.cumsum(hits)[last]
    gained = np.diff(true, prepend=0) / max(hits.sum(), 1)
    return float((gained * true / (last + 1)).sum())


def best_epoch(history: Sequence[Mapping[str, float]], monitor: str) -> int:
    """Number of the epoch with the best monitored value, among equal ones that with the smallest loss; -1 for none.

    With `last` it is the last one.

    Example:
        >>> best_epoch([{"accuracy": 0.7, "loss": 0.5}, {"accuracy": 0.7, "loss": 0.4}], "accuracy")
        1
    """
    if monitor == "last":
        return len(history) - 1
    best, place = (-np.inf, -np.inf), -1
    for epoch, values in enumerate(history):
        value = -values[monitor] if monitor == "loss" else values[monitor]
        if not np.isnan(value) and (value, -values["loss"]) > best:
            best, place = (value, -values["loss"]), epoch
    return place


def epochs_without_gain(history: Sequence[Mapping[str, float]], monitor: str) -> int:
    """How many epochs have followed the first one with the best monitored value; all of them where none has a value.

    Example:
        >>> epochs_without_gain([{"loss": 0.5}, {"loss": 0.3}, {"loss": 0.3}, {"loss": 0.4}], "loss")
        2
    """
    best, since = -np.inf, 0
    for values in history:
        value = -values[monitor] if monitor == "loss" else values[monitor]
        since = 0 if value > best else since + 1
        best = value if since == 0 else best
    return since


def _f1(truth: npt.NDArray[np.bool_], decided: npt.NDArray[np.bool_]) -> FloatArray:
    right, wrong = (truth & decided).sum(axis=0), (truth ^ decided).sum(axis=0)
    whole = 2 * right + wrong
    return np.where(whole > 0, 2 * right / np.maximum(whole, 1), np.nan)
