"""Crops from the published format, from NPZ files, and from folders."""

import gzip
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from eye_arrays import crops
from shiftgauge.errors import DataError
from shiftgauge.studies.eye_data import PixelScale, eye_data, faces

STATES = ("closed", "notVisible", "open", "partiallyOpen")


class Touch:
    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (os.system, (f"touch {self.place}",))


def pz(folder, rows):
    path = folder / "data.pz"
    path.write_bytes(gzip.compress(pickle.dumps(rows, 2)))
    return path


def rows_of(n=12, dtype=np.uint8, sizes=((6, 5),), **more):
    rng = np.random.default_rng(0)
    return [
        {"crop": rng.integers(0, 256, sizes[k % len(sizes)]).astype(dtype), "label": STATES[k % 4], **more}
        for k in range(n)
    ]


def test_the_published_file_gives_four_classes_in_alphabetical_order(tmp_path):
    rows = rows_of()
    found = eye_data(pz(tmp_path, rows))
    assert found.class_names == STATES
    assert (found.groups, len(found)) == (None, 12)
    np.testing.assert_allclose(found.load(5)[0], rows[5]["crop"] / 255, atol=1e-6)
    assert eye_data(tmp_path).fingerprint == found.fingerprint  # the one file of a folder


def test_standardised_crops_lie_between_their_extremes(tmp_path):
    rows = rows_of()
    for row in rows:
        row["crop"] = (row["crop"] - 120.0) / 60
    low, high = (end([row["crop"] for row in rows]) for end in (np.min, np.max))
    found = eye_data(pz(tmp_path, rows))
    np.testing.assert_allclose(found.load(3)[0], (rows[3]["crop"] - low) / (high - low), atol=1e-6)


def test_persons_are_taken_and_crops_brought_to_one_size(tmp_path):
    rows = rows_of(sizes=((6, 5), (12, 10)))
    for k, row in enumerate(rows):
        row["person"] = k // 3
    found = eye_data(pz(tmp_path, rows))
    assert found.groups == tuple(str(k // 3) for k in range(12))
    assert found.load(1).shape == (1, 6, 5)


def test_a_malicious_file_is_refused_and_does_nothing(tmp_path):
    mark = tmp_path / "was_here"
    with pytest.raises(DataError, match="refused"):
        eye_data(pz(tmp_path, [{"crop": np.zeros((2, 2)), "label": Touch(mark)}]))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"crop": 1}, "list with one mapping"),
        ([], "list with one mapping"),
        ([{"crop": np.zeros((2, 2))}], "lacks `label`"),
        ([{"crop": np.zeros(3), "label": "open"}], "no grey image"),
        ([{"crop": np.full((2, 2), np.nan), "label": "open"}], "NaN"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(tmp_path, rows, words):
    with pytest.raises(DataError, match=words):
        eye_data(pz(tmp_path, rows))


def test_both_eyes_of_a_face_are_one_group(tmp_path):
    images, labels, names = crops(faces=4)
    np.savez(tmp_path / "eyes.npz", images=images, labels=labels, names=names, classes=["closed", "open"])
    found = eye_data(tmp_path / "eyes.npz")
    assert len(set(found.groups)) == 4
    assert found.groups[0] == found.groups[1] == "eye_0000.jpg_face_1"
    np.savez(tmp_path / "eyes.npz", images=images, labels=labels, names=names, group=np.arange(8) // 4)
    assert set(eye_data(tmp_path / "eyes.npz").groups) == {"0", "1"}  # a stated person comes first
    assert faces([]) is None


def test_class_folders_without_sides_have_no_groups(tmp_path):
    for k, (name, grey) in enumerate((("open", 200), ("open", 210), ("closed", 10), ("closed", 20))):
        (tmp_path / name).mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), grey, np.uint8)).save(tmp_path / name / f"{k}.png")
    found = eye_data(tmp_path)
    assert (found.class_names, found.groups) == (("closed", "open"), None)


def test_a_quick_set_is_small(tmp_path):
    images, labels, names = crops(faces=100)
    np.savez(tmp_path / "eyes.npz", images=images, labels=labels, names=names)
    assert len(eye_data(tmp_path / "eyes.npz", quick=True)) == 160


def test_nothing_there_is_told(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        eye_data(tmp_path / "none")


def test_pixels_are_standardised():
    found = PixelScale.of(np.array([0.0, 1.0]))
    assert (found.mean, found.std) == (0.5, 0.5)
    assert PixelScale.of(np.ones(3)).std == 1.0
