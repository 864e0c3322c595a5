"""Small SVG drawings as escaped markup, coloured by the page's style sheet so they follow light, dark and print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup, escape

from shiftgauge.report.format import clean


def element(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """Returns an element; children that are not markup and all attributes are escaped.

    Underscores in attribute names become hyphens, one at the end is dropped (`class_`); attributes of value None are
    left out. `viewBox` and the like keep their spelling.

    Example:
        >>> str(element("text", "a<b", x=1.5, class_='"'))
        '<text x="1.5" class="&#34;">a&lt;b</text>'
    """
    parts = [Markup("<") + tag]
    for name, value in attributes.items():
        if value is not None:
            text = coordinate(value) if isinstance(value, float) else clean(value)
            parts.append(Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), text))
    inside = Markup("").join(c if isinstance(c, Markup) else escape(clean(c)) for c in children)
    parts.append(Markup(">") + inside + Markup("</") + tag + Markup(">"))
    return Markup("").join(parts)


def coordinate(value: float) -> str:
    """Returns a coordinate with at most two decimals; undefined ones become 0.

    Example:
        >>> coordinate(3.14159), coordinate(2.0)
        ('3.14', '2')
    """
    if not math.isfinite(value):
        return "0"
    return f"{value:.2f}".rstrip("0").rstrip(".")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Returns about `count` round numbers that cover [low, high], evenly spaced by 1, 2, 2.5 or 5 times a power of ten.

    Example:
        >>> ticks(0, 0.87)
        [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
        >>> ticks(3, 3)
        [3.0, 4.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        low, high = 0.0, 1.0
    if high <= low:
        return [float(low), float(low) + 1.0]
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((m * power for m in (1, 2, 2.5, 5) if m * power >= rough * 0.999), 10 * power)
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    digits = max(0, 2 - math.floor(math.log10(step)))
    return [round(k * step, digits) + 0.0 for k in range(first, last + 1)]


def inner_ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Returns the round numbers inside [low, high]; the ends may lie between them.

    Angles get steps of 15, 30, 45 or 90 when their range suggests it.

    Example:
        >>> inner_ticks(-90, 90)
        [-90.0, -45.0, 0.0, 45.0, 90.0]
        >>> inner_ticks(0, 0.12)
        [0.0, 0.05, 0.1]
    """
    if math.isclose(high - low, 180) or math.isclose(high - low, 360):
        step = (high - low) / 4
        return [low + k * step for k in range(5)]
    slack = 1e-9 * abs(high - low)
    return [t for t in ticks(low, high, count) if low - slack <= t <= high + slack]


def line_path(x: Iterable[float], y: Iterable[float]) -> str:
    """Returns the path data of a polyline; undefined points break it."""
    out, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            out.append(f"{pen}{coordinate(a)} {coordinate(b)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(out)


def dots_path(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray) -> str:
    """Returns path data that draws a dot at each point when the line has round ends.

    Example:
        >>> dots_path([1, 2], [3, 4.25])
        'M1 3h0M2 4.25h0'
    """
    return "".join(
        f"M{coordinate(a)} {coordinate(b)}h0"
        for a, b in zip(x, y, strict=True)
        if math.isfinite(a) and math.isfinite(b)
    )


def scale(value: np.ndarray | float, low: float, high: float, start: float, stop: float) -> np.ndarray:
    """Returns values of [low, high] as positions of [start, stop]."""
    width = high - low if high != low else 1.0
    return start + (np.asarray(value, dtype=float) - low) / width * (stop - start)
