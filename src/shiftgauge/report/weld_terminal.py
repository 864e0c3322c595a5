"""The weld study in a terminal: outcome, claims, indices."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.weld import build_study_cost
from shiftgauge.report.format import fixed, input_label, interval
from shiftgauge.report.read import estimate, main_quantity, ranked, strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal_parts import plain_table
from shiftgauge.report.weld_page import study_sentence
from shiftgauge.results.study import StudyResult


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    data, quantity = result.arrays, main_quantity(result)
    table = plain_table("Input")
    for name in ("One image", "interval", "All images", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    own = strings(data, "input")
    for key in ranked(data, quantity.name, own) + [n for n in strings(data, "all_input") if n not in own]:
        cells = []
        if key in own:
            e = estimate(data, "total_order", quantity=quantity.name, input=key)
            cells += [Text(fixed(e.value)), Text(interval(e.low, e.high), style="dim")]
        else:
            cells += [Text("–"), Text("")]
        e = estimate(data, "all_total_order", all_input=key)
        cells += [Text(fixed(e.value)), Text(interval(e.low, e.high), style="dim")]
        table.add_row(Text(input_label(key)), *cells)
    return framed(result, study_sentence(result), [("Total indices", table)], build_study_cost(result))
