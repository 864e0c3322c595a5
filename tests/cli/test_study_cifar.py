"""`shiftgauge study cifar`: what is asked for reaches the study, and what is wrong is said in one line."""

import pytest
from typer.testing import CliRunner

from shiftgauge.cli.main import app
from shiftgauge.errors import InterruptedRunError
from shiftgauge.studies.cifar_look import Looks


def test_help_names_what_is_given():
    found = CliRunner().invoke(app, ["study", "cifar", "--help"], env={"COLUMNS": "120"})
    assert found.exit_code == 0
    for name in ("--quick", "--full", "--vgg16", "--resnet18"):
        assert name in found.output


def test_absent_data_end_in_one_line(tmp_path):
    found = CliRunner().invoke(
        app, ["study", "cifar", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]
    )
    assert found.exit_code != 0
    assert "does not exist" in found.output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"trained": {}, "looks": Looks(), "epochs": None, "device": None, "quick": False, "full": False}),
        (
            ("--vgg16", "one", "--resnet18", "other", "--images", "7", "--epochs", "3", "--seed", "5"),
            {"trained": {"vgg16": "one", "resnet18": "other"}, "looks": Looks(images=7), "epochs": 3, "seed": 5},
        ),
        (("--quick", "--quiet"), {"quick": True, "looks": Looks.usual(quick=True), "progress": False}),
        (("--full", "--device", "cpu"), {"full": True, "device": "cpu", "progress": None}),
    ],
)
def test_what_is_asked_for_reaches_the_study(cli, tmp_path, monkeypatch, options, expected):
    asked = {}

    def remember(data, **given):
        asked.update(given, data=data)
        raise InterruptedRunError("stopped here")

    monkeypatch.setattr("shiftgauge.studies.cifar.cifar", remember)
    found = cli("study", "cifar", "--data", tmp_path, "--out", tmp_path / "run", *options)
    assert (found.code, asked["data"], asked["out"]) == (3, tmp_path, tmp_path / "run")
    asked["trained"] = {name: str(path) for name, path in asked["trained"].items()}
    assert {name: asked[name] for name in expected} == expected
