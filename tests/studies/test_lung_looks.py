"""What is measured of the maps: a network whose slopes are known, means against plain loops, and who is looked at."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from lung_arrays import lung_dataset
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.operators import Grey, Jitter
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.studies import lung_looks
from shiftgauge.studies.lung_folds import PAINTED, WHOLE, folds_of
from shiftgauge.studies.lung_look_arrays import look_arrays, picture_arrays
from shiftgauge.studies.lung_looks import Looks, drawn_frames, dreams, look
from shiftgauge.studies.lung_seen import GRAINS, MEASURES, METHODS, REPEATS, Seen

CAPTUM = "Grad-CAM comes from Captum, of the extra `explain`"


def seen(measures, rows):
    frames, changes = np.zeros((2, 3, 4, 4), np.float32)
    return Looks(
        rows=rows,
        measures=measures,
        repeats=np.tile(np.array([0.9, 0.5, 0.1, 0.7])[:, None], (len(rows), 1, 2)),
        frames=frames,
        changes=changes,
        cams=np.zeros((3, 2, 2), np.float32),
        layers=("conv",),
        cells=(2, 2),
    )


def plan(folder=None):
    dataset = lung_dataset()
    folds, units = folds_of(dataset, 2, 0)
    recipe = SimpleNamespace(
        seed=0,
        cam_layer=None,
        ascent=lambda: ActivationMaximization(steps=4, step_size=0.5, penalty_size=0.0, gradient="normalised"),
    )
    return SimpleNamespace(
        dataset=dataset, folds=folds, units_n=units, recipe=recipe, folder=folder, frames=lambda way: dataset
    )


class Bands(nn.Module):
    """Raises class k by the mean of the pixels of the k-th band of rows, each pixel alike."""

    def __init__(self):
        super().__init__()
        self.same = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.same.weight)

    def forward(self, images):
        return 10 * self.same(images).view(len(images), 3, -1).mean(dim=2)


@pytest.fixture
def bands(monkeypatch):
    seen = Preprocessing(height=24, width=24, channels=1, mean=(0.2,), std=(0.2,))
    classifier = TorchClassifier(Bands().eval(), preprocessing=seen, device=torch.device("cpu"))
    monkeypatch.setattr(lung_looks, "classifier_of", lambda plan, way, fold: classifier)


def test_what_a_band_raises_is_measured_of_the_ascent(bands, tmp_path):
    pytest.importorskip("captum", reason=CAPTUM)
    given, told = plan(tmp_path), []
    found = look(given, WHOLE, 2, lambda done, total: told.append((done, total)))
    labels = given.dataset.labels[found.rows]
    assert np.bincount(labels).tolist() == [4, 4, 4]
    assert (told, found.cells, found.layers) == ([(1, 2), (2, 2)], (24, 24), ("same",))
    ascent = found.measures[:, 0]
    assert ascent[:, 0] == pytest.approx(1 / 3, abs=1e-3)  # one of three bands, evenly
    assert ascent[:, 1] == pytest.approx(1 / 6, abs=0.01)
    border = np.array([(2 * 24 + 6 * 4) / (8 * 24), 8 * 4 / (8 * 24), (2 * 24 + 6 * 4) / (8 * 24)])
    assert ascent[:, 2] == pytest.approx(border[labels], abs=1e-3)
    assert ascent[:, 3] == pytest.approx(1)
    assert np.isnan(found.measures[:, 1, 3]).all()
    strayed = found.measures[:, 2:, 0]
    assert (strayed > 0.4).all()
    assert found.repeats[:, 0] == pytest.approx(1)  # without views another seed changes nothing
    assert found.repeats[:, 1] == pytest.approx(-0.5, abs=1e-3)  # one of three bands, and another one
    assert (found.repeats[:, 2, 0] < 0.5).all()
    for k in range(3):
        band = found.changes[k].reshape(3, -1)
        assert (band[k] > 0).all()
        assert np.abs(np.delete(band, k, axis=0)).max() == pytest.approx(0, abs=1e-6)


def test_what_was_seen_is_read_by_the_next_call_and_measured_for_other_options(bands, tmp_path, monkeypatch):
    pytest.importorskip("captum", reason=CAPTUM)
    given = plan(tmp_path)
    before, dreamt = look(given, WHOLE, 1), dreams(given, WHOLE)
    for name in ("see", "maximize"):
        monkeypatch.setattr(lung_looks, name, lambda *asked, **named: pytest.fail("measured once more"))
    again = look(given, WHOLE, 1)
    for name in ("rows", "measures", "repeats", "frames", "changes", "cams"):
        np.testing.assert_array_equal(getattr(again, name), getattr(before, name), err_msg=name)
    assert (again.layers, again.cells) == (before.layers, before.cells)
    np.testing.assert_array_equal(dreams(given, WHOLE), dreamt)
    for name, other in (("frames", 2), ("steps", 1)):
        steps = 5 if name == "steps" else 4
        given.recipe.ascent = lambda steps=steps: ActivationMaximization(steps=steps, gradient="normalised")
        with pytest.raises(pytest.fail.Exception, match="once more"):
            look(given, WHOLE, other)


def test_frames_in_three_channels_are_looked_at_as_grey_ones(monkeypatch, tmp_path):
    """As VGG-16 takes them: grey frames in three channels, which an ascent keeps grey."""
    pytest.importorskip("captum", reason=CAPTUM)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)
    )
    how = Preprocessing(height=24, width=24, channels=3, mean=(0.15, 0.15, 0.16), std=(0.15, 0.15, 0.16))
    classifier = TorchClassifier(network.eval(), preprocessing=how, device=torch.device("cpu"))
    monkeypatch.setattr(lung_looks, "classifier_of", lambda plan, way, fold: classifier)
    given = plan(tmp_path)
    options = ActivationMaximization(steps=3, step_size=0.1, gradient="normalised", views=(Grey(), Jitter(pixels=2)))
    given.recipe.ascent = lambda: options
    found = look(given, WHOLE, 1)
    assert (found.cells, found.layers) == ((24, 24), ("1",))
    assert found.frames.shape == found.changes.shape == (3, 24, 24)
    assert np.isfinite(found.measures[:, [0, 2, 3], :3]).all()
    assert found.repeats.shape == (len(found.rows), len(REPEATS), len(GRAINS))


def test_maps_are_the_same_after_they_were_kept():
    rng = np.random.default_rng(0)
    names = ("activation maximisation", "random steps")
    given = Seen(
        frames=rng.random((2, 4, 4), np.float32),
        changes={name: rng.random((2, 4, 4), np.float32) for name in names},
        cams=rng.random((2, 2, 2), np.float32),
        layer="conv",
    )
    found = Seen.of(given.to_arrays())
    assert (list(found.changes), found.layer) == (list(names), "conv")
    for name in names:
        np.testing.assert_array_equal(found.changes[name], given.changes[name])


def test_other_ways_are_not_asked_again_and_see_the_same_frames(bands, tmp_path):
    pytest.importorskip("captum", reason=CAPTUM)
    given = plan(tmp_path)
    whole, painted = look(given, WHOLE, 1), look(given, PAINTED, 1)
    assert np.isnan(painted.repeats).all()
    assert np.array_equal(whole.rows, painted.rows)


def test_a_dream_brightens_its_own_band_of_the_class_mean(bands, tmp_path):
    given = plan(tmp_path)
    noise, begun = dreams(given, WHOLE)
    assert noise.shape == begun.shape == (3, 24, 24)
    rows = given.folds[0].parts["train"]
    for k in range(3):
        mean = np.mean([given.dataset.load(i)[0] for i in rows if given.dataset.labels[i] == k], axis=0)
        change = (begun[k] - mean).reshape(3, -1)
        assert (change[k] > 0.01).all()
        assert np.abs(np.delete(change, k, axis=0)).max() < 1e-5


def test_means_and_gaps_leave_out_the_frames_of_the_method_that_has_no_map():
    rows, measures = np.arange(0, 54, 3), np.random.default_rng(0).random((18, len(METHODS), len(MEASURES)))
    measures[4, 1] = np.nan
    looks = seen(measures, rows)
    found = look_arrays(looks, looks, plan(), "way", level=0.95, seed=0).isel(look_way=0)
    kept = np.delete(measures, 4, axis=0)
    assert found["look_value"].values[0] == pytest.approx(measures[:, 0].mean(axis=0))
    assert found["look_value"].values[1] == pytest.approx(kept[:, 1].mean(axis=0))
    assert found["look_gap"].values[0] == pytest.approx((kept[:, 0] - kept[:, 1]).mean(axis=0))
    assert found["look_gap"].values[1] == pytest.approx((measures[:, 0] - measures[:, 2]).mean(axis=0))
    labels = np.delete(plan().dataset.labels[rows], 4)
    assert found["look_class"].values[1, :, 2] == pytest.approx(kept[labels == 2, 1].mean(axis=0))
    assert found["look_frames"].values.tolist() == [18, 17, 18, 18]
    assert found["look_empty"].values.tolist() == [0, 1, 0, 0]
    assert not found["look_change"].values.any()
    low, high = np.moveaxis(found["look_gap_interval"].values, -1, 0)
    assert (low <= found["look_gap"].values).all()
    assert (found["look_gap"].values <= high).all()


def test_what_is_never_measured_is_not_a_number():
    measures = np.random.default_rng(0).random((6, len(METHODS), len(MEASURES)))
    measures[:, 1, 3] = np.nan
    looks = seen(measures, np.arange(0, 18, 3))
    found = look_arrays(looks, looks, plan(), "way", level=0.95, seed=0).isel(look_way=0)
    assert np.isnan(found["look_value_interval"].values[1, 3]).all()
    assert found["look_value_interval"].notnull().sum() == 2 * (len(METHODS) * len(MEASURES) - 1)


def test_the_change_of_the_border_is_paired_with_whole_frames():
    rng, rows = np.random.default_rng(0), np.arange(0, 54, 3)
    before, after = rng.random((2, 18, len(METHODS), len(MEASURES)))
    found = look_arrays(seen(after, rows), seen(before, rows), plan(), "way", level=0.95, seed=0)
    on = MEASURES.index("on the border")
    slow = [np.mean([(after[i, 0, on] - after[i, m, on]) - (before[i, 0, on] - before[i, m, on]) for i in range(18)])
            for m in (1, 2, 3)]  # fmt: skip
    assert found["look_change"].values[0] == pytest.approx(slow)
    assert found["look_repeat"].dims == ("look_way", "repeat", "grain")
    assert found["look_repeat"].shape == (1, len(REPEATS), len(GRAINS))
    assert found["look_repeat_gap"].values[0, :, 0] == pytest.approx([0.4, 0.8, 0.2])


def test_no_change_is_the_byte_128_and_maps_are_drawn_at_the_size_of_the_frame():
    given, looks = plan(), seen(np.zeros((3, 4, 4)), np.arange(0, 9, 3))
    looks.changes[0, 0, 0], looks.cams[0, 0, 0] = -0.5, 3.0
    found = picture_arrays(looks, given, np.zeros((2, 3, 4, 4), np.float32))
    assert found["shown_change"].values[0, 0, :2].tolist() == [1, 128]
    assert (found["shown_change"].values[1:] == 128).all()
    assert found["shown_cam"].shape == (3, 4, 4)
    assert found["shown_cam"].values[0, 0, 0] == 255


def test_frames_are_of_different_recordings_and_of_every_class():
    given = plan()
    rows = drawn_frames(given, np.arange(54), 4, 0)
    assert np.bincount(given.dataset.labels[rows]).tolist() == [4, 4, 4]
    assert len(set(given.units_n[rows])) == 12
