"""What is true of each image, and how a classifier's outputs are held against it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from shiftgauge.errors import DataError
from shiftgauge.evaluate.images import ImageSource
from shiftgauge.evaluate.label_sets import MAX_LABELS, measure_sets, set_codes, set_text
from shiftgauge.evaluate.quantities import measure_finite
from shiftgauge.types import Classifier, FloatArray, MultiLabelClassifier, OutputKind, OutputsNQ


class Truth(Protocol):
    """What is true of each image, for one class or for several labels."""

    @property
    def several(self) -> bool:
        """Whether any number of labels may hold for one image."""
        ...

    @property
    def kinds(self) -> npt.NDArray[np.int64]:
        """A number for each image (n,), the same where the same is true."""
        ...

    @property
    def features(self) -> FloatArray:
        """What is true as numbers that a surrogate can use (n, k), none of which follows from the others."""
        ...

    @property
    def texts(self) -> tuple[str, ...]:
        """What is true of each image, in words."""
        ...

    def measure(self, outputs_nk: np.ndarray, image_n: np.ndarray, chosen: Sequence[int] = ()) -> OutputsNQ:
        """Every quantity of outputs (N, K) for images (N,), the code of what was predicted last."""
        ...

    def told(self, codes: np.ndarray) -> tuple[str, ...]:
        """What was predicted, in words; `""` where the model failed."""
        ...


@dataclass(frozen=True, kw_only=True)
class OneClass:
    """One class for each image.

    Args:
        labels: Class of each image (n,), in [0, K).
        names: Names of the classes.
        kind: What the outputs are.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    kind: OutputKind
    several = False

    @property
    def kinds(self) -> npt.NDArray[np.int64]:
        """The class of each image."""
        return np.asarray(self.labels, np.int64)

    @property
    def features(self) -> FloatArray:
        """1 for the image's class, one column for each class that occurs but the first."""
        present = np.unique(self.labels)
        return (self.labels[:, None] == present[None, 1:]).astype(np.float64)

    @property
    def texts(self) -> tuple[str, ...]:
        """The name of each image's class."""
        return tuple(self.names[k] for k in self.labels)

    def measure(self, outputs_nk: np.ndarray, image_n: np.ndarray, chosen: Sequence[int] = ()) -> OutputsNQ:
        """See `shiftgauge.evaluate.quantities`."""
        return measure_finite(outputs_nk, self.labels[image_n], self.kind, chosen)

    def told(self, codes: np.ndarray) -> tuple[str, ...]:
        """The name of each predicted class."""
        return tuple(self.names[int(k)] if np.isfinite(k) else "" for k in codes)


@dataclass(frozen=True, kw_only=True)
class LabelSets:
    """A set of labels for each image.

    Args:
        sets: 1 where a label holds, else 0 (n, K).
        names: Names of the labels.
        thresholds: A label is said to hold when its probability reaches this (K,).
    """

    sets: np.ndarray
    names: tuple[str, ...]
    thresholds: tuple[float, ...]
    several = True

    @property
    def kinds(self) -> npt.NDArray[np.int64]:
        """The same number for images with the same set."""
        return np.unique(self.sets, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    @property
    def features(self) -> FloatArray:
        """The labels that vary and do not follow from the others (a label `no defect` does)."""
        kept = np.ones((len(self.sets), 1))
        for column in self.sets.T.astype(np.float64):
            wider = np.column_stack([kept, column])
            if np.linalg.matrix_rank(wider) == wider.shape[1]:
                kept = wider
        return kept[:, 1:]

    @property
    def texts(self) -> tuple[str, ...]:
        """The names of each image's labels."""
        return self.told(set_codes(self.sets))

    def measure(self, outputs_nk: np.ndarray, image_n: np.ndarray, chosen: Sequence[int] = ()) -> OutputsNQ:
        """See `shiftgauge.evaluate.label_sets`."""
        return measure_sets(outputs_nk, self.sets[image_n], self.thresholds, chosen)

    def told(self, codes: np.ndarray) -> tuple[str, ...]:
        """The names of each predicted set."""
        return tuple(set_text(code, self.names) if np.isfinite(code) else "" for code in codes)


def truth_of(classifier: Classifier, source: ImageSource) -> Truth:
    """Returns what is true of each image, in the form that the classifier's outputs are held against.

    A classifier of several labels is held against sets of labels; where the data give one class for each image, the set
    holds that label alone.

    Args:
        classifier: The classifier.
        source: The labelled images, relabelled to the classifier's classes.

    Raises:
        DataError: Labels that are no classes of the model, an image with several labels for a model of one class, or
            more labels than can be recorded.
    """
    k, names = classifier.n_classes, classifier.class_names
    matrix = getattr(source, "label_matrix", None)
    if not isinstance(classifier, MultiLabelClassifier):
        labels = _checked_labels(source, k, several=matrix is not None)
        return OneClass(labels=labels, names=names, kind=classifier.output_kind)
    if k > MAX_LABELS:
        raise DataError(f"an audit of several labels takes up to {MAX_LABELS} of them, the model has {k}")
    if matrix is None:
        matrix = np.eye(k)[_checked_labels(source, k, several=False)]
    if matrix.shape != (len(source), k):
        raise DataError(f"the label matrix must be ({len(source)}, {k}) as the model's labels, got {matrix.shape}")
    return LabelSets(sets=np.asarray(matrix), names=names, thresholds=classifier.thresholds)


def _checked_labels(source: ImageSource, n_classes: int, *, several: bool) -> np.ndarray:
    labels = np.asarray(source.labels)
    if several and labels.min() < 0:
        raise DataError(
            f"image `{source.names[int(np.argmin(labels))]}` has not exactly one label, and the audit asks for the "
            "true class; name one label column, leave out images with none or several, or audit a model of several "
            "labels"
        )
    if len(labels) != len(source) or labels.min() < 0 or labels.max() >= n_classes:
        raise DataError(
            f"labels must be class indices in [0, {n_classes - 1}], one for each of {len(source)} images; "
            f"found {labels.min()} to {labels.max()}"
        )
    return labels
