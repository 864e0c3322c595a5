import json

import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.load import load_data
from shiftgauge.data.splits import split_dataset
from shiftgauge.data.weld_json import WELD_CLASSES, read_weld
from shiftgauge.errors import DataError


@pytest.fixture
def place(tmp_path):
    """Two recordings of three frames for training, one for test."""
    root = tmp_path / "data" / "al5083"
    rng = np.random.default_rng(0)
    for part, recordings in {"train": {"A 2mm": 0, "B 2mm": 4}, "test": {"C 2mm": 4}}.items():
        labels = {}
        for recording, label in recordings.items():
            (root / part / recording).mkdir(parents=True)
            for frame in range(3):
                name = f"{recording}/frame_{frame:05d}.png"
                Image.fromarray(rng.integers(0, 255, (6, 8), np.uint8)).save(root / part / name)
                labels[name] = label
        (root / part / f"{part}.json").write_text(json.dumps(labels))
    return root


def write(place, content, part="train"):
    (place / part / f"{part}.json").write_text(content if isinstance(content, str) else json.dumps(content))


def test_labels_parts_and_recordings_are_read(place):
    data = read_weld(place)
    assert data.class_names == WELD_CLASSES
    assert data.labels.tolist() == [0, 0, 0, 4, 4, 4, 4, 4, 4]
    assert data.names[3] == "train/B 2mm/frame_00000.png"
    assert data.splits == ("train",) * 6 + ("test",) * 3
    assert data.groups == ("A 2mm",) * 3 + ("B 2mm",) * 3 + ("C 2mm",) * 3
    assert data.n_channels == 1


def test_the_folder_above_and_the_specification_do_as_well(place):
    assert read_weld(place.parent).names == read_weld(place).names
    data = load_data({"kind": "weld", "path": place, "split": "test"})
    assert set(data.splits) == {"test"}
    assert load_data(place).names == read_weld(place).names


def test_images_beside_the_label_file_have_no_groups(place):
    for part in ("train", "test"):
        Image.new("L", (3, 3)).save(place / part / "x.png")
        write(place, {"x.png": 1}, part)
    assert read_weld(place).groups is None


def test_the_stated_parts_can_be_used(place):
    write(place, {f"A 2mm/frame_0000{i}.png": 4 for i in range(3)})
    data = read_weld(place, classes=["a", "b", "c", "d", "e"])
    with pytest.raises(DataError, match="class `a` has no image in `train`"):
        split_dataset(data, by="given", parts={"train": 0.5, "test": 0.5})


@pytest.mark.parametrize(
    "name",
    [
        "../test/C 2mm/frame_00000.png",
        "A 2mm/../../test/C 2mm/frame_00000.png",
        "/etc/passwd",
        "C:\\x.png",
        "\\\\host\\share\\x.png",
        "..\\test\\x.png",
        "link/frame_00000.png",
        "",
        "a\0b",
        "\ud800.png",
    ],
)
def test_paths_that_leave_their_folder_are_refused(place, name):
    (place / "train" / "link").symlink_to(place / "test" / "C 2mm")
    write(place, {"A 2mm/frame_00000.png": 0, name: 0})
    with pytest.raises(DataError, match=r"train\.json: the path .* does not stay in") as caught:
        read_weld(place)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a.png": 0,', "is not JSON: "),
        ("[1, 2]", "must be a mapping of image paths"),
        ("[]", "names no images|must be a mapping"),
        ("3", "must be a mapping"),
        ("{}", "names no images"),
        ('{"a.png": 0, "a.png": 1}', "names `a.png` more than once"),
        ('{"a.png": 6}', "`a.png` has the label 6; known are 0 to 5"),
        ('{"a.png": ' + "9" * 5000 + "}", "is not JSON"),
        ("[" * 100000, "is not JSON"),
        ('{"a.png": -1}', "has the label -1"),
        ('{"a.png": "0"}', "has the label '0'"),
        ('{"a.png": true}', "has the label True"),
        ('{"a.png": 1.0}', "has the label 1.0"),
        ('{"a.png": NaN}', "has the label nan"),
        ('{"a.png": {"b": 1}}', "has the label"),
        ('{"missing.png": 1}', r"1 of 4 images cannot be read: train/missing\.png"),
    ],
)
def test_a_malformed_label_file_is_one_line(place, content, message):
    write(place, content)
    with pytest.raises(DataError, match=message) as caught:
        read_weld(place)
    assert "\n" not in str(caught.value)


def test_missing_files_and_wrong_options_are_one_line(place, tmp_path):
    with pytest.raises(DataError, match=r"has no train/train\.json"):
        read_weld(tmp_path / "nowhere")
    with pytest.raises(DataError, match="did you mean `train`"):
        read_weld(place, split="trian")
    with pytest.raises(DataError, match="different names"):
        read_weld(place, classes=["a", "a"])
    (place / "test" / "test.json").unlink()
    with pytest.raises(DataError, match=r"test\.json cannot be read"):
        read_weld(place)
    assert len(read_weld(place, split="train")) == 6
