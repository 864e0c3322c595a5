import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from shiftgauge.data.arrays import from_arrays, read_npz
from shiftgauge.errors import DataError

DATA = Path(os.environ.get("SHIFTGAUGE_DATA", Path(__file__).resolve().parents[2].parent / "shared" / "data"))


@pytest.mark.parametrize(
    ("dtype", "full"),
    [(np.uint8, 255), (np.uint16, 65535), (np.bool_, 1), (np.float32, 1), (np.float64, 1), (np.float16, 1)],
)
def test_values_are_divided_by_the_full_scale_of_the_type(dtype, full):
    images = np.full((2, 8, 8), full, dtype=dtype)
    got = from_arrays(images, [0, 1]).load(1)
    assert got.dtype == np.float32
    assert got.shape == (1, 8, 8)
    assert (got == 1).all()


def test_layout_is_found_or_stated():
    grey, last, first = np.zeros((2, 8, 9)), np.zeros((2, 8, 9, 3)), np.zeros((2, 3, 8, 9))
    assert from_arrays(grey, [0, 1]).load(0).shape == (1, 8, 9)
    assert from_arrays(last, [0, 1]).load(0).shape == (3, 8, 9)
    assert from_arrays(first, [0, 1]).load(0).shape == (3, 8, 9)
    five = np.random.default_rng(0).random((2, 8, 9, 5))
    np.testing.assert_allclose(from_arrays(five, [0, 1], layout="nhwc").load(1), five[1].transpose(2, 0, 1), rtol=1e-6)
    for ambiguous in (five, np.zeros((2, 3, 9, 3))):
        with pytest.raises(DataError, match="state `layout`"):
            from_arrays(ambiguous, [0, 1])
    with pytest.raises(DataError, match="layout nhwc needs 4 axes"):
        from_arrays(grey, [0, 1], layout="nhwc")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((2, 8, 8), 2.0), r"must be in \[0, 1\], got 0 to 2"),
        (np.full((2, 8, 8), np.nan), "NaN"),
        (np.zeros((2, 8, 8), np.int32), "got int32"),
        (np.zeros((2, 8)), "got the shape"),
        (np.zeros((0, 8, 8)), "no images"),
        (np.array([None, None]), "objects"),
    ],
)
def test_images_that_have_no_scale_are_refused(images, message):
    with pytest.raises(DataError, match=message):
        from_arrays(images, [0] * len(images))


def test_labels_are_names_or_indices():
    images = np.zeros((4, 8, 8), np.uint8)
    named = from_arrays(images, ["b", "a", "b", "c"])
    assert (named.class_names, named.labels.tolist()) == (("a", "b", "c"), [1, 0, 1, 2])
    numbered = from_arrays(images, [10, 2, 10, 2])
    assert (numbered.class_names, numbered.labels.tolist()) == (("2", "10"), [1, 0, 1, 0])
    indexed = from_arrays(images, [0.0, 2.0, 1.0, 0.0], ["x", "y", "z"])
    assert indexed.labels.tolist() == [0, 2, 1, 0]


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 1, 2, 3], ["a", "b"], "0 … 1 for 2 class names, got 3"),
        ([0, -1, 0, 0], ["a", "b"], "labels must be"),
        ([0.5, 1, 0, 0], ["a", "b"], "whole numbers"),
        ([0, np.nan, 0, 0], None, "NaN"),
        (["good", "godo", "bad", "bad"], ["good", "bad"], "did you mean `good`"),
        ([0, 1], ["a", "b"], "2 labels for 4 images"),
        ([[1, 0], [0, 1], [2, 0], [0, 0]], ["a", "b"], "only 0 and 1"),
        ([[1, 0]] * 4, ["a"], "2 columns for 1 class names"),
    ],
)
def test_bad_labels_are_refused(labels, names, message):
    with pytest.raises(DataError, match=message):
        from_arrays(np.zeros((4, 8, 8), np.uint8), labels, names)


def test_several_labels_per_image():
    data = from_arrays(np.zeros((3, 8, 8), np.uint8), [[1, 0], [1, 1], [0, 0]], ["a", "b"])
    assert data.labels.tolist() == [0, -1, -1]
    assert data.class_counts == {"a": 2, "b": 1}
    assert data.select([1]).label_matrix.tolist() == [[1.0, 1.0]]


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
    import io

    from PIL import Image

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


@pytest.mark.skipif(not (DATA / "xsdd").is_dir(), reason="the steel images are not on this machine")
def test_steel_images_are_read_whole():
    data = read_npz(DATA / "xsdd" / "xsdd_original_bytes.npz", limit=60)
    assert len(data) == 60
    assert len(data.class_names) == 7
    assert data.n_channels == 3
    assert min(data.class_counts.values()) >= 1
