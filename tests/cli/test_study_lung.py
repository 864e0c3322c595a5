"""`shiftgauge study lung`: a quick run from an NPZ file to its page, and what is wrong said in one line."""

import json

import numpy as np
import pytest

from lung_arrays import NAMES, frames
from shiftgauge.errors import InterruptedRunError
from shiftgauge.results.study import StudyResult


def lus(folder):
    images, labels, recording = frames(recordings=12, size=32)
    path = folder / "lus.npz"
    np.savez(path, images=images, labels=labels, group=recording, classes=np.array(NAMES))
    return path


def test_a_quick_run_gives_a_page_and_no_result(cli, tmp_path, monkeypatch):
    pytest.importorskip("captum", reason="Grad-CAM comes from Captum, of the extra `explain`")
    for name in ("write_train_figures", "write_train_page"):  # the trainings' own have tests of their own
        monkeypatch.setattr(f"shiftgauge.studies.train.{name}", lambda result, place: None)
    out, data = tmp_path / "study", lus(tmp_path)
    options = ("--recipe", "small", "--quick", "--epochs", "1", "--border", "cut", "--no-at-random", "--steps", "2")
    found = cli("study", "lung", "--data", data, *options, "--device", "cpu", "--out", out)
    assert found.code == 0, found.err
    assert "Quick run, no result:" in found.out
    record = json.loads((out / "run.json").read_text())
    assert (record["cost"]["trainings"], record["config"]["ways"]) == (4, ["whole frames", "border cut off"])
    assert (out / "report.html").is_file()
    arrays = StudyResult.from_disk(out).arrays
    assert arrays["way_score"].notnull().all()
    assert int(arrays["confusion"].sum()) == 36
    assert arrays["look_class"].sizes["class"] == 3
    assert int(arrays["fold_frames"].sum()) == 36
    assert {finding["agreement"] for finding in record["findings"]} == {"unclear", "fact"}
    assert (record["config"]["folds"], record["config"]["frames"]) == (2, 2)


def test_what_is_asked_for_reaches_the_study(cli, tmp_path, monkeypatch):
    asked = {}

    def remember(data, **given):
        asked.update(given)
        raise InterruptedRunError("stopped here")

    monkeypatch.setattr("shiftgauge.studies.lung.lung", remember)
    found = cli("study", "lung", "--data", tmp_path, "--folds", "7", "--border", "none", "--no-at-random", "--quiet")
    assert (found.code, asked["folds"], asked["border"], asked["at_random"]) == (3, 7, "none", False)
    assert (asked["recipe"], asked["device"], asked["progress"]) == ("published", None, False)
    assert "stopped here" in found.err


def test_what_is_wrong_is_named_before_anything_is_written(cli, tmp_path):
    data, out = lus(tmp_path), tmp_path / "s"
    assert "does not exist" in cli("study", "lung", "--data", tmp_path / "nothing", "--out", out).error
    assert "border" in cli("study", "lung", "--data", data, "--border", "off", "--out", out).error
    assert "recipe" in cli("study", "lung", "--data", data, "--recipe", "large", "--out", out).error
    assert "folds" in cli("study", "lung", "--data", data, "--folds", "1", "--out", out).error
    assert not out.exists()
