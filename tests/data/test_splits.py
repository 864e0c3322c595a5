import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_data import needs, real
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.near_duplicates import exact_groups, near_duplicate_groups
from shiftgauge.data.splits import Split, check_leaks, k_folds, split_dataset
from shiftgauge.errors import ConfigError, DataError


def data_of(labels, *, groups=None, splits=None, seed=0, copies=()):
    """Noise images, none like another, but `copies` = (of, by) pairs that differ by exposure alone."""
    pixels = np.random.default_rng(seed).random((len(labels), 16, 16))
    for of, by in copies:
        pixels[by] = 0.1 + 0.7 * pixels[of]
    names = [f"{i}.png" for i in range(len(labels))]
    return from_arrays(pixels, labels, names=names, groups=groups, splits=splits)


def test_every_image_is_in_one_part_and_every_class_has_its_share():
    data = data_of(["a"] * 100 + ["b"] * 50 + ["c"] * 10)
    split = split_dataset(data)
    assert sorted(np.concatenate(list(split.parts.values()))) == list(range(160))
    assert {name: split.select(data, name).class_counts for name in split.parts} == {
        "train": {"a": 60, "b": 30, "c": 6},
        "validation": {"a": 20, "b": 10, "c": 2},
        "test": {"a": 20, "b": 10, "c": 2},
    }
    assert split.notes == ()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(8, 25))
def test_a_group_and_a_near_duplicate_are_never_on_two_sides(seed, n_groups):
    rng = np.random.default_rng(seed)
    groups = [str(g) for g in rng.integers(0, n_groups, 90)]
    copies = [(i, i + 45) for i in rng.choice(45, 5, replace=False)]
    data = data_of(rng.choice(["a", "b"], 90), groups=groups, seed=seed, copies=copies)
    for split in (split_dataset(data, by="group", seed=seed), *k_folds(data, 3, validation=0.25, seed=seed)):
        side = np.full(90, -1)
        for p, rows in enumerate(split.parts.values()):
            side[rows] = p
        assert (side >= 0).all()
        assert all(len({int(side[i]) for i in range(90) if groups[i] == g}) == 1 for g in groups)
        assert all(side[a] == side[b] for a, b in copies)
        check_leaks(data, split)


def test_folds_test_every_image_once():
    data = data_of(["a"] * 20 + ["b"] * 10)
    folds = k_folds(data, 5, validation=0.25)
    assert sorted(np.concatenate([fold.parts["test"] for fold in folds])) == list(range(30))
    for fold in folds:
        assert fold.select(data, "test").class_counts == {"a": 4, "b": 2}
        assert fold.select(data, "validation").class_counts == {"a": 4, "b": 2}


def test_the_seed_alone_decides():
    data = data_of(["a", "b"] * 30)
    first, again, other = (split_dataset(data, seed=seed).parts["train"].tolist() for seed in (0, 0, 1))
    assert first == again != other


def test_multi_label_data_are_stratified_by_label():
    rng = np.random.default_rng(0)
    matrix = (rng.random((400, 3)) < [0.4, 0.1, 0.05]).astype(int)
    data = from_arrays(rng.random((400, 8, 8)), matrix, ["x", "y", "z"])
    split = split_dataset(data, near_duplicates=False)
    for k in range(3):
        assert matrix[split.parts["test"], k].sum() == pytest.approx(0.2 * matrix[:, k].sum(), abs=2)


def test_own_groups_of_near_duplicates_are_kept_together():
    data = data_of(["a"] * 40)
    own = np.arange(40) // 8
    split = split_dataset(data, near_duplicates=own, parts={"train": 0.7, "test": 0.3})
    assert not set(own[split.parts["train"]]) & set(own[split.parts["test"]])
    assert "instead of" in split.notes[0]
    with pytest.raises(DataError, match="near-duplicates on two sides"):
        check_leaks(data, Split(parts={"train": np.arange(20), "test": np.arange(20, 40)}), near_duplicates=own)


