"""The figures of the diabetes study as files, figures 1 to 4 of the publication first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, long_text, tidy, whiskers
from shiftgauge.report.format import fixed, input_label
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.report.table_figures import plot_convergence
from shiftgauge.results.study import StudyResult

_KINDS: Final = (("first", FIRST, -0.2), ("total", TOTAL, 0.2))


def plot_indices_upright(result: StudyResult) -> Figure:
    """Returns figure 1: first and total indices as upright bars in the table's order, with intervals."""
    data, names = result.arrays, strings(result.arrays, "input")
    x = np.arange(len(names))
    with figure_style():
        figure = Figure(figsize=(8, 3.6), layout="constrained")
        axes = figure.add_subplot()
        for kind, colour, offset in _KINDS:
            value = pick(data, f"{kind}_order", quantity=0)
            bounds = pick(data, f"{kind}_order_interval", quantity=0)
            error = np.abs(bounds.T - value)
            axes.bar(x + offset, value, width=0.4, color=colour, label={"first": "S1", "total": "ST"}[kind])
            axes.errorbar(x + offset, value, yerr=error, fmt="none", ecolor="black", elinewidth=1, capsize=2)
        _upright(axes, names, "Sobol' indices of the output")
        _legend_above(axes)
    return figure


def plot_pairs(result: StudyResult) -> Figure:
    """Returns figure 2: second-order indices as a heat map, negative estimates left as they are."""
    data, names = result.arrays, strings(result.arrays, "input")
    values = np.array(pick(data, "second_order", quantity=0), float)
    values[np.tril_indices(len(names))] = np.nan
    with figure_style():
        figure = Figure(figsize=(6.6, 5.4), layout="constrained")
        axes = figure.add_subplot()
        image = axes.imshow(values, cmap="viridis")
        top = float(np.nanmax(values))
        for (i, j), v in np.ndenumerate(values):
            if np.isfinite(v):
                color = "black" if v > 0.6 * top else "white"
                axes.text(j, i, fixed(v), ha="center", va="center", fontsize=7, color=color)
        labels = [long_text(input_label(n), 16) for n in names]
        axes.set_xticks(range(len(names)), labels, rotation=35, ha="right")
        axes.set_yticks(range(len(names)), labels)
        axes.set_title("Second-order indices S2", loc="left")
        figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def plot_hidden(result: StudyResult) -> Figure:
    """Returns figure 3 under its right name, beside the Sobol' index of the same layer."""
    data, names = result.arrays, strings(result.arrays, "input")
    with figure_style():
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        x = np.arange(len(names))
        left.bar(x, pick(data, "local_relative", layer=0), width=0.6, color=SOFT)
        _upright(left, names, "Local relative sensitivity, 1 % push")
        right.bar(x, pick(data, "layer_first_order", layer=0), width=0.6, color=FIRST)
        _upright(right, names, "Aggregated Sobol' index S1")
        figure.suptitle("First linear layer, before batch norm", fontsize=10)
    return figure


def plot_published_convergence(result: StudyResult) -> Figure:
    """Returns figure 4 as published: one sequence, bands of the bootstrap over its points."""
    data, names = result.arrays, strings(result.arrays, "input")
    sizes = np.asarray(data["n_base"].values, float)
    with figure_style():
        figure = Figure(figsize=(10, 4.6), layout="constrained")
        for k, name in enumerate(names):
            axes = figure.add_subplot(2, 4, k + 1)
            for kind, colour, _ in _KINDS:
                value, half = (pick(data, f"single_{kind}_{w}", input=name) for w in ("order", "half"))
                axes.fill_between(sizes, value - half, value + half, color=colour, alpha=0.2, lw=0)
                axes.plot(sizes, value, color=colour, lw=1.3, marker="o", ms=2.2)
            axes.set_xscale("log", base=2)
            axes.set_title(long_text(input_label(name), 26), loc="left", fontsize=9)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        figure.supxlabel("base samples N", fontsize=9)
    return figure


def plot_retraining(result: StudyResult) -> Figure:
    """Returns test accuracies after training on each set of features, with the majority rule as a line."""
    data = result.arrays
    names, rule = strings(data, "training")[::-1], float(data["majority"].sel(part="test"))
    rows = [pick(data, "training_accuracy", training=n, part="test") for n in names]
    found = [Estimate(float(v.mean()), float(v.min()), float(v.max())) for v in rows]
    with figure_style():
        figure = Figure(figsize=(7, 2.3), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [e.value for e in found], height=0.55, color=FIRST)
        whiskers(axes, found, np.arange(len(names)))
        axes.axvline(rule, color=SOFT, ls="--", lw=1.2, label=f"majority rule {rule:.3f}")
        axes.set_yticks(range(len(names)), [f"{n} features" for n in names])
        axes.set_xlim(0.5, 0.9)
        axes.set_xlabel("accuracy on the test rows (whiskers: range over seeds)")
        _legend_above(axes)
        tidy(axes, "Trained again with fewer features")
    return figure


def plot_components(result: StudyResult) -> Figure:
    """Returns the published importance from principal components, of the positives and of all rows."""
    data, names = result.arrays, strings(result.arrays, "input")
    x, weights = np.arange(len(names)), pick(data, "component_importance")
    with figure_style():
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        axes = figure.add_subplot()
        axes.bar(x - 0.2, weights[0], width=0.4, color=FIRST, label="positive patients")
        axes.bar(x + 0.2, weights[1], width=0.4, color=TOTAL, label="all rows")
        _upright(axes, names, "Sum of absolute loadings of four components, normalised")
        _legend_above(axes)
    return figure


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[StudyResult], Figure]] = {
        "figure1_indices": plot_indices_upright,
        "figure2_pairs": plot_pairs,
        "figure3_hidden_layer": plot_hidden,
        "figure4_convergence": plot_convergence,
        "figure4_as_published": plot_published_convergence,
        "retraining": plot_retraining,
        "components": plot_components,
    }
    return save_figures(result, drawings, folder)


def _legend_above(axes: Axes) -> None:
    """A legend beside the title, where no bar can be."""
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)


def _upright(axes: Axes, names: Sequence[str], title: str) -> None:
    axes.set_xticks(range(len(names)), [long_text(input_label(n), 16) for n in names], rotation=30, ha="right")
    axes.set_title(title, loc="left")
    axes.set_axisbelow(True)
    axes.yaxis.grid(visible=True, color="#d9dee6", lw=0.8)
