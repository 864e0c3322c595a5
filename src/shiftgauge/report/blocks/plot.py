"""A small drawing of lines over a common pair of axes, for the page of a training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup

from shiftgauge.report.format import interval, number, shorten
from shiftgauge.report.svg import element, inner_ticks, line_path, scale, ticks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 196.0, 44.0, 330.0, 8.0, 158.0
_NAMES_HEIGHT: Final = 42.0
_MOST_NAMES: Final = 14
_NAME: Final = 14
UNIT: Final = (0.0, 1.0)
"""The axis of shares."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a drawing.

    Args:
        x: Places.
        y: Values; an undefined one breaks the line.
        kind: Its colour: `first`, `total` or `part`, or `hued` with one of the style sheet's further ones.
        label: What it shows, for hints at its points.
        dots: Draw a dot with a hint at every point.
        band: Places, lower and upper edge of a shaded band around it.
        whiskers: Lower and upper ends of the interval of every point; an undefined one is left out.
    """

    x: Sequence[float] | np.ndarray
    y: Sequence[float] | np.ndarray
    kind: str
    label: str
    dots: bool = False
    band: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    whiskers: tuple[np.ndarray, np.ndarray] | None = None


def draw_lines(
    lines: Sequence[Line],
    *,
    x_label: str,
    said: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float] | None = None,
    marks: Sequence[tuple[float, str]] = (),
    band: tuple[float, float] | None = None,
    diagonal: bool = False,
    names: Sequence[str] | None = None,
) -> Markup:
    """Draws lines.

    Args:
        lines: What is drawn.
        x_label: Title of the horizontal axis.
        said: What the drawing shows, for readers who do not see it.
        x_range: Ends of the horizontal axis.
        y_range: Ends of the vertical axis; None for round numbers around what is drawn.
        marks: Places of dashed upright lines, each with its hint.
        band: A stretch of the horizontal axis that is shaded.
        diagonal: Draw the line from corner to corner.
        names: What stands at 0, 1, 2 … of the horizontal axis in place of numbers; of many some are left out.
    """
    levels = _levels(lines) if y_range is None else inner_ticks(*y_range, 4)
    bottom, top = (levels[0], levels[-1]) if y_range is None else y_range

    def x_of(value: Any) -> np.ndarray:
        return scale(value, x_range[0], x_range[1], _LEFT, _RIGHT)

    def y_of(value: Any) -> np.ndarray:
        return scale(np.clip(value, bottom, top), bottom, top, _BOTTOM, _TOP)

    parts = []
    if band is not None:
        a, b = (float(x_of(np.clip(end, *x_range))) for end in band)
        parts.append(element("rect", x=a, y=_TOP, width=max(b - a, 1.0), height=_BOTTOM - _TOP, class_="flat"))
    parts.append(_upright(levels, y_of))
    parts.append(_numbers(x_range, x_of, x_label) if names is None else _named(names, x_of, x_label))
    if diagonal:
        parts.append(element("line", x1=_LEFT, y1=_BOTTOM, x2=_RIGHT, y2=_TOP, class_="mark"))
    for at, tip in marks:
        x = float(x_of(at))
        parts.append(element("line", x1=x, x2=x, y1=_TOP, y2=_BOTTOM, class_="mark", data_tip=tip))
    for line in lines:
        parts.append(_line(line, x_of, y_of, names))
    view = f"0 0 {_WIDTH:g} {_HEIGHT + (0 if names is None else _NAMES_HEIGHT):g}"
    return element("svg", *parts, class_="plot", viewBox=view, role="img", aria_label=said)


def _levels(lines: Sequence[Line]) -> list[float]:
    """Round numbers around what is drawn with its bands, from 0 where that is not far."""
    drawn = [np.asarray(line.y, float) for line in lines]
    drawn += [np.asarray(edge, float) for line in lines if line.band is not None for edge in line.band[1:]]
    known = np.concatenate(drawn)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else UNIT
    return ticks(min(low, 0.0) if low < 0.3 * high else low, high, 4)


def _line(line: Line, x_of: Any, y_of: Any, names: Sequence[str] | None) -> Markup:
    values = np.asarray(line.y, float)
    x, y = x_of(line.x), np.where(np.isfinite(values), y_of(np.nan_to_num(values)), np.nan)
    parts = []
    if line.band is not None:
        parts.append(element("path", d=_area(*line.band, x_of, y_of), class_=f"band {line.kind}"))
    parts.append(element("path", d=line_path(x, y), class_=f"curve {line.kind}"))
    ends = np.full((len(values), 2), np.nan) if line.whiskers is None else np.stack(line.whiskers, axis=1)
    for place, (low, high) in zip(x.tolist(), ends, strict=True):
        if math.isfinite(low) and math.isfinite(high):
            a, b = float(y_of(low)), float(y_of(high))
            parts.append(element("line", x1=place, x2=place, y1=a, y2=b, class_=f"whisker {line.kind}"))
    if line.dots:
        for at, place, level, value, bounds in zip(line.x, x.tolist(), y.tolist(), values.tolist(), ends, strict=True):
            if math.isfinite(level):
                where = number(float(at)) if names is None else names[int(at)]
                tip = f"{line.label} at {where}: {number(value)} {interval(*bounds.tolist())}".strip()
                parts.append(element("circle", cx=place, cy=level, r=2.6, class_=f"point {line.kind}", data_tip=tip))
    return Markup("").join(parts)


def _area(x: np.ndarray, low: np.ndarray, high: np.ndarray, x_of: Any, y_of: Any) -> str:
    """Path data of a band; places without one are left out."""
    known = np.isfinite(low) & np.isfinite(high)
    if known.sum() < 2:
        return ""
    across = x_of(np.asarray(x)[known])
    there, back = line_path(across, y_of(high[known])), line_path(across[::-1], y_of(low[known])[::-1])
    return f"{there}L{back[1:]}Z"


def _upright(levels: Sequence[float], y_of: Any) -> Markup:
    parts = []
    for level in levels:
        y = float(y_of(level))
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", number(level), x=_LEFT - 6, y=y + 3.5, class_="tick end"))
    return Markup("").join(parts)


def _numbers(x_range: tuple[float, float], x_of: Any, x_label: str) -> Markup:
    parts = []
    whole = all(float(end).is_integer() for end in x_range) and x_range[1] - x_range[0] > 1
    for mark in inner_ticks(*x_range, 4):
        if whole and not float(mark).is_integer():
            continue
        x = float(x_of(mark))
        parts.append(element("line", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 4, class_="rule"))
        parts.append(element("text", number(mark, 4), x=x, y=_BOTTOM + 16, class_="tick middle"))
    return Markup("").join([*parts, *_base(x_label, _HEIGHT - 4)])


def _named(names: Sequence[str], x_of: Any, x_label: str) -> Markup:
    """Names along the axis, slanted so that they do not meet."""
    parts, every = [], -(-len(names) // _MOST_NAMES)
    for k, name in enumerate(names):
        x, y = float(x_of(k)), _BOTTOM + 12
        parts.append(element("line", x1=x, x2=x, y1=_BOTTOM, y2=_BOTTOM + 4, class_="rule"))
        if k % every == 0:
            turn = f"rotate(-50 {x:.1f} {y:.1f})"
            parts.append(element("text", shorten(name, _NAME), x=x, y=y, class_="tick end", transform=turn))
    return Markup("").join([*parts, *_base(x_label, _HEIGHT + _NAMES_HEIGHT - 4)])


def _base(x_label: str, y: float) -> list[Markup]:
    rule = element("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="rule")
    return [rule, element("text", x_label, x=(_LEFT + _RIGHT) / 2, y=y, class_="axis-title middle")]
