"""`shiftgauge study glass`: a quick run from an NPZ file to its page, and what is wrong said in one line."""

import json

import numpy as np

from shiftgauge.errors import InterruptedRunError


def tiles(folder):
    rng = np.random.default_rng(0)
    labels = (rng.random((100, 2)) < 0.4).astype(np.uint8)
    images = (rng.random((100, 24, 24)) * 120).astype(np.uint8)
    images[:, 3:6] += labels[:, :1, None] * np.uint8(120)
    images[:, 12:15, 12:15] += labels[:, 1:, None] * np.uint8(120)
    path = folder / "tiles.npz"
    np.savez(path, images=images, labels=labels, classes=np.array(["bar", "dot"]))
    return path


def test_a_quick_run_gives_a_page_and_no_result(cli, tmp_path, monkeypatch):
    for name in ("write_train_figures", "write_train_page"):  # the trainings' own have tests of their own
        monkeypatch.setattr(f"shiftgauge.studies.train.{name}", lambda result, place: None)
    out, data = tmp_path / "study", tiles(tmp_path)
    options = ("--recipe", "small", "--quick", "--epochs", "1", "--device", "cpu")
    found = cli("study", "glass", "--data", data, *options, "--out", out)
    assert found.code == 0, found.err
    assert "Quick run, no result:" in found.out
    assert "claims looked at" not in found.out
    record = json.loads((out / "run.json").read_text())
    assert (record["cost"]["trainings"], record["config"]["recipe"]["epochs"]) == (3, 1)
    assert (out / "report.html").is_file()
    assert (out / "figures" / "chosen_on_test.svg").is_file()


def test_what_is_asked_for_reaches_the_study(cli, tmp_path, monkeypatch):
    asked = {}

    def remember(data, **given):
        asked.update(given)
        raise InterruptedRunError("stopped here")

    monkeypatch.setattr("shiftgauge.studies.glass.glass", remember)
    found = cli("study", "glass", "--data", tmp_path, "--no-watch", "--seed", "7", "--weights", "none", "--quiet")
    assert (found.code, asked["watched"], asked["seed"], asked["weights"]) == (3, False, 7, "none")
    assert (asked["recipe"], asked["device"], asked["progress"]) == ("published", None, False)
    assert "stopped here" in found.err


def test_data_that_are_not_there_are_named(cli, tmp_path):
    found = cli("study", "glass", "--data", tmp_path / "nothing", "--out", tmp_path / "s", "--quick")
    assert "does not exist" in found.error
    assert not (tmp_path / "s").exists()


def test_an_unknown_recipe_and_task_are_named(cli, tmp_path):
    data = tiles(tmp_path)
    assert "recipe" in cli("study", "glass", "--data", data, "--recipe", "large", "--out", tmp_path / "s").error
    assert "has task 2" in cli("study", "glass", "--data", data, "--task", "1", "--out", tmp_path / "s").error
    assert not (tmp_path / "s").exists()
