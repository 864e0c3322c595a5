"""Figures of an audit for papers and slides, drawn with matplotlib's object interface: no window, no global state.

Every text from outside is cleaned and its dollar signs are escaped, so that a class name is never read as mathematics.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.blocks.effects import value_range
from shiftgauge.report.figure_curves import plot_convergence
from shiftgauge.report.figure_depth import plot_depth
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import (
    FIRST,
    SOFT,
    TOTAL,
    axis_label,
    figure_style,
    grid_figure,
    long_text,
    plain_text,
    tidy,
    whiskers,
)
from shiftgauge.report.figure_surface import plot_surface
from shiftgauge.report.format import fixed, input_label, quantity_label, with_unit
from shiftgauge.report.read import (
    Estimate,
    Shown,
    components,
    estimate,
    named_quantity,
    pick,
    ranked,
    shift_units,
    strings,
)
from shiftgauge.results.audit import AuditResult


def plot_indices(result: Shown, quantity: str | None = None) -> Figure:
    """Returns first and total indices, ranked, with their intervals.

    Args:
        result: The audit.
        quantity: A quantity of the result; default the one of interest.
    """
    data, name = result.arrays, _name(result, quantity)
    inputs = ranked(data, name, strings(data, "input"))[::-1]
    with figure_style():
        figure = Figure(figsize=(7, 0.9 + 0.46 * len(inputs)), layout="constrained")
        axes = figure.add_subplot()
        y = np.arange(len(inputs))
        for kind, colour, offset, label in (
            ("first_order", FIRST, 0.2, "first"),
            ("total_order", TOTAL, -0.2, "total"),
        ):
            found = [estimate(data, kind, quantity=name, input=i) for i in inputs]
            axes.barh(y + offset, [e.value for e in found], height=0.36, color=colour, label=label)
            whiskers(axes, found, y + offset)
        axes.set_yticks(y, [long_text(input_label(i), 30) for i in inputs])
        axes.set_xlabel("share of the variance")
        axes.axvline(0, color=SOFT, lw=0.8)
        axes.legend(loc="lower right", frameon=False)
        tidy(axes, _warned(result, name, quantity_label(name)))
    return figure


def plot_interactions(result: Shown, quantity: str | None = None) -> Figure:
    """Returns the heat map of what pairs of inputs do only together."""
    data, name = result.arrays, _name(result, quantity)
    kind = "total_interaction" if "total_interaction" in data else "second_order"
    labels = [long_text(input_label(i), 20) for i in strings(data, "input")]
    n = len(labels)
    values = np.full((n, n), np.nan)
    if kind in data:
        values = np.array(pick(data, kind, quantity=name), dtype=float)
    values[np.triu_indices(n)] = np.nan
    shown = values[1:, :-1]
    with figure_style():
        figure = Figure(figsize=(2.6 + 0.75 * n, 1.6 + 0.55 * n), layout="constrained")
        axes = figure.add_subplot()
        top = max(float(np.nanmax(shown)) if np.isfinite(shown).any() else 0.0, 0.05)
        image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        for (i, j), v in np.ndenumerate(shown):
            if np.isfinite(v):
                axes.text(j, i, f"{v:.2f}", ha="center", va="center", color="white" if v > 0.55 * top else "black")
        axes.set_xticks(range(n - 1), labels[:-1], rotation=25, ha="right")
        axes.set_yticks(range(n - 1), labels[1:])
        figure.colorbar(image, ax=axes, label="share of the variance", shrink=0.8)
        axes.set_title(_warned(result, name, f"{plain_text(quantity_label(name))}: pairs"))
        axes.spines[:].set_visible(False)
    return figure


def plot_gauge(result: AuditResult, quantity: str | None = None) -> Figure:
    """Returns the variance components of the gauge R&R table as bars, in per cent.

    An audit of fixed images has no such table; the figure then says so.
    """
    data, name = result.arrays, _name(result, quantity)
    names = components(data)[::-1]
    with figure_style():
        figure = Figure(figsize=(7, 0.9 + 0.34 * max(len(names), 3)), layout="constrained")
        axes = figure.add_subplot()
        if not names:
            return _empty(figure, axes, "No gauge table: the images were fixed")
        y = np.arange(len(names))
        found = [
            estimate(data, "gauge_contribution", quantity=name, component=len(names) - 1 - k) for k in range(len(names))
        ]
        found = [Estimate(*(100 * v for v in (e.value, e.low, e.high))) for e in found]
        colours = [SOFT if level or n.lower().startswith(("part", "total")) else FIRST for n, level in names]
        axes.barh(y, [e.value for e in found], height=0.6, color=colours)
        whiskers(axes, found, y)
        axes.set_yticks(y, [f"{long_text(n, 34)}{'    ' * level}" for n, level in names])
        axes.set_xlim(0, 105)
        axes.set_xlabel("contribution to the variance (%)")
        tidy(axes, _warned(result, name, f"Gauge R&R: {plain_text(quantity_label(name))}"))
    return figure


def plot_main_effects(result: AuditResult, quantity: str | None = None) -> Figure:
    """Returns one panel for each shift: samples, binned means with intervals, the surrogate's curve."""
    data, name = result.arrays, _name(result, quantity)
    shifts = strings(data, "shift")
    with figure_style():
        figure, panels = grid_figure(len(shifts), 3, (3.1, 2.5))
        bottom, top = value_range(result, name)
        for k, (shift, axes) in enumerate(zip(shifts, panels, strict=True)):
            _effect(axes, result, name, k)
            axes.set_ylim(bottom - 0.03 * (top - bottom), top + 0.03 * (top - bottom))
            axes.set_xlabel(axis_label(shift, shift_units(data)[shift]))
        if panels:
            panels[0].set_ylabel(long_text(quantity_label(name), 40))
        figure.suptitle(_warned(result, name, "Main effect of each shift"), fontsize=11)
    return figure


