"""What the terminal shows of every study: outcome, claims and cost around the tables of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.format import clean
from shiftgauge.report.terminal_parts import STYLE, TAG, hanging, line
from shiftgauge.results.study import StudyResult

_WORDS: Final = {
    "agrees": ("agrees", "green"),
    "partly": ("in part", "yellow"),
    "differs": ("DIFFERS", "bold red"),
    "unclear": ("cannot be told", "yellow"),
    "fact": ("fact", "dim"),
}
_WIDTH: Final = max(len(word) for word, _ in _WORDS.values())


def framed(
    result: StudyResult, sentence: str, tables: Sequence[tuple[str, RenderableType]], cost: Mapping[str, Any]
) -> RenderableType:
    """Returns the summary of a study, readable at 80 columns without colour.

    Args:
        result: The study.
        sentence: Which network, which data, how it was measured.
        tables: Title and table of each part.
        cost: With `facts`, pairs of name and value.
    """
    parts: list[RenderableType] = [Text(""), line((clean(result.headline), "bold"))]
    parts += [hanging(TAG[m.level], STYLE[m.level], m.text) for m in result.messages]
    parts += [line((sentence, "dim")), Text(""), line(("Claims", "bold"))]
    for finding in result.findings:
        word, style = _WORDS[finding.agreement]
        parts.append(hanging(word, style, f"{finding.topic}: {finding.published} | {finding.measured}", width=_WIDTH))
    for title, table in tables:
        parts += [Text(""), line((title, "bold")), table]
    facts = ", ".join(f"{name.lower()} {value}" for name, value in cost["facts"])
    return Group(*parts, line((f"Cost: {facts}", "dim")))
