import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shiftgauge.data.load import load_data
from shiftgauge.data.yolo import read_ids, read_yolo
from shiftgauge.errors import ConfigError, DataError

CLASSES = ["chip", "scratch", "stain"]
TEXTS = {"a": "0 .5 .5 .1 .1\n2 0.2 0.2 1e-2 0.1\n2 0.7 0.2 0.1 0.1\n", "b": "", "c": "1 0.1 0.1 0.2 0.1 0.2 0.2\n\n"}


@pytest.fixture
def place(tmp_path):
    """Images a to d; a has two labels, b an empty file, c a polygon, d no file."""
    return fill(tmp_path / "glass")


def fill(root):
    (root / "img").mkdir(parents=True)
    (root / "txt").mkdir()
    for i, name in enumerate("abcd"):
        Image.fromarray(np.full((4, 5), 40 * i, np.uint8)).save(root / "img" / f"{name}.png")
        if name in TEXTS:
            (root / "txt" / f"{name}.txt").write_text(TEXTS[name])
    (root / "txt" / "classes.txt").write_text("chip\nscratch\nstain\n")
    return root


def test_ids_become_labels_and_no_line_means_no_defect(place):
    data = read_yolo(place, classes=CLASSES)
    assert data.class_names == ("no defect", *CLASSES)
    assert data.names == ("img/a.png", "img/b.png", "img/c.png", "img/d.png")
    assert data.label_matrix.tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert data.labels.tolist() == [-1, 0, 2, 0]
    assert data.load(1)[0, 0, 0] == pytest.approx(40 / 255)


def test_the_label_no_defect_may_be_left_out(place):
    data = read_yolo(place, classes=CLASSES, no_defect=None)
    assert data.class_names == tuple(CLASSES)
    assert data.label_matrix.sum(axis=1).tolist() == [2, 0, 1, 0]


def test_single_task_asks_only_whether_the_file_exists(place):
    (place / "txt" / "b.txt").write_text("not even YOLO")
    data = read_yolo(place, classes=["defect"], no_defect="good", task="single")
    assert data.class_names == ("good", "defect")
    assert data.label_matrix is None
    assert data.labels.tolist() == [1, 1, 1, 0]


def test_stated_splits_are_read_together_or_alone(tmp_path):
    for part in ("train", "test"):
        fill(tmp_path / part)
    data = read_yolo(tmp_path, classes=CLASSES, splits=["train", "test"])
    assert data.splits == ("train",) * 4 + ("test",) * 4
    assert data.names[4] == "test/img/a.png"
    assert read_yolo(tmp_path, classes=CLASSES, splits=["train", "test"], split="test").names == data.names[4:]
    with pytest.raises(DataError, match="did you mean `test`"):
        read_yolo(tmp_path, classes=CLASSES, splits=["train", "test"], split="tst")


def test_the_kind_can_be_stated_in_a_specification(place):
    data = load_data({"kind": "yolo", "path": place, "classes": CLASSES, "limit": 2})
    assert len(data) == 2
    with pytest.raises(ConfigError, match="lacks `classes`"):
        load_data({"kind": "yolo", "path": place})