def plot_strips(result: AuditResult, strip: int = 0) -> Figure:
    """Returns the pictures of one image along each shift, with the probability of the true class under each."""
    data = result.arrays
    shifts, units = strings(data, "shift"), shift_units(data)
    with figure_style():
        if "strip_image" not in data:
            figure = Figure(figsize=(5, 1.2), layout="constrained")
            return _empty(figure, figure.add_subplot(), "This result holds no strips")
        levels = data.sizes["level"]
        figure = Figure(figsize=(1.15 * levels + 0.9, 1.5 * len(shifts) + 0.4), layout="constrained")
        for k, shift in enumerate(shifts):
            theta, p = (pick(data, f"strip_{v}", strip=strip, shift=k) for v in ("theta", "probability"))
            for n in range(levels):
                axes = figure.add_subplot(len(shifts), levels, k * levels + n + 1)
                axes.imshow(pick(data, "strip_image", strip=strip, shift=k, level=n))
                axes.set(xticks=[], yticks=[])
                axes.set_xlabel(f"{plain_text(with_unit(float(theta[n]), units[shift]))}\np = {p[n]:.2f}", fontsize=8)
                if n == 0:
                    axes.set_ylabel(long_text(input_label(shift), 16), fontsize=8)
        names, labels = strings(data, "strip_name"), strings(data, "strip_label")
        figure.suptitle(f"{long_text(names[strip], 50)}: {long_text(labels[strip], 40)}", fontsize=10)
    return figure


