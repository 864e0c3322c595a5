"""`shiftgauge.train` from Python."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, precision_score, recall_score

import shiftgauge
from shiftgauge.data.arrays import from_arrays
from shiftgauge.data.table import read_table
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.model_folder import load_model_folder, read_model_record
from shiftgauge.studies.train import train
from shiftgauge.studies.train_arguments import as_choice
from shiftgauge.studies.train_data import divide, training_data
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions
from shiftgauge.studies.train_verdict import check_train_gates
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from train.toy import stripes

NETWORK = NetworkChoice(architecture="test_resnet", size=32)
PLAIN = SplitOptions(near_duplicates=False)


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def dataset(n=60, *, multi=False, groups=None):
    part = stripes(n)
    pixels = part.pixels.bytes_nchw[:, 0].numpy()
    data = from_arrays(pixels, [f"class {c}" for c in part.targets.tolist()], groups=groups)
    if not multi:
        return data
    matrix = np.eye(3)[part.targets.numpy()]
    matrix[:, 0] = np.maximum(matrix[:, 0], matrix[:, 1])
    single = np.where(matrix.sum(1) == 1, matrix.argmax(1), -1)
    return replace(data, label_matrix=matrix, labels=single)


def run(tmp_path, data=None, **more):
    options = more.pop("options", None) or TrainOptions(epochs=1, sampling=SamplingOptions(batch_size=16))
    network = more.pop("network", NETWORK)
    values = {"split": PLAIN, "device": "cpu", "progress": False, "resamples": 100, "out": tmp_path, **more}
    return shiftgauge.train(network, data or dataset(), options=options, **values)


def test_the_package_is_the_function_whatever_was_imported_first():
    code = "import shiftgauge.train.schedules as first\nimport shiftgauge\nassert callable(shiftgauge.train)\n"
    code += "import sys\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert callable(shiftgauge.train)
    assert shiftgauge.train.__call__ is train


def test_classes_are_those_named_in_their_order(tmp_path):
    result = run(tmp_path, classes=["class 2", "class 0"])
    assert read_model_record(result.model_folder).classes == ("class 2", "class 0")
    assert result.arrays["class"].values.tolist() == ["class 2", "class 0"]
    assert int(result.arrays["split_images"].sum()) < 60


def test_labels_that_are_not_named_are_dropped_and_no_image_is():
    data = training_data(dataset(multi=True), ["class 2", "class 1"])
    whole = dataset(multi=True).label_matrix
    assert np.array_equal(data.label_matrix, whole[:, [2, 1]])
    assert data.labels.min() == -1


def test_intervals_draw_whole_groups(tmp_path):
    groups = [str(k // 6) for k in range(60)]
    result = run(tmp_path, dataset(groups=groups), split=SplitOptions(by="group", near_duplicates=False))
    assert result.arrays["split_units"].values.tolist() == [6, 2, 2]
    assert result.arrays["n_groups"].values.tolist() == [2, 2]


def test_what_a_plain_split_would_tear_apart_is_counted():
    twice = np.repeat(np.random.default_rng(0).random((30, 16, 16)), 2, axis=0)
    data = from_arrays(twice, [str(k % 3) for k in range(60)])
    found = divide(data, SplitOptions(), seed=0)
    assert found.facts["copies"] == 60
    assert found.facts["units"] == 30
    assert 0 < found.facts["torn_by_a_plain_split"] <= 60
    assert found.facts["torn_by_a_plain_split"] % 2 == 0
    alone = divide(dataset(), PLAIN, seed=0)
    assert alone.facts["torn_by_a_plain_split"] == 0


def test_test_images_decide_nothing(tmp_path):
    """Other test images: the same weights, temperature and thresholds."""
    data = dataset(60, multi=True)
    parts = ["train"] * 30 + ["validation"] * 15 + ["test"] * 15
    given = SplitOptions(by="given", near_duplicates=False)
    first = run(tmp_path / "a", replace(data, splits=tuple(parts)), split=given)
    parts[50:] = ["unused"] * 10
    kept = [k for k, part in enumerate(parts) if part != "unused"]
    fewer = replace(data, splits=tuple(p if p != "unused" else "test" for p in parts)).select(kept)
    second = run(tmp_path / "b", fewer, split=given)
    assert first.thresholds == second.thresholds
    assert first.arrays.attrs["temperature"] == second.arrays.attrs["temperature"]
    weights = [load_model_folder(r.model_folder, "cpu") for r in (first, second)]
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(*(model.outputs(images) for model in weights))


def test_the_thresholds_of_the_folder_are_those_that_were_measured(tmp_path):
    result = run(tmp_path, dataset(multi=True), thresholds=ThresholdOptions(aim="cost", cost_ratio=5))
    assert read_model_record(result.model_folder).thresholds == tuple(result.thresholds.values())
    assert result.metric("f1", part="validation", of="class 1")[0] == pytest.approx(
        float(result.arrays["threshold_f1"].sel({"class": "class 1"})), nan_ok=True
    )


def test_confusion_shares_and_micro_averages_are_those_of_scikit_learn(tmp_path):
    result = run(tmp_path, dataset(multi=True))
    names = result.arrays["class"].values.tolist()
    rows = result.predictions.query("split == 'test'")
    truth, said = (rows[[f"{kind} {name}" for name in names]].to_numpy() for kind in ("truth", "decision"))
    share = result.arrays["label_confusion_share"].sel(part="test").values
    bounds = result.arrays["label_confusion_share_interval"].sel(part="test").values
    for k in range(len(names)):
        assert np.allclose(share[k], confusion_matrix(truth[:, k], said[:, k], normalize="true"))
    assert (bounds[..., 0] <= share).all()
    assert (share <= bounds[..., 1]).all()
    for name, function in (("micro_precision", precision_score), ("micro_recall", recall_score)):
        assert result.metric(name)[0] == pytest.approx(function(truth, said, average="micro"))


def test_notes_on_the_data_reach_messages_and_page(tmp_path):
    note = "12 of 18 images have no label file; they count as without a defect"
    result = run(tmp_path, replace(dataset(), notes=(note,)))
    assert {m.code: m.text for m in result.messages}["data_notes"] == f"{note}."
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count(note) == 2
    assert "Notes on the data (1)" in page


def test_without_a_test_part_the_verdict_says_so(tmp_path):
    split = SplitOptions(parts={"train": 0.7, "validation": 0.3}, near_duplicates=False)
    result = run(tmp_path, split=split)
    assert result.part == "validation"
    assert "no_test_part" in {m.code for m in result.messages}


def test_a_network_that_learnt_nothing_is_an_alarm(tmp_path):
    """A network whose input is always 0 names every image alike: it cannot be above the commonest class."""
    result = run(tmp_path, network=replace(NETWORK, preprocessing={"std": [1e30]}), calibration=False)
    assert {m.code: m.level for m in result.messages}["nothing_learnt"] == "alarm"
    assert result.level == "alarm"
    assert result.arrays.attrs["temperature"] == 1.0


def test_a_perturbation_acts_and_is_recorded(tmp_path):
    seen = []

    def darker(logits, images, targets, epoch, step):
        seen.append(logits(images).shape)
        return images / 2

    result = run(tmp_path, perturb=darker, perturb_record={"kind": "darker"})
    assert seen == [(16, 3), (16, 3), (4, 3)]
    assert read_model_record(result.model_folder).training["perturb"] == {"kind": "darker"}
    with pytest.raises(ConfigError, match=r"`perturb\.kind` is"):
        run(tmp_path)


def test_a_model_is_a_name_a_choice_or_its_keywords():
    assert as_choice({"architecture": "resnet18", "size": [64, 96]}).size == (64, 96)
    with pytest.raises(ConfigError, match="architecture"):
        as_choice({"name": "resnet18"})
    with pytest.raises(ConfigError, match="height, width"):
        NetworkChoice(architecture="resnet18", size=(1, 2, 3))


def test_preprocessing_keys_replace_those_of_the_architecture():
    found = NetworkChoice(architecture="resnet18_small", size=16, preprocessing={"mean": [0.1], "resize": "shortest"})
    assert found.preprocessing_for(1).mean == (0.1,)
    assert found.preprocessing_for(3).input_shape == (3, 16, 16)


def test_gates_of_all_classes_are_spread_over_them():
    found = check_train_gates({"min_recall": 0.5, "min_macro_f1": 0.7}, ["a", "b"])
    assert found == {"min_recall.a": 0.5, "min_recall.b": 0.5, "min_macro_f1": 0.7}
    with pytest.raises(ConfigError, match="min_macro_f1"):
        check_train_gates({"min_macr_f1": 1}, ["a"])


def test_a_table_is_no_training_data(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n1.5,2\n2.5,3\n")
    with pytest.raises(DataError, match="needs images"):
        training_data(read_table(path, label_column=None), None)
