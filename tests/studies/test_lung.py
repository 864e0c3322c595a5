"""The lung study goes on where it was stopped."""

import sys

import numpy as np
import pytest

from lung_arrays import NAMES, frames
from shiftgauge.errors import InterruptedRunError, MissingExtraError
from shiftgauge.studies import lung_folds
from shiftgauge.studies.lung import lung
from shiftgauge.train.module import ClassifierModule


def test_a_study_stopped_after_two_trainings_trains_the_others_alone(tmp_path, monkeypatch):
    pytest.importorskip("captum", reason="Grad-CAM comes from Captum, of the extra `explain`")
    for name in ("write_train_figures", "write_train_page"):
        monkeypatch.setattr(f"shiftgauge.studies.train.{name}", lambda result, place: None)
    images, labels, recording = frames(recordings=12, size=32)
    data, trained = tmp_path / "lus.npz", []
    np.savez(data, images=images, labels=labels, group=recording, classes=np.array(NAMES))
    real_train, real_step = lung_folds.train, ClassifierModule.training_step
    given = {"recipe": "small", "quick": True, "epochs": 1, "border": "none", "steps": 1, "frames": 1, "device": "cpu"}

    def train(*args, out, **more):
        trained.append([out.name, 0])
        if trained_before is None and len(trained) == 3:
            raise KeyboardInterrupt
        return real_train(*args, out=out, **more)

    def step(self, batch, batch_idx):
        trained[-1][1] += 1
        return real_step(self, batch, batch_idx)

    monkeypatch.setattr(lung_folds, "train", train)
    monkeypatch.setattr(ClassifierModule, "training_step", step)
    trained_before = None
    with pytest.raises(InterruptedRunError, match="the same call goes on"):
        lung(data, out=tmp_path / "out", progress=False, **given)
    assert [name for name, steps in trained if steps] == ["training-whole-1", "training-whole-2"]
    trained_before = trained.copy()
    trained.clear()
    result = lung(data, out=tmp_path / "out", progress=False, **given)
    assert [name for name, _ in trained] == ["training-pooled-1", "training-pooled-2"]
    assert len(trained) == result.cost["trainings"] == 2
    trained.clear()
    page = tmp_path / "out" / "training-whole-1" / "run.json"
    before = page.read_bytes()
    assert lung(data, out=tmp_path / "out", progress=False, **given).cost["trainings"] == 0
    assert (trained, page.read_bytes()) == ([], before)
    assert (result.config["folds"], result.config["frames"]) == (2, 1)
    assert {f.agreement for f in result.findings} == {"unclear", "fact"}


def test_coloured_frames_go_the_quick_road_as_grey_ones_do(tmp_path, monkeypatch):
    pytest.importorskip("captum", reason="Grad-CAM comes from Captum, of the extra `explain`")
    for name in ("write_train_figures", "write_train_page"):
        monkeypatch.setattr(f"shiftgauge.studies.train.{name}", lambda result, place: None)
    images, labels, recording = frames(recordings=12, size=32)
    images = np.stack([images, images // 2, 255 - images], axis=-1)
    np.savez(tmp_path / "lus.npz", images=images, labels=labels, group=recording, classes=np.array(NAMES))
    given = {"quick": True, "epochs": 1, "border": "none", "at_random": False, "steps": 1, "frames": 1}
    result = lung(tmp_path / "lus.npz", out=tmp_path / "out", device="cpu", progress=False, **given)
    assert result.cost["trainings"] == 2
    assert int(result.arrays["confusion"].sum()) == len(labels)
    assert result.arrays["shown_frame"].shape[0] == len(NAMES)
    assert np.isfinite(result.arrays["way_score"]).all()
    assert (tmp_path / "out" / "report.html").is_file()


def test_without_captum_nothing_is_trained(tmp_path, monkeypatch):
    images, labels, recording = frames(recordings=12, size=32)
    np.savez(tmp_path / "lus.npz", images=images, labels=labels, group=recording)
    for name in ("captum", "captum.attr"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="explain"):
        lung(tmp_path / "lus.npz", out=tmp_path / "out", quick=True, device="cpu", progress=False)
    assert not (tmp_path / "out").exists()
