"""A model folder is audited by its path alone."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from shiftgauge.cli.build import build_parts
from shiftgauge.cli.reader import load_config
from shiftgauge.errors import ShiftgaugeError
from shiftgauge.evaluate.truth import truth_of
from shiftgauge.models.model_folder import write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.types import MultiLabelClassifier

CLASSES = ("good", "scratch", "stain")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A model folder and six pictures in folders of classes."""
    root = tmp_path_factory.mktemp("folder")
    options = NetworkOptions(name="resnet18_small", n_classes=3, channels=1)
    network = options.build().network.eval()
    with torch.no_grad():
        network.fc.weight.mul_(20)
    record = ModelRecord(
        architecture=options,
        task="single",
        classes=CLASSES,
        preprocessing=Preprocessing(height=16, width=16, channels=1, channel_conversion="either"),
        temperature=2.0,
    )
    write_model_folder(root / "trained", network, record)
    rng = np.random.default_rng(0)
    for i in range(6):
        path = root / "images" / CLASSES[i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((rng.random((20, 20)) * 255).astype(np.uint8)).save(path)
    return root


def config(root: Path, **model: object) -> Path:
    values = {
        "model": {"folder": "trained", **model},
        "data": {"folder": "images"},
        "shifts": {"parameters": {"brightness": [0.6, 1.4], "rotation": [-20, 20]}},
        "estimate": {"estimator": "pick_freeze", "n_base": 16},
        "execution": {"device": "cpu", "precision": "float32", "batch_size": 32},
    }
    file = root / "audit.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_an_audit_takes_a_model_folder_without_one_more_option(cli, root, tmp_path):
    found = cli("audit", config(root), "--out", tmp_path / "run")
    assert found.code == 0, found.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    model = record["provenance"]["model"]
    assert (model["kind"], model["name"], model["temperature"]) == ("folder", "trained (resnet18_small)", 2.0)
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_model_of_several_labels_is_held_against_a_manifest_of_them(root, tmp_path):
    options = NetworkOptions(name="resnet18_small", n_classes=3, channels=1)
    record = ModelRecord(
        architecture=options,
        task="multi",
        classes=CLASSES,
        preprocessing=Preprocessing(height=16, width=16, channels=1),
        thresholds=(0.5, 0.25, 0.75),
    )
    write_model_folder(root / "several", options.build().network, record)
    paths = sorted(p.relative_to(root).as_posix() for p in (root / "images").rglob("*.png"))
    labels = {name: [1, 0, 0, 1, 0, 1] for name in CLASSES}
    pd.DataFrame({"path": paths, **labels}).to_csv(root / "labels.csv", index=False)
    file = config(root, folder="several")
    values = yaml.safe_load(file.read_text())
    values["data"] = {"manifest": "labels.csv", "label_column": list(CLASSES)}
    file.write_text(yaml.safe_dump(values))
    parts = build_parts(load_config(file), trust=False)
    truth = truth_of(parts.model, parts.data)
    every, none = "good + scratch + stain", "no label"
    assert truth.texts == (every, none, none, every, none, every)
    assert isinstance(parts.model, MultiLabelClassifier)
    assert parts.model.thresholds == (0.5, 0.25, 0.75)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"num_classes": 3}, "`num_classes` does not go with a model folder"),
        ({"output": "logits"}, "`output` does not go with a model folder"),
        ({"timm": "resnet18"}, "exactly one of folder, timm"),
        ({"folder": "images"}, "no model folder: model.json is missing"),
        ({"folder": "none"}, "there is no such folder"),
    ],
)
def test_what_does_not_go_with_a_model_folder_is_one_line(cli, root, tmp_path, model, said):
    assert said in cli("audit", config(root, **model), "--out", tmp_path / "run").error
    assert not (tmp_path / "run").exists()


def test_a_class_that_the_model_does_not_know_can_be_left_out_of_an_audit(root: Path):
    place = root / "images" / "unheard of" / "7.png"
    place.parent.mkdir()
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(place)
    try:
        file = config(root)
        with pytest.raises(ShiftgaugeError, match=r'leave the class out, `labels: \{"unheard of": ""\}`'):
            build_parts(load_config(file, ()), trust=False)
        values = yaml.safe_load(file.read_text())
        for nothing in ("", None):
            values["data"]["labels"] = {"unheard of": nothing}
            file.write_text(yaml.safe_dump(values))
            data = build_parts(load_config(file, ()), trust=False).data
            assert len(data) == 6
            assert "class `unheard of` of the data left out as stated, 1 image(s)" in data.notes
    finally:
        place.unlink()
        place.parent.rmdir()
