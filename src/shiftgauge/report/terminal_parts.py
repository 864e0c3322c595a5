"""What every summary in a terminal is made of: lines, tables, how it opens, and its gates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from shiftgauge.report.blocks.verdict import TRUST
from shiftgauge.report.format import clean
from shiftgauge.results.result import RunResult
from shiftgauge.results.status import Gate, Level

STYLE: Final = {"info": "green", "caution": "yellow", "alarm": "bold red"}
"""Styles of the levels of messages."""
TAG: Final = {"info": "note", "caution": "CAUTION", "alarm": "ALARM"}
"""Words for the levels of messages."""


def opening(result: RunResult, sentence: str, *, level: Level | None = None) -> list[RenderableType]:
    """Returns headline, how far to trust it, messages, and what was measured.

    Args:
        result: The result.
        sentence: Which model, which data, how it was measured.
        level: Of trust; default that of the result.
    """
    level = result.level if level is None else level
    return [
        line((clean(result.headline), "bold")),
        line((f"{TRUST[level]}.", STYLE[level])),
        *(hanging(TAG[m.level], STYLE[m.level], m.text) for m in result.messages),
        line((sentence, "dim")),
    ]


def gate_lines(gates: Sequence[Gate], note: str = "") -> list[RenderableType]:
    """Returns the limits that were set and whether each was kept, with a blank line after them; nothing for none.

    Args:
        gates: The gates.
        note: Behind the title.
    """
    if not gates:
        return []
    lines: list[RenderableType] = [line((f"Gates{note}", "bold"))]
    for gate in gates:
        word, style = ("kept", "green") if gate.passed else ("MISSED", "bold red")
        lines.append(hanging(word, style, f"{clean(gate.name)}: {clean(gate.text)}"))
    return [*lines, Text("")]


def plain_table(first: str) -> Table:
    """Returns an empty table whose first column holds names."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, caption_justify="left", pad_edge=False)
    table.add_column(first, overflow="fold")
    return table


def line(*parts: tuple[str, str]) -> Text:
    """Returns text from (text, style) pairs, each cleaned."""
    return Text.assemble(*(Text(clean(text), style=style) for text, style in parts))


def hanging(tag: str, style: str, text: str, *, width: int = 7) -> RenderableType:
    """Returns a tag, in a column so many characters wide, with a text that hangs beside it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=width, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(tag, style=style), Text(clean(text)))
    return Padding(grid, (0, 0, 0, 1))
