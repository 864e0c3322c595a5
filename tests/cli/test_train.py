"""`shiftgauge train` as a user drives it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from cli.training import CLASSES, configuration, image_folder, label_folder
from shiftgauge.cli.reader import load_train_config
from shiftgauge.models.model_folder import load_model_folder, read_model_record
from shiftgauge.results.train import TrainResult

pytestmark = pytest.mark.usefixtures("one_thread")

KILL = """
import os, signal, sys
from shiftgauge.train import module
from shiftgauge.cli.main import run

step = module.ClassifierModule.training_step

def killed(self, batch, batch_idx):
    if (self.current_epoch, batch_idx) == (1, 1):
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, batch, batch_idx)

module.ClassifierModule.training_step = killed
sys.argv = ["shiftgauge", "train", sys.argv[1], "--quiet"]
run()
"""


@pytest.fixture(scope="module")
def one_thread():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A finished training of three classes."""
    from typer.testing import CliRunner

    from shiftgauge.cli.main import app

    folder = tmp_path_factory.mktemp("trained")
    image_folder(folder / "images")
    shifts = {"parameters": {"brightness": [0.9, 1.1]}, "share": 0.5}
    changed = {"augment": {"flips": ["horizontal"], "shifts": shifts}, "epochs": 15, "sampling": {"batch_size": 8}}
    path = configuration(folder, train=changed)
    outcome = CliRunner().invoke(app, ["train", str(path)], env={"COLUMNS": "100", "NO_COLOR": "1"})
    assert outcome.exit_code == 0, outcome.stderr
    return folder, outcome.stdout


def test_a_training_tells_what_it_found_and_writes_everything(trained):
    folder, told = trained
    assert "Macro F1" in told
    assert f"model: {folder / 'run' / 'model'}" in told.replace("\n", "")
    names = {p.name for p in (folder / "run").iterdir()}
    assert {"run.json", "results.nc", "metrics.csv", "history.csv", "report.html", "figures", "model"} <= names
    result = TrainResult.from_disk(folder / "run")
    assert result.metric("macro_f1")[0] > 0.9
    assert int(result.arrays["split_images"].sum()) == 60
    assert result.arrays["split_count"].values.tolist() == [[12, 12, 12], [4, 4, 4], [4, 4, 4]]


def test_the_record_of_the_model_says_where_it_comes_from(trained):
    folder, _ = trained
    record = read_model_record(folder / "run" / "model")
    assert record.classes == tuple(sorted(CLASSES))
    assert record.architecture.channels == 1
    assert record.training["options"]["epochs"] == 15
    assert record.metrics["test"]["macro_f1"]["value"] == TrainResult.from_disk(folder / "run").metric("macro_f1")[0]
    assert record.data["parts"]["train"]["n_images"] == 36


def test_the_model_folder_repeats_the_accuracy_that_was_measured(trained):
    folder, _ = trained
    from shiftgauge.data.folder import read_folder

    result = TrainResult.from_disk(folder / "run")
    model = load_model_folder(folder / "run" / "model", "cpu")
    data = read_folder(folder / "images")
    images = np.stack([data.load(k) for k in range(len(data))])
    import torch

    found = model.outputs(model.preprocessing.prepare(torch.from_numpy(images))).argmax(1).numpy()
    wrong = int((found != data.labels).sum())
    off = [result.arrays["confusion"].values[p] for p in range(2)]
    assert wrong >= sum(int(c.sum() - np.trace(c)) for c in off)
    assert (found == data.labels).mean() > 0.9


def test_a_model_folder_is_audited_without_one_more_option(trained, cli):
    folder, _ = trained
    values = {
        "model": {"folder": "run/model"},
        "data": {"folder": "images", "limit": 6},
        "shifts": {"parameters": {"brightness": [0.7, 1.3]}},
        "estimate": {"n_base": 32, "second_order": False},
        "execution": {"device": "cpu"},
        "out": "audit",
    }
    path = folder / "audit.yaml"
    path.write_text(yaml.safe_dump(values))
    outcome = cli("audit", path, "--quiet")
    assert outcome.code == 0, outcome.err
    assert (folder / "audit" / "run.json").is_file()


def test_the_page_comes_again_from_the_folder(trained, cli, tmp_path):
    folder, _ = trained
    outcome = cli("report", folder / "run", "--out", tmp_path / "page.html")
    assert outcome.code == 0, outcome.err
    page = (tmp_path / "page.html").read_text()
    assert "Confusion" in page
    assert "<dd>horizontal, shift brightness</dd>" in page
    assert "<dd>cross entropy</dd>" in page


def test_the_same_command_again_trains_nothing_and_says_the_same(trained, cli):
    folder, _ = trained
    before = (folder / "run" / "model" / "weights.safetensors").read_bytes()
    figures = (folder / "run" / "metrics.csv").read_text()
    outcome = cli("train", folder / "training.yaml", "--quiet")
    assert (outcome.code, outcome.out) == (0, "")
    assert (folder / "run" / "model" / "weights.safetensors").read_bytes() == before
    assert (folder / "run" / "metrics.csv").read_text() == figures


