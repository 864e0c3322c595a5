"""Figures of a table audit for papers and slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from shiftgauge.report.figure_curves import plot_convergence
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, figure_style, long_text, tidy, whiskers
from shiftgauge.report.figures import plot_indices, plot_interactions
from shiftgauge.report.format import input_label
from shiftgauge.report.read import Estimate, named_quantity, pick, strings
from shiftgauge.results.table import TableAuditResult


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
    """Returns the score on test rows after retraining, with the rule that uses no input as a line."""
    data = result.arrays
    regressor = data.attrs.get("reduction_score") == "R2"
    score, line = ("R²", "mean of the training rows") if regressor else ("accuracy", "majority rule")
    names, rule = strings(data, "set")[::-1], float(data["reduction_majority"].mean())
    rows = [pick(data, "reduction_accuracy", set=name) for name in names]
    found = [Estimate(float(v.mean()), float(v.min()), float(v.max())) for v in rows]
    with figure_style():
        figure = Figure(figsize=(7, 1.1 + 0.4 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [e.value for e in found], height=0.55, color=FIRST)
        whiskers(axes, found, np.arange(len(names)))
        axes.axvline(rule, color=SOFT, ls="--", lw=1.2, label=f"{line} {rule:.3f}")
        axes.set_yticks(range(len(names)), [long_text(n, 30) for n in names])
        axes.set_xlabel(f"{score} on test rows (whiskers: range)")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2)
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
    return save_figures(result, drawings, folder)
