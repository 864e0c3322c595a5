from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from shiftgauge.cli.data_section import DATA_KINDS, DataSection, data_specification
from shiftgauge.cli.reader import load_config
from shiftgauge.data.load import READERS, load_data
from shiftgauge.errors import ConfigError


def _specified(values: dict[str, Any], folder: Path = Path("/data")) -> dict[str, Any]:
    return data_specification(DataSection.model_validate(values), lambda path: folder / path, 3)


@pytest.mark.parametrize(
    "values",
    [
        {"folder": "x"},
        {"folder": "x", "task": "multi", "no_defect": "good"},
        {"folder": "x", "group_pattern": "(a)", "background": 0.5},
        {"yolo": "x", "classes": ["a"], "group_pattern": "(a)"},
        {"manifest": "x", "label_column": ["a", "b"], "no_defect": "good", "split": "test", "root": "r"},
        {"npz": "x", "arrays": {"groups": "board"}, "no_defect": "good", "limit": 9},
        {"yolo": "x", "classes": ["a"], "splits": ["train"], "split": "train", "task": "single", "no_defect": "good"},
        {"yolo": "x", "classes": ["a"], "no_defect": None},
        {"weld": "x", "classes": ["a", "b"], "split": "test"},
        {"weld": "x"},
    ],
)
def test_every_key_is_an_argument_of_the_reader(values: dict[str, Any]) -> None:
    given = _specified(values)
    reader = READERS[given.pop("kind")]
    inspect.signature(reader).bind(**given)
    assert given["seed"] == 3
    assert given["path"] == Path("/data/x")


def test_what_the_file_leaves_open_is_left_to_the_reader() -> None:
    assert not {"task", "no_defect", "classes"} & set(_specified({"folder": "x"}))
    assert "no_defect" not in _specified({"yolo": "x", "classes": ["a"]})
    assert _specified({"yolo": "x", "classes": ["a"], "no_defect": None})["no_defect"] is None


def test_kinds_without_a_reader_are_none_but_the_demonstration() -> None:
    assert set(DATA_KINDS) - set(READERS) == {"demo"}
    assert set(READERS) - set(DATA_KINDS) == {"table"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"folder": "x", "yolo": "y"}, "found `folder` and `yolo`"),
        ({"folder": "x", "split": "test"}, "`split` belongs to the other kinds"),
        ({"folder": "x", "classes": ["a"]}, "`classes` belongs to `yolo` and `weld`"),
        ({"manifest": "x", "task": "multi"}, "`task` belongs to `folder` and `yolo`"),
        ({"weld": "x", "no_defect": "good"}, "`no_defect` belongs to `folder` and `manifest` and `npz` and `yolo`"),
        ({"npz": "x", "splits": ["a"]}, "`splits` belongs to `yolo`"),
        ({"folder": "x", "group_column": "board"}, "`group_column` belongs to `manifest`; `folder` and `yolo` take"),
        ({"npz": "x", "group_column": "board"}, "`npz` takes `arrays: {groups: …}`"),
        ({"npz": "x", "split_column": "part"}, "`split_column` belongs to `manifest`; `npz` takes `arrays: {splits:"),
        ({"yolo": "x", "classes": ["a"], "label_column": "label"}, "`label_column` belongs to `manifest`"),
        ({"weld": "x", "path_column": "path"}, "`path_column` belongs to `manifest`"),
        ({"folder": "x", "root": "y"}, "`root` belongs to `manifest`"),
        ({"manifest": "x", "arrays": {"images": "x"}}, "`arrays` belongs to `npz`"),
        ({"npz": "x", "background": 0.5}, "`background` belongs to `folder` and `manifest` and `yolo` and `weld`"),
        ({"manifest": "x", "group_pattern": "(a)"}, "`manifest` takes `group_column`"),
        ({"demo": True, "limit": 3}, "`limit` belongs to `folder`"),
        ({"yolo": "x"}, "`yolo` needs `classes`"),
        ({"yolo": "x", "classes": ["a"], "task": "both"}, "`data.task` must be 'single' or 'multi'"),
    ],
)
def test_keys_of_other_kinds_are_refused_with_their_line(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    values = {"model": {"demo": True}, "data": data, "shifts": {"preset": "weld"}}
    (tmp_path / "audit.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError, match=r"audit\.yaml:\d+: ") as caught:
        load_config(tmp_path / "audit.yaml")
    assert message in str(caught.value)


def test_a_yolo_folder_and_a_weld_folder_are_read_as_the_section_says(tmp_path: Path) -> None:
    for folder in ("glass/img", "glass/txt", "al5083/train"):
        (tmp_path / folder).mkdir(parents=True)
    for path in ("glass/img/a.png", "glass/img/b.png", "al5083/train/c.png"):
        Image.fromarray(np.zeros((3, 4), np.uint8)).save(tmp_path / path)
    (tmp_path / "glass" / "txt" / "a.txt").write_text("1 .5 .5 .2 .2\n")
    (tmp_path / "al5083" / "train" / "train.json").write_text(json.dumps({"c.png": 2}))
    glass = load_data(_specified({"yolo": "glass", "classes": ["chip", "stain"], "no_defect": "clean"}, tmp_path))
    assert glass.class_names == ("clean", "chip", "stain")
    assert glass.labels.tolist() == [2, 0]
    weld = load_data(_specified({"weld": "al5083", "split": "train"}, tmp_path))
    assert [weld.class_names[k] for k in weld.labels] == ["contamination"]
