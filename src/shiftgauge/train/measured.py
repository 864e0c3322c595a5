"""What is measured of a classifier on a part of the data: numbers with intervals, curves with bands."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number and the interval it lies in.

    Args:
        value: What these images give; NaN where it is not defined.
        low: Lower end of the interval; NaN without resamples, or with fewer than two groups.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.3f}" + ("" if np.isnan(self.low) else f" [{self.low:.3f}, {self.high:.3f}]")


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A curve over thresholds, and a band around it.

    Args:
        x: False positive rates of a ROC curve; recalls of a precision-recall curve (M,).
        y: True positive rates; precisions (M,).
        threshold: Thresholds, where p ≥ t decides (M,); infinite where nothing is decided.
        band_x: Where the band is drawn (B,).
        low: Lower edge of the band, point by point (B,).
        high: Upper edge (B,).
    """

    x: FloatArray
    y: FloatArray
    threshold: FloatArray
    band_x: FloatArray
    low: FloatArray
    high: FloatArray

    def to_dict(self) -> dict[str, list[float]]:
        """The curve as plain lists."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassMetrics:
    """What is measured of one class, or of one label.

    Args:
        name: Its name.
        threshold: The label holds where p ≥ threshold; None with one class an image.
        support: Images that are of it.
        decided: Images that are said to be of it.
        prevalence: support / images; what F1 and average precision must be read beside.
        precision: TP / (TP + FP).
        recall: TP / (TP + FN).
        f1: 2 TP / (2 TP + FP + FN).
        average_precision: Σ_t (R_t - R_{t-1}) P_t over all thresholds, falling.
        roc_auc: Chance that an image of it has a larger score than another one, ties counting half.
        roc: True over false positive rate; None where all images are of it or none is.
        precision_recall: Precision over recall; None where no image is of it.
    """

    name: str
    threshold: float | None
    support: int
    decided: int
    prevalence: float
    precision: Estimate
    recall: Estimate
    f1: Estimate
    average_precision: Estimate
    roc_auc: Estimate
    roc: Curve | None
    precision_recall: Curve | None

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        values: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            values[name] = value.to_dict() if isinstance(value, Curve) else value
            if isinstance(value, Estimate):
                values[name] = asdict(value)
        return values


@dataclass(frozen=True, kw_only=True)
class Averages:
    """Precision, recall and F1 over all classes.

    Args:
        precision: Mean over classes (macro), or from counts added over classes (micro).
        recall: The same of recall; macro recall is also called balanced accuracy.
        f1: The same of F1. Macro F1 is the mean of the classes' F1.
    """

    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, kw_only=True, eq=False)
class Metrics:
    """What is measured of a classifier on one part of the data.

    Args:
        task: `single` or `multi`.
        n_images: Images, each counted once.
        n_groups: Groups that the intervals resample.
        resamples: Resamples behind the intervals.
        confidence_level: Of every interval, and of every point of a band.
        accuracy: Share of images whose class is right; with several labels, all of whose labels are.
        macro: Means over the classes that occur or are decided; one that is never decided has precision 0.
        micro: From counts added over the classes. With one class an image all three equal the accuracy.
        average_precision: Mean over the classes that occur.
        roc_auc: Mean over the classes that occur and are not everywhere.
        classes: One entry for each class or label.
        confusion: Images, int64: (K, K), rows the true class, columns the decided one; or (K, 2, 2), for each label
            rows without and with it, columns without and with it decided.
        confusion_share: The same as shares of their row, NaN in an empty row.
        confusion_low: Lower ends of the intervals of the shares.
        confusion_high: Upper ends.
    """

    task: Literal["single", "multi"]
    n_images: int
    n_groups: int
    resamples: int
    confidence_level: float
    accuracy: Estimate
    macro: Averages
    micro: Averages
    average_precision: Estimate
    roc_auc: Estimate
    classes: tuple[ClassMetrics, ...]
    confusion: npt.NDArray[np.int64]
    confusion_share: FloatArray
    confusion_low: FloatArray
    confusion_high: FloatArray

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values; what is not defined is NaN."""
        values: dict[str, Any] = {}
        for name in self.__dataclass_fields__:
            value = getattr(self, name)
            values[name] = value.tolist() if isinstance(value, np.ndarray) else value
            if isinstance(value, Estimate | Averages):
                values[name] = asdict(value)
        return {**values, "classes": [found.to_dict() for found in self.classes]}
