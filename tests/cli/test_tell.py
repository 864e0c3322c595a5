from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shiftgauge.cli.tell import tell


def test_a_missed_gate_is_printed_without_characters_that_act(capsys: pytest.CaptureFixture[str]) -> None:
    gate = SimpleNamespace(passed=False, text="recall of \x1b[31mred\x1b[0m\nis 0.2")
    result: Any = SimpleNamespace(gates=[gate, SimpleNamespace(passed=True, text="fine")])
    tell(result, Path("run"), str, quiet=True)
    assert capsys.readouterr().err == "gate missed: recall of \ufffd[31mred\ufffd[0m is 0.2\n"
