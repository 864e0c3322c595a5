"""Figures of a training for papers and slides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.figure import Figure

from shiftgauge.report.blocks.train import by_weakness, found, words
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text, tidy, whiskers
from shiftgauge.report.format import percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.train import TrainResult

_MOST_PANELS: Final = 16
_MOST_CLASSES: Final = 30
_GRID: Final = "#d9dee6"


def plot_learning(result: TrainResult) -> Figure:
    """Returns loss and monitored figures against the epoch, the kept epoch dashed."""
    history = result.history
    panels = (("Loss", ("train_loss", "loss")), ("On validation", ("macro_f1", "average_precision")))
    with figure_style():
        figure, axes = grid_figure(len(panels), 2, (3.6, 2.6))
        for (title, names), panel in zip(panels, axes, strict=True):
            for name, colour in zip(names, (FIRST, TOTAL), strict=True):
                panel.plot(history.index, history[name], color=colour, lw=1.5, marker="o", ms=2.5, label=words(name))
            panel.axvline(result.best_epoch, color=SOFT, ls="--", lw=1)
            panel.set_title(title, loc="left")
            panel.set_xlabel("epoch")
            panel.grid(visible=True, color=_GRID, lw=0.6)
            panel.legend(frameon=False, fontsize=7)
    return figure


def plot_scores(result: TrainResult) -> Figure:
    """Returns F1 of each class with its interval, its prevalence beside its name."""
    names = by_weakness(result)[::-1]
    rows = [found(result, "f1", result.part, name) for name in names]
    shares = [float(pick(result.arrays, "prevalence", **{"part": result.part, "class": name})) for name in names]
    with figure_style():
        figure = Figure(figsize=(7, 1.0 + 0.34 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), [np.nan_to_num(e.value) for e in rows], height=0.6, color=FIRST)
        whiskers(axes, rows, np.arange(len(names)))
        labels = [f"{long_text(n, 24)} ({percent(s)})" for n, s in zip(names, shares, strict=True)]
        axes.set_yticks(range(len(names)), labels)
        axes.set_xlim(0, 1)
        axes.set_xlabel(f"F1 on {result.part} (prevalence in brackets)")
        tidy(axes, "F1 of each class")
    return figure


def plot_confusion(result: TrainResult) -> Figure:
    """Returns the confusion matrix of the part of the verdict, shaded by the share of the true class."""
    data, names = result.arrays, [long_text(n, 16) for n in strings(result.arrays, "class")]
    counts = np.asarray(pick(data, "confusion", part=result.part), float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = 1.8 + 0.42 * len(names)
    with figure_style():
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[i, j] > 0.5 else "black"
                axes.text(j, i, f"{count:.0f}", ha="center", va="center", fontsize=7, color=colour)
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("decided")
        axes.set_ylabel("true")
        axes.set_title(f"Confusion on {result.part}", loc="left")
    return figure


def plot_thresholds(result: TrainResult) -> Figure:
    """Returns precision, recall and F1 of each label against its threshold; the flat stretch is shaded.

    Where thresholds were chosen for the least cost, the mean cost of an image stands before them.
    """
    data, names = result.arrays, by_weakness(result)[:_MOST_PANELS]
    scores = {"precision": TOTAL, "recall": SOFT, "f1": FIRST}
    drawn = [{"cost": FIRST}, scores] if data.attrs.get("aim") == "cost" else [scores]
    shown = [(name, curves) for name in names for curves in drawn]
    with figure_style():
        figure, axes = grid_figure(len(shown), 4, (2.4, 2.0))
        for (name, curves), panel in zip(shown, axes, strict=True):
            where = {"class": name}
            at = pick(data, "curve_threshold", **where)
            low, high, chosen = (float(pick(data, f"threshold{k}", **where)) for k in ("_low", "_high", ""))
            panel.axvspan(low, high, color="#eef1f5")
            panel.axvline(chosen, color="black", ls="--", lw=0.9)
            for kind, colour in curves.items():
                panel.plot(at, pick(data, f"curve_{kind}", **where), color=colour, lw=1.3, label=kind)
            panel.set_title(long_text(name, 24), loc="left", fontsize=9)
            panel.set_ylim(0, None if "cost" in curves else 1.02)
        for panel in axes[: len(drawn)]:
            panel.legend(frameon=False, fontsize=7)
        figure.supxlabel("threshold", fontsize=9)
    return figure


def plot_ranking(result: TrainResult) -> Figure:
    """Returns precision against recall of each class; the prevalence, which chance reaches, is dashed."""
    data, names = result.arrays, by_weakness(result)[:_MOST_PANELS]
    with figure_style():
        figure, axes = grid_figure(len(names), 4, (2.4, 2.1))
        for name, panel in zip(names, axes, strict=True):
            where = {"part": result.part, "class": name}
            panel.plot(pick(data, "pr_recall", **where), pick(data, "pr_precision", **where), color=FIRST, lw=1.4)
            panel.axhline(float(pick(data, "prevalence", **where)), color=SOFT, ls="--", lw=0.9)
            panel.set_title(long_text(name, 24), loc="left", fontsize=9)
            panel.set_xlim(0, 1.02)
            panel.set_ylim(0, 1.02)
        figure.supxlabel("recall", fontsize=9)
        figure.supylabel("precision", fontsize=9)
    return figure


def plot_calibration(result: TrainResult) -> Figure:
    """Returns the reliability diagrams before and after the temperature, with the interval of each share."""
    data = result.arrays
    known = strings(data, "diagram")
    names = [n for n in by_weakness(result) if n in known][:_MOST_PANELS] or known
    with figure_style():
        figure, axes = grid_figure(len(names), 4, (2.8, 2.6))
        for name, panel in zip(names, axes, strict=True):
            panel.plot([0, 1], [0, 1], color=SOFT, ls="--", lw=0.9)
            for stage, colour in zip(strings(data, "stage"), (TOTAL, FIRST), strict=False):
                where = {"part": result.part, "stage": stage, "diagram": name}
                kinds = ("confidence", "frequency", "low", "high")
                x, y, low, high = (pick(data, f"reliability_{k}", **where) for k in kinds)
                keep = np.isfinite(x)
                panel.vlines(x[keep], low[keep], high[keep], color=colour, lw=0.8, alpha=0.7)
                panel.plot(x[keep], y[keep], color=colour, marker="o", ms=3, lw=1.2, label=stage)
            panel.set_title(long_text(name, 24), loc="left", fontsize=9)
            panel.set_xlim(0, 1)
            panel.set_ylim(0, 1)
        axes[0].legend(frameon=False, fontsize=7)
        figure.supxlabel("probability said", fontsize=9)
        figure.supylabel("share that came true", fontsize=9)
    return figure


def write_train_figures(result: TrainResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[TrainResult], Figure]] = {"learning": plot_learning, "scores": plot_scores}
    if "confusion" in result.arrays and result.arrays.sizes["class"] <= _MOST_CLASSES:
        drawings["confusion"] = plot_confusion
    if "threshold" in result.arrays:
        drawings["thresholds"] = plot_thresholds
    drawings |= {"precision_recall": plot_ranking, "calibration": plot_calibration}
    return save_figures(result, drawings, folder)
