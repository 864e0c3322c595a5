"""Figures of the CIFAR-10 study, for papers and slides: 5 to 14 of the publication, and depth and colour as numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.blocks.cifar import NAMES, one_each, profile
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, TOTAL, figure_style, long_text
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

COLOURS: Final = ("red", "green", "blue")
_SHADES: Final = {"vgg16": FIRST, "resnet18": TOTAL}
_PANEL: Final = 0.72
CELLS: Final = {5: (0, 4), 6: (1, 4), 7: (2, 4), 8: (3, 4), 9: (3, 8), 10: (4, 4)}
"""Published figure → block of VGG-16, counted from 0, and side of the cells whose mean is painted back."""


def plot_block(result: StudyResult, depth: int, cells: str) -> Figure:
    """Returns the shown images with the map of each colour in one block of VGG-16 (figures 5 to 10).

    Args:
        result: The study.
        depth: Number of the block, from 0.
        cells: Means of square cells: `cells_4` or `cells_8`, by their pixels, or `cells_4_published`, by its push.
    """
    data = result.arrays
    maps = np.asarray(pick(data, cells, network="vgg16"))[:, depth]
    images = data["shown_image"].values
    with figure_style():
        figure, grid = _panels(len(images), 1 + maps.shape[1])
        top, drawn = float(maps.max()) or 1.0, None
        for row, (image, each) in enumerate(zip(images, maps, strict=True)):
            _image(grid[row][0], image)
            for column, values in enumerate(each):
                drawn = grid[row][column + 1].imshow(values, cmap="coolwarm", vmin=0, vmax=top)
        for axes, title in zip(grid[0], ("image", *COLOURS), strict=True):
            axes.set_title(title)
        if drawn is not None:
            figure.colorbar(drawn, ax=[axes for row in grid for axes in row], shrink=0.5, label="‖ΔB‖₂")
        block = long_text(str(pick(data, "block", network="vgg16")[depth]), 20)
        side = cells.split("_")[1]
        figure.suptitle(f"VGG-16, {block}, cells of {side} × {side}")
    return figure


def plot_resnet(result: StudyResult) -> Figure:
    """Returns the shown images with the map of the red channel in each layer of ResNet-18 (figure 13)."""
    data = result.arrays
    maps = np.asarray(pick(data, "cells_4", network="resnet18"))[:, :, 0]
    names = [str(n) for n in pick(data, "block", network="resnet18")]
    images = data["shown_image"].values
    with figure_style():
        figure, grid = _panels(len(images), 1 + len(names))
        for row, (image, each) in enumerate(zip(images, maps, strict=True)):
            _image(grid[row][0], image)
            for column, values in enumerate(each):
                grid[row][column + 1].imshow(values, cmap="coolwarm", vmin=0, vmax=float(maps[:, column].max()) or 1.0)
        tops = [f"{name}\n0 to {maps[:, k].max():.2g}" for k, name in enumerate(names)]
        for axes, title in zip(grid[0], ("image", *tops), strict=True):
            axes.set_title(title, fontsize=7)
        figure.suptitle("ResNet-18, push of red")
    return figure


def plot_pairs(result: StudyResult, network: str) -> Figure:
    """Returns images before and after they were pushed towards their own class (figures 11 and 14)."""
    data, classes = result.arrays, list(result.arrays.attrs["classes"])
    chosen = one_each(np.asarray(pick(data, "pair_label", network=network)))
    before, after, labels = (
        np.asarray(pick(data, f"pair_{name}", network=network))[chosen] for name in ("start", "after", "label")
    )
    with figure_style():
        figure, grid = _panels(2, len(before))
        for k in range(len(before)):
            _image(grid[0][k], before[k])
            _image(grid[1][k], after[k])
            grid[0][k].set_title(long_text(classes[int(labels[k])], 10), fontsize=7)
        figure.suptitle(f"{NAMES[network]}: as given, and after {int(data.attrs['steps'])} steps towards its class")
    return figure


def plot_walk(result: StudyResult, network: str = "vgg16") -> Figure:
    """Returns one image pushed towards every class, with the way to where the network says so (figure 12)."""
    data, goals = result.arrays, strings(result.arrays, "goal")
    after = np.asarray(pick(data, "walk_after", network=network))
    gone = np.asarray(pick(data, "walk_reached_rms", network=network))
    with figure_style():
        across = (len(goals) + 2) // 2
        figure, grid = _panels(2, across)
        flat = [axes for row in grid for axes in row]
        _image(flat[0], np.asarray(pick(data, "walk_start", network=network)))
        source = list(data.attrs["classes"])[int(pick(data, "walk_source", network=network))]
        flat[0].set_title(f"as given, for it\n{long_text(source, 10)}", fontsize=7)
        for k, goal in enumerate(goals):
            _image(flat[k + 1], after[k])
            way = f"{gone[k]:.4f}" if np.isfinite(gone[k]) else "not reached"
            flat[k + 1].set_title(f"{long_text(goal, 10)}\n{way}", fontsize=7)
        for axes in flat[len(goals) + 1 :]:
            axes.set_axis_off()
        figure.suptitle(f"{NAMES[network]}: one image towards every class, and RMS of the way", fontsize=9)
    return figure


def plot_depth(result: StudyResult) -> Figure:
    """Returns sensitivity against depth of both networks, raw and relative, over all images that were looked at."""
    with figure_style():
        figure = Figure(figsize=(7, 3), layout="constrained")
        for k, (kind, label) in enumerate((("sensitivity", "‖ΔB‖₂"), ("relative", "‖ΔB‖₂ / ‖B‖₂"))):
            axes = figure.add_subplot(1, 2, k + 1)
            for network in strings(result.arrays, "network"):
                _curve(axes, result, network, kind)
            axes.set_yscale("log")
            _name_blocks(axes, result)
            axes.set_title(label, loc="left")
            axes.legend(frameon=False, fontsize=7)
    return figure


def plot_colour(result: StudyResult) -> Figure:
    """Returns the share of a map's variance that lies between the colours, against depth."""
    with figure_style():
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.add_subplot()
        for network in strings(result.arrays, "network"):
            _curve(axes, result, network, "share")
        _name_blocks(axes, result)
        axes.set_ylim(bottom=0)
        axes.set_title("Share of variance between colours", loc="left")
        axes.legend(frameon=False, fontsize=7)
    return figure


