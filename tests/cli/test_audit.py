"""An audit from configuration to run folder, its gates, its interruption and its report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from shiftgauge.results.audit import AuditResult

FILES = {"evaluations.db", "figures", "indices.csv", "report.html", "results.nc", "run.json"}


def test_an_audit_writes_the_whole_run_folder_and_says_where_the_page_is(cli, project) -> None:
    found = cli("audit", project.path)
    assert found.code == 0, found.err
    assert {p.name for p in (project.folder / "run").iterdir()} == FILES
    assert "brightness" in found.out
    assert f"page: {project.folder.resolve() / 'run' / 'report.html'}" in found.out


def test_the_record_holds_the_configuration_with_every_default(cli, project) -> None:
    cli("audit", project.path, "--quiet", "--set", "estimate.seed=3")
    record = json.loads((project.folder / "run" / "run.json").read_text())
    assert record["config"]["estimate"]["seed"] == 3
    assert record["config"]["estimate"]["estimator"] == "assisted"
    assert record["config"]["shifts"]["parameters"]["rotation"] == [-30, 30]


def test_the_same_command_gives_the_same_numbers_and_computes_nothing_again(cli, project) -> None:
    first = cli("audit", project.path, "--out", project.folder / "one")
    again = cli("audit", project.path, "--out", project.folder / "one", "--resume")
    other = cli("audit", project.path, "--out", project.folder / "two")
    assert (first.code, again.code, other.code) == (0, 0, 0)
    one, two = (AuditResult.from_disk(project.folder / name) for name in ("one", "two"))
    pd.testing.assert_frame_equal(one.to_dataframe(), two.to_dataframe())
    assert one.cost["rows_from_store"] > 0


def test_quiet_prints_nothing(cli, project) -> None:
    found = cli("audit", project.path, "--quiet")
    assert (found.code, found.out, found.err) == (0, "", "")


def test_without_out_the_run_lies_beside_the_configuration(cli, project) -> None:
    del project.values["out"]
    project.write()
    assert cli("audit", project.path, "--quiet").code == 0
    assert (project.folder / "runs" / "audit" / "report.html").exists()


def test_a_missed_gate_exits_with_1_and_names_itself(cli, project) -> None:
    project.values["gates"] = {"min_accuracy": 0.999, "max_total_order": {"rotation": 0.9}}
    project.write()
    found = cli("audit", project.path, "--quiet")
    assert found.code == 1
    assert found.err.startswith("gate missed: ")
    assert found.err.count("\n") == 1
    gates = {g["name"]: g["passed"] for g in json.loads((project.folder / "run" / "run.json").read_text())["gates"]}
    assert gates == {"min_accuracy": False, "max_total_order.rotation": True}


def test_a_preset_may_be_narrowed_and_widened(cli, project) -> None:
    project.values["shifts"] = {"preset": "weld", "parameters": {"tilt": None, "gaussian_noise": [0, 0.1]}}
    project.write()
    assert cli("audit", project.path, "--quiet").code == 0
    result = AuditResult.from_disk(project.folder / "run")
    assert result.arrays["shift"].values.tolist() == ["brightness", "rotation", "gaussian_noise"]
    assert "repeat" in result.arrays["input"].values


@pytest.mark.parametrize("estimator", ["pick_freeze", "gpc"])
def test_every_estimator_can_be_chosen(cli, project, estimator: str) -> None:
    found = cli("audit", project.path, "--set", f"estimate.estimator={estimator}", "--set", "estimate.n_base=64")
    assert found.code == 0, found.err


def test_chosen_images_are_audited_each(cli, project) -> None:
    project.values["estimate"]["images"] = ["dark/dark0.png", "bright/bright1.png"]
    project.write()
    assert cli("audit", project.path, "--quiet").code == 0
    assert AuditResult.from_disk(project.folder / "run").arrays.attrs["images_mode"] == "fixed"


def test_a_manifest_and_arrays_give_the_same_indices_as_the_folder(cli, project) -> None:
    paths = sorted((project.folder / "images").rglob("*.png"))
    names = [f"{p.parent.name}/{p.name}" for p in paths]
    table = pd.DataFrame({"file": names, "kind": [n.split("/")[0] for n in names]})
    table.to_csv(project.folder / "list.csv", index=False)
    from PIL import Image

    pixels = np.stack([np.asarray(Image.open(p)) for p in paths])
    np.savez(project.folder / "set.npz", x=pixels, y=table["kind"].to_numpy(dtype=str), names=np.array(names))
    found = []
    for k, data in enumerate(
        (
            {"folder": "images"},
            {"manifest": "list.csv", "root": "images", "path_column": "file", "label_column": "kind"},
            {"npz": "set.npz", "arrays": {"images": "x", "labels": "y"}},
        )
    ):
        project.values["data"] = data
        project.write()
        outcome = cli("audit", project.path, "--quiet", "--out", project.folder / f"run{k}")
        assert outcome.code == 0, outcome.err
        found.append(AuditResult.from_disk(project.folder / f"run{k}").to_dataframe())
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(found[0], found[2])


def test_unreadable_files_may_be_skipped_and_are_counted(cli, project) -> None:
    (project.folder / "images" / "dark" / "dark9.png").write_text("no picture")
    project.values["data"]["skip_unreadable"] = True
    project.write()
    assert cli("audit", project.path, "--quiet").code == 0
    record = json.loads((project.folder / "run" / "run.json").read_text())
    assert [name for name, _ in record["provenance"]["skipped"]] == ["dark/dark9.png"]


def test_sigterm_stops_with_3_and_the_same_command_goes_on_to_the_same_numbers(cli, project) -> None:
    settings = ["--set", "estimate.n_base=2048", "--set", "execution.chunk_rows=64"]
    command = [sys.executable, "-m", "shiftgauge.cli.main", "audit", str(project.path), "--quiet", *settings]
    store = project.folder / "run" / "evaluations.db"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        _wait_until_some_is_finished(store, process)
        process.send_signal(signal.SIGTERM)
        error = process.stderr.read()
    assert process.returncode == 3, error
    assert error.startswith("stopped: ")
    assert "the same command goes on" in error
    assert not (project.folder / "run" / "run.json").exists()
    again = cli("audit", project.path, "--quiet", "--resume", *settings)
    assert again.code == 0, again.err
    whole = cli("audit", project.path, "--quiet", "--out", project.folder / "whole", *settings)
    assert whole.code == 0, whole.err
    resumed, straight = (AuditResult.from_disk(project.folder / name) for name in ("run", "whole"))
    assert resumed.cost["rows_from_store"] > 0
    pd.testing.assert_frame_equal(resumed.to_dataframe(), straight.to_dataframe(), check_exact=True)


def _wait_until_some_is_finished(store: Path, process: subprocess.Popen[str]) -> None:
    """The store is locked by its run, so its size tells how far the run is: a chunk is some 3 kB."""
    while process.poll() is None and not (store.exists() and store.stat().st_size > 60_000):
        time.sleep(0.02)


def test_a_report_is_written_again_without_model_images_or_torch(cli, project) -> None:
    assert cli("audit", project.path, "--quiet").code == 0
    run = project.folder / "run"
    page = (run / "report.html").read_bytes()
    (run / "report.html").unlink()
    (run / "evaluations.db").unlink()
    moved = run.rename(project.folder / "elsewhere")
    script = (
        "import sys\n"
        "from shiftgauge.cli.main import app\n"
        f"app(['report', {str(moved)!r}, '--quiet'], standalone_mode=False)\n"
        "print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "False"), done.stderr
    assert (moved / "report.html").read_bytes() == page
    assert any((moved / "figures").iterdir())


def test_a_page_may_be_written_elsewhere(cli, project, tmp_path: Path) -> None:
    assert cli("audit", project.path, "--quiet").code == 0
    out = tmp_path / "elsewhere.html"
    found = cli("report", project.folder / "run", "--out", out)
    assert found.code == 0
    assert out.exists()
    assert f"page: {out}" in found.out
