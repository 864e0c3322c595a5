import numpy as np

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.cautions import contradictory_labels, uneven_classes
from shiftgauge.data.splits import split_dataset


def data_of(labels, pixels=None, **options):
    pixels = np.random.default_rng(0).random((len(labels), 8, 8)) if pixels is None else pixels
    return from_arrays(pixels, labels, **options)


def test_contents_with_two_classes_are_named_with_them():
    pixels = np.random.default_rng(0).random((5, 8, 8))[[0, 1, 0, 2, 2]]
    notes = contradictory_labels(data_of(list("abbaa"), pixels, names=list("pqrst")))
    assert notes == ("2 images of the same content have contradictory labels, in 1 group(s): `p (a)`, `r (b)`",)


def test_near_duplicates_with_two_classes_are_counted_apart_from_equal_contents():
    pixels = np.random.default_rng(0).random((6, 8, 8))[[0, 0, 1, 2, 3, 4]]
    notes = contradictory_labels(data_of(list("abbaab"), pixels), np.array([0, 0, 1, 1, 2, 3]))
    assert len(notes) == 2
    assert notes[1].startswith("2 near-duplicates have different labels, in 1 group(s), which may be right: `2 (b)`")


def test_labels_that_agree_are_no_contradiction():
    pixels = np.zeros((2, 8, 8))
    assert contradictory_labels(data_of(["a", "a"], pixels)) == ()
    assert contradictory_labels(data_of(np.array([[0, 1], [0, 1]]), pixels)) == ()


def test_contents_with_other_labels_of_several_are_named_with_all_of_them():
    pixels = np.random.default_rng(0).random((4, 8, 8))[[0, 1, 0, 0]]
    labels = np.array([[1, 1], [0, 1], [0, 0], [1, 1]])
    (note,) = contradictory_labels(data_of(labels, pixels, names=list("pqrs"), class_names=["chip", "scratch"]))
    assert note.endswith("in 1 group(s): `p (chip, scratch)`, `r (nothing)`, `s (chip, scratch)`")


def test_rounding_alone_makes_no_class_uneven_and_long_lists_are_cut():
    data = data_of(["a"] * 2 + ["b"] * 98)
    parts = {"train": np.r_[0, 2:80], "test": np.r_[1, 80:100]}
    assert uneven_classes(data, parts, {"train": 0.8, "test": 0.2}) == ()
    many = data_of([f"c{i // 10}" for i in range(200)])
    (note,) = uneven_classes(many, {"train": np.arange(100), "test": np.arange(100, 200)})
    assert note.endswith("`c12` in `train` 0 instead of 5 and 35 more")


def test_classes_that_are_uneven_in_a_stated_split_are_noted():
    labels = ["a"] * 25 + ["b"] * 15 + ["a"] * 2 + ["b"] * 18
    split = split_dataset(
        data_of(labels, splits=["train"] * 40 + ["test"] * 20), by="given", parts={"train": 0.7, "test": 0.3}
    )
    assert split.notes[-1] == (
        "classes are off by more than half of their share: `a` in `test` 2 instead of 9, `b` in `test` 18 instead of 11"
    )


def test_contradictory_labels_are_noted():
    pixels = np.random.default_rng(0).random((40, 16, 16))
    pixels[1], pixels[3] = pixels[0], 0.1 + 0.7 * pixels[2]
    notes = split_dataset(from_arrays(pixels, ["a", "b"] * 20)).notes
    assert any(note.startswith("2 images of the same content have contradictory labels") for note in notes)
    assert any(note.startswith("2 near-duplicates have different labels, in 1 group(s)") for note in notes)