def test_equal_contents_stay_together_even_without_the_search():
    pixels = np.random.default_rng(0).random((30, 8, 8))
    data = from_arrays(np.concatenate([pixels, pixels]), ["a"] * 60)
    split = split_dataset(data, near_duplicates=False)
    exact = exact_groups(data)
    assert not set(exact[split.parts["train"]]) & set(exact[split.parts["test"]])


GIVEN = ["train"] * 20 + ["test"] * 10


def test_given_parts_are_kept_and_validation_is_taken_from_training():
    data = data_of(["a", "b"] * 15, splits=GIVEN)
    split = split_dataset(data, by="given")
    assert split.parts["test"].tolist() == list(range(20, 30))
    assert split.select(data, "validation").class_counts == {"a": 3, "b": 3} or len(split.parts["validation"]) == 5
    assert len(split.parts["train"]) + len(split.parts["validation"]) == 20
    plain = split_dataset(data, by="given", parts={"train": 0.7, "test": 0.3})
    assert list(plain.parts) == ["train", "test"]
    named = split_dataset(
        data_of(["a", "b"] * 15, splits=["Trainval"] * 20 + ["testing"] * 5 + ["val"] * 5), by="given"
    )
    assert named.parts["validation"].tolist() == list(range(25, 30))


def test_leaks_of_given_parts_are_an_error_with_the_names_or_dropped():
    data = data_of(["a", "b"] * 15, splits=GIVEN, copies=[(3, 25)])
    with pytest.raises(DataError, match=r"near-duplicates on two sides.*`3\.png` in train and `25\.png` in test"):
        split_dataset(data, by="given")
    split = split_dataset(data, by="given", leaks="drop", parts={"train": 0.7, "test": 0.3})
    assert split.parts["train"].tolist() == [i for i in range(20) if i != 3]
    assert split.notes[0] == "1 images left out of `train`; their like is in a later part: `3.png`"
    check_leaks(data, split)
    with pytest.raises(DataError, match=r"`leaks: drop`; .* lower their `distance` or set `near_duplicates: false`$"):
        split_dataset(data, by="given")


def test_only_the_leaking_images_of_a_group_are_dropped():
    groups = ["p"] * 10 + ["q"] * 10 + ["r"] * 10
    data = data_of(["a", "b"] * 15, splits=GIVEN, groups=groups, copies=[(3, 25)])
    split = split_dataset(data, by="given", leaks="drop", parts={"train": 0.7, "test": 0.3})
    assert split.parts["train"].tolist() == [i for i in range(20) if i != 3]


def test_groups_on_two_sides_are_named():
    data = data_of(["a", "b"] * 15, splits=GIVEN, groups=["board 7"] * 3 + ["x"] * 17 + ["board 7"] + ["y"] * 9)
    with pytest.raises(DataError, match=r"group `board 7` \(`0\.png` in train and `20\.png` in test\)") as caught:
        split_dataset(data, by="given")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "options", "error", "message"),
    [
        (["a", "b"] * 5, {"parts": {"train": 0.5, "test": 0.6}}, ConfigError, "have the sum 1, got 1.1"),
        (["a", "b"] * 5, {"parts": {"test": 1.0}}, ConfigError, "must hold `train`"),
        (["a", "b"] * 5, {"parts": {"train": 1.5, "test": -0.5}}, ConfigError, r"parts\.train"),
        (["a", "b"] * 5, {"parts": {"train": 1.0, "test": 0.0}}, ConfigError, r"`parts\.test` must be more than 0"),
        (["a", "b"], {}, DataError, "has no images: 2 images make 2 unit"),
        (["a", "b"] * 5, {"by": "grup"}, ConfigError, "did you mean `group`"),
        (["a", "b"] * 5, {"by": "group"}, DataError, "has no groups"),
        (["a", "b"] * 5, {"by": "given"}, DataError, "states no parts"),
        (["a", "b"] * 5, {"near_duplicates": [0] * 10}, DataError, "must be true, false or an array of groups"),
        (["a", "b"] * 5, {"by": "given", "parts": {"train": 0.5, "val": 0.5}}, ConfigError, "test; got `val`"),
        (["a", "b"] * 5, {"leaks": "keep"}, ConfigError, "value of `leaks`"),
        (["a", "b"] * 5, {"seed": -1}, ConfigError, "seed"),
        (["a", "b"] * 5, {"near_duplicates": np.arange(3)}, DataError, r"must be \(10,\)"),
    ],
)
def test_bad_options_are_one_line(labels, options, error, message):
    with pytest.raises(error, match=message) as caught:
        split_dataset(data_of(labels), **options)
    assert "\n" not in str(caught.value)


