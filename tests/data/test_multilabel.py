from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.multilabel import contradictions, merge_copies, with_no_defect
from shiftgauge.errors import DataError


def data_of(matrix, class_names):
    pixels = np.random.default_rng(0).random((len(matrix), 4, 4))
    return from_arrays(pixels, np.asarray(matrix), class_names, names=[f"{i}.png" for i in range(len(matrix))])


@settings(max_examples=50, deadline=None)
@given(arrays(np.int64, st.tuples(st.integers(1, 9), st.just(3)), elements=st.integers(0, 1)))
def test_the_derived_label_is_one_where_all_others_are_zero(matrix):
    data = with_no_defect(data_of(matrix, ["a", "b", "c"]), "good")
    assert data.class_names == ("good", "a", "b", "c")
    assert data.label_matrix[:, 0].tolist() == [float(not row.any()) for row in matrix]
    np.testing.assert_array_equal(data.label_matrix[:, 1:], matrix)
    assert contradictions(data, "good") == ()
    assert with_no_defect(data, "good") is data


def test_a_stated_label_is_completed_and_that_is_noted():
    data = with_no_defect(data_of([[1, 0], [0, 0], [0, 1]], ["good", "chip"]), "good")
    assert data.label_matrix.tolist() == [[1, 0], [1, 0], [0, 1]]
    assert data.labels.tolist() == [0, 0, 1]
    assert data.notes == ("1 image(s) without any label were labelled `good`",)


def test_no_defect_and_a_defect_is_an_error_with_the_names():
    data = data_of([[1, 1], [1, 0], [1, 1], [0, 1]], ["good", "chip"])
    assert contradictions(data, "good") == ("0.png", "2.png")
    with pytest.raises(DataError, match=r"2 image\(s\) are labelled `good` and a defect as well: `0\.png`, `2\.png`"):
        with_no_defect(data, "good")


def test_copies_get_the_union_of_their_labels():
    pixels = np.random.default_rng(0).random((3, 4, 4))[[0, 1, 0, 2]]
    data = from_arrays(pixels, ["chip", "chip", "stain", "stain"], names=list("pqrs"), groups=["1", "1", "1", "2"])
    merged = merge_copies(data)
    assert merged.names == ("p", "q", "s")
    assert merged.label_matrix.tolist() == [[1, 1], [1, 0], [0, 1]]
    assert merged.labels.tolist() == [-1, 0, 1]
    assert merged.groups == ("1", "1", "2")
    assert merged.notes == ("1 image(s) lie in the data more than once; their labels were joined",)


@pytest.mark.parametrize("kind", ["groups", "splits"])
def test_copies_in_different_groups_or_splits_are_an_error(kind):
    data = replace(from_arrays(np.zeros((2, 4, 4)), ["a", "b"]), **{kind: ("x", "y")})
    with pytest.raises(DataError, match=f"copies in different {kind}, e.g. `0`, `1`"):
        merge_copies(data)


def test_single_label_data_have_no_derived_label():
    data = from_arrays(np.zeros((2, 4, 4)), ["a", "b"])
    with pytest.raises(DataError, match="for multi-label data only"):
        with_no_defect(data, "good")
    with pytest.raises(DataError, match="have no label `good`"):
        contradictions(data, "good")
