"""One look for all matplotlib figures, and text that is drawn as it stands."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.format import clean, input_label, shorten
from shiftgauge.report.read import Estimate

FIRST: Final = "#0072b2"
"""Colour of first indices and single shifts; blue of a colour-blind-safe pair."""
TOTAL: Final = "#d55e00"
"""Colour of total indices and bin averages; vermilion of the same pair."""
SOFT: Final = "#6b7686"
"""Colour of everything that stands back."""
_SETTINGS: Final[dict[Any, Any]] = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": SOFT,
    "axes.titlesize": 10,
    "svg.fonttype": "none",
    "svg.hashsalt": "shiftgauge",
    "text.usetex": False,
    "text.parse_math": True,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "text.color": "black",
    "axes.labelcolor": "black",
    "xtick.color": "black",
    "ytick.color": "black",
}


@contextmanager
def figure_style() -> Iterator[None]:
    """Applies the look for the duration of a block; the caller's settings come back afterwards.

    Matplotlib names every font that it looked for in vain, many lines where its list of fonts is of another
    environment; the figure is drawn all the same with the font that it brings, and nothing is said.
    """
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)
    try:
        with mpl.rc_context(_SETTINGS):
            yield
    finally:
        fonts.setLevel(level)


def plain_text(text: object) -> str:
    """Returns text that matplotlib draws as it stands: cleaned, dollar signs escaped.

    Example:
        >>> plain_text("$x$")
        '\\\\$x\\\\$'
    """
    return clean(text).replace("$", r"\$")


def long_text(text: object, length: int) -> str:
    """Returns `plain_text`, its middle left out beyond `length` characters."""
    return plain_text(shorten(text, length))


def axis_label(name: str, unit: str) -> str:
    """Returns an input's name with its unit.

    Example:
        >>> axis_label("rotation", "°")
        'rotation (°)'
    """
    unit = unit.strip()
    return plain_text(f"{input_label(name)} ({unit})" if unit else input_label(name))


def whiskers(axes: Axes, found: Sequence[Estimate], y: np.ndarray) -> None:
    """Draws the intervals of horizontal bars."""
    for e, at in zip(found, y, strict=True):
        if np.isfinite(e.low) and np.isfinite(e.high):
            axes.plot([e.low, e.high], [at, at], "|-", color="black", lw=1, ms=5, solid_capstyle="butt")


def tidy(axes: Axes, title: str) -> None:
    """Sets the title and a light grid behind horizontal bars."""
    axes.set_title(title, loc="left")
    axes.set_axisbelow(True)
    axes.xaxis.grid(visible=True, color="#d9dee6", lw=0.8)


def grid_figure(n: int, columns: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Returns a figure with `n` panels of the given size in inches, row by row."""
    across = max(min(n, columns), 1)
    rows = max(-(-n // across), 1)
    figure = Figure(figsize=(size[0] * across, size[1] * rows), layout="constrained")
    return figure, [figure.add_subplot(rows, across, k + 1) for k in range(n)]