def test_a_class_that_is_missing_from_training_is_named():
    data = data_of(["a", "b"] * 10, splits=["train", "test"] * 10)
    with pytest.raises(DataError, match="class `b` has no image in `train`, 10 in all"):
        split_dataset(data, by="given", parts={"train": 0.5, "test": 0.5})
    unused = replace(data_of(["a", "b"] * 10), class_names=("a", "b", "hole"))
    with pytest.raises(DataError, match=r"in `train`, 0 in all; add .*, or leave the class out: a training by `keep`"):
        split_dataset(unused)


def test_a_class_that_is_missing_from_another_part_is_noted():
    split = split_dataset(data_of(["a"] * 20 + ["rare"]))
    assert "class `rare` has no image in `test`, 1 in all" in split.notes


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"train": [0, 1], "test": [1, 2]}, "image number 1 is in the split more than once, in `train` and `test`"),
        ({"train": [0, 0], "test": [1]}, "image number 0"),
        ({"train": [0], "test": []}, "the part `test` of the split has no images"),
        ({}, "has no images"),
        ({"train": [0.5]}, "a list of image numbers ≥ 0, got float64"),
        ({"train": [True, False]}, "got bool"),
        ({"train": [-1, 0]}, "image numbers ≥ 0"),
        ({"train": [[0, 1]]}, r"of \(1, 2\)"),
    ],
)
def test_a_split_whose_parts_meet_or_are_empty_is_refused(parts, message):
    with pytest.raises(DataError, match=message):
        Split(parts=parts)


def test_unknown_parts_and_other_data_are_refused():
    data = data_of(["a", "b"] * 5)
    split = Split(parts={"train": np.arange(5), "test": np.arange(5, 10)})
    with pytest.raises(DataError, match="did you mean `test`"):
        split.select(data, "tets")
    with pytest.raises(DataError, match="image number 9, the data set only 4"):
        check_leaks(data.select(range(4)), split)
    with pytest.raises(DataError, match="unknown part in the data `trian`; did you mean `train`"):
        split_dataset(data_of(["a", "b"] * 5, splits=["trian", "test"] * 5), by="given")
    with pytest.raises(DataError, match="states no part `test`"):
        split_dataset(data_of(["a", "b"] * 5, splits=["train"] * 10), by="given")
    with pytest.raises(DataError, match="11 folds need as many units"):
        k_folds(data, 11)


def test_the_record_tells_counts_and_contents_of_each_part():
    data = data_of(["a", "b"] * 10)
    record = split_dataset(data).record(data)
    assert record["parts"]["train"]["classes"] == {"a": 6, "b": 6}
    assert record["parts"]["test"]["n_images"] == 4
    assert len({part["fingerprint"] for part in record["parts"].values()}) == 3


def test_what_is_kept_together_is_said_and_a_chain_is_warned_of():
    split = split_dataset(data_of(["a", "b"] * 20, copies=[(0, 2), (1, 3)]))
    assert split.notes[0] == "4 images have near-duplicates, in 2 groups of up to 2; they are kept on one side"
    chain = split_dataset(data_of(["a", "b"] * 20), near_duplicates=np.maximum(np.arange(40) - 20, 0))
    assert (
        "21 images (52%) belong together, by group, content or likeness, and are in one part: `0.png`, `1.png`"
        in chain.notes[1]
    )