def test_deeper_folders_and_other_folder_names(tmp_path):
    root = fill(tmp_path)
    (root / "img" / "lot 1").mkdir()
    (root / "txt" / "lot 1").mkdir()
    (root / "img" / "a.png").rename(root / "img" / "lot 1" / "a.png")
    (root / "txt" / "a.txt").rename(root / "txt" / "lot 1" / "a.txt")
    (root / "img").rename(root / "images")
    (root / "txt").rename(root / "labels")
    data = read_yolo(root, classes=CLASSES, images="images", labels="labels")
    assert data.label_matrix[data.names.index("images/lot 1/a.png")].tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0 .5 .5 .1 .1\n3 .5 .5 .1 .1\n", r"a\.txt:2: unknown class id 3; `classes` names the ids 0 to 2"),
        ("0 .5 .5 .1\n", r"a\.txt:1: expected `id x y width height`.* got 4 field"),
        ("0 .5 .5 .1 .1 .9\n", "got 6 field"),
        ("\n-1 .5 .5 .1 .1\n", r"a\.txt:2: .*whole number ≥ 0, got `-1`"),
        ("1.0 .5 .5 .1 .1\n", "got `1.0`"),
        ("²  .5 .5 .1 .1\n", "got `²`"),
        ("0 .5 nan .1 .1\n", r"shares of width and height in \[0, 1\], got nan"),
        ("0 .5 inf .1 .1\n", "got inf"),
        ("0 320 240 12 9\n", "got 320"),
        ("9" * 5000 + " .5 .5 .1 .1\n", "unknown class id 999999999;"),
        ("0 .5 half .1 .1\n", "`half` is no number"),
        (b"\xff\xfe0 .5", r"a\.txt cannot be read"),
    ],
)
def test_a_malformed_line_is_an_error_with_file_and_line(place, content, message):
    (place / "txt" / "a.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=message) as caught:
        read_yolo(place, classes=CLASSES)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "lables"}, "lables does not exist"),
        ({"images": "txt/a.txt"}, "is not a folder"),
        ({"images": "txt"}, "holds no images"),
        ({"classes": []}, "a list with the name of each id"),
        ({"classes": "chip"}, "a list with the name of each id"),
        ({"classes": ["chip", "chip", "x"]}, "name `chip` more than once"),
        ({"classes": ["good"], "no_defect": "good", "task": "single"}, "name `good` more than once"),
        ({"task": "single"}, "needs one name in `classes`"),
        ({"task": "both"}, "unknown task `both`"),
    ],
)
def test_wrong_folders_and_names_are_one_line(place, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read_yolo(place, **{"classes": CLASSES, **options})
    assert "\n" not in str(caught.value)


def test_a_label_file_without_an_image_is_an_error(place):
    (place / "txt" / "zz.txt").write_text("")
    with pytest.raises(DataError, match=r"1 label file\(s\) have no image, e\.g\. .*zz\.txt"):
        read_yolo(place, classes=CLASSES)


def test_two_images_for_one_label_file_are_an_error(place):
    Image.new("L", (3, 3)).save(place / "img" / "a.bmp")
    with pytest.raises(DataError, match="several images `a`"):
        read_yolo(place, classes=CLASSES)


def test_images_without_labels_are_counted(place):
    assert read_yolo(place, classes=CLASSES).notes == (
        "1 of 4 images have no label file, 1 have an empty one; both count as without a defect",
    )
    single = read_yolo(place, classes=["defect"], no_defect="good", task="single")
    assert single.notes[0].endswith("only those without a file count as good")


def test_the_id_of_no_defect_may_be_stated_and_must_not_contradict(place):
    (place / "txt" / "a.txt").write_text("2 .5 .5 .1 .1\n")
    data = read_yolo(place, classes=["stain", "good", "scratch"], no_defect="good")
    assert data.class_names == ("stain", "good", "scratch")
    assert data.label_matrix.tolist() == [[0, 0, 1], [0, 1, 0], [0, 1, 0], [0, 1, 0]]
    (place / "txt" / "a.txt").write_text("1 .5 .5 .1 .1\n2 .5 .5 .1 .1\n")
    with pytest.raises(DataError, match=r"1 image\(s\) are labelled `good` and a defect as well: `img/a\.png`"):
        read_yolo(place, classes=["stain", "good", "scratch"], no_defect="good")


def test_the_group_can_be_read_from_the_path(place):
    assert read_yolo(place, classes=CLASSES, group_pattern=r"/(\w)\.").groups == tuple("abcd")
    with pytest.raises(DataError, match=r"the first is `img/b\.png`"):
        read_yolo(place, classes=CLASSES, group_pattern="/(a)")


def test_an_unreadable_image_is_named(place):
    (place / "img" / "d.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"img/d\.png \(not an image file\)"):
        read_yolo(place, classes=CLASSES)


def test_ids_of_a_file_are_sorted_and_given_once(tmp_path):
    (tmp_path / "x.txt").write_text("2 0 0 1 1\n0 0 0 1 1\n2 0 0 1 1\n", encoding="utf-8-sig")
    assert read_ids(tmp_path / "x.txt", 3) == [0, 2]


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=60), st.text("0123456789. -e\n\tnaif²", max_size=60).map(str.encode)))
def test_any_bytes_give_known_ids_or_one_line(tmp_path_factory, content):
    file = tmp_path_factory.getbasetemp() / "fuzz.txt"
    file.write_bytes(content)
    message = ""
    try:
        assert set(read_ids(file, 3)) <= {0, 1, 2}
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    assert not message or "fuzz.txt" in message