def plot_thumbs(result: AuditResult) -> Figure:
    """Returns the images most and least affected, each beside its worst sampled trial."""
    data = result.arrays
    names, roles = strings(data, "thumb_of"), strings(data, "thumb_role")
    with figure_style():
        figure, panels = grid_figure(2 * len(names), 4, (1.7, 2.0))
        texts = strings(data, "thumb_worst_text") or [""] * len(names)
        for t, name in enumerate(names):
            for axes, kind in ((panels[2 * t], "image"), (panels[2 * t + 1], "worst")):
                axes.imshow(pick(data, f"thumb_{kind}", thumb=t))
                axes.set(xticks=[], yticks=[])
            panels[2 * t].set_xlabel(f"{long_text(name, 22)}\n{plain_text(roles[t])} affected", fontsize=7)
            panels[2 * t + 1].set_xlabel(_wrapped(texts[t], 26), fontsize=7)
    return figure


def write_figures(result: AuditResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Args:
        result: The audit.
        folder: Usually `figures` in the run folder; made when absent.

    Raises:
        StoreError: The folder cannot be written to.
    """
    data = result.arrays
    drawings: dict[str, Callable[[AuditResult], Figure]] = {"indices": plot_indices}
    candidates: list[tuple[str, str, Callable[[AuditResult], Figure]]] = [
        ("gauge_contribution", "gauge", plot_gauge),
        ("block_total_order", "depth", plot_depth),
        ("bin_mean", "main_effects", plot_main_effects),
        ("surface_z", "surface", plot_surface),
        ("strip_image", "strips", plot_strips),
        ("thumb_image", "thumbs", plot_thumbs),
    ]
    if data.sizes["input"] > 1 and {"total_interaction", "second_order"} & set(map(str, data.data_vars)):
        drawings["interactions"] = plot_interactions
    if data.sizes.get("n_base", 0) > 1:
        drawings["convergence"] = plot_convergence
    drawings |= {name: draw for needed, name, draw in candidates if needed in data}
    return save_figures(result, drawings, folder)


def _effect(axes: Axes, result: AuditResult, quantity: str, k: int) -> None:
    data = result.arrays
    if "sample_theta" in data:
        theta, value = pick(data, "sample_theta", shift=k), pick(data, "sample_value", quantity=quantity)
        step = max(1, theta.size // 600)
        axes.plot(theta[::step], value[::step], ".", ms=2, color=SOFT, alpha=0.35, rasterized=True)
    if "main_effect" in data:
        trusted = named_quantity(result, quantity).trusted
        x, y = pick(data, "main_effect_x", shift=k), pick(data, "main_effect", quantity=quantity, shift=k)
        axes.plot(x, y, color=FIRST, lw=1.8, ls="-" if trusted else "--")
    if "bin_mean" in data:
        x, mean = pick(data, "bin_x", shift=k), pick(data, "bin_mean", quantity=quantity, shift=k)
        axes.plot(x, mean, "o", ms=4, mfc="white", mec=TOTAL, mew=1.4, zorder=4)
        if "bin_mean_interval" in data:
            bounds = pick(data, "bin_mean_interval", quantity=quantity, shift=k)
            axes.vlines(x, bounds[:, 0], bounds[:, 1], color=TOTAL, lw=1.6, zorder=3)
    nominal = float(pick(data, "shift_nominal", shift=k)) if "shift_nominal" in data else np.nan
    if np.isfinite(nominal):
        axes.axvline(nominal, color=SOFT, lw=0.8, ls="--")


def _name(result: Shown, quantity: str | None) -> str:
    return named_quantity(result, quantity).name


def _warned(result: Shown, quantity: str, title: str) -> str:
    found = named_quantity(result, quantity)
    if not found.factual:
        return f"{title}\n(poor surrogate, Q² = {fixed(found.share, 2)}: not the classifier's)"
    return title


def _empty(figure: Figure, axes: Axes, text: str) -> Figure:
    axes.text(0.5, 0.5, text, ha="center", va="center")
    axes.set_axis_off()
    return figure


def _wrapped(text: Any, width: int) -> str:
    words = long_text(text, 3 * width).split(" ")
    lines = [""]
    for word in words:
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < width else [*lines, word]
    return "\n".join(lines)
