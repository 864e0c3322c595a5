"""A training in a terminal: verdict, trust, gates, scores with prevalence, thresholds, cost."""

from __future__ import annotations

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.blocks.train import by_weakness, found
from shiftgauge.report.blocks.train_choices import aim_text, build_train_cost
from shiftgauge.report.format import fixed, interval, percent, shorten
from shiftgauge.report.read import pick
from shiftgauge.report.terminal_parts import gate_lines, line, opening, plain_table
from shiftgauge.report.train_page import measured_sentence
from shiftgauge.results.train import TrainResult

_NAME: Final = 20
_MOST_ROWS: Final = 25


def train_summary(result: TrainResult) -> RenderableType:
    """Returns what a terminal shows after a training; readable at 80 columns without colour."""
    parts: list[RenderableType] = [Text(""), *opening(result, measured_sentence(result)), Text("")]
    parts += gate_lines(result.gates)
    parts += [*_scores(result), Text("")]
    facts = dict(build_train_cost(result)["facts"])
    cost = f"{facts['Epochs']} epochs, {facts['Time']}, epoch {result.best_epoch} kept"
    return Group(*parts, line(("Cost: ", "bold"), (cost, "")))


def _scores(result: TrainResult) -> list[RenderableType]:
    thresholds = result.thresholds
    table = plain_table("Class")
    columns = ["Share", "F1", "interval", "Precision", "Recall", *(["Threshold"] if thresholds else [])]
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    order = by_weakness(result)
    for name in order[:_MOST_ROWS]:
        f1, precision, recall = (found(result, m, result.part, name) for m in ("f1", "precision", "recall"))
        share = percent(float(pick(result.arrays, "prevalence", **{"part": result.part, "class": name})))
        cells = [share, fixed(f1.value), interval(f1.low, f1.high), fixed(precision.value), fixed(recall.value)]
        cells += [fixed(thresholds[name])] if thresholds else []
        table.add_row(Text(shorten(name, _NAME)), *(Text(c) for c in cells))
    rest = len(order) - _MOST_ROWS
    more = [line((f"and {rest} stronger classes, see the page", "dim"))] if rest > 0 else []
    more += [line((f"Thresholds: chosen on validation {aim_text(result)}", "dim"))] if thresholds else []
    return [line((f"Scores on {result.part}, the weakest class first", "bold")), table, *more]
