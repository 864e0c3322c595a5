"""Box plots of groups of values beside each other, for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from shiftgauge.report.format import number
from shiftgauge.report.svg import element, scale, ticks

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340.0, 196.0, 44.0, 330.0, 8.0, 158.0


def draw_boxes(values_gmn: np.ndarray, names: Sequence[str], kinds: Sequence[str], *, said: str) -> Markup:
    """Draws for each place and kind a box from quartile to quartile with its median and whiskers to the extremes.

    Args:
        values_gmn: Values (place, kind, one each), such as accuracies of folds; places without any are left empty.
        names: Of the places, along the axis.
        kinds: Colour of each kind.
        said: What the drawing shows, for readers who do not see it.

    Example:
        >>> drawn = draw_boxes(np.array([[[0.1, 0.2, 0.4]]]), ["here"], ["first"], said="a box")
        >>> str(drawn).count("<rect")
        1
    """
    known = values_gmn[np.isfinite(values_gmn)]
    levels = ticks(float(known.min()), float(known.max()), 4) if known.size else [0.0, 1.0]

    def y_of(value: float) -> float:
        return float(scale(value, levels[0], levels[-1], _BOTTOM, _TOP))

    parts = []
    for level in levels:
        y = y_of(level)
        parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(element("text", number(level), x=_LEFT - 6, y=y + 3.5, class_="tick end"))
    width = (_RIGHT - _LEFT) / len(names)
    step = 0.8 * width / values_gmn.shape[1]
    for g, name in enumerate(names):
        left = _LEFT + (g + 0.1) * width
        parts.append(element("text", name, x=left + 0.4 * width, y=_BOTTOM + 16, class_="tick middle"))
        parts += [
            _box(own[np.isfinite(own)], left + m * step, 0.8 * step, kinds[m], y_of)
            for m, own in enumerate(values_gmn[g])
        ]
    parts.append(element("line", x1=_LEFT, x2=_RIGHT, y1=_BOTTOM, y2=_BOTTOM, class_="rule"))
    return element("svg", *parts, class_="plot", viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=said)


def _box(values: np.ndarray, left: float, width: float, kind: str, y_of) -> Markup:
    if not values.size:
        return Markup("")
    low, first, middle, third, high = (float(q) for q in np.quantile(values, [0, 0.25, 0.5, 0.75, 1]))
    centre, top = left + width / 2, y_of(third)
    tip = f"median {number(middle)}, from {number(low)} to {number(high)}"
    return Markup("").join(
        [
            element("line", x1=centre, x2=centre, y1=y_of(low), y2=y_of(high), class_=f"whisker {kind}"),
            element("rect", x=left, y=top, width=width, height=max(y_of(first) - top, 0.8), class_=f"box {kind}",
                    data_tip=tip),
            element("line", x1=left, x2=left + width, y1=y_of(middle), y2=y_of(middle), class_="median"),
        ]
    )  # fmt: skip
