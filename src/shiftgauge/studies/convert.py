"""What a caller may hand over as a model or as data."""

from __future__ import annotations

from typing import Any

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.labels import match_labels
from shiftgauge.data.load import load_data
from shiftgauge.errors import DataError
from shiftgauge.models.load import load_model
from shiftgauge.types import Classifier


def as_classifier(model: Any, *, trust: bool = False) -> Classifier:
    """Returns a classifier as it is, or loads whatever else describes one."""
    return model if isinstance(model, Classifier) else load_model(model, trust=trust)


def as_source(data: Any, classifier: Classifier) -> ImageDataset:
    """Returns a labelled data set whose labels are indices into the classifier's classes.

    (images, labels) with whole numbers as labels takes them for those indices; everything that brings class names of
    its own is matched by name.
    """
    if isinstance(data, tuple):
        if len(data) != 2:
            raise DataError(f"data as a tuple is (images, labels), got {len(data)} entries")
        return from_arrays(data[0], data[1], class_names=classifier.class_names)
    source: object = load_data(data)
    if not isinstance(source, ImageDataset):
        raise DataError(f"shifts act on images, but the data set is a {type(source).__name__}; give images")
    return source if source.class_names == classifier.class_names else match_labels(source, classifier.class_names)
