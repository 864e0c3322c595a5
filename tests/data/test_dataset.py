import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.dataset import stratified_order
from shiftgauge.errors import DataError


def make(n=6, **options):
    images = np.arange(n * 64, dtype=np.uint8).reshape(n, 8, 8)
    return from_arrays(images, [i % 3 for i in range(n)], ["a", "b", "c"], **options)


def test_nothing_in_it_can_be_changed():
    data = make()
    with pytest.raises(AttributeError):
        data.names = ()
    for array in (data.labels, data.images.array):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_arrays_of_the_caller_are_copied():
    images, labels = np.zeros((2, 8, 8), np.uint8), np.array([0, 1])
    data = from_arrays(images, labels, ["a", "b"])
    images[:], labels[:] = 255, 0
    assert data.load(0).max() == 0
    assert data.labels.tolist() == [0, 1]


def test_select_keeps_everything_that_belongs_to_an_image():
    data = make(names=list("uvwxyz"), groups=list("001122"), splits=["x", "y"] * 3)
    part = data.select([4, 1])
    assert (part.names, part.groups, part.splits) == (("y", "v"), ("2", "0"), ("x", "y"))
    assert part.labels.tolist() == [1, 1]
    assert part.class_names == data.class_names
    np.testing.assert_array_equal(part.load(0), data.load(4))
    np.testing.assert_array_equal(part.select([1]).load(0), data.load(1))


@pytest.mark.parametrize(("rows", "message"), [([6], "index 6"), ([-1], "index -1"), ([1, 1], "more than once")])
def test_select_refuses_wrong_indices(rows, message):
    with pytest.raises(DataError, match=message):
        make().select(rows)


def test_fingerprint_sees_pixels_labels_names_and_order():
    base = make()
    others = [
        base.select([1, 0, 2, 3, 4, 5]),
        make(names=list("abcdef")),
        make(groups=list("abcdef")),
        from_arrays(np.zeros((6, 8, 8), np.uint8), [0, 1, 2] * 2, ["a", "b", "c"]),
        from_arrays(np.arange(384, dtype=np.uint8).reshape(6, 8, 8), [1, 1, 2] * 2, ["a", "b", "c"]),
    ]
    assert make().fingerprint == base.fingerprint
    assert len({d.fingerprint for d in others} | {base.fingerprint}) == 6


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seed=st.integers(0, 5),
    share=st.floats(0.05, 1.0),
)
@settings(max_examples=80, deadline=None)
def test_every_beginning_of_the_order_is_stratified(counts, seed, share):
    labels = np.repeat(np.arange(len(counts)), counts)
    order = stratified_order(labels, seed)
    assert sorted(order.tolist()) == list(range(len(labels)))
    n = max(1, round(share * len(labels)))
    taken = np.bincount(labels[order[:n]], minlength=len(counts))
    if n >= len(counts):
        assert (taken >= 1).all()
        expected = n * np.array(counts) / len(labels)
        assert (np.abs(taken - expected) <= len(counts)).all()


def test_limit_is_nested_repeatable_and_moved_by_the_seed():
    data = from_arrays(np.zeros((60, 8, 8), np.uint8), ["a"] * 40 + ["b"] * 20)
    small, large = data.limit(6, seed=3), data.limit(12, seed=3)
    assert set(small.names) < set(large.names)
    assert small.names == data.limit(6, seed=3).names
    assert small.names != data.limit(6, seed=4).names
    assert large.class_counts == {"a": 8, "b": 4}
    assert list(map(int, large.names)) == sorted(map(int, large.names))
    assert data.limit(100) is data


def test_several_labels_are_limited_by_their_sets():
    matrix = np.repeat([[1, 1], [0, 1], [0, 0]], [60, 30, 10], axis=0)
    data = from_arrays(np.zeros((100, 4, 4)), matrix, ["a", "b"])
    few = data.limit(10)
    assert [int((few.label_matrix == row).all(axis=1).sum()) for row in ([1, 1], [0, 1], [0, 0])] == [6, 3, 1]
    assert set(data.limit(3).label_matrix.sum(axis=1)) == {0, 1, 2}
