import io
import os
import pickle

import numpy as np
import pytest
from PIL import Image

from shared_data import FOLDER, needs
from shiftgauge.data.npz import read_npz
from shiftgauge.errors import DataError


def test_npz_gives_what_was_saved(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (12, 8, 8, 3), dtype=np.uint8), np.arange(12) % 3
    np.savez(
        tmp_path / "d.npz",
        images=images,
        labels=labels,
        classes=["x", "y", "z"],
        lot=np.arange(12) // 4,
        part=["a", "b"] * 6,
    )
    data = read_npz(tmp_path / "d.npz", groups="lot", splits="part", split="b")
    assert data.class_names == ("x", "y", "z")
    assert data.labels.tolist() == labels[1::2].tolist()
    assert data.names == tuple(str(i) for i in range(1, 12, 2))
    assert data.groups == ("0", "0", "1", "1", "2", "2")
    np.testing.assert_allclose(data.load(2), images[5].transpose(2, 0, 1) / 255, atol=1e-6)
    few = read_npz(tmp_path / "d.npz", limit=3)
    assert sorted(few.labels.tolist()) == [0, 1, 2]


def test_npz_classes_are_those_of_the_whole_file_whatever_the_limit(tmp_path):
    np.savez(tmp_path / "d.npz", images=np.zeros((6, 8, 8), np.uint8), labels=["a", "b", "c"] * 2)
    assert read_npz(tmp_path / "d.npz", limit=1).class_names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"images": "imges"}, "did you mean `images`"),
        ({"labels": "target"}, "no array `target`"),
        ({"splits": "labels", "split": "q"}, "unknown split `q`"),
        ({"split": "q"}, "`split` needs `splits`"),
    ],
)
def test_missing_keys_of_an_npz_suggest_the_near_name(tmp_path, options, message):
    np.savez(tmp_path / "d.npz", images=np.zeros((2, 8, 8), np.uint8), labels=["a", "b"])
    with pytest.raises(DataError, match=message):
        read_npz(tmp_path / "d.npz", **options)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_pickled_arrays_are_refused_and_nothing_runs(tmp_path):
    flag = tmp_path / "ran"
    np.savez(tmp_path / "d.npz", images=np.zeros((1, 8, 8), np.uint8), labels=np.array([Trap(str(flag))], dtype=object))
    with pytest.raises(DataError, match="pickled objects"):
        read_npz(tmp_path / "d.npz")
    (tmp_path / "e.npz").write_bytes(pickle.dumps(Trap(str(flag))))
    with pytest.raises(DataError, match=r"e\.npz"):
        read_npz(tmp_path / "e.npz")
    assert not flag.exists()


def test_damaged_and_missing_npz_are_named(tmp_path):
    np.savez(tmp_path / "d.npz", images=np.random.default_rng(0).random((20, 8, 8)), labels=[0] * 20)
    (tmp_path / "half.npz").write_bytes((tmp_path / "d.npz").read_bytes()[:3000])
    for name in ("half.npz", "no.npz"):
        with pytest.raises(DataError, match=name) as caught:
            read_npz(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_encoded_images_one_after_the_other(tmp_path):
    files = []
    for level in (10, 20, 30):
        file = io.BytesIO()
        Image.new("L", (5, 4), level).save(file, "PNG")
        files.append(file.getvalue())
    files[1] = files[1][:30]
    blob, offsets = np.frombuffer(b"".join(files), np.uint8), np.cumsum([0, *map(len, files)])
    np.savez(tmp_path / "d.npz", blob=blob, offsets=offsets, labels=["a", "b", "a"], names=["p", "q", "p"])
    with pytest.raises(DataError, match=r"1 of 3 images cannot be read: 1:q"):
        read_npz(tmp_path / "d.npz")
    data = read_npz(tmp_path / "d.npz", skip_unreadable=True)
    assert data.names == ("0:p", "2:p")
    assert data.skipped[0][0] == "1:q"
    assert data.load(1)[0, 0, 0] == pytest.approx(30 / 255)
    np.savez(tmp_path / "e.npz", blob=blob, offsets=offsets[::-1].copy(), labels=["a"] * 3)
    with pytest.raises(DataError, match="do not fit"):
        read_npz(tmp_path / "e.npz")


@needs("xsdd")
def test_steel_images_are_read_whole():
    data = read_npz(FOLDER / "xsdd" / "xsdd_original_bytes.npz", limit=60)
    assert len(data) == 60
    assert len(data.class_names) == 7
    assert data.n_channels == 3
    assert min(data.class_counts.values()) >= 1


def test_the_label_no_defect_can_be_derived(tmp_path):
    labels = np.array([[1, 0], [0, 0], [1, 1]])
    np.savez(tmp_path / "d.npz", images=np.zeros((3, 8, 8), np.uint8), labels=labels, classes=["open", "short"])
    data = read_npz(tmp_path / "d.npz", no_defect="good")
    assert data.class_names == ("good", "open", "short")
    assert data.label_matrix[:, 0].tolist() == [0, 1, 0]


def test_splits_that_are_numbers_can_be_named(tmp_path):
    images = np.random.default_rng(0).random((4, 8, 8))
    np.savez(tmp_path / "d.npz", images=images, labels=list("abab"), part=[0, 0, 1, 1], word=list("pqpq"))
    data = read_npz(tmp_path / "d.npz", splits="part", split_names=["train", "test"], split="test")
    assert data.splits == ("test", "test")
    with pytest.raises(DataError, match="the split 1 has no name; `split_names` has 1"):
        read_npz(tmp_path / "d.npz", splits="part", split_names=["train"])
    with pytest.raises(DataError, match="needs splits 0, 1, 2 …, got <U1"):
        read_npz(tmp_path / "d.npz", splits="word", split_names=["train"])


@pytest.mark.parametrize("key", ["labels", "names", "lot", "part"])
def test_a_list_that_is_not_as_long_as_the_images_is_an_error_with_both_numbers(tmp_path, key):
    content = {name: np.array(["a", "b", "a", "b"]) for name in ("labels", "lot", "part")}
    content |= {"images": np.zeros((4, 8, 8), np.uint8), "names": np.array(list("pqrs"))}
    for wrong in (content[key][:3], np.append(content[key], "z")):
        np.savez(tmp_path / "d.npz", **{**content, key: wrong})
        with pytest.raises(DataError, match=f"`{key}` has {len(wrong)} entries for 4 images"):
            read_npz(tmp_path / "d.npz", groups="lot", splits="part", limit=2)


@needs("deeppcb")
def test_the_defect_free_tiles_of_the_printed_circuits_are_counted():
    data = read_npz(FOLDER / "deeppcb" / "deeppcb_tiles64.npz", no_defect="no defect")
    assert data.class_counts["no defect"] == 5769
    assert (data.label_matrix.sum(axis=1) > 1).sum() == 636
