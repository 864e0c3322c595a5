import json

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.carving import carve_validation
from shiftgauge.data.leaks import indivisible_units
from shiftgauge.data.splits import Split, check_leaks, k_folds, split_dataset
from shiftgauge.data.weld_json import WELD_CLASSES, read_weld
from shiftgauge.errors import DataError

PARTS = {"train": 0.6, "validation": 0.15, "test": 0.25}


@pytest.fixture(params=[1, 2, 3])
def weld(request, tmp_path):
    """The weld layout with so many recordings of ten frames for each class in train, and one in test."""
    rng = np.random.default_rng(0)
    for part, count in {"train": request.param, "test": 1}.items():
        labels = {}
        for label in range(len(WELD_CLASSES)):
            for recording in range(count):
                folder = f"{part} {label}-{recording}"
                (tmp_path / part / folder).mkdir(parents=True)
                for frame in range(1, 11):
                    Image.fromarray(rng.integers(0, 255, (6, 8), np.uint8)).save(
                        tmp_path / part / folder / f"frame_{frame}.png"
                    )
                    labels[f"{folder}/frame_{frame}.png"] = label
        (tmp_path / part / f"{part}.json").write_text(json.dumps(labels))
    return request.param, read_weld(tmp_path)


def test_every_class_of_the_weld_layout_is_in_training_and_in_validation(weld):
    count, data = weld
    split = split_dataset(data, by="given", parts=PARTS, near_duplicates=False, leaks="drop")
    for part in ("train", "validation"):
        assert min(split.select(data, part).class_counts.values()) > 0
    shared = set(split.select(data, "train").groups) & set(split.select(data, "validation").groups)
    assert len(shared) == (6 if count == 1 else 0)
    assert any("images next to the cut may be near-duplicates" in note for note in split.notes) == (count == 1)


def test_the_end_of_a_recording_is_taken_by_the_number_of_its_frames(weld):
    count, data = weld
    split = split_dataset(data, by="given", parts=PARTS, near_duplicates=False)
    if count == 1:
        names = [name.split("_")[-1] for name in split.select(data, "validation").names]
        assert names == ["9.png", "10.png"] * 6


def test_the_last_unit_of_a_class_stays_in_training():
    pixels = np.random.default_rng(0).random((30, 8, 8))
    likeness = np.repeat(np.arange(3), 10)
    data = from_arrays(pixels, np.repeat(list("abc"), 10))
    with pytest.raises(DataError, match=r"`validation` of the split has no images: 30 images make 3 unit.*fals"):
        carve_validation(data, np.arange(30), indivisible_units(data, likeness), 0.2, 0)
    likeness[:5] = np.arange(10, 15)
    parts, cut, notes = carve_validation(data, np.arange(30), indivisible_units(data, likeness), 0.2, 0)
    assert set(data.select(parts["train"]).labels.tolist()) == {0, 1, 2}
    assert set(data.select(parts["validation"]).labels.tolist()) == {0}
    assert (notes, len(cut)) == ((), 0)


def test_equal_contents_are_not_torn_by_the_cut():
    pixels = np.random.default_rng(0).random((20, 8, 8))
    pixels[18] = pixels[10]
    data = from_arrays(pixels, ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10)
    parts, *_ = carve_validation(data, np.arange(20), indivisible_units(data, False), 0.2, 0)
    assert parts["validation"].tolist() == [8, 9, 19]


def two_recordings(likeness=None):
    """One recording of ten frames for each of two classes, and what is alike."""
    data = from_arrays(
        np.random.default_rng(0).random((20, 8, 8)), ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10
    )
    numbers = np.arange(20)
    for first, second in likeness or ():
        numbers[second] = numbers[first]
    return data, indivisible_units(data, numbers)


