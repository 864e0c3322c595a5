import numpy as np
import pytest
from PIL import Image

from shiftgauge.data.yolo import read_yolo
from shiftgauge.data.yolo_files import paired, part_folders
from shiftgauge.errors import DataError


def fill(images, labels, names="ab", labelled="a"):
    for folder in (images, labels):
        folder.mkdir(parents=True)
    for k, name in enumerate(names):
        Image.fromarray(np.full((4, 5), 40 * k, np.uint8)).save(images / f"{name}.png")
    for name in labelled:
        (labels / f"{name}.txt").write_text("0 .5 .5 .1 .1\n")


@pytest.mark.parametrize("others", [(), ("classes.txt",), ("list.json",)])
def test_a_label_folder_without_text_files_is_an_error(tmp_path, others):
    fill(tmp_path / "img", tmp_path / "txt", labelled="")
    for name in others:
        (tmp_path / "txt" / name).write_text("chip")
    with pytest.raises(DataError, match=r"txt holds no label file \(\.txt\), so that every image would count"):
        read_yolo(tmp_path, classes=["chip"])
    (tmp_path / "txt" / "a.txt").write_text("")
    assert read_yolo(tmp_path, classes=["chip"]).class_counts == {"no defect": 2, "chip": 0}


def test_a_text_file_of_a_usual_other_name_is_a_label_file_where_an_image_has_it(tmp_path):
    fill(tmp_path / "img", tmp_path / "txt")
    (tmp_path / "txt" / "notes.txt").write_text("by hand")
    assert len(paired(tmp_path / "img", tmp_path / "txt")) == 2
    Image.new("L", (3, 3)).save(tmp_path / "img" / "notes.png")
    assert paired(tmp_path / "img", tmp_path / "txt")[-1][1] == tmp_path / "txt" / "notes.txt"
    with pytest.raises(DataError, match=r"notes\.txt:1: "):
        read_yolo(tmp_path, classes=["chip"])


def test_parts_may_lie_within_the_folders_of_images_and_labels(tmp_path):
    for part in ("train", "val"):
        fill(tmp_path / "images" / part, tmp_path / "labels" / part)
    options = {"classes": ["chip"], "images": "images", "labels": "labels", "splits": ["train", "val"]}
    data = read_yolo(tmp_path, **options)
    assert data.names == ("images/train/a.png", "images/train/b.png", "images/val/a.png", "images/val/b.png")
    assert data.splits == ("train", "train", "val", "val")
    assert data.label_matrix[:, 1].tolist() == [1, 0, 1, 0]
    assert read_yolo(tmp_path, **options, split="val").names == data.names[2:]
    fill(tmp_path / "train" / "images", tmp_path / "train" / "labels")
    with pytest.raises(DataError, match="keep the images of `train` in one of them"):
        read_yolo(tmp_path, **options)


def test_a_part_that_is_nowhere_is_named(tmp_path):
    with pytest.raises(DataError, match="test does not exist"):
        paired(*part_folders(tmp_path, "test", "images", "labels"))
