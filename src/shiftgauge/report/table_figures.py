"""Figures of a table audit for papers and slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from shiftgauge.files import write_atomic
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text, tidy, whiskers
from shiftgauge.report.figures import figure_bytes, plot_indices, plot_interactions
from shiftgauge.report.format import input_label
from shiftgauge.report.read import Estimate, Shown, named_quantity, pick, ranked, strings
from shiftgauge.results.table import TableAuditResult

_KINDS: Final = (("first_order", FIRST, "first"), ("total_order", TOTAL, "total"))


def plot_convergence(result: Shown, quantity: str | None = None, columns: int = 4) -> Figure:
    """Returns first and total indices against N with their bands, one panel for each input."""
    data, name = result.arrays, named_quantity(result, quantity).name
    inputs, sizes = ranked(data, name, strings(data, "input")), np.asarray(data["n_base"].values, float)
    with figure_style():
        figure, panels = grid_figure(len(inputs), columns, (2.5, 2.1))
        for axes, key in zip(panels, inputs, strict=True):
            for kind, colour, label in _KINDS:
                where = {"quantity": name, "input": key}
                value, bounds = pick(data, f"curve_{kind}", **where), pick(data, f"curve_{kind}_interval", **where)
                axes.fill_between(sizes, bounds[:, 0], bounds[:, 1], color=colour, alpha=0.2, lw=0)
                axes.plot(sizes, value, color=colour, lw=1.4, marker="o", ms=2.4, label=label)
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_locator(FixedLocator(sizes[::-1][:: max(-(-(len(sizes) - 1) // 3), 1)].tolist()))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_title(long_text(input_label(key), 26), loc="left", fontsize=9)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        if panels:
            panels[0].legend(frameon=False, fontsize=7)
        figure.supxlabel("base samples N", fontsize=9)
    return figure


def plot_derivatives(result: TableAuditResult, quantity: str | None = None) -> Figure:
    """Returns root mean square slopes per standard deviation of each input as bars."""
    data, name = result.arrays, named_quantity(result, quantity).name
    values = np.asarray(pick(data, "derivative_per_std", quantity=name), float)
    names = strings(data, "feature")
    order = np.argsort(values)
    with figure_style():
        figure = Figure(figsize=(7, 0.9 + 0.34 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), values[order], height=0.6, color=FIRST)
        axes.set_yticks(range(len(names)), [long_text(input_label(names[i]), 30) for i in order])
        axes.set_xlabel("root mean square slope × standard deviation of the input")
        tidy(axes, "Slopes over the data")
    return figure


def plot_reduction(result: TableAuditResult) -> Figure:
    """Returns the accuracy on test rows after retraining, with the majority rule as a line."""
    data = result.arrays
    names, rule = strings(data, "set")[::-1], float(data["reduction_majority"].mean())
    rows = [pick(data, "reduction_accuracy", set=name) for name in names]
    found = [Estimate(float(v.mean()), float(v.min()), float(v.max())) for v in rows]
    with figure_style():
        figure = Figure(figsize=(7, 1.1 + 0.4 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [e.value for e in found], height=0.55, color=FIRST)
        whiskers(axes, found, np.arange(len(names)))
        axes.axvline(rule, color=SOFT, ls="--", lw=1.2, label=f"majority rule {rule:.3f}")
        axes.set_yticks(range(len(names)), [long_text(n, 30) for n in names])
        axes.set_xlabel("accuracy on test rows (whiskers: range)")
        axes.legend(frameon=False, loc="lower right")
        tidy(axes, "Trained again with fewer inputs")
    return figure


def write_table_figures(result: TableAuditResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    data = result.arrays
    drawings: dict[str, Callable[[TableAuditResult], Figure]] = {"indices": plot_indices}
    if "total_interaction" in data and data.sizes["input"] > 1:
        drawings["interactions"] = plot_interactions
    if "curve_first_order" in data and data.sizes["n_base"] > 1:
        drawings["convergence"] = plot_convergence
    if "derivative_per_std" in data:
        drawings["derivatives"] = plot_derivatives
    if "reduction_accuracy" in data:
        drawings["reduction"] = plot_reduction
    written = []
    for name, draw in drawings.items():
        figure = draw(result)
        written += [
            write_atomic(Path(folder) / f"{name}.{kind}", figure_bytes(figure, kind)) for kind in ("svg", "png")
        ]
    return written
