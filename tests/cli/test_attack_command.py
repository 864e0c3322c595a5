"""`shiftgauge attack` from its configuration to the page, its gates, and what it refuses."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from shiftgauge.models.model_folder import write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions
from shiftgauge.models.preprocessing import Preprocessing


@pytest.fixture
def config(project):
    """A configuration of attacks beside the images of the small audit."""
    values = {
        "models": {"one": project.values["model"], "two": project.values["model"]},
        "data": {"folder": "images"},
        "attack": {
            "attacks": {"fgsm": {}, "strong": {"kind": "pgd", "steps": 2, "restarts": 1}, "uniform_noise": {}},
            "snr_db": [float("inf"), 30, 3],
            "shifts": {"brightness": [0.9, 0.6], "motion_blur": {"levels": [3], "beside": {"motion_blur_angle": 30}}},
            "bounds": [0, 1],
            "pictures": {"images": 1, "snr_db": [40, 20]},
            "device": "cpu",
        },
        "out": "attacked",
    }
    path = project.folder / "attack.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_a_configuration_becomes_a_run_folder_with_a_page(cli, config):
    found = cli("attack", config)
    assert found.code == 0, found.err
    assert "Accuracy at" in found.out
    folder = config.parent / "attacked"
    record = json.loads((folder / "run.json").read_text())
    assert record["kind"] == "attack"
    assert record["config"]["attack"]["attacks"]["strong"]["kind"] == "pgd"
    assert record["config"]["attack"]["snr_db"] == ["inf", 30.0, 3.0]
    assert set(record["cost"]["parts"]) == {"curves", "transfer", "natural", "pictures"}
    table = pd.read_csv(folder / "accuracy.csv")
    assert set(table["way"]) == {"none", "fgsm", "strong", "uniform_noise", "brightness", "motion_blur"}
    quiet = table[table["asked"] == np.inf]
    assert (quiet["accuracy"] == table[table["kind"] == "clean"]["accuracy"].iloc[0]).all()
    assert "Models beside each other" in (folder / "report.html").read_text()
    names = {path.name for path in folder.glob("figures/**/*")}
    assert {"curves.png", "models.svg", "transfer.png", "pictures.png"} <= names
    again = cli("report", folder)
    assert again.code == 0, again.err
    assert "Accuracy at" in again.out


def test_one_model_and_lengths(cli, config, project):
    values = yaml.safe_load(config.read_text())
    del values["models"], values["attack"]["snr_db"]
    values["model"] = project.values["model"]
    values["attack"] |= {"epsilon": [0.01, 0.3], "pictures": False, "shifts": {}}
    config.write_text(yaml.safe_dump(values))
    found = cli("attack", config, "--quiet")
    assert (found.code, found.out) == (0, ""), found.err
    table = pd.read_csv(config.parent / "attacked" / "accuracy.csv")
    assert set(table["model"]) == {"model"}
    assert not (config.parent / "attacked" / "transfer.csv").exists()


def test_a_model_folder_is_attacked(cli, config):
    torch.manual_seed(0)
    options = NetworkOptions(name="resnet18_small", n_classes=2, channels=1)
    size = Preprocessing(height=16, width=16, channels=1)
    record = ModelRecord(architecture=options, task="single", classes=("dark", "bright"), preprocessing=size)
    write_model_folder(config.parent / "trained", options.build().network, record)
    values = yaml.safe_load(config.read_text())
    values["models"]["two"] = {"folder": "trained"}
    values["attack"] |= {"attacks": {"fgsm": {}}, "shifts": {}, "pictures": False}
    config.write_text(yaml.safe_dump(values))
    found = cli("attack", config)
    assert found.code == 0, found.err
    table = pd.read_csv(config.parent / "attacked" / "transfer.csv")
    assert len(table) == 12
    assert table[table["white_box"]]["difference"].eq(0).all()


def test_a_missed_limit_exits_with_one_and_says_which(cli, config):
    gate = "gates.min_accuracy=[{accuracy: 0.99, at: 3, way: fgsm, model: two}]"
    found = cli("attack", config, "--quiet", "--set", gate, "--set", "attack.pictures=false")
    assert found.code == 1
    assert "gate missed: The accuracy of “two” under “fgsm” at 3 dB" in found.err
    kept = cli("attack", config, "--quiet", "--set", gate.replace("0.99", "0"), "--set", "attack.pictures=false")
    assert kept.code == 0


def test_the_audit_of_the_model_stands_beside(cli, config, project):
    assert cli("audit", project.path, "--quiet").code == 0
    found = cli("attack", config, "--set", "audit=run", "--set", "attack.pictures=false")
    assert found.code == 0, found.err
    page = (config.parent / "attacked" / "report.html").read_text()
    assert "Beside the audit" in page
    assert 'href="../run/report.html"' in page
    assert "another model" not in found.out
    record = json.loads((config.parent / "run" / "run.json").read_text())
    assert record["headline"].split(".")[0][:20] in page.replace("&#39;", "'")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("attack.atacks={}", "did you mean `attack.attacks`|attacks"),
        ("attack.attacks.fgsm.steps=3", "steps"),
        ("attack.attacks.new={}", "new"),
        ("attack.attacks.strong.steps=0", "steps"),
        ("attack.attacks.strong.kind=pdg", "pgd"),
        ("attack.epsilon=[0.1]", "either `snr_db` or `epsilon`"),
        ("attack.snr_db=[]", "at least one"),
        ("attack.snr_db=[30, 30]", "twice"),
        ("attack.snr_db=loud", "a list"),
        ("attack.norm=l3", "norm"),
        ("attack.bounds=[1, 0]", "bounds"),
        ("attack.bounds=[0.4, 0.5]", "outside `bounds`"),
        ("attack.target=grey", "target"),
        ("attack.at=20", "`at` must be one of"),
        ("attack.images=0", "images"),
        ("attack.seed=-1", "seed"),
        ("attack.confidence_level=1", "confidence_level"),
        ("attack.pictures.ways=[fast]", "pictures.ways"),
        ("attack.pictures.models=[three]", "pictures.models"),
        ("attack.shifts.brightnes=[1]", "brightness"),
        ("attack.shifts.brightness=[-1]", "brightness"),
        ("attack.shifts.brightness=[]", "at least 1"),
        ("attack.shifts.motion_blur_angle=[30]", "only qualifies"),
        ("gates.min_accuracy=[{accuracy: 0.5, at: 33}]", "must be `at` one of"),
        ("gates.min_accuracy=[{accuracy: 5, at: 30}]", "accuracy"),
        ("models.two.folder=x", "exactly one"),
        ("model={demo: true}", "either `model` or `models`"),
        ("data.folder=nowhere", "nowhere"),
        ("audit=nowhere", "audit"),
        ("out=images", "images"),
        ("shifts={preset: demo}", "shiftgauge audit"),
        ("explain={}", "shiftgauge explain"),
    ],
)
def test_a_mistake_is_told_on_one_line(cli, config, override, said):
    found = cli("attack", config, "--set", override)
    assert re.search(said, found.error)
    assert not (config.parent / "attacked").exists()


def test_other_commands_point_to_this_one(cli, config):
    assert "shiftgauge attack" in cli("audit", config).error
    assert "a Brightness has no named parts" in cli("blocks", config).error  # the network of the file was opened


def test_init_writes_a_configuration_that_is_read(cli, project, tmp_path):
    from shiftgauge.cli.attack_build import attack_options
    from shiftgauge.cli.reader import load_attack_config

    out = tmp_path / "attack.yaml"
    assert cli("init", project.folder / "images", "--attack", "--out", out).code == 0
    assert attack_options(load_attack_config(out)).attacks["pgd"].steps == 20
    assert "--explain and --attack" in cli("init", project.folder / "images", "--attack", "--explain").error


def test_what_is_commented_out_is_read_too(cli, project, tmp_path):
    from shiftgauge.cli.attack_section import AttackSection
    from shiftgauge.cli.init_attack import ATTACK_LINES

    text = "\n".join(line.replace("  # ", "  ", 1) if line.startswith("  # ") else line for line in ATTACK_LINES)
    section = yaml.safe_load(text)["attack"]
    assert AttackSection(**section).pictures.snr_db == [50, 45, 40, 33]


def test_a_killed_command_goes_on(config, cli):
    """The command in a process of its own is killed while it attacks; the same command finishes."""
    slow = ["--set", "attack.attacks.strong.steps=4000", "--set", "attack.pictures=false", "--quiet"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    command = [sys.executable, "-m", "shiftgauge", "attack", str(config), *slow]
    child = subprocess.Popen(command, env=environment)
    parts = config.parent / "attacked" / "parts"
    for _ in range(600):
        if len(list(parts.glob("curve-*.npz"))) >= 2:
            break
        time.sleep(0.1)
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert len(list(parts.glob("curve-*.npz"))) >= 2
    assert not (config.parent / "attacked" / "run.json").exists()
    before = {path: path.stat().st_mtime_ns for path in parts.glob("curve-*.npz")}
    found = cli("attack", config, "--set", "attack.pictures=false", "--quiet")
    assert found.code == 0, found.err
    kept = [path for path, at in before.items() if path.stat().st_mtime_ns == at]
    assert len(kept) >= 2
