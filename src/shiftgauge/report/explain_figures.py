"""Figures of a look inside for papers and slides, every picture as PNG, and the arrays as npz."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from shiftgauge.files import write_atomic
from shiftgauge.report.array_pictures import colour_map, file_name, heat, picture, png_bytes
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, TOTAL, figure_style, grid_figure, long_text
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import ExplainResult, profile_table

_ARRAYS = {
    "maps": ("norm_of_difference", "difference_of_norms", "block_norm", "map_mean", "map_standard_deviation",
             "map_mean_square", "map_minimum", "map_maximum", "sensitivity", "relative_sensitivity", "channel_share"),
    "attributions": ("attribution", "agreement", "map_agreement"),
    "maximized": ("maximized", "maximized_start", "maximized_activation", "maximized_predicted"),
    "walks": ("walk_image", "walk_reached_at", "walk_reached_rms", "walk_reached_max", "walk_rms"),
}  # fmt: skip
_COLOURS = {"red": "#c0392b", "green": "#2e8b57", "blue": FIRST}


def write_explain_figures(result: ExplainResult, folder: str | Path) -> list[Path]:
    """Writes the figures as svg and png, every picture as PNG below `pictures`, the arrays as npz below `arrays`.

    Raises:
        StoreError: The folder cannot be written to.
    """
    data, drawings = result.arrays, dict[str, Callable[[ExplainResult], Figure]]()
    if "sensitivity" in data:
        drawings["depth"] = plot_depth_profile
    if "agreement_mean" in data:
        drawings["agreement"] = plot_agreement
    if "maximized" in data:
        drawings["maximized"] = plot_maximized
        drawings["climbs"] = plot_climbs
    written = save_figures(result, drawings, folder)
    for name, shown in explain_pictures(result):
        written.append(write_atomic(Path(folder) / "pictures" / f"{name}.png", png_bytes(shown)))
    for name, names in _ARRAYS.items():
        known = {key: data[key].values for key in names if key in data}
        if known:
            axes = {axis: np.array(strings(data, axis)) for axis in _axes(result, known)}
            written.append(write_atomic(Path(folder) / "arrays" / f"{name}.npz", _npz({**known, **axes})))
    return written


def explain_pictures(result: ExplainResult) -> Iterator[tuple[str, np.ndarray]]:
    """Every picture of a result with its file's name, one after another; maps have a brightness scale each."""
    data = result.arrays
    for k, name in enumerate(strings(data, "image")):
        yield file_name("image", k, name), picture(pick(data, "picture", image=k))
        if "norm_of_difference" in data:
            for block in strings(data, "block"):
                maps = pick(data, "norm_of_difference", image=k, block=block)
                shown = colour_map(maps) if len(maps) == 3 else heat(maps.mean(axis=0))
                yield file_name("map", k, name, block), shown
        if "attribution" in data:
            for method in strings(data, "method"):
                yield file_name("attribution", k, name, method), heat(pick(data, "attribution", image=k, method=method))
    if "maximized" in data:
        for k, name in enumerate(strings(data, "target")):
            yield file_name("maximized", k, name), picture(pick(data, "maximized", target=k))
    if "walk_image" in data:
        for k, name in enumerate(strings(data, "walker")):
            for t, target in enumerate(strings(data, "walked")):
                yield file_name("walk", k, name, target), picture(pick(data, "walk_image", walker=k, walked=t))


def plot_depth_profile(result: ExplainResult) -> Figure:
    """Returns sensitivity relative to each block, each pushed channel by itself, and the share of colour."""
    data, table = result.arrays, profile_table(result.arrays)
    blocks, several = strings(data, "block"), data.sizes["pushed"] > 1
    x = np.arange(len(blocks))
    with figure_style():
        figure, panels = grid_figure(3 if several else 2, 3, (3.2, 2.8))
        for axes, kind, title in ((panels[0], "relative_", "Relative to the block"), (panels[1], "", "As it is")):
            for pushed in strings(data, "pushed"):
                rows = table.loc[table["pushed"] == pushed]
                mean = rows[f"{kind}mean"].to_numpy(float)
                spread = np.nan_to_num(rows[f"{kind}standard_deviation"].to_numpy(float))
                colour = _COLOURS.get(pushed, FIRST)
                axes.fill_between(x, np.maximum(mean - spread, 0), mean + spread, color=colour, alpha=0.15, lw=0)
                axes.plot(x, mean, color=colour, lw=1.4, marker="o", ms=2.8, label=pushed)
            axes.set_title(title, loc="left", fontsize=9)
        if several:
            panels[0].legend(frameon=False, fontsize=7)
            panels[2].plot(x, data["channel_share"].values, color=TOTAL, lw=1.4, marker="o", ms=2.8)
            panels[2].set_ylim(0, 1)
            panels[2].set_title("Share of the colour channel, η²", loc="left", fontsize=9)
        for axes in panels:
            axes.set_xticks(x, [long_text(b, 18) for b in blocks], rotation=35, ha="right", fontsize=7)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
    return figure


def plot_agreement(result: ExplainResult) -> Figure:
    """Returns the mean rank correlation of every pair of methods, shaded."""
    data, names = result.arrays, strings(result.arrays, "method")
    values = np.asarray(data["agreement_mean"].values, float)
    side = 1.8 + 0.55 * len(names)
    with figure_style():
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.add_subplot()
        axes.imshow(np.nan_to_num(values), cmap="Blues", vmin=0, vmax=1)
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                axes.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=7,
                          color="white" if value > 0.5 else "black")  # fmt: skip
        labels = [long_text(name.replace("_", " "), 20) for name in names]
        axes.set_xticks(range(len(names)), labels, rotation=35, ha="right")
        axes.set_yticks(range(len(names)), labels)
        axes.set_title("Rank correlation of methods, mean over images", loc="left")
    return figure


def plot_maximized(result: ExplainResult) -> Figure:
    """Returns the image that each class or unit wants to see."""
    data, names = result.arrays, strings(result.arrays, "target")
    with figure_style():
        figure, panels = grid_figure(len(names), 5, (1.5, 1.7))
        for k, (axes, name) in enumerate(zip(panels, names, strict=True)):
            axes.imshow(picture(pick(data, "maximized", target=k)), interpolation="nearest")
            axes.set_title(long_text(name, 20), fontsize=8)
            axes.set_axis_off()
    return figure


def plot_climbs(result: ExplainResult) -> Figure:
    """Returns the activation of each class or unit against the step."""
    data = result.arrays
    with figure_style():
        figure = Figure(figsize=(4.6, 3.0), layout="constrained")
        axes = figure.add_subplot()
        for k, name in enumerate(strings(data, "target")):
            axes.plot(pick(data, "maximized_activation", target=k), lw=1.2, label=long_text(name, 20))
        axes.set_xlabel("step")
        axes.set_ylabel("activation")
        axes.grid(visible=True, color="#d9dee6", lw=0.6)
        axes.legend(frameon=False, fontsize=6, ncols=2)
    return figure


def _axes(result: ExplainResult, known: dict[str, np.ndarray]) -> list[str]:
    """Named axes of some variables."""
    data = result.arrays
    named = (str(axis) for key in known for axis in data[key].dims)
    return [axis for axis in dict.fromkeys(named) if axis in data.coords]


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
