"""Figures of the glass study, task 2, for papers and slides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from shiftgauge.errors import StoreError
from shiftgauge.report.blocks.glass import score
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, long_text, tidy, whiskers
from shiftgauge.report.format import percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

_GRID: Final = "#d9dee6"


def plot_ablation(result: StudyResult) -> Figure:
    """Returns by how much macro F1 of the defects changes when a part of the recipe is left out."""
    return _differences(result, "ablation", "macro F1 of defects", "One part left out")


def plot_chosen_on_test(result: StudyResult) -> Figure:
    """Returns by how much micro F1 on test differs when thresholds or epoch are chosen there."""
    return _differences(result, "watch", "micro F1", "Chosen on test")


def plot_labels(result: StudyResult) -> Figure:
    """Returns F1 of each label by the recipe and by thresholds of one half, its prevalence beside its name."""
    data, names = result.arrays, strings(result.arrays, "label")[::-1]
    ways = [w for w in (strings(data, "ablation")[0], "thresholds 0.5") if w in strings(data, "ablation")]
    y = np.arange(len(names))
    with figure_style():
        figure = Figure(figsize=(7, 1.2 + 0.42 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for way, colour, offset in zip(ways, (FIRST, TOTAL), (0.2, -0.2), strict=False):
            found = [score(result, "ablation", way, name) for name in names]
            axes.barh(y + offset, [np.nan_to_num(e.value) for e in found], height=0.36, color=colour, label=way)
            whiskers(axes, found, y + offset)
        shares = [float(pick(data, "prevalence", label=name)) for name in names]
        axes.set_yticks(y, [f"{long_text(n, 24)} ({percent(s)})" for n, s in zip(names, shares, strict=True)])
        axes.set_xlim(0, 1)
        axes.set_xlabel("F1 on test (prevalence in brackets)")
        axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.2)
        tidy(axes, "F1 of each label")
    return figure


def plot_epochs(result: StudyResult) -> Figure:
    """Returns micro F1 after every epoch, with thresholds chosen on the part that is scored."""
    data = result.arrays
    epochs = data["watched_epoch"].values
    with figure_style():
        figure = Figure(figsize=(5, 3), layout="constrained")
        axes = figure.add_subplot()
        for part, colour in zip(strings(data, "chosen_on"), (FIRST, TOTAL), strict=True):
            values = np.asarray(pick(data, "watch_curve", chosen_on=part), float)
            axes.plot(epochs, values, color=colour, lw=1.5, marker="o", ms=3, label=f"{part}, thresholds chosen there")
            axes.axvline(epochs[int(values.argmax())], color=colour, ls="--", lw=0.9)
        axes.set_xlabel("epoch")
        axes.set_ylabel("micro F1")
        axes.grid(visible=True, color=_GRID, lw=0.6)
        axes.legend(frameon=False, fontsize=7, loc="lower right")
        axes.set_title("What each epoch claims", loc="left")
    return figure


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths; those of what is not shown are removed.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[StudyResult], Figure]] = {"ablation": plot_ablation, "labels": plot_labels}
    if "watch_score" in result.arrays:
        drawings |= _WATCHED
    else:
        remove_figures(folder, _WATCHED)
    return save_figures(result, drawings, folder)


def remove_figures(folder: str | Path, names: Iterable[str]) -> None:
    """Removes figures that an earlier call left and that this one does not draw.

    Args:
        folder: Where figures lie.
        names: Files without their endings.

    Raises:
        StoreError: One cannot be removed.
    """
    for path in (Path(folder) / f"{name}.{kind}" for name in names for kind in ("svg", "png")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot remove {path}: {error.strerror or error}") from error


_WATCHED: Final[Mapping[str, Callable[[StudyResult], Figure]]] = {
    "chosen_on_test": plot_chosen_on_test,
    "epochs": plot_epochs,
}


def _differences(result: StudyResult, table: str, what: str, title: str) -> Figure:
    ways = strings(result.arrays, table)
    names = ways[:0:-1]
    found = [score(result, table, way, what, "difference") for way in names]
    with figure_style():
        figure = Figure(figsize=(7, 1.2 + 0.36 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [np.nan_to_num(e.value) for e in found], height=0.55, color=FIRST)
        whiskers(axes, found, np.arange(len(names)))
        axes.axvline(0, color=SOFT, lw=1)
        axes.set_yticks(range(len(names)), [long_text(n, 30) for n in names])
        axes.set_xlabel(f"change of {what} against “{ways[0]}”")
        tidy(axes, title)
    return figure
