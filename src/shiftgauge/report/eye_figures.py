"""Figures of the eye-state study for papers and slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.blocks.eye_curves import box_values, curves_of, families
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text, tidy
from shiftgauge.report.format import number
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

_HUES = (FIRST, TOTAL, "#2f9a62", "#b565b8", "#a1793a", SOFT, "#c0392b", "#222222")
_AXIS = "signal-to-noise ratio, dB"


def plot_models(result: StudyResult) -> Figure:
    """Returns accuracy against the ratio under FGSM and PGD, all networks of a family in one panel."""
    with figure_style():
        figure, panels = grid_figure(4, 2, (4.6, 3.2))
        for k, axes in enumerate(panels):
            family, names = families(result)[k % 2]
            for j, name in enumerate(names):
                _band(axes, curves_of(result, name)[k // 2][1:], _HUES[j], name)
            _by_ratio(axes, f"{strings(result.arrays, 'attack')[k // 2]}, {family}")
            axes.legend(frameon=False, fontsize=6)
    return figure


def plot_scale(result: StudyResult) -> Figure:
    """Returns for each network accuracy under attacks, noise and natural shifts."""
    names = strings(result.arrays, "model")
    with figure_style():
        figure, panels = grid_figure(len(names), 3, (3.4, 2.7))
        for axes, name in zip(panels, names, strict=True):
            for j, (way, *line) in enumerate(curves_of(result, name)):
                _band(axes, line, _HUES[j], way)
            _by_ratio(axes, name)
        panels[0].legend(frameon=False, fontsize=6)
    return figure


def plot_boxes(result: StudyResult) -> Figure:
    """Returns box plots over folds from 28 dB to clean, for FGSM and PGD."""
    attacks = strings(result.arrays, "attack")[:2]
    with figure_style():
        figure, panels = grid_figure(4, 2, (4.6, 3.2))
        for k, axes in enumerate(panels):
            family, names = families(result)[k % 2]
            places, values = box_values(result, attacks[k // 2], names)
            width = 0.8 / len(names)
            for j, name in enumerate(names):
                at = np.arange(len(places)) + (j - (len(names) - 1) / 2) * width
                drawn = axes.boxplot(
                    [v[np.isfinite(v)] for v in values[:, j]], positions=at, widths=0.85 * width, patch_artist=True,
                    manage_ticks=False, whis=(0, 100), medianprops={"color": "black"},
                )  # fmt: skip
                for box in drawn["boxes"]:
                    box.set(facecolor=_HUES[j], alpha=0.6)
                axes.plot([], [], color=_HUES[j], lw=5, alpha=0.6, label=long_text(name, 32))
            axes.set_xticks(range(len(places)), places)
            axes.set_title(long_text(f"{attacks[k // 2]}, {family}", 60), loc="left", fontsize=9)
            axes.legend(frameon=False, fontsize=6)
    return figure


def plot_roc(result: StudyResult) -> Figure:
    """Returns micro-averaged ROC curves over a logarithmic axis, with bands from fold to fold."""
    data = result.arrays
    x = data["false_rate"].values
    with figure_style():
        figure, panels = grid_figure(2, 2, (4.6, 3.4))
        for axes, (family, names) in zip(panels, families(result), strict=True):
            for j, name in enumerate(names):
                _spread(axes, x, pick(data, "roc", model=name), _HUES[j], name)
            axes.set_xscale("log")
            axes.set_xlabel("false positive rate")
            axes.set_ylabel("true positive rate")
            axes.set_ylim(0, 1.02)
            axes.set_title(family, loc="left", fontsize=9)
            axes.legend(frameon=False, fontsize=6)
    return figure


def plot_learning(result: StudyResult) -> Figure:
    """Returns accuracy and loss by epoch, with bands from fold to fold."""
    data = result.arrays
    x = data["epoch"].values
    with figure_style():
        figure, panels = grid_figure(4, 2, (4.6, 2.9))
        for k, axes in enumerate(panels):
            family, names = families(result)[k % 2]
            curve = ("accuracy", "loss")[k // 2]
            for j, name in enumerate(names):
                _spread(axes, x, pick(data, "learned", model=name, curve=curve), _HUES[j], name)
            axes.set_xlabel("epoch")
            axes.set_title(f"{curve} on validation, {family}", loc="left", fontsize=9)
            axes.legend(frameon=False, fontsize=6)
    return figure


def plot_copies(result: StudyResult) -> Figure:
    """Returns clean accuracy of every kind of copies: mean and standard deviation over folds, folds as dots."""
    data = result.arrays
    names = ["no copies", *strings(data, "copies")]
    values = [np.asarray(pick(data, "plain_fold"), float), *np.asarray(pick(data, "copies_clean"), float)]
    kinds = ["none", *strings(data, "copies_kind")]
    hues = dict(zip(dict.fromkeys(kinds), _HUES, strict=False))
    with figure_style():
        figure = Figure(figsize=(7, 1.2 + 0.26 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        for y, (own, kind) in enumerate(zip(values[::-1], kinds[::-1], strict=True)):
            axes.errorbar(own.mean(), y, xerr=own.std(ddof=1), fmt="o", color=hues[kind], capsize=3)
            axes.plot(own, np.full(len(own), y), "|", color=hues[kind], alpha=0.5)
        axes.set_yticks(range(len(names)), [long_text(name, 40) for name in names[::-1]])
        axes.set_xlabel("clean accuracy of folds, mean ± standard deviation")
        tidy(axes, "")
    return figure


def plot_pictures(result: StudyResult) -> Figure:
    """Returns crops as given and attacked at falling ratios."""
    data = result.arrays
    ways, panels_at = strings(data, "way"), [float(p) for p in data["panel"].values]
    shown, across = data.sizes["shown"], len(panels_at) + 1
    with figure_style():
        figure, panels = grid_figure(len(ways) * shown * across, across, (1.4, 1.75))
        places = iter(panels)
        for w, way in enumerate(ways):
            for k in range(shown):
                label, said = (str(pick(data, f"shown_{key}", shown=k)) for key in ("label", "said"))
                _picture(next(places), pick(data, "picture", shown=k), f"{way}: {label}", said)
                for p in range(len(panels_at)):
                    where = {"way": w, "panel": p, "shown": k}
                    ratio, told = pick(data, "attacked_snr", **where), str(pick(data, "attacked_said", **where))
                    _picture(next(places), pick(data, "attacked_picture", **where), f"{number(float(ratio))} dB", told)
    return figure


def plot_classes(result: StudyResult) -> Figure:
    """Returns a bar for each class."""
    names, counts = strings(result.arrays, "class"), pick(result.arrays, "class_count")
    with figure_style():
        figure = Figure(figsize=(5, 1 + 0.36 * len(names)), layout="constrained")
        axes = figure.add_subplot()
        axes.barh(range(len(names)), counts, color=FIRST, height=0.6)
        axes.set_yticks(range(len(names)), [long_text(name, 30) for name in names])
        axes.set_xlabel("crops")
        tidy(axes, "")
    return figure


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[StudyResult], Figure]] = {
        "models": plot_models,
        "scale": plot_scale,
        "boxes": plot_boxes,
        "roc": plot_roc,
        "learning": plot_learning,
        "copies": plot_copies,
        "pictures": plot_pictures,
        "classes": plot_classes,
    }
    return save_figures(result, drawings, folder)


def _band(axes: Axes, line: Sequence[np.ndarray], colour: str, name: str) -> None:
    x, y, low, high = line
    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(x, y, color=colour, lw=1.3, marker="o", ms=2.4, label=long_text(name, 32))


def _spread(axes: Axes, x: np.ndarray, values: np.ndarray, colour: str, name: str) -> None:
    """Mean over folds with a band of one standard deviation."""
    mean, half = values.mean(axis=1), values.std(axis=1, ddof=1)
    axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.15, lw=0)
    axes.plot(x, mean, color=colour, lw=1.3, label=long_text(name, 32))


def _by_ratio(axes: Axes, title: str) -> None:
    axes.set_ylim(0, 1)
    axes.set_xlabel(_AXIS)
    axes.grid(visible=True, color="#d9dee6", lw=0.6)
    axes.set_title(long_text(title, 60), loc="left", fontsize=9)


def _picture(axes: Axes, image: np.ndarray, title: str, text: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    axes.set_title(long_text(title, 24), fontsize=7, loc="left")
    axes.set_xlabel(long_text(text, 24), fontsize=6.5)
    axes.set_xticks([])
    axes.set_yticks([])