def test_a_split_can_be_sent_to_another_process():
    split = split_dataset(data_of(["a", "b"] * 10))
    again = pickle.loads(pickle.dumps(split))
    assert {n: r.tolist() for n, r in again.parts.items()} == {n: r.tolist() for n, r in split.parts.items()}


def test_images_of_a_fixed_camera_are_named_as_the_cause():
    data = data_of(["a", "b"] * 20)
    with pytest.raises(DataError) as caught:
        split_dataset(data, near_duplicates=np.zeros(40, np.int64))
    text = str(caught.value)
    assert "has no images: 40 images make 1 unit(s) that may be separated; the largest holds 40: `0.png`" in text
    assert "`split.near_duplicates: false`, or a lower `distance` or higher `correlation`" in text
    with pytest.raises(DataError, match=r"3 folds need as many units.*40 images make 1 unit.*near_duplicates: false"):
        k_folds(data, 3, near_duplicates=np.zeros(40, np.int64))
    with pytest.raises(DataError, match=r"it needs more images or groups$"):
        split_dataset(data_of(["a", "b"] * 5, groups=["one"] * 10), near_duplicates=False)


def test_a_class_of_few_units_is_in_every_part():
    groups = [str(i // 10) for i in range(90)]
    labels = ["a"] * 60 + ["rare"] * 10 + ["rare"] * 10 + ["rare"] * 10
    split = split_dataset(data_of(labels, groups=groups), by="group", near_duplicates=False, seed=3)
    assert {name: split.select(data_of(labels), name).class_counts["rare"] for name in split.parts} == {
        "train": 10, "validation": 10, "test": 10,
    }  # fmt: skip
    assert any("`rare` in `validation` 10 instead of 6" in note for note in split.notes)


@needs("xsdd")
def test_the_steel_set_is_split_without_leaks_and_with_every_class_in_its_share():
    data = real("xsdd")
    similar = near_duplicate_groups(data)
    split = split_dataset(data, parts={"train": 0.75, "test": 0.25}, near_duplicates=similar)
    check_leaks(data, split, near_duplicates=similar)
    test = split.select(data, "test").class_counts
    assert all(abs(test[name] - 0.25 * count) <= 1.5 for name, count in data.class_counts.items())
    rng = np.random.default_rng(0).permutation(len(data))
    with pytest.raises(DataError, match=r"the split leaks: images of equal content on two sides, \d time"):
        check_leaks(data, Split(parts={"train": rng[:1020], "test": rng[1020:]}), near_duplicates=similar)


@needs("deeppcb")
def test_the_boards_of_the_printed_circuits_are_never_on_two_sides():
    data = real("deeppcb")
    split = split_dataset(data, by="group", near_duplicates=False)
    boards = np.array(data.groups)
    sides = [set(boards[rows]) for rows in split.parts.values()]
    assert len(set.union(*sides)) == sum(len(side) for side in sides)
    matrix = data.label_matrix
    share = np.stack([matrix[rows].sum(axis=0) for rows in split.parts.values()]) / matrix.sum(axis=0)
    assert np.abs(share - np.array([0.6, 0.2, 0.2])[:, None]).max() < 0.02


@needs("deeppcb")
def test_the_official_split_of_the_printed_circuits_has_repeated_patterns_that_can_be_dropped():
    data = real("deeppcb")
    similar = near_duplicate_groups(data)
    with pytest.raises(DataError, match=r"near-duplicates on two sides, 137 time\(s\)"):
        split_dataset(data, by="given", near_duplicates=similar)
    split = split_dataset(data, by="given", near_duplicates=similar, leaks="drop")
    assert len(split.parts["test"]) == 3966
    check_leaks(data, split, near_duplicates=similar)
    assert split.notes[0].startswith("286 images left out of `train`")
