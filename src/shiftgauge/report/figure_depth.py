"""Figure of the indices of every block of the network, for papers and slides."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from shiftgauge.report.blocks.curves import HIGHEST, LOWEST
from shiftgauge.report.blocks.depth import depth_ranked
from shiftgauge.report.figure_style import FIRST, TOTAL, figure_style, grid_figure, long_text
from shiftgauge.report.format import input_label
from shiftgauge.report.read import pick, strings
from shiftgauge.results.audit import AuditResult

_KINDS: Final = (("first_order", FIRST, "first"), ("total_order", TOTAL, "total"))


def plot_depth(result: AuditResult, columns: int = 3) -> Figure:
    """Returns first and total aggregated indices against depth with their bands, one panel for each input.

    Args:
        result: An audit with blocks; without, the figure says so.
        columns: Most panels side by side.
    """
    data = result.arrays
    with figure_style():
        if "block_total_order" not in data:
            figure = Figure(figsize=(5, 1.2), layout="constrained")
            axes = figure.add_subplot()
            axes.text(0.5, 0.5, "This audit looked at no blocks", ha="center", va="center")
            axes.set_axis_off()
            return figure
        inputs, blocks = depth_ranked(data), strings(data, "block")
        figure, panels = grid_figure(len(inputs), columns, (3.1, 2.5))
        x = np.arange(len(blocks))
        bottom, top = _limits(np.concatenate([data[f"block_{kind}_interval"].values.ravel() for kind, _, _ in _KINDS]))
        for axes, name in zip(panels, inputs, strict=True):
            for kind, colour, label in _KINDS:
                value, bounds = (pick(data, f"block_{kind}{part}", input=name) for part in ("", "_interval"))
                axes.fill_between(x, bounds[:, 0], bounds[:, 1], color=colour, alpha=0.2, lw=0)
                axes.plot(x, value, color=colour, lw=1.4, marker="o", ms=2.8, label=label)
            axes.set_ylim(bottom, top)
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_xticks(x, [long_text(b, 18) for b in blocks], rotation=35, ha="right", fontsize=7)
            axes.set_title(long_text(input_label(name), 30), loc="left", fontsize=9)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        panels[0].legend(frameon=False, fontsize=7)
        panels[0].set_ylabel("share of the variance")
    return figure


def _limits(values: np.ndarray) -> tuple[float, float]:
    known = np.clip(values[np.isfinite(values)], LOWEST, HIGHEST)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return min(low, 0.0) - 0.02, max(high, 0.1) + 0.02
