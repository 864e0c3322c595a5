"""The numbers that torchmetrics gives: confusion matrices, areas and curves, as arrays."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.errors import MissingExtraError
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.types import FloatArray


def class_confusion(
    truth_n: npt.NDArray[np.int64], decided_n: npt.NDArray[np.int64], n_classes: int
) -> npt.NDArray[np.int64]:
    """Images by true class (rows) and decided class (columns), (K, K).

    Raises:
        MissingExtraError: torchmetrics is not installed.

    Example:
        >>> class_confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2).tolist()
        [[1, 0], [1, 1]]
    """
    found = _functional().multiclass_confusion_matrix(_tensor(decided_n), _tensor(truth_n), num_classes=n_classes)
    return found.numpy().astype(np.int64)


def label_confusion(truth_nk: npt.NDArray[np.bool_], decided_nk: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Images without and with each label (rows), decided without and with it (columns), (K, 2, 2)."""
    of = _functional().binary_confusion_matrix
    columns = range(truth_nk.shape[1])
    found = [of(_tensor(decided_nk[:, k]).long(), _tensor(truth_nk[:, k]).long()).numpy() for k in columns]
    return np.stack(found).astype(np.int64)


def average_precision(score_n: FloatArray, truth_n: npt.NDArray[np.bool_]) -> float:
    """Σ_t (R_t - R_{t-1}) P_t; NaN without an image of the class."""
    if not truth_n.any():
        return float("nan")
    return float(_functional().binary_average_precision(_tensor(score_n), _tensor(truth_n).long()))


def roc_auc(score_n: FloatArray, truth_n: npt.NDArray[np.bool_]) -> float:
    """Area under the ROC curve; NaN where all images are of the class or none is."""
    if truth_n.all() or not truth_n.any():
        return float("nan")
    return float(_functional().binary_auroc(_tensor(score_n), _tensor(truth_n).long()))


def roc_points(score_n: FloatArray, truth_n: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """False and true positive rates, and thresholds, the first infinite: nothing is decided there."""
    false, true, threshold = _functional().binary_roc(_tensor(score_n), _tensor(truth_n).long())
    thresholds = np.append(np.inf, _array(threshold)[1:])
    return _array(false), _array(true), thresholds


def precision_recall_points(
    score_n: FloatArray, truth_n: npt.NDArray[np.bool_]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Recalls, rising from 0, precisions and thresholds, the first infinite: nothing is decided there."""
    found = _functional().binary_precision_recall_curve(_tensor(score_n), _tensor(truth_n).long())
    precision, recall, threshold = (_array(values)[::-1] for values in found)
    return recall, precision, np.append(np.inf, threshold)


def _functional() -> ModuleType:
    prepare_torchvision()
    try:
        return importlib.import_module("torchmetrics.functional.classification")
    except ModuleNotFoundError as error:
        raise MissingExtraError("torchmetrics", "train", "measuring a classifier") from error


def _tensor(values: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.array(values))


def _array(values: torch.Tensor) -> FloatArray:
    return values.numpy().astype(np.float64)
