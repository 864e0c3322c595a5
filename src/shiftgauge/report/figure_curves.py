"""Figure of the indices against the size of the design, for papers and slides."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, MaxNLocator

from shiftgauge.report.blocks.curves import HIGHEST, LOWEST
from shiftgauge.report.figure_style import FIRST, TOTAL, figure_style, grid_figure, long_text
from shiftgauge.report.format import input_label
from shiftgauge.report.read import Shown, named_quantity, pick, ranked, strings

_KINDS: Final = (("first_order", FIRST, "first"), ("total_order", TOTAL, "total"))


def plot_convergence(result: Shown, quantity: str | None = None, columns: int = 4) -> Figure:
    """Returns first and total indices against N with their bands, one panel for each input.

    Args:
        result: An audit that holds the curve of several sizes.
        quantity: A quantity of the result; default the one of interest.
        columns: Most panels side by side.
    """
    data, name = result.arrays, named_quantity(result, quantity).name
    inputs, sizes = ranked(data, name, strings(data, "input")), np.asarray(data["n_base"].values, float)
    with figure_style():
        figure, panels = grid_figure(len(inputs), columns, (2.5, 2.1))
        for axes, key in zip(panels, inputs, strict=True):
            for kind, colour, label in _KINDS:
                where = {"quantity": name, "input": key}
                value, bounds = pick(data, f"curve_{kind}", **where), pick(data, f"curve_{kind}_interval", **where)
                axes.fill_between(sizes, bounds[:, 0], bounds[:, 1], color=colour, alpha=0.2, lw=0)
                axes.plot(sizes, value, color=colour, lw=1.4, marker="o", ms=2.4, label=label)
            axes.set_xscale("log", base=2)
            axes.set_xlim(sizes[0] / 1.1, sizes[-1] * 1.1)  # an output that never changed draws nothing
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, LOWEST), min(high, HIGHEST))
            axes.xaxis.set_major_locator(FixedLocator(sizes[::-1][:: max(-(-(len(sizes) - 1) // 3), 1)].tolist()))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_title(long_text(input_label(key), 26), loc="left", fontsize=9)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        if panels:
            panels[0].legend(frameon=False, fontsize=7)
        figure.supxlabel("base samples N", fontsize=9)
    return figure
