"""Figures of the lung-ultrasound study: pictures of the publication, and the measures behind them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from shiftgauge.report.blocks.lung import look, note_of, pictures_of, score
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text, tidy, whiskers
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

_COLOURS = (FIRST, TOTAL, SOFT, "#c3cad4")


def plot_scores(result: StudyResult) -> Figure:
    """Returns balanced accuracy of every way, with the one of a constant answer as a line.

    A star marks the way that is no test, because other frames of the same recordings were trained on.
    """
    data = result.arrays
    ways, figure_name = strings(data, "way")[::-1], strings(data, "figure")[0]
    found = [score(result, "way", way, figure_name) for way in ways]
    with figure_style():
        figure = Figure(figsize=(7, 1.2 + 0.36 * len(ways)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(ways)), [np.nan_to_num(e.value) for e in found], height=0.55, color=FIRST)
        whiskers(axes, found, np.arange(len(ways)))
        axes.axvline(1 / len(strings(data, "class")), color=SOFT, lw=1, ls="--")
        axes.set_yticks(range(len(ways)), [long_text(w + "*" * bool(note_of(result, w)), 46) for w in ways])
        axes.set_xlim(0, 1)
        axes.set_xlabel("balanced accuracy on frames that were not trained on")
        tidy(axes, "")
    return figure


def plot_looks(result: StudyResult) -> Figure:
    """Returns breadth and share on the border of all methods."""
    data = result.arrays
    ways, methods = strings(data, "look_way")[::-1], strings(data, "method")
    with figure_style():
        figure, panels = grid_figure(2, 2, (4.5, 1.6 + 0.8 * len(ways)))
        for axes, measure in zip(panels, ("breadth", "on the border"), strict=True):
            y = np.arange(len(ways))
            offsets = np.linspace(0.3, -0.3, len(methods))
            for method, colour, offset in zip(methods, _COLOURS, offsets, strict=True):
                found = [look(result, way, method, measure) for way in ways]
                values = [np.nan_to_num(e.value) for e in found]
                axes.barh(y + offset, values, height=0.18, color=colour, label=method)
                whiskers(axes, found, y + offset)
            axes.set_yticks(y, [long_text(w, 24) for w in ways])
            axes.set_xlabel(f"{measure} (share)")
            tidy(axes, "")
        figure.legend(*panels[0].get_legend_handles_labels(), frameon=False, ncols=4, loc="outside upper center")
    return figure


def plot_pictures(result: StudyResult) -> Figure:
    """Returns the publication's figure 16: for each class frame, activation maximisation, its change, Grad-CAM."""
    names = strings(result.arrays, "shown_class")
    with figure_style():
        figure, panels = grid_figure(4 * len(names), 4, (1.9, 2.0))
        for k, name in enumerate(names):
            for j, (text, image) in enumerate(pictures_of(result, k)):
                axes = panels[4 * k + j]
                axes.imshow(image, cmap="gray", vmin=0, vmax=255)
                axes.set_xticks([])
                axes.set_yticks([])
                if k == 0:
                    axes.set_title(text, fontsize=8)
                if j == 0:
                    axes.set_ylabel(long_text(name, 24))
    return figure


def plot_dreams(result: StudyResult) -> Figure:
    """Returns the publication's figure 15: what each class wants to see, from noise and from the class mean."""
    data = result.arrays
    starts, names = strings(data, "dream_start"), strings(data, "dream_class")
    with figure_style():
        figure, panels = grid_figure(len(starts) * len(names), len(names), (1.9, 2.0))
        for i, start in enumerate(starts):
            for k, name in enumerate(names):
                axes = panels[i * len(names) + k]
                axes.imshow(pick(data, "dream", dream_start=start, dream_class=name), cmap="gray", vmin=0, vmax=255)
                axes.set_xticks([])
                axes.set_yticks([])
                axes.set_title(long_text(name, 24) if i == 0 else "", fontsize=8)
                if k == 0:
                    axes.set_ylabel(f"from {start}")
    return figure


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[StudyResult], Figure]] = {
        "scores": plot_scores,
        "maps": plot_looks,
        "figure16": plot_pictures,
        "figure15": plot_dreams,
    }
    return save_figures(result, drawings, folder)