def test_other_options_do_not_go_on_with_a_training(trained, cli):
    folder, _ = trained
    outcome = cli("train", folder / "training.yaml", "--set", "train.optimizer.learning_rate=0.1")
    assert "`options.optimizer.learning_rate` is 0.003 there and 0.1 here" in outcome.error


def test_a_damaged_checkpoint_is_one_line(trained, cli, tmp_path):
    folder, _ = trained
    shutil.copytree(folder, tmp_path / "copy")
    checkpoint = tmp_path / "copy" / "run" / "training" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    outcome = cli("train", tmp_path / "copy" / "training.yaml")
    assert "checkpoint.pt cannot be read" in outcome.error


def test_a_gate_that_is_missed_is_exit_code_1_and_one_that_is_held_0(tmp_path, cli):
    """A network whose input is always 0 names every image alike, so that two of three recalls are 0."""
    image_folder(tmp_path / "images", 30)
    file = configuration(tmp_path, model={"preprocessing": {"std": [1e30]}}, train={"epochs": 1})
    limits = "gates.min_recall={low: 0.1, middle: 0.1, high: 0.1}"
    missed = cli("train", file, "--quiet", "--set", limits)
    result = TrainResult.from_disk(tmp_path / "run")
    assert {gate.name for gate in result.gates} == {f"min_recall.{name}" for name in CLASSES}
    assert [gate.passed for gate in result.gates].count(False) == 2
    assert missed.code == 1
    assert cli("train", file, "--quiet", "--set", "gates.min_recall=0").code == 0


def test_a_command_killed_with_sigkill_ends_with_the_weights_of_one_that_was_not(tmp_path, cli):
    for name in ("cut", "whole"):
        image_folder(tmp_path / name / "images", 30)
        configuration(tmp_path / name, train={"epochs": 3, "augment": {"flips": ["horizontal"]}})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", KILL, str(tmp_path / "cut" / "training.yaml")]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "cut" / "run" / "run.json").exists()
    for name in ("cut", "whole"):
        assert cli("train", tmp_path / name / "training.yaml", "--quiet").code == 0
    found = [json.loads((tmp_path / n / "run" / "model" / "model.json").read_text()) for n in ("cut", "whole")]
    assert found[0]["weights"]["sha256"] == found[1]["weights"]["sha256"]
    assert (tmp_path / "cut/run/history.csv").read_text() == (tmp_path / "whole/run/history.csv").read_text()


def test_several_labels_get_thresholds_and_are_audited(tmp_path, cli):
    label_folder(tmp_path / "parts")
    data = {"folder": None, "yolo": "parts", "classes": ["left", "right"]}
    path = configuration(
        tmp_path,
        data=data,
        thresholds={"aim": "recall", "recall_floor": 0.9},
        averaging={"flips": ["vertical"]},
        train={"epochs": 3, "loss": {"positive_weights": "balanced"}},
    )
    outcome = cli("train", path)
    assert outcome.code == 0, outcome.err
    assert "Threshold" in outcome.out
    result = TrainResult.from_disk(tmp_path / "run")
    assert result.thresholds is not None
    assert set(result.thresholds) == {"no defect", "left", "right"}
    record = read_model_record(tmp_path / "run" / "model")
    assert record.task == "multi"
    assert record.thresholds == tuple(result.thresholds.values())
    assert "averaging" in result.arrays
    audit = {
        "model": {"folder": "run/model"},
        "data": {"yolo": "parts", "classes": ["left", "right"], "limit": 6},
        "shifts": {"parameters": {"brightness": [0.7, 1.3]}},
        "estimate": {"n_base": 32, "second_order": False},
        "execution": {"device": "cpu"},
        "out": "audit",
    }
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(audit))
    outcome = cli("audit", tmp_path / "audit.yaml", "--quiet")
    assert outcome.code == 0, outcome.err


