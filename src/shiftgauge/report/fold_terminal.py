"""Folds and grids in a terminal: a row for each fold or combination, and what the mean is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from shiftgauge.report.format import fixed, interval, percent
from shiftgauge.report.terminal import line, plain_table

_MOST_ROWS: Final = 40
_FIGURES: Final = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "loss": "Loss"}


def folds_summary(
    table: pd.DataFrame, summary: pd.DataFrame, confidence_level: float, notes: Sequence[str] = ()
) -> RenderableType:
    """Returns what a terminal shows after a cross-validation.

    Args:
        table: A row for each fold: repeat, fold, figures, numbers of images, epochs.
        summary: A row for each figure: mean, spread, errors and interval.
        confidence_level: Of the intervals.
        notes: What dividing the images could not do.
    """
    shown = plain_table("Fold")
    for name in (*_FIGURES.values(), "Held out", "Epoch"):
        shown.add_column(name, justify="right", no_wrap=True)
    repeats = len(set(table["repeat"])) > 1
    for row in table.head(_MOST_ROWS).to_dict("records"):
        named = f"{row['repeat']}.{row['fold']}" if repeats else str(row["fold"])
        cells = [*(fixed(float(row[name])) for name in _FIGURES), str(row["n_test"]), str(row["best_epoch"])]
        shown.add_row(Text(named), *(Text(cell) for cell in cells))
    rest = len(table) - _MOST_ROWS
    more = [line((f"and {rest} further folds, see the table", "dim"))] if rest > 0 else []
    means = [_mean_line(row) for row in summary.to_dict("records") if row["metric"] in _FIGURES]
    means.append(line((f"Intervals of {percent(confidence_level, 0)} are Nadeau and Bengio's.", "dim")))
    told = [line((note, "dim")) for note in notes]
    return Group(Text(""), shown, *more, Text(""), *means, *told)


def grid_summary(
    table: pd.DataFrame, keys: Sequence[str], metric: str, confidence_level: float, best: Mapping[str, Any] | None
) -> RenderableType:
    """Returns what a terminal shows after a grid search: rows from the best to the worst, and what choosing costs.

    Args:
        table: A row for each combination.
        keys: The keys that were searched over.
        metric: By which rows are ordered.
        confidence_level: Of the intervals.
        best: The best row with what choosing it costs; None where every training diverged.
    """
    shown = plain_table(", ".join(keys))
    for name in (metric, "interval", "below the best", "interval"):
        shown.add_column(name, justify="right", no_wrap=True)
    ordered = table.sort_values("mean", ascending=metric == "loss", kind="stable", na_position="last")
    for row in ordered.head(_MOST_ROWS).to_dict("records"):
        named = ", ".join(f"{row[key]}" for key in keys)
        if row["status"] != "done":
            shown.add_row(Text(named), Text("diverged", style="bold red"), Text(""), Text(""), Text(""))
            continue
        cells = [fixed(row["mean"]), interval(row["low"], row["high"])]
        behind = ["", ""] if bool(row["best"]) or math.isnan(float(row["difference_low"])) else _behind(row, metric)
        shown.add_row(Text(named, style="bold" if row["best"] else ""), *(Text(cell) for cell in (*cells, *behind)))
    rest = len(table) - _MOST_ROWS
    more = [line((f"and {rest} worse rows, see the table", "dim"))] if rest > 0 else []
    if best is None:
        return Group(Text(""), shown, *more, Text(""), line(("Every training diverged in some fold.", "bold red")))
    values = ", ".join(f"{key} {best[key]}" for key in keys)
    alike = (
        f"{best['rows_within_error']} of {best['rows']} rows lie within one standard error of it. Chosen without each "
        f"fold in turn and tried on it, the {metric} is {fixed(best['chosen_without_fold'])}: the best of many looks "
        f"better than it is. Intervals of {percent(confidence_level, 0)} are Nadeau and Bengio's."
    )
    head = line((f"Best: {values}, {metric} {fixed(best['mean'])} {interval(best['low'], best['high'])}", "bold"))
    return Group(Text(""), shown, *more, Text(""), head, line((alike, "")))


def _behind(row: Mapping[Any, Any], metric: str) -> list[str]:
    """By how much a row is worse than the best."""
    sign = 1 if metric == "loss" else -1
    low, high = sorted((sign * row["difference_low"], sign * row["difference_high"]))
    return [fixed(sign * row["difference_to_best"]), interval(low, high)]


def _mean_line(row: Mapping[Any, Any]) -> Text:
    name = _FIGURES[str(row["metric"])]
    head = f"{name} {fixed(row['mean'])} {interval(row['low'], row['high'])}"
    return line((head, "bold"), (f", from fold to fold ± {fixed(row['standard_deviation'])}", ""))
