"""`shiftgauge blocks`: a table for every way in which a network can be named, one line where there is none."""

import pytest
import torch
import yaml

from shiftgauge.models.model_folder import write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing

FACTORY = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 2, 5), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 12 * 12, 3))

def other():
    return lambda images: images
"""


def rows(out: str) -> dict[str, list[str]]:
    """Cells of the table's rows by the name of the block."""
    cells = [[c for c in line.split("  ") if c.strip()] for line in out.splitlines()]
    return {c[0].strip(): [part.strip() for part in c[1:]] for c in cells if len(c) > 3}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model folder of a small ResNet for images of one channel."""
    folder = tmp_path_factory.mktemp("model")
    options = NetworkOptions(name="resnet18_small", n_classes=3, channels=1)
    torch.manual_seed(0)
    record = ModelRecord(
        architecture=options,
        task="single",
        classes=("a", "b", "c"),
        preprocessing=Preprocessing(height=16, width=16, channels=1, channel_conversion="either"),
        temperature=1.0,
    )
    write_model_folder(folder / "trained", options.build().network.eval(), record)
    return folder / "trained"


def test_a_model_folder(cli, trained):
    found = cli("blocks", trained)
    assert found.code == 0, found.err
    assert "SmallResNet: 11,169,219 parameters, input 1 × 16 × 16" in found.out
    table = rows(found.out)
    assert table["layer2"] == ["Sequential", "128 × 8 × 8", "25×25", "2", "0", "yes"]
    assert table["layer2.0"] == ["BasicBlock", "128 × 8 × 8", "17×17", "2", "0"]
    assert "whole image" in found.out
    assert "padding" in found.out


def test_a_configuration_and_that_of_a_training(cli, trained, tmp_path):
    audit = {
        "model": {"folder": str(trained)},
        "data": {"folder": "images"},
        "shifts": {"parameters": {"brightness": [0.6, 1.4]}},
    }
    train = {
        "model": {"architecture": "resnet18_small", "size": 16, "channels": 1},
        "data": {"folder": "images"},
        "train": {"epochs": 1},
    }
    for name, values in (("audit.yaml", audit), ("train.yaml", train)):
        (tmp_path / name).write_text(yaml.safe_dump(values))
        found = cli("blocks", tmp_path / name, *(("--classes", 3) if name == "train.yaml" else ()))
        assert found.code == 0, found.err
        assert "11,169,219 parameters, input 1 × 16 × 16" in found.out


def test_a_folder_beside_an_architecture_of_its_name(cli, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet18_small" / "runs").mkdir(parents=True)
    found = cli("blocks", "resnet18_small")
    assert found.code == 0, found.err
    assert "input 3 × 32 × 32" in found.out
    (tmp_path / "vgg16_small").symlink_to(trained)
    assert "input 1 × 16 × 16" in cli("blocks", "vgg16_small").out
    (tmp_path / "empty").mkdir()
    assert "model.json" in cli("blocks", "empty").error


def test_a_factory(cli, tmp_path, monkeypatch):
    (tmp_path / "blocks_factory.py").write_text(FACTORY)
    monkeypatch.chdir(tmp_path)
    found = cli("blocks", "blocks_factory:build", "--size", 16, "--channels", 1)
    assert rows(found.out)["0"] == ["Conv2d", "2 × 12 × 12", "5×5", "1", "2", "yes"]
    assert "--size" in cli("blocks", "blocks_factory:build").error
    assert "names no blocks" in cli("blocks", "blocks_factory:other", "--size", 16).error


@pytest.mark.parametrize("name", ["model.onnx", "model.pt2", "model.joblib"])
def test_files_that_name_no_blocks(cli, name):
    assert "names no blocks; give the model folder" in cli("blocks", name).error


def test_what_is_not_there(cli, trained, tmp_path):
    assert "did you mean `resnet18_small`" in cli("blocks", "resnet18_smal").error
    assert "nowhere.yaml" in cli("blocks", tmp_path / "nowhere.yaml").error
    assert "model.json" in cli("blocks", tmp_path).error
    assert "--size" in cli("blocks", trained, "--size", 32).error
    assert "--classes" in cli("blocks", trained, "--classes", 5).error
