"""What the terminal says of a study."""

import io

import pytest
import xarray as xr
from rich.console import Console

from shiftgauge.report.study_terminal import framed
from shiftgauge.results.study import Finding, StudyResult


@pytest.mark.parametrize(("agreement", "word"), [("unclear", "cannot be told"), ("partly", "in part")])
def test_a_verdict_stands_in_full_at_80_columns(agreement, word):
    finding = Finding(topic="Depth", published="decays", measured="does not", agreement=agreement, why="")
    result = StudyResult(
        study="cifar", config={}, provenance={}, cost={}, headline="Done.", findings=(finding,), arrays=xr.Dataset()
    )
    shown = io.StringIO()
    Console(file=shown, width=80, no_color=True).print(framed(result, "one network", (), {"facts": [("Time", "1 s")]}))
    text = shown.getvalue()
    assert word in text
    assert "Depth: decays | does not" in text
    assert max(len(row) for row in text.splitlines()) <= 80
