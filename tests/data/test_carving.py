import json

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.carving import carve_validation
from shiftgauge.data.leaks import indivisible_units
from shiftgauge.data.splits import k_folds, split_dataset
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
    parts, notes = carve_validation(data, np.arange(30), indivisible_units(data, likeness), 0.2, 0)
    assert set(data.select(parts["train"]).labels.tolist()) == {0, 1, 2}
    assert set(data.select(parts["validation"]).labels.tolist()) == {0}
    assert notes == ()


def test_equal_contents_are_not_torn_by_the_cut():
    pixels = np.random.default_rng(0).random((20, 8, 8))
    pixels[18] = pixels[10]
    data = from_arrays(pixels, ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10)
    parts, _ = carve_validation(data, np.arange(20), indivisible_units(data, False), 0.2, 0)
    assert parts["validation"].tolist() == [8, 9, 19]


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
        parts, _ = carve_validation(data, np.arange(40), indivisible_units(data, False), 0.2, seed)
        assert (matrix[parts["train"]].any(axis=0) == matrix.any(axis=0)).all()
        assert sorted([*parts["train"], *parts["validation"]]) == list(range(40))


def test_folds_with_a_class_of_few_groups_keep_it_in_training():
    groups = [str(i // 5) for i in range(60)]
    labels = ["a"] * 50 + ["b"] * 10
    data = from_arrays(np.random.default_rng(0).random((60, 8, 8)), labels, groups=groups)
    for fold in k_folds(data, 2, validation=0.2, near_duplicates=False):
        assert fold.select(data, "train").class_counts["b"] > 0
        assert fold.select(data, "validation").class_counts["b"] > 0
