import numpy as np
import pytest

from shiftgauge.errors import DataError, StoreError
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.designs import PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.reference import ImageStudy


@pytest.fixture(scope="module")
def fitted():
    study = ImageStudy(n_images=6, n_classes=2)
    design = PlainDesign(inputs=Inputs(space=study.space, n_images=6), n=256)
    rows = design.rows(0, 256)
    y = study.function(rows)
    found = gpc(design, np.column_stack([y, y**2]), outputs=["a", "b"], resamples=0)
    return found.surrogate.model, design.inputs.coordinates(rows.unit)


def test_a_surrogate_comes_back_from_its_file_unchanged(fitted, tmp_path):
    model, points = fitted
    path = model.save(tmp_path / "folder" / "g")
    assert path == tmp_path / "folder" / "g.npz"
    again = ChaosSurrogate.load(path)
    assert np.array_equal(again.predict(points), model.predict(points))
    assert np.array_equal(again.total_order(), model.total_order())
    assert (again.names, again.outputs, again.n_points) == (model.names, model.outputs, model.n_points)


def test_the_same_surrogate_gives_the_same_bytes(fitted, tmp_path):
    model, _ = fitted
    assert model.save(tmp_path / "a.npz").read_bytes() == model.save(tmp_path / "b.npz").read_bytes()


def test_a_saved_file_needs_no_pickle(fitted, tmp_path):
    with np.load(fitted[0].save(tmp_path / "g.npz"), allow_pickle=False) as arrays:
        assert all(arrays[key].dtype != object for key in arrays.files)


def test_a_save_that_fails_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = fitted[0].save(tmp_path / "g.npz")
    before = path.read_bytes()

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(StoreError, match="No space left"):
        fitted[0].save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["g.npz"]


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 broken"])
def test_other_files_are_refused_in_words(tmp_path, content):
    path = tmp_path / "g.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match="holds no surrogate"):
        ChaosSurrogate.load(path)


def test_an_archive_of_other_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.ones(3))
    with pytest.raises(DataError, match="holds no surrogate"):
        ChaosSurrogate.load(tmp_path / "x.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StoreError, match=r"cannot read .*nothing\.npz"):
        ChaosSurrogate.load(tmp_path / "nothing.npz")


def test_predictions_do_not_depend_on_how_many_are_asked_at_once(fitted):
    model, points = fitted
    many = np.tile(points, (20, 1))
    together = model.predict(many)
    assert np.allclose(together[:7], model.predict(many[:7]), rtol=1e-13, atol=1e-13)
    assert np.array_equal(model.predict(many[:0]), np.empty((0, 2)))


def test_second_order_is_what_the_subsets_hold(fitted):
    model = fitted[0]
    second, subsets = model.second_order(), model.subsets()
    for i, a in enumerate(model.names):
        assert np.isnan(second[:, i, i]).all()
        for j, b in enumerate(model.names[:i]):
            expected = subsets.get((b, a), np.zeros(len(model.outputs)))
            np.testing.assert_allclose(second[:, i, j], expected, atol=1e-15)
            np.testing.assert_allclose(second[:, j, i], expected, atol=1e-15)
