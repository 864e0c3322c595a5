"""The glass study, task 2, in a terminal: outcome, claims, what each part is worth."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.glass import build_study_cost, score
from shiftgauge.report.format import clean, fixed, interval
from shiftgauge.report.glass_page import study_sentence
from shiftgauge.report.read import strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal_parts import plain_table
from shiftgauge.results.study import StudyResult

_TITLES: Final = {"ablation": "What each part is worth", "watch": "Thresholds and epoch chosen"}


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    tables = [(title, _scores(result, table)) for table, title in _TITLES.items() if f"{table}_score" in result.arrays]
    return framed(result, study_sentence(result), tables, build_study_cost(result))


def _scores(result: StudyResult, name: str) -> RenderableType:
    table = plain_table("On test")
    for column in ("Micro F1", "Macro F1", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for way in strings(result.arrays, name):
        micro, macro = (score(result, name, way, figure) for figure in ("micro F1", "macro F1"))
        bounds = Text(interval(macro.low, macro.high), style="dim")
        table.add_row(Text(clean(way)), Text(fixed(micro.value)), Text(fixed(macro.value)), bounds)
    return table
