"""The CIFAR-10 study in a terminal: outcome, claims, depth and colour."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.cifar import NAMES, build_study_cost, profile
from shiftgauge.report.cifar_page import study_sentence
from shiftgauge.report.format import clean, fixed, number
from shiftgauge.report.read import pick, strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal_parts import plain_table
from shiftgauge.results.study import StudyResult


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    tables = [(f"{NAMES.get(n, n)}, depth", _depth(result, n)) for n in strings(result.arrays, "network")]
    return framed(result, study_sentence(result), tables, build_study_cost(result))


def _depth(result: StudyResult, network: str) -> RenderableType:
    table = plain_table("Block")
    for column in ("‖ΔB‖", "‖ΔB‖/‖B‖", "between colours"):
        table.add_column(column, justify="right", no_wrap=True)
    raw, own, share = (profile(result, network, figure) for figure in ("sensitivity", "relative", "share"))
    for b, name in enumerate(pick(result.arrays, "block", network=network)):
        values = number(float(raw[0, b])), number(float(own[0, b])), fixed(float(share[0, b]))
        table.add_row(Text(clean(name)), *(Text(value) for value in values))
    return table
