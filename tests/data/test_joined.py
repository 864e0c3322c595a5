import numpy as np
import pytest

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.joined import join_splits
from shiftgauge.errors import DataError


def made(n, seed, classes=("a", "b"), side=8):
    pixels = np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    return from_arrays(pixels, [classes[k % len(classes)] for k in range(n)])


def test_parts_become_splits_in_their_order():
    train, test = made(4, 0), made(2, 1)
    found = join_splits({"train": train, "test": test})
    assert found.splits == ("train",) * 4 + ("test",) * 2
    assert found.names[-1] == "test/1"
    assert found.labels.tolist() == [0, 1, 0, 1, 0, 1]
    np.testing.assert_array_equal(found.load(5), test.load(1))
    np.testing.assert_array_equal(found.select([3, 4]).load(1), test.load(0))


def test_other_classes_are_refused():
    with pytest.raises(DataError, match="same order"):
        join_splits({"train": made(4, 0), "test": made(4, 1, ("a", "c"))})


def test_images_of_another_shape_are_refused():
    with pytest.raises(DataError, match="all alike"):
        join_splits({"train": made(4, 0), "test": made(4, 1, side=6)})


def test_nothing_is_refused():
    with pytest.raises(DataError, match="no part"):
        join_splits({})
