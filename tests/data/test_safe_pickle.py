"""Pickles of arrays are read, and nothing that a pickle names is run."""

import gzip
import io
import os
import pickle

import numpy as np
import pytest

from shiftgauge.data.safe_pickle import load_arrays
from shiftgauge.errors import DataError


class Touch:
    """A pickle that writes a file when it is loaded the usual way."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return (os.system, (f"touch {self.place}",))


def written(folder, value, protocol=2, packed=False):
    content = pickle.dumps(value, protocol)
    path = folder / "data.pz"
    path.write_bytes(gzip.compress(content) if packed else content)
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("packed", [False, True])
def test_rows_of_arrays_and_text_come_back(tmp_path, protocol, packed):
    crops = np.random.default_rng(0).integers(0, 255, (3, 4, 5), np.uint8)
    rows = [{"crop": c, "label": np.str_("open"), "n": np.float32(2.5), "more": (1, None, {2})} for c in crops]
    found = load_arrays(written(tmp_path, rows, protocol, packed))
    np.testing.assert_array_equal(np.stack([row["crop"] for row in found]), crops)
    assert (found[0]["label"], float(found[0]["n"]), found[0]["more"]) == ("open", 2.5, (1, None, {2}))


def test_a_python_2_pickle_with_the_old_names_is_read(tmp_path):
    content = pickle.dumps({"crop": np.arange(6, dtype="<f4").reshape(2, 3)}, 2)
    path = tmp_path / "old.pkl"
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert load_arrays(path)["crop"].tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize("packed", [False, True])
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, packed):
    mark = tmp_path / "was_here"
    path = written(tmp_path, [{"crop": np.zeros((2, 2)), "label": Touch(mark)}], packed=packed)
    with pytest.raises(DataError, match="system") as told:
        load_arrays(path)
    assert "\n" not in str(told.value)
    assert not mark.exists()
    pickle.loads(pickle.dumps(Touch(mark)))  # the same object does touch the file where pickles are loaded as usual
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cnumpy.core.multiarray\nfromstring\n(S'x'\ntR.",
        b"c__builtin__\ngetattr\n.",
        b"ccopyreg\n_reconstructor\n.",
        b"Pabc\n.",
    ],
)
def test_other_names_are_refused(tmp_path, content):
    path = tmp_path / "bad.pkl"
    path.write_bytes(content)
    with pytest.raises(DataError, match="refused"):
        load_arrays(path)


def test_objects_in_arrays_and_bare_names_are_refused(tmp_path):
    with pytest.raises(DataError):
        load_arrays(written(tmp_path, np.array([{}, []], object)))
    path = tmp_path / "bare.pkl"
    path.write_bytes(b"cnumpy\nndarray\n.")
    with pytest.raises(DataError, match="refused"):
        load_arrays(path)
    path.write_bytes(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I9\ntS'b'\ntR.")
    with pytest.raises(DataError, match="cannot be read"):
        load_arrays(path)


def test_damage_is_told_in_one_line(tmp_path):
    whole = io.BytesIO(written(tmp_path, [np.zeros(9)], packed=True).read_bytes()).getvalue()
    for content in (b"", b"hello", whole[:20], pickle.dumps([1, 2])[:-2]):
        path = tmp_path / "damaged.pz"
        path.write_bytes(content)
        with pytest.raises(DataError) as told:
            load_arrays(path)
        assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="cannot read"):
        load_arrays(tmp_path / "absent.pz")
