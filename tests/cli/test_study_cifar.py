from typer.testing import CliRunner

from shiftgauge.cli.main import app


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
