import numpy as np
import pytest

from shiftgauge.data.arrays import from_arrays
from shiftgauge.errors import DataError


@pytest.mark.parametrize(
    ("dtype", "full"),
    [(np.uint8, 255), (np.uint16, 65535), (np.bool_, 1), (np.float32, 1), (np.float64, 1), (np.float16, 1)],
)
def test_values_are_divided_by_the_full_scale_of_the_type(dtype, full):
    images = np.full((2, 8, 8), full, dtype=dtype)
    got = from_arrays(images, [0, 1]).load(1)
    assert got.dtype == np.float32
    assert got.shape == (1, 8, 8)
    assert (got == 1).all()


def test_layout_is_found_or_stated():
    grey, last, first = np.zeros((2, 8, 9)), np.zeros((2, 8, 9, 3)), np.zeros((2, 3, 8, 9))
    assert from_arrays(grey, [0, 1]).load(0).shape == (1, 8, 9)
    assert from_arrays(last, [0, 1]).load(0).shape == (3, 8, 9)
    assert from_arrays(first, [0, 1]).load(0).shape == (3, 8, 9)
    five = np.random.default_rng(0).random((2, 8, 9, 5))
    np.testing.assert_allclose(from_arrays(five, [0, 1], layout="nhwc").load(1), five[1].transpose(2, 0, 1), rtol=1e-6)
    for ambiguous in (five, np.zeros((2, 3, 9, 3))):
        with pytest.raises(DataError, match="state `layout`"):
            from_arrays(ambiguous, [0, 1])
    with pytest.raises(DataError, match="layout nhwc needs 4 axes"):
        from_arrays(grey, [0, 1], layout="nhwc")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 8, 8), 2.0), r"must be in \[0, 1\], got 0 to 2"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.zeros((2, 8, 8), np.int32), "got int32"),
        (np.zeros((2, 8)), "got the shape"),
        (np.zeros((0, 8, 8)), "no images"),
        (np.array([None, None]), "objects"),
    ],
)
def test_images_that_have_no_scale_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        from_arrays(images, [0] * len(images))


def test_labels_are_names_or_indices():
    images = np.zeros((4, 8, 8), np.uint8)
    named = from_arrays(images, ["b", "a", "b", "c"])
    assert (named.class_names, named.labels.tolist()) == (("a", "b", "c"), [1, 0, 1, 2])
    numbered = from_arrays(images, [10, 2, 10, 2])
    assert (numbered.class_names, numbered.labels.tolist()) == (("2", "10"), [1, 0, 1, 0])
    indexed = from_arrays(images, [0.0, 2.0, 1.0, 0.0], ["x", "y", "z"])
    assert indexed.labels.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2, 3], ["a", "b"], "0 … 1 for 2 class names, got 3"),
        ([0, -1, 0, 0], ["a", "b"], "labels must be"),
        ([0.5, 1, 0, 0], ["a", "b"], "whole numbers"),
        ([0, np.nan, 0, 0], None, "NaN"),
        (["good", "godo", "bad", "bad"], ["good", "bad"], "did you mean `good`"),
        ([0, 1], ["a", "b"], "2 labels for 4 images"),
        ([[1, 0], [0, 1], [2, 0], [0, 0]], ["a", "b"], "only 0 and 1"),
        ([[1, 0]] * 4, ["a"], "2 columns for 1 class names"),
    ],
)
def test_bad_labels_are_refused(labels, names, message):
    with pytest.raises(DataError, match=message):
        from_arrays(np.zeros((4, 8, 8), np.uint8), labels, names)


def test_several_labels_per_image():
    data = from_arrays(np.zeros((3, 8, 8), np.uint8), [[1, 0], [1, 1], [0, 0]], ["a", "b"])
    assert data.labels.tolist() == [0, -1, -1]
    assert data.class_counts == {"a": 2, "b": 1}
    assert data.select([1]).label_matrix.tolist() == [[1.0, 1.0]]


def test_names_are_as_many_as_images():
    with pytest.raises(DataError, match="1 names for 2 images"):
        from_arrays(np.zeros((2, 4, 4)), ["a", "b"], names=["x"])
