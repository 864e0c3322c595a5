"""Main effect of each shift: samples, binned means with intervals, and the surrogate's curve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from shiftgauge.report.format import input_label, interval, number, with_unit
from shiftgauge.report.read import Quantity, pick, shift_units, strings
from shiftgauge.report.svg import dots_path, element, inner_ticks, line_path, scale, ticks
from shiftgauge.results.audit import AuditResult

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 226.0, 42.0, 332.0, 10.0, 184.0
DOTS: Final = 400
"""Most samples drawn in one panel."""


def build(result: AuditResult, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns one panel for each quantity and shift, or None when the result holds no main effects."""
    data = result.arrays
    if "bin_mean" not in data and "main_effect" not in data:
        return None
    return {
        "groups": [
            {"quantity": q, "panels": [_panel(result, q, k, name) for k, name in enumerate(strings(data, "shift"))]}
            for q in quantities
        ],
    }


def value_range(result: AuditResult, quantity: str) -> tuple[float, float]:
    """Returns the vertical range shared by all panels of a quantity: its samples and curves, 0–1 for probabilities."""
    data = result.arrays
    pools = [
        pick(data, name, quantity=quantity).ravel()
        for name in ("sample_value", "bin_mean", "main_effect")
        if name in data
    ]
    values = np.concatenate(pools) if pools else np.empty(0)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if quantity.startswith("probability") or quantity in ("correct", "accuracy"):
        low, high = min(low, 0.0), max(high, 1.0)
    elif "sample_value" in data:
        low, high = (float(v) for v in np.quantile(values, (0.001, 0.999)))
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _panel(result: AuditResult, quantity: Quantity, k: int, name: str) -> dict[str, Any]:
    data = result.arrays
    unit = shift_units(data)[name]
    low, high = float(pick(data, "shift_low", shift=k)), float(pick(data, "shift_high", shift=k))
    low, high = _finite_range(data, k, low, high)
    bottom, top = value_range(result, quantity.name)
    marks = ticks(bottom, top, 4)
    bottom, top = marks[0], marks[-1]

    def x_of(values: Any) -> np.ndarray:
        return scale(values, low, high, _LEFT, _RIGHT)

    def y_of(values: Any) -> np.ndarray:
        return scale(np.clip(values, bottom, top), bottom, top, _BOTTOM, _TOP)

    parts = [_axes(marks, y_of, inner_ticks(low, high), x_of, unit)]
    parts.append(_axis_title(name, unit))
    parts.append(_nominal(data, k, low, high, x_of))
    parts.append(_samples(data, quantity.name, k, x_of, y_of))
    if "main_effect" in data:
        curve = pick(data, "main_effect", quantity=quantity.name, shift=k)
        path = line_path(x_of(pick(data, "main_effect_x", shift=k)), y_of(curve))
        parts.append(element("path", d=path, class_="curve" if quantity.trusted else "curve doubtful"))
    bins = _bins(data, quantity.name, k, unit)
    parts.append(_bin_marks(bins, x_of, y_of))
    label = f"{quantity.label} against {input_label(name)}; the values are in the table below the drawings"
    svg = element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=label)
    return {"label": input_label(name), "svg": svg, "bins": bins, "text": _text(data, k)}


def _axes(marks: list[float], y_of: Any, across: list[float], x_of: Any, unit: str) -> Markup:
    parts = []
    for mark in marks:
        y = float(y_of(mark))
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", number(mark), x=_LEFT - 6, y=y + 3.5, class_="tick end"))
    for mark in across:
        x = float(x_of(mark))
        parts.append(element("line", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 4, class_="rule"))
        text = with_unit(mark, unit) if unit == "°" else number(mark)
        parts.append(element("text", text, x=x, y=_BOTTOM + 16, class_="tick middle"))
    parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="rule"))
    return Markup("").join(parts)


def _axis_title(name: str, unit: str) -> Markup:
    title = input_label(name) + (f" ({unit})" if unit.strip() and unit != "°" else "")
    return element("text", title, x=(_LEFT + _RIGHT) / 2, y=_HEIGHT - 8, class_="axis-title middle")


def _nominal(data: Any, k: int, low: float, high: float, x_of: Any) -> Markup:
    nominal = float(pick(data, "shift_nominal", shift=k)) if "shift_nominal" in data else math.nan
    if not low <= nominal <= high:
        return Markup("")
    x = float(x_of(nominal))
    return element("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="mark")


def _samples(data: Any, quantity: str, k: int, x_of: Any, y_of: Any) -> Markup:
    if "sample_theta" not in data:
        return Markup("")
    theta, value = pick(data, "sample_theta", shift=k), pick(data, "sample_value", quantity=quantity)
    step = max(1, math.ceil(theta.size / DOTS))
    return element("path", d=dots_path(x_of(theta[::step]), y_of(value[::step])), class_="dots")


def _bins(data: Any, quantity: str, k: int, unit: str) -> list[dict[str, Any]]:
    if "bin_mean" not in data:
        return []
    x, mean = pick(data, "bin_x", shift=k), pick(data, "bin_mean", quantity=quantity, shift=k)
    bounds = np.full((len(x), 2), np.nan)
    if "bin_mean_interval" in data:
        bounds = pick(data, "bin_mean_interval", quantity=quantity, shift=k)
    count = pick(data, "bin_count", shift=k) if "bin_count" in data else np.full(len(x), np.nan)
    return [
        {
            "x": float(a),
            "mean": float(m),
            "low": float(b[0]),
            "high": float(b[1]),
            "at": with_unit(float(a), unit),
            "value": number(float(m)),
            "interval": interval(float(b[0]), float(b[1])),
            "count": number(float(c)),
        }
        for a, m, b, c in zip(x, mean, bounds, count, strict=True)
    ]


def _bin_marks(bins: list[dict[str, Any]], x_of: Any, y_of: Any) -> Markup:
    parts = []
    for entry in bins:
        if not math.isfinite(entry["mean"]):
            continue
        x, y = float(x_of(entry["x"])), float(y_of(entry["mean"]))
        if math.isfinite(entry["low"]):
            parts.append(
                element("line", x1=x, x2=x, y1=float(y_of(entry["low"])), y2=float(y_of(entry["high"])), class_="error")
            )
        tip = f"at {entry['at']}: mean {entry['value']} {entry['interval']}, {entry['count']} samples"
        parts.append(element("circle", cx=x, cy=y, r=3.4, class_="bin", data_tip=tip))
    return Markup("").join(parts)


def _finite_range(data: Any, k: int, low: float, high: float) -> tuple[float, float]:
    if math.isfinite(low) and math.isfinite(high) and high > low:
        return low, high
    pools = [pick(data, name, shift=k).ravel() for name in ("main_effect_x", "sample_theta", "bin_x") if name in data]
    values = np.concatenate([p[np.isfinite(p)] for p in pools] or [np.array([0.0, 1.0])])
    return float(values.min()), float(values.max())


def _text(data: Any, k: int) -> str:
    texts = strings(data, "shift_text")
    return texts[k] if texts else ""
