from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from shiftgauge.cli.look import look
from shiftgauge.cli.reader import load_config
from shiftgauge.data.npz import read_npz


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


def test_a_model_folder_needs_nothing_but_its_path(cli, tmp_path: Path) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    (tmp_path / "trained").mkdir()
    (tmp_path / "trained" / "model.json").write_text("{}")
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "images", "--model", tmp_path / "trained", "--out", out).code == 0
    assert load_config(out).config.model.model_fields_set == {"folder"}


@pytest.mark.parametrize("model", [None, "resnet18", "net.onnx", "net.pt2"])
def test_a_network_that_knows_its_preprocessing_keeps_it(cli, tmp_path: Path, model: str | None) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "images", *(("--model", model) if model else ()), "--out", out).code == 0
    assert load_config(out).config.model.preprocessing.model_dump(exclude_none=True) == {}
    head, data, rest = out.read_text().partition("\ndata:")
    head = head.replace("  # preprocessing:", "  preprocessing:").replace("  #   ", "    ")
    out.write_text(head + data + rest)
    found = load_config(out).config.model.preprocessing  # the comments are what the file would have to say
    assert found.model_dump(exclude_none=True) == {
        "size": [20, 30], "channels": 1, "resize": "squash", "mean": [0.5], "std": [0.5],
    }  # fmt: skip


@pytest.mark.parametrize("model", ["my.module:build", "net.joblib"])
def test_code_and_estimators_get_the_size_of_the_images(cli, tmp_path: Path, model: str) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    out = tmp_path / "audit.yaml"
    assert cli("init", tmp_path / "images", "--model", model, "--out", out).code == 0
    found = load_config(out).config.model.preprocessing.model_dump(exclude_none=True)
    assert found == {"size": [20, 30], "channels": 1, "resize": "squash"}


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


def test_arrays_of_other_names_are_written_down_and_read_by_the_audit(cli, tmp_path: Path) -> None:
    pixels = np.zeros((6, 8, 10), np.uint8)
    np.savez(
        tmp_path / "set.npz", x=pixels, y=np.arange(6) % 2, class_names=np.array(["a", "b"]), split=np.array(["t"] * 6)
    )
    out = tmp_path / "audit.yaml"
    found = cli("init", tmp_path / "set.npz", "--out", out)
    assert found.code == 0, found.err
    section = load_config(out).config.data
    assert section.arrays == {"images": "x", "labels": "y", "classes": "class_names", "splits": "split"}
    data = read_npz(tmp_path / "set.npz", **section.arrays)  # pyright: ignore[reportArgumentType]
    assert data.class_names == ("a", "b")
    assert load_config(out).config.model.classes == ["a", "b"]


def test_arrays_of_the_usual_names_need_no_words(cli, tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", images=np.zeros((4, 8, 8, 3), np.uint8), labels=np.array(["a", "b"] * 2))
    assert look(tmp_path / "set.npz").arrays == {}


def test_encoded_images_are_looked_at(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (30, 20)).save(file, "PNG")
    blob = np.frombuffer(file.getvalue() * 2, np.uint8)
    offsets = np.array([0, blob.size // 2, blob.size])
    np.savez(tmp_path / "set.npz", blob=blob, offsets=offsets, labels=np.array(["a", "b"]))
    found = look(tmp_path / "set.npz")
    assert (found.channels, found.size, found.classes, found.arrays) == (3, "[20, 30]", ("a", "b"), {})


@pytest.mark.parametrize("suffix", [".tsv", ".pq", ".parquet"])
def test_every_table_of_the_audit_is_looked_at(tmp_path: Path, suffix: str) -> None:
    _folder(tmp_path, {"pictures": 2})
    table = pd.DataFrame({"path": ["pictures/0.png", "pictures/1.png"], "label": ["007", "NA"]})
    path = tmp_path / f"list{suffix}"
    table.to_csv(path, sep="\t", index=False) if suffix == ".tsv" else table.to_parquet(path)
    assert look(path).classes == ("007", "NA")


def test_a_file_of_another_suffix_in_a_class_folder_counts_as_in_the_audit(tmp_path: Path) -> None:
    _folder(tmp_path / "images", {"a": 2})
    Image.new("L", (30, 20)).save(tmp_path / "images" / "a" / "third.jp2", "PNG")
    assert look(tmp_path / "images").summary.startswith("3 images in 1 classes (a 3)")


def test_images_that_cannot_be_read_do_not_stop_the_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _folder(tmp_path / "images", {"a": 1, "b": 1})
    (tmp_path / "images" / "a" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 40)
    (tmp_path / "images" / "a" / "text.png").write_text("no picture")
    Image.new("L", (300, 200)).save(tmp_path / "images" / "b" / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow raises DecompressionBombError beyond twice that
    assert look(tmp_path / "images").size == "[20, 30]"


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
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04" + b"x" * 90)
    np.savez(tmp_path / "pickled.npz", images=np.array([{}]), labels=np.array(["a"]))
    np.savez(tmp_path / "unlabelled.npz", x=np.zeros((3, 4, 4), np.uint8))
    np.savez(tmp_path / "imageless.npz", labels=np.zeros(3))
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "list.csv").write_text("path,label\na.png,a\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "nothing.csv").write_text("")
    for name, message in {
        "nowhere": "does not exist",
        "empty": "is empty; expected one sub-folder of images per class",
        "tables": "there is list.csv, give that file",
        "file.txt": "neither a folder nor a .csv, .tsv, .parquet or .npz file",
        "broken.npz": "is not a readable NPZ file",
        "cut.npz": "is not a readable NPZ file",
        "pickled.npz": "pickled objects",
        "unlabelled.npz": "no array that looks like labels; it holds x (3, 4, 4)",
        "imageless.npz": "no array that looks like images",
        "other.csv": "no column that looks like file paths; the columns are a, b",
        "nothing.csv": "is empty",
    }.items():
        assert message in cli("init", tmp_path / name, "--out", out).error
    assert not out.exists()
