"""Bars with whiskers for the rows of a table; they stretch with the column and need no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shiftgauge.report.format import number
from shiftgauge.report.read import Estimate
from shiftgauge.report.svg import element, ticks


@dataclass(frozen=True)
class Axis:
    """The common axis of a column of bars: evenly spaced round ticks from the first to the last."""

    ticks: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        """The tick labels from left to right."""
        return [number(t) for t in self.ticks]

    def at(self, value: float) -> float:
        """Position of a value in the drawing's 0–100 width."""
        low, high = self.ticks[0], self.ticks[-1]
        return min(max(100 * (value - low) / (high - low), 0.0), 100.0)


def axis_for(shown: Iterable[Estimate], *, floor: float = 0.05) -> Axis:
    """Returns the axis that shows all values and their intervals; it starts below 0 only if a bar does visibly."""
    estimates = list(shown)
    values = [v for e in estimates for v in (e.value, e.low, e.high) if math.isfinite(v)]
    high = max([*values, floor])
    low = min([0.0, *(e.value for e in estimates if math.isfinite(e.value))])
    return Axis(tuple(ticks(0.0 if low > -0.04 * high else low, high, 4)))


def bar(
    axis: Axis, rows: Sequence[tuple[Estimate, str]], *, marks: Sequence[float] = (), row_height: int = 13
) -> Markup:
    """Draws one bar under another on the axis.

    Args:
        axis: The common axis.
        rows: Estimate and CSS class of each bar.
        marks: Values to mark by a dashed line, such as a limit.
        row_height: Height of one bar with its gap, in pixels.
    """
    height = row_height * len(rows) + 3
    parts = [_line(axis.at(t), 0, axis.at(t), height, "grid") for t in axis.ticks]
    parts += [_line(axis.at(m), 0, axis.at(m), height, "mark") for m in marks]
    for k, (value, kind) in enumerate(rows):
        top = 3 + k * row_height
        parts.append(_bar(axis, value, kind, top, row_height - 3))
    view = f"0 0 100 {height}"
    return element(
        "svg", *parts, class_="bar", viewBox=view, height=height, preserveAspectRatio="none", aria_hidden="true"
    )


def _bar(axis: Axis, value: Estimate, kind: str, top: float, height: float) -> Markup:
    if not value.defined:
        return Markup("")
    zero, end = axis.at(0.0), axis.at(value.value)
    parts = [element("rect", x=min(zero, end), y=top, width=max(abs(end - zero), 0.3), height=height, class_=kind)]
    if math.isfinite(value.low) and math.isfinite(value.high):
        a, b, middle = axis.at(value.low), axis.at(value.high), top + height / 2
        parts.append(_line(a, middle, b, middle, "whisker"))
        parts += [_line(x, top + 2, x, top + height - 2, "whisker") for x in (a, b)]
    return Markup("").join(parts)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return element("line", x1=x1, y1=float(y1), x2=x2, y2=float(y2), class_=kind)