def write_study_figures(result: StudyResult, folder: str | Path) -> list[Path]:
    """Writes each figure as svg and png into a folder and returns the paths.

    Raises:
        StoreError: The folder cannot be written to.
    """
    drawings: dict[str, Callable[[StudyResult], Figure]] = {"depth": plot_depth, "colour": plot_colour}
    for number, (depth, side) in CELLS.items():
        drawings[f"figure-{number:02d}"] = partial(plot_block, depth=depth, cells=f"cells_{side}")
    drawings["figure-05-published-push"] = partial(plot_block, depth=0, cells="cells_4_published")
    drawings |= {"figure-11": partial(plot_pairs, network="vgg16"), "figure-12": plot_walk, "figure-13": plot_resnet}
    drawings["figure-14"] = partial(plot_pairs, network="resnet18")
    return save_figures(result, drawings, folder)


def _curve(axes: Axes, result: StudyResult, network: str, figure: str) -> None:
    """Mean and interval of one network over the numbers of its blocks, a stem at 0."""
    mean, low, high = profile(result, network, figure)
    x = pick(result.arrays, "number", network=network)
    axes.plot(x, mean, color=_SHADES.get(network, FIRST), marker="o", ms=3, label=NAMES.get(network, network))
    axes.fill_between(x, low, high, color=_SHADES.get(network, FIRST), alpha=0.2, lw=0)


def _name_blocks(axes: Axes, result: StudyResult) -> None:
    """Names at each number, one below the other where networks name them differently."""
    names: dict[int, list[str]] = {}
    for network in strings(result.arrays, "network"):
        numbers, blocks = (pick(result.arrays, name, network=network).tolist() for name in ("number", "block"))
        for number, block in zip(numbers, blocks, strict=True):
            names.setdefault(number, []).append(long_text(str(block), 10))
    axes.set_xticks(sorted(names), ["\n".join(dict.fromkeys(names[k])) for k in sorted(names)], fontsize=7)


def _panels(rows: int, columns: int) -> tuple[Figure, list[list[Axes]]]:
    figure = Figure(figsize=(_PANEL * columns + 1.2, _PANEL * rows + 0.9), layout="constrained")
    grid = [[figure.add_subplot(rows, columns, r * columns + c + 1) for c in range(columns)] for r in range(rows)]
    for row in grid:
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
    return figure, grid


def _image(axes: Axes, image_chw: Any) -> None:
    axes.imshow(np.moveaxis(np.asarray(image_chw), 0, -1))
