"""The weld study's figure: the surrogate's surface over two shifts with the samples near the slice."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.axes3d import Axes3D

from shiftgauge.errors import ConfigError
from shiftgauge.report.figure_style import axis_label, figure_style, long_text, plain_text
from shiftgauge.report.format import fixed, input_label, quantity_label, with_unit
from shiftgauge.report.read import named_quantity, pick, shift_units, strings
from shiftgauge.report.svg import inner_ticks
from shiftgauge.results.audit import AuditResult


def plot_surface(
    result: AuditResult,
    quantity: str | None = None,
    pair: int = 0,
    slice_index: int | None = None,
    *,
    at: float | None = None,
    window: float = 1 / 20,
) -> Figure:
    """Returns the response surface over a pair of shifts, a third held at a value, with the samples near it.

    Args:
        result: The audit.
        quantity: A quantity of the result; default the one of interest.
        pair: Position of the pair in the result's `pair` axis.
        slice_index: Position of the slice of the third shift; default see `at`.
        at: Value of the third shift in its unit; the nearest stored slice is drawn. Default its value of no change.
        window: Samples are drawn when the third shift lies within this share of its range, default 1/20; the weld
            study used 1/100.

    Raises:
        ConfigError: Fewer than two shifts vary, or there is no such pair, slice or quantity.
    """
    data = result.arrays
    if "surface_z" not in data:
        raise ConfigError("a response surface needs at least two shifts that vary; this audit has fewer")
    _require_place("pair", pair, data.sizes["pair"])
    name = named_quantity(result, quantity).name
    first, second, third = (strings(data, f"pair_{k}")[pair] for k in ("first", "second", "third"))
    level = _slice(result, pair, third, at) if slice_index is None else slice_index
    _require_place("slice_index", level, data.sizes["slice"])
    points = _near(result, name, first, second, third, pair, level, window)
    with figure_style():
        figure = _drawn(result, name, pair, level, points)
        figure.axes[0].set_title(_title(result, name, third, pair, level), fontsize=10)
    return figure


def _drawn(result: AuditResult, name: str, pair: int, level: int, points: tuple[np.ndarray, ...]) -> Figure:
    data, units = result.arrays, shift_units(result.arrays)
    first, second = (strings(data, f"pair_{k}")[pair] for k in ("first", "second"))
    x, y = pick(data, "surface_x", pair=pair), pick(data, "surface_y", pair=pair)
    z = pick(data, "surface_z", quantity=name, pair=pair, slice=level)
    figure = Figure(figsize=(7, 5.2), layout="constrained")
    axes = cast(Axes3D, figure.add_subplot(projection="3d"))
    drawn = axes.plot_surface(*np.meshgrid(x, y), z, cmap="plasma", rcount=60, ccount=60, lw=0, alpha=0.92)
    axes.scatter(*cast(Any, points), s=7, c="black", alpha=0.5, depthshade=False)
    axes.set_xlabel(axis_label(first, units[first]))
    axes.set_ylabel(axis_label(second, units[second]))
    axes.set_zlabel(long_text(quantity_label(name), 34))
    axes.set(xticks=inner_ticks(float(x[0]), float(x[-1])), yticks=inner_ticks(float(y[0]), float(y[-1])))
    axes.view_init(elev=28, azim=-55)
    figure.colorbar(drawn, ax=axes, shrink=0.55, pad=0.12)
    return figure


def _require_place(name: str, value: int, size: int) -> None:
    if not 0 <= value < size:
        raise ConfigError(f"`{name}` must be in [0, {size - 1}], got {value}")


def _slice(result: AuditResult, pair: int, third: str, at: float | None) -> int:
    data = result.arrays
    fixed = pick(data, "surface_fixed", pair=pair)
    if not third:
        return 0
    goal = at if at is not None else float(pick(data, "shift_nominal", shift=third))
    return int(np.nanargmin(np.abs(fixed - (goal if np.isfinite(goal) else np.nanmedian(fixed)))))


def _near(
    result: AuditResult, name: str, first: str, second: str, third: str, pair: int, level: int, window: float
) -> tuple[np.ndarray, ...]:
    data = result.arrays
    if "sample_theta" not in data:
        return np.empty(0), np.empty(0), np.empty(0)
    theta = {s: pick(data, "sample_theta", shift=s) for s in strings(data, "shift")}
    keep = np.ones(data.sizes["sample"], dtype=bool)
    if third:
        spread = float(pick(data, "shift_high", shift=third) - pick(data, "shift_low", shift=third))
        spread = spread if np.isfinite(spread) else float(np.ptp(theta[third]))
        keep = np.abs(theta[third] - pick(data, "surface_fixed", pair=pair)[level]) < window * spread
    return theta[first][keep], theta[second][keep], pick(data, "sample_value", quantity=name)[keep]


def _title(result: AuditResult, name: str, third: str, pair: int, level: int) -> str:
    data = result.arrays
    parts = []
    if third:
        value = with_unit(float(pick(data, "surface_fixed", pair=pair)[level]), shift_units(data)[third])
        parts.append(plain_text(f"{input_label(third)} = {value}"))
    found = named_quantity(result, name)
    if not found.trusted:
        parts.append(f"sketch only: Q² = {fixed(found.share, 2)}")
    return ", ".join(parts)
