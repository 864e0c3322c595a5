from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from shiftgauge.cli.look import look
from shiftgauge.cli.look_layouts import yolo_layout
from shiftgauge.cli.reader import load_config, load_train_config
from shiftgauge.cli.train_build import data_values, split_options
from shiftgauge.data.load import load_data
from shiftgauge.data.splits import split_dataset
from shiftgauge.data.weld_json import WELD_CLASSES


def _weld(root: Path, parts: tuple[str, ...] = ("train", "test")) -> Path:
    rng = np.random.default_rng(0)
    for part in parts:
        labels = {}
        for label in range(6):
            for frame in range(6):
                name = f"{part} {label}/frame_{frame}.png"
                (root / part / f"{part} {label}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 255, (6, 8), np.uint8)).save(root / part / name)
                labels[name] = label
        (root / part / f"{part}.json").write_text(json.dumps(labels))
    return root


def _yolo(images: Path, labels: Path, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for k in range(12):
        Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(images / f"{k}.png")
        (labels / f"{k}.txt").write_text("".join(f"{i} .5 .5 .1 .1\n" for i in range(k % 3)))


def _written(cli, data: Path, *, train: bool):
    out = data.parent / ("train.yaml" if train else "audit.yaml")
    found = cli("init", data, *(("--train",) if train else ()), "--out", out)
    assert found.code == 0, found.err
    return load_train_config(out) if train else load_config(out)


def test_a_weld_folder_becomes_a_configuration_of_an_audit(cli, tmp_path: Path) -> None:
    loaded = _written(cli, _weld(tmp_path / "al5083"), train=False)
    assert loaded.config.data.weld == "al5083"
    assert loaded.config.data.split == "test"
    assert loaded.config.model.classes == list(WELD_CLASSES)


def test_a_weld_folder_becomes_a_training_whose_split_can_be_made(cli, tmp_path: Path) -> None:
    loaded = _written(cli, _weld(tmp_path / "al5083"), train=True)
    data, options = load_data(data_values(loaded)), split_options(loaded)
    assert (options.by, options.near_duplicates, options.leaks) == ("given", False, "drop")
    split = split_dataset(data, parts=options.parts, by=options.by, near_duplicates=False, leaks=options.leaks)
    assert all(min(split.select(data, part).class_counts.values()) > 0 for part in split.parts)


def test_a_weld_folder_with_one_part_is_read_as_that_part(cli, tmp_path: Path) -> None:
    loaded = _written(cli, _weld(tmp_path / "al5083", ("train",)), train=True)
    assert loaded.config.data.split == "train"
    assert loaded.config.split.by == "stratified"
    assert len(load_data(data_values(loaded))) == 36


@pytest.mark.parametrize("names", [("img", "txt"), ("images", "labels")])
@pytest.mark.parametrize("form", ["beside", "outer", "inner"])
def test_images_with_yolo_files_become_configurations_that_read_them(
    cli, tmp_path: Path, names: tuple[str, str], form: str
) -> None:
    root = tmp_path / "glass"
    images, labels = names
    if form == "beside":
        _yolo(root / images, root / labels)
    for seed, part in enumerate(("train", "val") if form != "beside" else ()):
        folders = (part + "/{}") if form == "outer" else ("{}/" + part)
        _yolo(root / folders.format(images), root / folders.format(labels), seed)
    (root / "data.yaml").write_text("names: {0: chip, 1: 'no: stain'}\n")
    audit, loaded = _written(cli, root, train=False), _written(cli, root, train=True)
    for config in (audit.config, loaded.config):
        assert config.data.yolo == "glass"
        assert config.data.classes == ["chip", "no: stain"]
    assert audit.config.model.folder == "model"
    data, options = load_data(data_values(loaded)), split_options(loaded)
    assert data.class_names == ("no defect", "chip", "no: stain")
    assert options.by == ("stratified" if form == "beside" else "given")
    assert set(data.splits or ()) == (set() if form == "beside" else {"train", "val"})
    split = split_dataset(data, parts=options.parts, by=options.by, leaks=options.leaks)
    assert list(split.parts) == (["train", "validation", "test"] if form == "beside" else ["train", "validation"])


def test_classes_that_nothing_names_are_made_up_and_that_is_said(cli, tmp_path: Path) -> None:
    _yolo(tmp_path / "glass" / "img", tmp_path / "glass" / "txt")
    assert _written(cli, tmp_path / "glass", train=True).config.data.classes == ["class 0", "class 1"]
    assert "made up: the files name no classes" in (tmp_path / "train.yaml").read_text()
    (tmp_path / "glass" / "txt" / "classes.txt").write_text("chip\nstain\n")
    assert look(tmp_path / "glass").columns == {"classes": ("chip", "stain")}


def test_class_folders_called_images_and_labels_are_class_folders(tmp_path: Path) -> None:
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
        Image.new("L", (4, 4)).save(tmp_path / name / "a.png")
    assert yolo_layout(tmp_path) is None
    assert look(tmp_path).kind == "folder"


def test_a_damaged_label_file_is_said_on_one_line(cli, tmp_path: Path) -> None:
    _yolo(tmp_path / "glass" / "img", tmp_path / "glass" / "txt")
    (tmp_path / "glass" / "txt" / "3.txt").write_text("zero\n")
    assert "3.txt:1: expected `id x y width height`" in cli("init", tmp_path / "glass").error


def test_columns_of_0_and_1_are_several_labels(cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for k in range(20):
        Image.fromarray(rng.integers(0, 255, (16, 16), np.uint8)).save(tmp_path / f"{k}.png")
    table = {"path": [f"{k}.png" for k in range(20)], "pore": [0, 1] * 10, "crack": ["yes", "no", "no", "no"] * 5}
    pd.DataFrame(table | {"note": ["x"] * 20}).to_csv(tmp_path / "list.csv", index=False)
    assert _written(cli, tmp_path / "list.csv", train=False).config.data.label_column == ["pore", "crack"]
    loaded = _written(cli, tmp_path / "list.csv", train=True)
    assert load_data(data_values(loaded)).class_counts == {"pore": 10, "crack": 5}


@pytest.mark.parametrize(
    ("values", "by", "parts"),
    [
        (["train", "Val", "test"], "given", {"train": 0.6, "validation": 0.2, "test": 0.2}),
        (["train", "valid", "valid"], "given", {"train": 0.8, "validation": 0.2}),
        (["0", "1", "2"], "stratified", {"train": 0.6, "validation": 0.2, "test": 0.2}),
        (["train", "test", "unused"], "stratified", {"train": 0.6, "validation": 0.2, "test": 0.2}),
        (["test", "test", "test"], "stratified", {"train": 0.6, "validation": 0.2, "test": 0.2}),
    ],
)
def test_a_stated_split_is_taken_only_where_all_its_values_are_parts(
    cli, tmp_path: Path, values: list[str], by: str, parts: dict[str, float]
) -> None:
    table = {"path": [f"{k}.png" for k in range(6)], "label": ["a", "b"] * 3, "fold": values * 2}
    pd.DataFrame(table).to_csv(tmp_path / "list.csv", index=False)
    config = _written(cli, tmp_path / "list.csv", train=True).config
    assert (config.split.by, config.split.parts) == (by, parts)
    assert _written(cli, tmp_path / "list.csv", train=False).config.data.split == (
        "test" if (by == "given" and "test" in parts) or values[0] == "test" else None
    )
