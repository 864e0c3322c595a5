"""Figures of the CIFAR-10 study, for papers and slides: 5 to 14 of the publication, and depth and colour as numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.report.blocks.cifar import NAMES, profile, shares
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, TOTAL, figure_style, long_text
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

COLOURS: Final = ("red", "green", "blue")
_SHADES: Final = {"vgg16": FIRST, "resnet18": TOTAL}
_PANEL: Final = 0.72
CELLS: Final = {5: (0, 4), 6: (1, 4), 7: (2, 4), 8: (3, 4), 9: (3, 8), 10: (4, 4)}
"""Published figure → block of VGG-16, counted from 0, and side of the cells whose mean is painted back."""


def plot_block(result: StudyResult, depth: int, side: int, kind: str = "map_fixed") -> Figure:
    """Returns the shown images with the map of each colour in one block of VGG-16 (figures 5 to 10).

    Args:
        result: The study.
        depth: Number of the block, from 0.
        side: Pixels of the cells whose mean is painted back.
        kind: `map_fixed` or `map_published`, by the push.
    """
    data = result.arrays
    maps = _cells(np.asarray(pick(data, kind, network="vgg16"))[:, depth], side)
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
        figure.suptitle(f"VGG-16, {block}, cells of {side} × {side}")
    return figure


def plot_resnet(result: StudyResult) -> Figure:
    """Returns the shown images with the map of the red channel in each layer of ResNet-18 (figure 13)."""
    data = result.arrays
    maps = _cells(np.asarray(pick(data, "map_fixed", network="resnet18"))[:, :, 0], 4)
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
    before, after = (np.asarray(pick(data, f"pair_{when}", network=network))[:8] for when in ("start", "after"))
    labels = np.asarray(pick(data, "pair_label", network=network))[: len(before)]
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
        flat[0].set_title("as given", fontsize=7)
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
                _curve(axes, profile(result, network, kind), network)
            axes.set_yscale("log")
            axes.set_xlabel("block")
            axes.set_title(label, loc="left")
            axes.legend(frameon=False, fontsize=7)
    return figure


def plot_colour(result: StudyResult) -> Figure:
    """Returns the share of a map's variance that lies between the colours, against depth."""
    with figure_style():
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.add_subplot()
        for network in strings(result.arrays, "network"):
            _curve(axes, shares(result, network), network)
        axes.set_xlabel("block")
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
        drawings[f"figure-{number:02d}"] = partial(plot_block, depth=depth, side=side)
    drawings["figure-05-published-push"] = partial(plot_block, depth=0, side=4, kind="map_published")
    drawings |= {"figure-11": partial(plot_pairs, network="vgg16"), "figure-12": plot_walk, "figure-13": plot_resnet}
    drawings["figure-14"] = partial(plot_pairs, network="resnet18")
    return save_figures(result, drawings, folder)


def _curve(axes: Axes, found: np.ndarray, network: str) -> None:
    """Mean and interval (3, B) of one network."""
    mean, low, high = found
    x = np.arange(1, len(mean) + 1)
    axes.plot(x, mean, color=_SHADES.get(network, FIRST), marker="o", ms=3, label=NAMES.get(network, network))
    axes.fill_between(x, low, high, color=_SHADES.get(network, FIRST), alpha=0.2, lw=0)
    axes.set_xticks(x)


def _cells(maps: np.ndarray, side: int) -> np.ndarray:
    """Means of square cells painted back over them; cells at the edges may be smaller."""
    out = maps.astype(float)
    for axis in (-2, -1):
        starts = np.arange(0, maps.shape[axis], side)
        counts = np.diff([*starts, maps.shape[axis]])
        shape = (-1, 1) if axis == -2 else (-1,)
        out = np.repeat(np.add.reduceat(out, starts, axis=axis) / counts.reshape(shape), counts, axis=axis)
    return out


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
