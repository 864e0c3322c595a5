"""The record of which image went to which part, and what an audit makes of it; ready splits; checks before training."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.folder import read_folder
from shiftgauge.data.manifest import read_manifest
from shiftgauge.data.splits import Split
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.model_folder import read_model_record, write_model_folder
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions, as_splitting
from shiftgauge.studies.train_split import write_split
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from train.toy import stripes

PLAIN = SplitOptions(near_duplicates=False)
AUDIT = {"estimator": "pick_freeze", "n_base": 16, "progress": False}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def dataset(n=60, *, multi=False, groups=None):
    part = stripes(n)
    data = from_arrays(part.pixels.bytes_nchw[:, 0].numpy(), [f"class {c}" for c in part.targets.tolist()])
    data = replace(data, groups=None if groups is None else tuple(groups))
    if not multi:
        return data
    matrix = np.eye(3)[part.targets.numpy()]
    matrix[:, 0] = np.maximum(matrix[:, 0], matrix[:, 1])
    return replace(data, label_matrix=matrix, labels=np.where(matrix.sum(1) == 1, matrix.argmax(1), -1))


def run(out, data=None, **more):
    options = TrainOptions(epochs=1, sampling=SamplingOptions(batch_size=16))
    network = more.pop("network", NetworkChoice(architecture="test_resnet", size=32))
    values = {"split": PLAIN, "device": "cpu", "progress": False, "resamples": 100, "out": out, **more}
    return shiftgauge.train(network, data or dataset(), options=options, **values)


def image_folder(root):
    part = stripes(60)
    for k, (image, c) in enumerate(zip(part.pixels.bytes_nchw[:, 0].numpy(), part.targets.tolist(), strict=True)):
        place = root / f"class {c}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{k}, {c}.png")
    return root


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("split")
    return root, run(root / "runs" / "one", read_folder(image_folder(root / "images")))


def test_every_image_stands_in_the_table_with_its_part(trained):
    root, result = trained
    rows = rows_of(root / "runs" / "one" / "split.csv")
    assert list(rows[0]) == ["path", "label", "split", "unit"]
    counts = {name: sum(row["split"] == name for row in rows) for name in ("train", "validation", "test")}
    assert list(counts.values()) == result.arrays["split_images"].values.tolist()
    assert all(row["path"].startswith("../../images/class ") for row in rows)


def test_the_table_is_a_manifest_that_gives_the_same_parts_again(trained):
    root, _ = trained
    columns = {"split_column": "split", "group_column": "unit"}
    again = read_manifest(root / "runs" / "one" / "split.csv", **columns)
    first = divide(read_folder(root / "images"), PLAIN, 0)
    second = divide(again, SplitOptions(by="given", near_duplicates=False), 0)
    for name in ("train", "validation", "test"):
        assert set(first.part(name).hashes) == set(second.part(name).hashes)


@pytest.fixture
def recordings(tmp_path):
    """A table of images that states train and test, with one recording of each class in train."""
    lines, rng = ["path,label,recording,split"], np.random.default_rng(0)
    for recording, label, part in (
        ("r1", "a", "train"),
        ("r2", "b", "train"),
        ("r3", "a", "test"),
        ("r4", "b", "test"),
    ):
        for frame in range(10):
            Image.fromarray(rng.integers(0, 255, (12, 12), np.uint8)).save(tmp_path / f"{recording}-{frame}.png")
            lines.append(f"{recording}-{frame}.png,{label},{recording},{part}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return tmp_path / "table.csv"


@pytest.mark.parametrize("near_duplicates", [True, False])
def test_parts_and_units_of_a_split_through_a_recording_can_be_used_again(recordings, near_duplicates):
    given = SplitOptions(by="given", near_duplicates=near_duplicates)
    columns = {"split_column": "split", "group_column": "recording"}
    first = divide(read_manifest(recordings, **columns), given, 0)
    assert first.facts["cut"] == len(first.split.cut) == len(first.split.parts["validation"]) > 0
    assert ("near_duplicates" in first.facts) == ("cut_near_duplicates" in first.facts) == near_duplicates
    assert not set(first.groups("train").tolist()) & set(first.groups("validation").tolist())
    table = write_split(first, recordings.parent)
    again = divide(read_manifest(table, split_column="split", group_column="unit"), given, 0)
    for name in ("train", "validation", "test"):
        assert set(first.part(name).hashes) == set(again.part(name).hashes)
        assert len(np.unique(again.groups(name))) == len(np.unique(first.groups(name)))
    assert again.facts["cut"] == 0


def test_near_duplicates_on_both_sides_of_a_cut_are_counted(recordings):
    with Image.open(recordings.parent / "r1-0.png") as image:
        pixels = np.array(image)
    for frame in range(10):
        Image.fromarray(pixels + np.uint8(frame % 2)).save(recordings.parent / f"r1-{frame}.png")
        pixels[frame, frame] ^= 1
    data = read_manifest(recordings, split_column="split", group_column="recording")
    found = divide(data, SplitOptions(by="given"), 0)
    assert found.facts["cut_near_duplicates"] == found.part("validation").class_counts["a"] > 0
    assert any("have a near-duplicate in `train`" in note for note in found.warnings)


def test_a_fold_that_cuts_a_group_can_be_trained_on():
    data = dataset(groups=[str(k // 5) for k in range(60)])
    data = replace(data, labels=np.array([0] * 50 + [1] * 10), class_names=("a", "b"))
    folds = shiftgauge.k_folds(data, 2, validation=0.2, near_duplicates=False)
    assert any(len(fold.cut) for fold in folds)
    for fold in folds:
        assert divide(data, SplitOptions(by=fold, near_duplicates=False), 0).facts["cut"] == len(fold.cut)


def test_an_audit_of_all_images_is_warned_and_one_of_the_test_part_is_not(trained):
    root, result = trained
    table = {"kind": "manifest", "path": root / "runs" / "one" / "split.csv", "split_column": "split"}
    whole = shiftgauge.audit(result.model_folder, root / "images", {"brightness": (0.8, 1.2)}, **AUDIT)
    found = {m.code: m for m in whole.messages}["trained_on"]
    assert found.level == "caution"
    assert "trained on 36 of the 60 images" in found.text
    honest = shiftgauge.audit(result.model_folder, {**table, "split": "test"}, {"brightness": (0.8, 1.2)}, **AUDIT)
    assert "trained_on" not in {m.code for m in honest.messages}


def test_only_the_images_that_are_shifted_count(trained):
    root, result = trained
    rows = rows_of(root / "runs" / "one" / "split.csv")
    data = read_folder(root / "images")
    for part, expected in (("train", True), ("test", False)):
        name = next(n for n in data.names if any(r["path"].endswith(n) and r["split"] == part for r in rows))
        found = shiftgauge.audit(result.model_folder, data, {"brightness": (0.8, 1.2)}, images=[name], **AUDIT)
        assert ("trained_on" in {m.code for m in found.messages}) is expected


def test_a_model_folder_that_remembers_no_images_warns_of_nothing(trained, tmp_path):
    root, result = trained
    record = read_model_record(result.model_folder)
    training = {key: value for key, value in record.training.items() if key != "images"}
    network = record.architecture.build(trained=False).network
    write_model_folder(tmp_path / "old", network, replace(record, training=training))
    found = shiftgauge.audit(tmp_path / "old", root / "images", {"brightness": (0.8, 1.2)}, **AUDIT)
    assert "trained_on" not in {m.code for m in found.messages}


def test_images_in_arrays_stand_by_name_with_groups_and_one_column_for_each_label(tmp_path):
    data = dataset(multi=True, groups=[str(k // 2) for k in range(60)])
    data = replace(data, class_names=("class 0", "split", "class 2"))
    divided = divide(data, PLAIN, 0)
    rows = rows_of(write_split(divided, tmp_path))
    assert list(rows[0]) == ["name", "class 0", "split", "class 2", "group", "split_", "unit"]
    assert [row["name"] for row in rows] == list(data.names)
    assert [[row[c] for c in data.class_names] for row in rows] == data.label_matrix.astype(int).astype(str).tolist()
    units = {row["unit"]: row["split_"] for row in rows}
    assert all(units[row["unit"]] == row["split_"] for row in rows)


def test_each_fold_can_be_trained_on(tmp_path):
    data = dataset()
    tested = []
    for k, fold in enumerate(shiftgauge.k_folds(data, 2, validation=0.2, near_duplicates=False)):
        split = SplitOptions(by=fold, near_duplicates=False)
        result = run(tmp_path / str(k), data, split=split)
        assert result.arrays["split_part"].values.tolist() == ["train", "validation", "test"]
        assert result.arrays.attrs["split_by"] == f"fold {k + 1} of 2"
        assert read_model_record(result.model_folder).training["split"]["by"] == f"fold {k + 1} of 2"
        tested += [row["name"] for row in rows_of(tmp_path / str(k) / "split.csv") if row["split"] == "test"]
    assert sorted(tested) == sorted(data.names)


def test_a_ready_split_that_leaks_or_lacks_is_refused():
    twice = np.repeat(np.random.default_rng(0).random((12, 16, 16)), 2, axis=0)
    data = from_arrays(twice, [str(k // 2 % 3) for k in range(24)])
    torn = Split(parts={"train": np.arange(0, 24, 2), "validation": np.arange(1, 24, 2)})
    with pytest.raises(DataError, match="leaks"):
        divide(data, torn, 0)
    with pytest.raises(DataError, match="no image in `train`"):
        divide(data, Split(parts={"train": np.arange(4), "validation": np.arange(4, 24)}), 0)
    with pytest.raises(DataError, match="image number 24"):
        divide(data, Split(parts={"train": np.arange(12), "validation": np.arange(12, 25)}), 0)
    with pytest.raises(ConfigError, match="lacks `validation`"):
        as_splitting(Split(parts={"train": np.arange(12), "test": np.arange(12, 24)}))
    with pytest.raises(ConfigError, match="ready split"):
        SplitOptions(by=torn, leaks="drop")
    with pytest.raises(ConfigError, match="SplitOptions or a Split"):
        as_splitting("given")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"thresholds": ThresholdOptions(aim="recall", recall_floor=[7, 8])}, "2 numbers for 3 labels"),
        ({"thresholds": ThresholdOptions(aim="recall", recall_floor=[0.5, 0.5, 7])}, "recall_floor"),
        ({"thresholds": ThresholdOptions(aim="cost", cost_ratio=0)}, "cost_ratio"),
        ({"thresholds": ThresholdOptions(search="grid", grid=[])}, "grid"),
        (
            {
                "network": NetworkChoice(architecture="test_resnet", size=(32, 48)),
                "averaging": AveragingOptions(quarter_turns=(1,)),
            },
            "square",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused_before_the_training(tmp_path, given, said):
    with pytest.raises(ConfigError, match=said):
        run(tmp_path / "run", dataset(multi=True), **given)
    assert not (tmp_path / "run").exists()
