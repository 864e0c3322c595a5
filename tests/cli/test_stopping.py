"""Tolerance and budget on the command line."""

from __future__ import annotations

import pytest

from shiftgauge.results.audit import AuditResult

SMALL = ("--set", "estimate.n_base=32", "--set", "estimate.second_order=false")


def test_tolerance_and_budget_come_from_the_command_line_and_end_the_run(cli, project) -> None:
    wish = ("--set", "estimate.tolerance=0.0001", "--set", "estimate.budget=700")
    found = cli("audit", project.path, *SMALL, *wish)
    assert found.code == 0, found.err
    result = AuditResult.from_disk(project.folder / "run")
    assert result.cost["evaluations"] <= 700 < 2 * result.cost["evaluations"]
    assert result.arrays.attrs["ending"] == "budget"
    assert result.config["estimate"]["budget"] == 700
    assert "The budget of 700 evaluations ended the run" in " ".join(found.out.split())


def test_what_is_written_by_init_names_both_keys() -> None:
    from shiftgauge.cli.init import _ESTIMATE_LINES

    assert any("tolerance:" in line for line in _ESTIMATE_LINES)
    assert any("budget:" in line for line in _ESTIMATE_LINES)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("estimate.tolerance=0", "tolerance"),
        ("estimate.tolerance=1", "tolerance"),
        ("estimate.tolerance=narrow", "tolerance"),
        ("estimate.budget=0", "budget"),
        ("estimate.budget=20", "first round"),
    ],
)
def test_limits_outside_their_range_are_refused_in_one_line(cli, project, setting, words) -> None:
    error = cli("audit", project.path, "--quiet", *SMALL, "--set", setting).error
    assert words in error
    assert not (project.folder / "run").exists()
