from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from shiftgauge.cli.look import look
from shiftgauge.cli.reader import load_config


def _folder(root: Path, classes: dict[str, int], size: tuple[int, int] = (20, 30), mode: str = "L") -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for k in range(count):
            Image.new(mode, (size[1], size[0])).save(root / name / f"{k}.png")
    return root


def test_a_folder_becomes_a_configuration_that_loads(cli, tmp_path: Path) -> None:
    _folder(tmp_path / "images", {"good": 3, "bad": 2})
    out = tmp_path / "audit.yaml"
    found = cli("init", tmp_path / "images", "--model", tmp_path / "net.onnx", "--out", out)
    assert found.code == 0, found.err
    assert "5 images in 2 classes (bad 2, good 3); grey, 30 × 20 pixels" in found.out
    config = load_config(out).config
    assert config.data.folder == "images"
    assert config.model.onnx == "net.onnx"
    assert config.model.classes == ["bad", "good"]
    assert config.model.preprocessing.size == [20, 30]
    assert config.model.preprocessing.channels == 1
    assert out.read_text().count("#") >= 10


@pytest.mark.parametrize(
    ("model", "key"),
    [
        ("net.pt2", "pt2"),
        ("net.onnx", "onnx"),
        ("net.joblib", "sklearn"),
        ("my.module:build", "factory"),
        ("resnet18", "timm"),
    ],
)
def test_the_model_is_recognised_by_its_form(cli, tmp_path: Path, model: str, key: str) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "images", "--model", model, "--out", out).code == 0
    assert getattr(load_config(out).config.model, key).endswith(model)


def test_awkward_names_are_quoted(cli, tmp_path: Path) -> None:
    names = ["no", "1", "a: b", "#x", "{}", "*star", "- dash", "null", "ümlaut", "quote'\"s", "tab", "!tag"]
    _folder(tmp_path / "images", dict.fromkeys(names, 1))
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "images", "--out", out).code == 0
    assert load_config(out).config.model.classes == sorted(names)


def test_colour_and_differing_sizes_are_noticed(tmp_path: Path) -> None:
    _folder(tmp_path, {"a": 1}, mode="RGB")
    _folder(tmp_path / "b", {"": 1}, size=(8, 8))
    found = look(tmp_path)
    assert found.channels == 3
    assert found.size == ""
    assert "sizes differ" in found.summary


def test_a_manifest_with_other_column_names_is_understood(cli, tmp_path: Path) -> None:
    _folder(tmp_path, {"pictures": 4})
    table = {"filename": [f"pictures/{k}.png" for k in range(4)], "defect": ["ok", "scratch"] * 2, "part": [1, 1, 2, 2]}
    pd.DataFrame(table).to_csv(tmp_path / "list.csv", index=False)
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "list.csv", "--out", out).code == 0
    data = load_config(out).config.data
    assert (data.manifest, data.path_column, data.label_column, data.group_column) == (
        "list.csv", "filename", "defect", "part",
    )  # fmt: skip


@pytest.mark.parametrize(("shape", "channels", "size"), [((6, 8, 10), 1, "[8, 10]"), ((6, 8, 10, 3), 3, "[8, 10]")])
def test_arrays_are_understood(tmp_path: Path, shape: tuple[int, ...], channels: int, size: str) -> None:
    path = tmp_path / "set.npz"
    np.savez(path, images=np.zeros(shape, np.uint8), labels=np.array(["a", "b"] * 3))
    found = look(path)
    assert (found.channels, found.size, found.classes) == (channels, size, ("a", "b"))


def test_an_existing_file_is_kept_unless_forced(cli, tmp_path: Path) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    out = tmp_path / "audit.yaml"
    out.write_text("mine")
    assert "exists already" in cli("init", tmp_path / "images", "--out", out).error
    assert out.read_text() == "mine"
    assert cli("init", tmp_path / "images", "--out", out, "--force").code == 0
    assert yaml.safe_load(out.read_text())["data"] == {"folder": "images"}


def test_what_is_no_data_is_said_on_one_line(cli, tmp_path: Path) -> None:
    out = tmp_path / "audit.yaml"
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "broken.npz").write_text("x")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "nothing.csv").write_text("")
    for name, message in {
        "nowhere": "does not exist",
        "empty": "no folders with images",
        "file.txt": "expected a folder, .csv, .parquet or .npz",
        "broken.npz": "cannot be read as NPZ",
        "other.csv": "no column that looks like file paths; the columns are a, b",
        "nothing.csv": "cannot be read as a table",
    }.items():
        assert message in cli("init", tmp_path / name, "--out", out).error
    assert not out.exists()
