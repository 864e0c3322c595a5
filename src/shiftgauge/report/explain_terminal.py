"""A look inside a network in a terminal: what was found, trust, the profile over depth, cost."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.blocks.explain import build_explain_cost
from shiftgauge.report.explain_page import looked_sentence
from shiftgauge.report.format import number, percent, shorten
from shiftgauge.report.terminal_parts import line, opening, plain_table
from shiftgauge.results.explain import ExplainResult

_NAME = 24
_MOST_ROWS = 25


def explain_summary(result: ExplainResult) -> RenderableType:
    """Returns what a terminal shows after a look inside; readable at 80 columns without colour."""
    parts: list[RenderableType] = [Text(""), *opening(result, looked_sentence(result)), Text("")]
    parts += _profile(result)
    costs = "; ".join(f"{name.lower()} {text}" for name, text in build_explain_cost(result)["facts"])
    return Group(*parts, line(("Cost: ", "bold"), (costs, "")))


def _profile(result: ExplainResult) -> list[RenderableType]:
    known = result.to_dataframe()
    rows = known.loc[known["pushed"] == "all"]
    if not len(rows):
        return []
    table = plain_table("Block")
    for name in ("Sensitivity", "Relative", "± images", "Colour"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows.head(_MOST_ROWS).to_dict("records"):
        cells = [number(row["mean"]), number(row["relative_mean"]), number(row["relative_standard_deviation"])]
        cells.append(percent(row["channel_share_mean"]))
        table.add_row(Text(shorten(row["block"], _NAME)), *(Text(cell) for cell in cells))
    more = len(rows) - _MOST_ROWS
    rest = [line((f"and {more} more blocks, see the page", "dim"))] if more > 0 else []
    return [line(("Sensitivity to pushed pixels, from input to output", "bold")), table, *rest, Text("")]
