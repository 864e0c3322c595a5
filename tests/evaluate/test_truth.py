"""What is true of each image, for one class and for several labels."""

from dataclasses import dataclass

import numpy as np
import pytest

from fakes import GreyImages, MeanClassifier
from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import DataError
from shiftgauge.evaluate.quantities import measure
from shiftgauge.evaluate.truth import LabelSets, OneClass, truth_of

NAMES = ("no defect", "scratch", "stain")


@dataclass
class Several(MeanClassifier):
    """A stand-in with a threshold for each label."""

    class_names: tuple[str, ...] = NAMES
    output_kind: str = "probabilities"
    n_classes: int = 3
    thresholds: tuple[float, ...] = (0.5, 0.25, 0.75)


def pictures(n: int) -> np.ndarray:
    return np.zeros((n, 4, 4), np.uint8)


SETS = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]])


def test_one_class_is_measured_as_before():
    source = GreyImages(greys=(0.2, 0.9))
    truth = truth_of(MeanClassifier(), source)
    outputs = np.array([[0.3, -0.1], [1.0, 2.0], [np.nan, 0.0]])
    image = np.array([1, 0, 1])
    assert isinstance(truth, OneClass)
    found = truth.measure(outputs, image, [1])
    np.testing.assert_array_equal(found[:2], measure(outputs[:2], np.array([1, 0]), "logits", [1]))
    assert truth.told(found[:, -1]) == ("dark", "bright", "")
    assert truth.texts == ("dark", "bright")
    assert truth.features.tolist() == [[0.0], [1.0]]


def test_several_labels_are_held_against_thresholds():
    source = from_arrays(pictures(5), SETS, NAMES)
    truth = truth_of(Several(), source)
    assert isinstance(truth, LabelSets)
    values = truth.measure(np.array([[0.1, 0.3, 0.8], [0.1, 0.1, 0.1], [np.nan] * 3]), np.array([2, 2, 2]))
    assert values[:, 3].tolist()[:2] == [1.0, 0.0]
    assert truth.told(values[:, -1]) == ("scratch + stain", "no label", "")
    assert truth.texts == ("no defect", "scratch", "scratch + stain", "stain", "scratch")


def test_images_with_the_same_set_are_of_one_kind():
    truth = truth_of(Several(), from_arrays(pictures(5), SETS, NAMES))
    kinds = truth.kinds
    assert kinds[1] == kinds[4]
    assert len(set(kinds.tolist())) == 4


def test_a_label_that_follows_from_the_others_is_no_feature():
    only = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert truth_of(Several(), from_arrays(pictures(4), only, NAMES)).features.shape == (4, 2)
    constant = np.array([[0, 1, 0], [0, 1, 1]])
    assert truth_of(Several(), from_arrays(pictures(2), constant, NAMES)).features.tolist() == [[0.0], [1.0]]


def test_data_of_one_class_serve_a_model_of_several_labels_as_sets_of_one():
    source = from_arrays(pictures(2), np.array([2, 0]), NAMES)
    assert truth_of(Several(), source).texts == ("stain", "no defect")


def test_what_does_not_fit_is_told():
    several = from_arrays(pictures(5), SETS, NAMES)
    single = MeanClassifier(class_names=NAMES)
    single.n_classes = 3
    with pytest.raises(DataError, match=r"has not exactly one label.*audit a model of several labels"):
        truth_of(single, several)
    with pytest.raises(DataError, match=r"must be \(5, 2\)"):
        truth_of(Several(class_names=NAMES[:2], n_classes=2), several)
    with pytest.raises(DataError, match="up to 52"):
        truth_of(Several(n_classes=53), several)
    with pytest.raises(DataError, match=r"labels must be class indices in \[0, 1\]"):
        truth_of(MeanClassifier(), from_arrays(pictures(3), [0, 1, 2], ["a", "b", "c"]))
