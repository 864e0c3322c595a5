"""The lung-ultrasound study in a terminal: outcome, claims, scores, maps."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.lung import build_study_cost, look, note_of, score
from shiftgauge.report.format import clean, fixed, interval
from shiftgauge.report.lung_page import study_sentence
from shiftgauge.report.read import strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal_parts import plain_table
from shiftgauge.results.study import StudyResult


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    tables = [("Frames that were not trained on", _scores(result)), ("Maps", _looks(result))]
    return framed(result, study_sentence(result), tables, build_study_cost(result))


def _scores(result: StudyResult) -> RenderableType:
    table, figure = plain_table("Way"), strings(result.arrays, "figure")[0]
    for column in ("Balanced accuracy", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for way in strings(result.arrays, "way"):
        found = score(result, "way", way, figure)
        table.add_row(
            Text(clean(way) + "*" * bool(note_of(result, way))),
            Text(fixed(found.value)),
            Text(interval(found.low, found.high), style="dim"),
        )
    return table


def _looks(result: StudyResult) -> RenderableType:
    table, data = plain_table("Networks, method"), result.arrays
    for column in ("Breadth", "On the border"):
        table.add_column(column, justify="right", no_wrap=True)
    for way in strings(data, "look_way"):
        for method in strings(data, "method"):
            found = [look(result, way, method, measure) for measure in ("breadth", "on the border")]
            table.add_row(Text(clean(f"{way}, {method}")), *(Text(fixed(e.value)) for e in found))
    return table
