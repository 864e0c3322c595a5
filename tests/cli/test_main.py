from __future__ import annotations

import subprocess
import sys

import pytest

from shiftgauge import __version__

COMMANDS = ("audit", "train", "demo", "report", "shifts", "blocks", "init", "schema", "study")


def test_the_version_is_printed(cli) -> None:
    assert cli("--version").out.strip() == f"shiftgauge {__version__}"


@pytest.mark.parametrize("arguments", [("--help",), *[(name, "--help") for name in COMMANDS]])
def test_every_command_explains_itself(cli, arguments: tuple[str, ...]) -> None:
    found = cli(*arguments)
    assert found.code == 0
    assert "Usage" in found.out


def test_the_help_lists_every_command_and_the_exit_codes(cli) -> None:
    out = cli("--help").out
    assert [name for name in (*COMMANDS, "Exit codes") if name not in out] == []


@pytest.mark.parametrize("arguments", [("audit",), ("nonsense",), ("audit", "x.yaml", "--nonsense")])
def test_wrong_usage_exits_with_2(cli, arguments: tuple[str, ...]) -> None:
    assert cli(*arguments).code == 2


@pytest.mark.parametrize(
    "code",
    ["import shiftgauge", "import shiftgauge.cli.main", "from shiftgauge.cli.reader import load_config"],
)
def test_starting_up_does_not_import_the_heavy_libraries(code: str) -> None:
    heavy = "('torch', 'timm', 'kornia', 'matplotlib', 'plotly', 'sklearn', 'onnxruntime', 'scipy.stats')"
    script = f"import sys; {code}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_module_runs_as_the_command_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shiftgauge", "audit", "nowhere.yaml"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: no configuration at nowhere.yaml")
    assert done.stderr.count("\n") == 1


def test_a_terminal_without_unicode_is_no_obstacle() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shiftgauge.cli.main", "shifts", "rotation"],
        check=False,
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )
    assert done.returncode == 0, done.stderr
