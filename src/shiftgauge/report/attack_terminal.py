"""Attacks in a terminal: what was found, trust, gates, accuracies, cost."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.attack_page import measured_sentence
from shiftgauge.report.blocks.attack import at_text, build_cost
from shiftgauge.report.format import percent, percent_interval, shorten
from shiftgauge.report.terminal_parts import gate_lines, line, opening, plain_table
from shiftgauge.results.attack import AttackResult

_NAME = 30
_MOST_ROWS = 30


def attack_summary(result: AttackResult) -> RenderableType:
    """Returns what a terminal shows after attacks; readable at 80 columns without colour."""
    parts: list[RenderableType] = [Text(""), *opening(result, measured_sentence(result)), Text("")]
    parts += gate_lines(result.gates)
    parts += _accuracies(result)
    costs = "; ".join(f"{name.lower()} {text}" for name, text in build_cost(result)["facts"])
    return Group(*parts, line(("Cost: ", "bold"), (costs, "")))


def _accuracies(result: AttackResult) -> list[RenderableType]:
    """Accuracy of each model as given, at the loudness of the headline, and under the strongest of each shift."""
    known = result.to_dataframe()
    at = float(result.arrays.attrs.get("headline_at", "nan"))
    shifts = known.loc[known["kind"] == "shift"]
    worst = shifts.loc[shifts.groupby(["model", "way"], sort=False)["accuracy"].idxmin()] if len(shifts) else shifts
    rows = [
        *known.loc[known["kind"] == "clean"].to_dict("records"),
        *known.loc[known["asked"] == at].to_dict("records"),
        *worst.to_dict("records"),
    ]
    table = plain_table("Model, way")
    for name in ("dB of the set", "Accuracy", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows[:_MOST_ROWS]:
        label = f"{row['model']}, {'as given' if row['way'] == 'none' else row['way']}"
        ends = percent_interval(float(row["low"]), float(row["high"]))
        ratio = "∞" if row["set_snr_db"] == float("inf") else f"{row['set_snr_db']:.1f}"
        cells = (ratio, percent(float(row["accuracy"])), ends)
        table.add_row(Text(shorten(label, _NAME)), *(Text(cell) for cell in cells))
    more = len(rows) - _MOST_ROWS
    rest = [line((f"and {more} more, see the page", "dim"))] if more > 0 else []
    title = f"Accuracy at {at_text(result, at)}, and under the worst of each shift" if at == at else "Accuracy"
    return [line((title, "bold")), table, *rest, Text("")]
