"""Figures as files: svg and png, the same bytes each time."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from shiftgauge.files import write_atomic
from shiftgauge.report.figure_style import figure_style

DPI: Final = 160
"""Resolution of the png files."""
R = TypeVar("R")


def save_figures(result: R, drawings: Mapping[str, Callable[[R], Figure]], folder: str | Path) -> list[Path]:
    """Draws a result and writes each figure as svg and png.

    Args:
        result: What is drawn.
        drawings: Name of a file, without its ending → what draws the figure.
        folder: Made when absent.

    Returns:
        The paths, in the order of the drawings.

    Raises:
        StoreError: The folder cannot be written to.
    """
    written: list[Path] = []
    for name, draw in drawings.items():
        figure = draw(result)
        written += [
            write_atomic(Path(folder) / f"{name}.{kind}", figure_bytes(figure, kind)) for kind in ("svg", "png")
        ]
    return written


def figure_bytes(figure: Figure, kind: str) -> bytes:
    """Returns a figure as the bytes of an `svg` or `png` file, the same bytes each time."""
    buffer = io.BytesIO()
    metadata = {"Date": None, "Creator": "shiftgauge"} if kind == "svg" else {"Software": "shiftgauge"}
    FigureCanvasAgg(figure)
    with figure_style(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format=kind, dpi=DPI, metadata=metadata)
    return buffer.getvalue()
