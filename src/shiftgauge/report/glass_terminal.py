"""The glass study, task 2, in a terminal: outcome, claims, what each part is worth."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.blocks.glass import build_study_cost, score
from shiftgauge.report.format import clean, fixed, interval
from shiftgauge.report.glass_page import study_sentence
from shiftgauge.report.read import strings
from shiftgauge.report.terminal import STYLE, TAG, hanging, line, plain_table
from shiftgauge.results.study import StudyResult

_WORDS: Final = {"agrees": ("agrees", "green"), "partly": ("in part", "yellow"), "differs": ("DIFFERS", "bold red")}
_TITLES: Final = {"ablation": "What each part is worth", "watch": "Thresholds and epoch chosen"}


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    parts: list[RenderableType] = [Text(""), line((clean(result.headline), "bold"))]
    parts += [hanging(TAG[m.level], STYLE[m.level], m.text) for m in result.messages]
    parts += [line((study_sentence(result), "dim")), Text(""), line(("Claims", "bold"))]
    for finding in result.findings:
        word, style = _WORDS[finding.agreement]
        parts.append(hanging(word, style, f"{finding.topic}: {finding.published} | {finding.measured}"))
    for table, title in _TITLES.items():
        if f"{table}_score" in result.arrays:
            parts += [Text(""), line((title, "bold")), _scores(result, table)]
    facts = ", ".join(f"{k.lower()} {v}" for k, v in build_study_cost(result)["facts"])
    return Group(*parts, line((f"Cost: {facts}", "dim")))


def _scores(result: StudyResult, name: str) -> RenderableType:
    table = plain_table("On test")
    for column in ("Micro F1", "Macro F1", "interval"):
        table.add_column(column, justify="right", no_wrap=True)
    for way in strings(result.arrays, name):
        micro, macro = (score(result, name, way, figure) for figure in ("micro F1", "macro F1"))
        bounds = Text(interval(macro.low, macro.high), style="dim")
        table.add_row(Text(clean(way)), Text(fixed(micro.value)), Text(fixed(macro.value)), bounds)
    return table