def test_what_init_writes_loads(tmp_path, cli):
    image_folder(tmp_path / "images", 6)
    outcome = cli("init", tmp_path / "images", "--train", "--out", tmp_path / "training.yaml")
    assert outcome.code == 0, outcome.err
    assert "shiftgauge train" in outcome.out
    config = load_train_config(tmp_path / "training.yaml").config
    assert (config.model.channels, config.split.by, config.data.folder) == (1, "stratified", "images")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": {"epochs": 0}}, "`train.epochs` must be ≥ 1"),
        ({"train": {"optimiser": {}}}, "unknown key `train.optimiser`; did you mean `optimizer`?"),
        ({"train": {"augment": {"kornia": [{"nme": "RandomErasing"}]}}}, "train.augment.kornia[0].nme"),
        ({"train": {"augment": {"shifts": {"parameters": {"rotatoin": [0, 1]}}}}}, "did you mean `rotation`?"),
        ({"train": {"augment": {"shifts": {"preset": "weld", "resolution": "native"}}}}, "leave `resolution` out"),
        ({"train": {"augment": {"shifts": {"preset": "weld", "share": {"rain": 1}}}}}, "rain"),
        ({"train": {"loss": {"kind": "binary_cross_entropy"}}}, "does not fit one class an image"),
        ({"model": {"architecture": "resnet18_smal"}}, "resnet18_small"),
        ({"data": {"demo": True, "folder": None}}, "no training data"),
        ({"data": {"keep": ["high", "lwo"]}}, "did you mean `low`?"),
        ({"data": {"keep": ["high"]}}, "two classes"),
        ({"split": {"by": "group"}}, "no groups"),
        ({"split": {"by": "given"}}, "states no parts"),
        ({"split": {"parts": {"train": 0.5, "test": 0.5}}}, "lacks `validation`"),
        ({"split": {"parts": {"train": 0.5, "validation": 0.1, "test": 0.1}}}, "sum 1"),
        ({"data": {"limit": 2}}, "the part `test` of the split has no images"),
        ({"thresholds": {"aim": "f1"}}, "belong to several labels"),
        ({"gates": {"min_recall": {"hgh": 0.5}}}, "did you mean `high`?"),
        ({"shifts": {"preset": "weld"}}, "configuration of an audit"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_trained(tmp_path, cli, changes, message):
    image_folder(tmp_path / "images", 12)
    path = configuration(tmp_path, **changes)
    assert message in cli("train", path).error
    assert not (tmp_path / "run" / "run.json").exists()


def test_the_configuration_of_a_training_is_not_audited(tmp_path, cli):
    assert "shiftgauge train" in cli("audit", configuration(tmp_path)).error


def stated(folder: Path, part_of: Callable[[str, int], str]) -> Path:
    """A manifest that states the part of each image, and a configuration that takes it."""
    image_folder(folder / "images", 12)
    files = sorted((folder / "images").rglob("*.png"))
    rows = [f"images/{p.parent.name}/{p.name},{p.parent.name},{part_of(p.parent.name, k)}" for k, p in enumerate(files)]
    (folder / "list.csv").write_text("\n".join(["path,label,part", *rows]))
    data = {"folder": None, "manifest": "list.csv", "split_column": "part"}
    return configuration(folder, data=data, split={"by": "given"})


def test_a_class_missing_from_training_is_one_line(tmp_path, cli):
    path = stated(tmp_path, lambda name, k: "test" if name == "low" else ("train", "val", "test")[k % 3])
    assert "class `low` has no image in `train`" in cli("train", path).error


def test_a_part_that_no_image_is_in_is_one_line(tmp_path, cli):
    path = stated(tmp_path, lambda _, k: ("train", "val")[k % 2])
    assert "states no part `test`" in cli("train", path).error


def test_a_given_split_that_leaks_is_named(tmp_path, cli):
    path = stated(tmp_path, lambda _, k: ("train", "val", "test")[k % 3])
    shutil.copy(tmp_path / "images" / "high" / "000.png", tmp_path / "images" / "high" / "003.png")
    error = cli("train", path).error
    assert "the split leaks" in error
    assert "high/003.png" in error


def test_adversarial_images_copies_and_a_constraint_are_asked_for_in_the_file(tmp_path: Path, cli: Callable) -> None:
    image_folder(tmp_path / "images")
    path = configuration(
        tmp_path,
        train={"epochs": 2, "schedule": {"kind": "cyclic"}},
        adversarial={"method": "fast", "epsilon": 0.03},
        constraint={"kind": "parseval", "beta": 0.01},
        enlarge={"kind": "clean", "share": 0.5},
    )
    found = cli("train", path)
    assert found.code == 0, found.err
    result = TrainResult.from_disk(tmp_path / "run")
    assert result.config["adversarial"]["method"] == "fast"
    training = read_model_record(result.model_folder).training
    assert training["adversarial"]["relative_step"] == 1.25
    assert training["enlarge"] == {"kind": "clean", "share": 0.5, "n_copies": 18, **training["enlarge"]}
    assert "one_step" in {message.code for message in result.messages}
    again = cli("train", path, "--set", "adversarial.epsilon=0.04")
    assert "`adversarial.epsilon` is 0.03 there and 0.04 here" in again.error


def test_an_option_of_another_method_is_an_error_at_its_line(tmp_path: Path, cli: Callable) -> None:
    image_folder(tmp_path / "images")
    path = configuration(tmp_path, adversarial={"method": "fast", "epsilon": 0.03, "beta": 6})
    assert "`beta` counts with `method` trades alone, got it with fast" in cli("train", path).error
