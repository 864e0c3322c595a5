"""First and total indices against the number of base samples, with the bands of their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from shiftgauge.report.format import fixed, input_label, number
from shiftgauge.report.read import Quantity, Shown, pick, ranked, strings
from shiftgauge.report.svg import element, line_path, scale, ticks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 196.0, 44.0, 330.0, 8.0, 158.0
_KINDS: Final = (("total_order", "total"), ("first_order", "first"))
LOWEST: Final = -0.25
HIGHEST: Final = 1.25
"""Range that is drawn: an interval that reaches beyond it says no more than one that ends there."""
_LEAST: Final = 0.02
"""Smallest height of a panel, so that noise does not fill it."""


def build_curves(result: Shown, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns a panel for each quantity and input, or None when the result holds no curve of several sizes."""
    data = result.arrays
    if "curve_first_order" not in data or data.sizes["n_base"] < 2:
        return None
    sizes = [int(n) for n in data["n_base"].values]
    names = strings(data, "input")
    return {
        "text": str(data.attrs.get("reason", "")),
        "sizes": [number(float(n), 7) for n in sizes],
        "groups": [
            {"quantity": q, "panels": [_panel(result, q.name, name, sizes) for name in ranked(data, q.name, names)]}
            for q in quantities
        ],
    }


def _panel(result: Shown, quantity: str, name: str, sizes: Sequence[int]) -> dict[str, Any]:
    data, where = result.arrays, {"quantity": quantity, "input": name}
    curves = {kind: pick(data, f"curve_{kind}", **where) for kind, _ in _KINDS}
    bands = {kind: pick(data, f"curve_{kind}_interval", **where) for kind, _ in _KINDS}
    known = np.concatenate([v.ravel() for v in (*curves.values(), *bands.values())])
    known = np.clip(known[np.isfinite(known)], LOWEST, HIGHEST)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    marks = ticks(min(low, 0.0) if low < 0.3 * high else low, max(high, _LEAST), 4)
    across = np.log2(sizes)

    def x_of(value: Any) -> np.ndarray:
        return scale(value, float(across[0]), float(across[-1]), _LEFT, _RIGHT)

    def y_of(value: Any) -> np.ndarray:
        return scale(np.clip(value, marks[0], marks[-1]), marks[0], marks[-1], _BOTTOM, _TOP)

    parts = [_axes(marks, y_of, sizes, x_of)]
    for kind, colour in _KINDS:
        x = x_of(across)
        parts.append(element("path", d=_area(x, y_of(bands[kind])), class_=f"band {colour}"))
        parts.append(element("path", d=line_path(x, y_of(curves[kind])), class_=f"curve {colour}"))
        for n, at, value in zip(sizes, x.tolist(), curves[kind].tolist(), strict=True):
            if math.isfinite(value):
                tip = f"{colour} index at N = {n}: {fixed(value)}"
                parts.append(
                    element("circle", cx=at, cy=float(y_of(value)), r=2.6, class_=f"point {colour}", data_tip=tip)
                )
    label = f"First and total index of {input_label(name)} against the number of base samples; table below"
    svg = element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=label)
    rows = [(word, [fixed(float(v)) for v in curves[kind]]) for kind, word in reversed(_KINDS)]
    return {"label": input_label(name), "svg": svg, "rows": rows}


def _area(x: np.ndarray, bounds: np.ndarray) -> str:
    """Path data of the area between the bounds, points without an interval left out."""
    known = np.isfinite(bounds).all(axis=1)
    if known.sum() < 2:
        return ""
    there = line_path(x[known], bounds[known, 1])
    back = line_path(x[known][::-1], bounds[known, 0][::-1])
    return f"{there}L{back[1:]}Z"


def _axes(marks: Sequence[float], y_of: Any, sizes: Sequence[int], x_of: Any) -> Markup:
    parts = []
    for mark in marks:
        y = float(y_of(mark))
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", number(mark), x=_LEFT - 6, y=y + 3.5, class_="tick end"))
    step = max(-(-(len(sizes) - 1) // 3), 1)
    for n in sizes[::-1][::step][::-1]:
        x = float(x_of(math.log2(n)))
        parts.append(element("line", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 4, class_="rule"))
        parts.append(element("text", number(float(n), 7), x=x, y=_BOTTOM + 16, class_="tick middle"))
    parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="rule"))
    title = element("text", "base samples N", x=(_LEFT + _RIGHT) / 2, y=_HEIGHT - 4, class_="axis-title middle")
    return Markup("").join([*parts, title])
