import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.labels import match_labels
from shiftgauge.errors import DataError


def make(labels, names=None):
    return from_arrays(np.zeros((len(labels), 8, 8), np.uint8), labels, names)


@given(st.permutations(["cat", "dog", "fox", "owl"]), st.permutations(["cat", "dog", "fox", "owl", "eel"]))
@settings(max_examples=40, deadline=None)
def test_every_image_keeps_the_name_of_its_class_whatever_the_orders(labels, model):
    data = match_labels(make(labels), model)
    assert [data.class_names[k] for k in data.labels] == labels
    assert data.class_names == tuple(model)
    assert data.notes == ()


def test_case_spaces_and_underscores_are_forgiven_and_noted():
    data = match_labels(make(["Good_part", "deep  scratch", "hole"]), ["hole", "Deep-Scratch", "good part"])
    assert data.labels.tolist() == [2, 1, 0]
    assert len(data.notes) == 2
    assert "`Good_part` of the data matched to `good part`" in data.notes[0] + data.notes[1]


def test_mapping_by_name_and_by_index_comes_first():
    data = match_labels(make(["tabby", "cat", "dog"]), ["dog", "cat"], {"tabby": "cat", "cat": 1})
    assert data.labels.tolist() == [1, 1, 0]
    assert "mapped to `cat` of the model as stated" in data.notes[0]
    crossed = match_labels(make(["cat", "dog"]), ["cat", "dog"], {"cat": "dog", "dog": "cat"})
    assert crossed.labels.tolist() == [1, 0]


def test_same_count_of_classes_is_no_match():
    with pytest.raises(
        DataError, match=r"2 class\(es\) of the data are not among the model's: `a`, `b`; the model has `class 0`"
    ) as e:
        match_labels(make(["a", "b"]), ["class 0", "class 1"])
    assert "state a label mapping" in str(e.value)


def test_long_lists_are_cut_and_the_near_name_is_suggested():
    model = [f"name {i}" for i in range(1000)]
    with pytest.raises(DataError, match=r"did you mean `name 1`\?.*and 996 more") as caught:
        match_labels(make(["nme 1", *[f"q{i}" for i in range(50)]]), model)
    assert len(str(caught.value)) < 350
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "model", "mapping", "message"),
    [
        (["cat"], ["Cat", "CAT"], None, "fits `Cat` and `CAT`"),
        (["cat", "Cat"], ["cat", "dog"], None, "both fit `cat`"),
        (["cat"], ["cat"], {"cta": "cat"}, "no class of the data .did you mean `cat`"),
        (["cat"], ["cat"], {"cat": "cta"}, "no class of the model .did you mean `cat`"),
        (["cat"], ["cat"], {"cat": 3}, "sends `cat` to output 3"),
    ],
)
def test_unclear_matches_are_refused(labels, model, mapping, message):
    with pytest.raises(DataError, match=message):
        match_labels(make(labels), model, mapping)


def test_classes_without_images_need_no_match():
    data = match_labels(make([0, 0], ["cat", "unicorn"]), ["dog", "cat"])
    assert data.labels.tolist() == [1, 1]


def test_multi_label_columns_move_with_their_classes():
    data = match_labels(make([[1, 0], [1, 1], [0, 1]], ["dent", "dust"]), ["dust", "other", "dent"])
    assert data.label_matrix.tolist() == [[0, 0, 1], [1, 0, 1], [1, 0, 0]]
    assert data.labels.tolist() == [2, -1, 0]


def test_matching_changes_no_pixels_or_names():
    before = make(["b", "a"])
    after = match_labels(before, ["b", "a"])
    assert (after.names, after.hashes) == (before.names, before.hashes)
    np.testing.assert_array_equal(after.load(1), before.load(1))


@pytest.mark.parametrize("nothing", ["", None])
def test_a_class_that_maps_to_nothing_is_left_out_with_its_images(nothing):
    with pytest.raises(DataError, match=r'leave the class out, `labels: \{"hole": ""\}`'):
        match_labels(make(["cat", "hole", "dog"]), ["dog", "cat"])
    data = match_labels(make(["cat", "hole", "dog"]), ["dog", "cat"], {"hole": nothing})
    assert data.labels.tolist() == [1, 0]
    assert data.names == ("0", "2")
    assert data.notes == ("class `hole` of the data left out as stated, 1 image(s)",)


def test_a_label_that_maps_to_nothing_is_left_out_and_no_image_is():
    whole = make([[1, 0, 1], [1, 1, 0], [0, 0, 1]], ["dent", "dust", "hole"])
    data = match_labels(whole, ["dust", "dent"], {"hole": ""})
    assert data.label_matrix.tolist() == [[0, 1], [1, 1], [0, 0]]
    assert data.labels.tolist() == [1, -1, -1]
    with pytest.raises(DataError, match="a label of the model"):
        match_labels(whole, ["dust", "dent", "Hole"], {"hole": ""})


@pytest.mark.parametrize(
    ("mapping", "said"),
    [({"hoel": ""}, "no class of the data .did you mean `hole`"), ({"cat": "", "hole": None}, "every image")],
)
def test_what_cannot_be_left_out_is_refused(mapping, said):
    with pytest.raises(DataError, match=said):
        match_labels(make(["cat", "hole"]), ["cat"], mapping)
