"""The diabetes study in a terminal: outcome, claims, indices."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.diabetes import build_study_cost
from shiftgauge.report.diabetes_page import study_sentence
from shiftgauge.report.format import fixed, input_label, interval
from shiftgauge.report.read import estimate, main_quantity, ranked, strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal_parts import plain_table
from shiftgauge.results.study import StudyResult


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    data, quantity = result.arrays, main_quantity(result)
    table = plain_table("Input")
    for name in ("First", "interval", "Total", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in ranked(data, quantity.name, strings(data, "input")):
        cells = []
        for kind in ("first_order", "total_order"):
            e = estimate(data, kind, quantity=quantity.name, input=key)
            cells += [Text(fixed(e.value)), Text(interval(e.low, e.high), style="dim")]
        table.add_row(Text(input_label(key)), *cells)
    tables = [("Sobol' indices of the output", table)]
    return framed(result, study_sentence(result), tables, build_study_cost(result))