@pytest.mark.parametrize(
    ("likeness", "expected"),
    [
        ([(7, 8)], [7, 8, 9, 18, 19]),
        ([(7, 8), (6, 9)], [6, 7, 8, 9, 18, 19]),
        ([(6, 7), (7, 8)], [9, 18, 19]),
        ([(3, 9), (13, 15)], [8, 18, 19]),
    ],
)
def test_the_cut_leaves_near_duplicates_on_one_side(likeness, expected):
    data, units = two_recordings(likeness)
    parts, cut, notes = carve_validation(data, np.arange(20), units, 0.2, 0)
    assert parts["validation"].tolist() == cut.tolist() == expected
    assert not set(units.kinds["likeness"][parts["train"]]) & set(units.kinds["likeness"][parts["validation"]])
    assert "none of these has a near-duplicate in `train`" in notes[0]


def test_near_duplicates_that_cannot_stay_on_one_side_are_counted():
    data, units = two_recordings([(0, k) for k in range(1, 10)])
    parts, _, notes = carve_validation(data, np.arange(20), units, 0.2, 0)
    assert parts["validation"].tolist() == [8, 9, 18, 19]
    assert "(4 images in all)" in notes[0]
    assert "2 of these have a near-duplicate in `train`" in notes[0]


def test_a_group_that_was_cut_is_no_leak_but_its_end_may_not_be_like_another_part():
    groups = [str(i // 5) for i in range(60)]
    data = from_arrays(np.random.default_rng(0).random((60, 8, 8)), ["a"] * 50 + ["b"] * 10, groups=groups)
    folds = k_folds(data, 2, validation=0.2, near_duplicates=False)
    cut = next(fold for fold in folds if len(fold.cut))
    check_leaks(data, cut, near_duplicates=False)
    with pytest.raises(DataError, match="groups on two sides"):
        check_leaks(data, Split(parts=cut.parts), near_duplicates=False)
    likeness = np.arange(60)
    likeness[cut.cut[0]] = likeness[cut.parts["test"][0]]
    with pytest.raises(DataError, match="near-duplicates on two sides"):
        check_leaks(data, cut, near_duplicates=likeness)
    likeness[cut.cut[0]] = likeness[cut.parts["train"][-1]]
    check_leaks(data, cut, near_duplicates=likeness)


def test_equal_contents_on_the_two_sides_of_a_cut_are_a_leak():
    pixels = np.random.default_rng(0).random((20, 8, 8))
    pixels[9] = pixels[0]
    data = from_arrays(pixels, ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10)
    torn = Split(parts={"train": np.r_[0:8, 10:20], "validation": [8, 9]}, cut=np.array([8, 9]))
    with pytest.raises(DataError, match="images of equal content on two sides"):
        check_leaks(data, torn, near_duplicates=False)
    with pytest.raises(DataError, match="not in `validation`"):
        Split(parts=torn.parts, cut=np.array([7]))


def test_groups_that_likeness_joins_are_not_cut():
    data = from_arrays(np.random.default_rng(0).random((20, 8, 8)), ["a"] * 20, groups=["1"] * 10 + ["2"] * 10)
    with pytest.raises(DataError, match="near_duplicates: false"):
        carve_validation(data, np.arange(20), indivisible_units(data, np.zeros(20, np.int64)), 0.2, 0)


def test_no_class_of_several_labels_loses_its_last_training_image():
    rng = np.random.default_rng(1)
    for seed in range(20):
        matrix = (rng.random((40, 4)) < [0.6, 0.3, 0.1, 0.05]).astype(int)
        groups = [str(g) for g in rng.integers(0, 6, 40)]
        data = from_arrays(rng.random((40, 4, 4)), matrix, list("abcd"), groups=groups)
        parts, *_ = carve_validation(data, np.arange(40), indivisible_units(data, False), 0.2, seed)
        assert (matrix[parts["train"]].any(axis=0) == matrix.any(axis=0)).all()
        assert sorted([*parts["train"], *parts["validation"]]) == list(range(40))


def test_folds_with_a_class_of_few_groups_keep_it_in_training():
    groups = [str(i // 5) for i in range(60)]
    labels = ["a"] * 50 + ["b"] * 10
    data = from_arrays(np.random.default_rng(0).random((60, 8, 8)), labels, groups=groups)
    for fold in k_folds(data, 2, validation=0.2, near_duplicates=False):
        assert fold.select(data, "train").class_counts["b"] > 0
        assert fold.select(data, "validation").class_counts["b"] > 0
