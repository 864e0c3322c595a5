"""`shiftgauge study eye`: a quick run that is stopped and goes on, to its page; what is wrong said in one line."""

import json

import numpy as np

from eye_arrays import crops
from shiftgauge.errors import InterruptedRunError
from shiftgauge.results.study import StudyResult
from shiftgauge.studies import eye_attacks, eye_trainings


def eyes(folder):
    images, labels, names = crops(faces=30)
    path = folder / "eyes.npz"
    np.savez(path, images=images, labels=labels, names=names, classes=np.array(["closed", "open"]))
    return path


def test_a_quick_run_that_was_stopped_goes_on_to_its_page(cli, tmp_path, monkeypatch):
    """It is stopped after two networks, and again among the attacks; nothing that was finished is done twice."""
    monkeypatch.setattr("shiftgauge.studies.eye.write_study_figures", lambda result, place: None)
    out, asked = tmp_path / "study", ("study", "eye", "--data", eyes(tmp_path), "--quick", "--device", "cpu")
    train, transfer, calls = eye_trainings.cross_validate, eye_attacks.transfer_matrix, []

    def stopping(real, after):
        def call(*given, **more):
            calls.append(real.__name__)
            if calls.count(real.__name__) > after:
                raise KeyboardInterrupt
            return real(*given, **more)

        return call

    monkeypatch.setattr(eye_trainings, "cross_validate", stopping(train, 2))
    found = cli(*asked, "--out", out)
    assert found.code == 3
    assert "goes on with what is not finished yet" in found.err
    kept = {p: p.stat().st_mtime_ns for p in out.glob("models/*/fold-*/fold.json")}
    assert len(kept) == 4
    monkeypatch.setattr(eye_trainings, "cross_validate", train)
    monkeypatch.setattr(eye_attacks, "transfer_matrix", stopping(transfer, 6))
    assert cli(*asked, "--out", out).code == 3
    assert len(list(out.glob("measured/attacks-*.npz"))) == 2
    calls.clear()
    monkeypatch.setattr(eye_attacks, "transfer_matrix", stopping(transfer, 10**6))
    found = cli(*asked, "--out", out)
    assert found.code == 0, found.err
    assert "Quick run, no result:" in found.out
    assert calls.count("transfer_matrix") == 2 * (2 * 2 + 8 * 4) - 6 + 8
    assert {p: p.stat().st_mtime_ns for p in kept} == kept
    check(out)
    calls.clear()
    assert cli(*asked, "--out", out, "--quiet").code == 0
    assert calls == []


def check(out):
    """What a finished quick run left."""
    record = json.loads((out / "run.json").read_text())
    assert record["cost"]["trainings"] == 28
    assert {finding["agreement"] for finding in record["findings"]} == {"unclear", "fact"}
    assert (out / "report.html").is_file()
    assert (out / "tables" / "attacks.csv").is_file()
    assert not (out / "measured" / "attacked").exists()
    a = StudyResult.from_disk(out).arrays
    assert int(a["fold_count"].sum()) == 60
    assert int(a["fold_units"].sum()) == 30
    assert a["white"].notnull().all()
    assert np.isfinite(a["lipschitz"].sel(bounded="Parseval, scaled")).all()
    plain = a.sel(model="WRN")  # images made on the plain network are its own
    assert (plain["overstated"] == 0).all()
    quieter = (a["snr"].sel(attack="uniform noise") - a["snr"].sel(attack="FGSM")).sel(epsilon=0.022)
    assert abs(float(quieter) - 4.77) < 0.3


def test_what_is_asked_for_reaches_the_study(cli, tmp_path, monkeypatch):
    asked = {}

    def remember(data, **given):
        asked.update(given)
        raise InterruptedRunError("stopped here")

    monkeypatch.setattr("shiftgauge.studies.eye.eye", remember)
    found = cli("study", "eye", "--data", tmp_path, "--recipe", "small", "--folds", "3", "--epochs", "2", "--quiet")
    assert (found.code, asked["recipe"], asked["folds"], asked["epochs"]) == (3, "small", 3, 2)
    assert (asked["quick"], asked["device"], asked["progress"]) == (False, None, False)
    assert "stopped here" in found.err


def test_what_is_wrong_is_named_before_anything_is_written(cli, tmp_path):
    data, out = eyes(tmp_path), tmp_path / "s"
    assert "does not exist" in cli("study", "eye", "--data", tmp_path / "nothing", "--out", out).error
    assert "recipe" in cli("study", "eye", "--data", data, "--recipe", "large", "--out", out).error
    assert "folds" in cli("study", "eye", "--data", data, "--folds", "1", "--out", out).error
    assert "epochs" in cli("study", "eye", "--data", data, "--epochs", "0", "--out", out).error
    assert not out.exists()
