"""Figures of a look inside for papers and slides, every picture as PNG, and the arrays as npz."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.errors import StoreError
from shiftgauge.files import write_atomic
from shiftgauge.report.array_pictures import picture, png_bytes
from shiftgauge.report.blocks.explain_global import mask_pictures
from shiftgauge.report.explain_pictures import ARRAYS, KINDS, arrays_by_file, explain_pictures
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import ExplainResult
from shiftgauge.results.explain_tables import compared_table, profile_table

_COLOURS = {"red": "#c0392b", "green": "#2e8b57", "blue": FIRST}
_HUES = (FIRST, TOTAL, "#2f9a62", "#b565b8", "#a1793a", SOFT)
_MOST_MASKED = 8


def write_explain_figures(result: ExplainResult, folder: str | Path) -> list[Path]:
    """Writes the figures as svg and png, every picture as PNG below `pictures`, the arrays as npz below `arrays`.

    Files of this kind that an earlier run left there and that this result does not have are taken away.

    Raises:
        StoreError: The folder cannot be written to.
    """
    target = Path(folder)
    wanted = {name: draw for name, (mark, draw) in _DRAWINGS.items() if mark in result.arrays}
    written = save_figures(result, wanted, target)
    for name, shown in explain_pictures(result):
        written.append(write_atomic(target / "pictures" / f"{name}.png", png_bytes(shown)))
    for name, variables in arrays_by_file(result).items():
        written.append(write_atomic(target / "arrays" / f"{name}.npz", _npz(result, variables)))
    _remove_others(target, set(written))
    return written


def _remove_others(folder: Path, written: set[Path]) -> None:
    """Takes away figures, pictures and arrays that a look inside writes and that were not written now."""
    known = [folder / f"{name}.{kind}" for name in _DRAWINGS for kind in ("svg", "png")]
    known += [folder / "arrays" / f"{name}.npz" for name in ARRAYS]
    known += [path for kind in KINDS for path in (folder / "pictures").glob(f"{kind}_[0-9]*.png")]
    try:
        for path in set(known) - written:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write in {folder}: {error.strerror or error}") from error


def plot_depth_profile(result: ExplainResult) -> Figure:
    """Returns sensitivity relative to each block, each pushed channel by itself, and the share of colour.

    Bands are one standard deviation between images; that of the share is the interval of its mean over images.
    """
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
            _draw_share(panels[2], x, table.loc[table["pushed"] == "all"], TOTAL)
            panels[2].set_ylim(0, 1)
            panels[2].set_title("Share of the colour channel, η², in one image", loc="left", fontsize=9)
        for axes in panels:
            axes.set_xticks(x, [long_text(b, 18) for b in blocks], rotation=35, ha="right", fontsize=7)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
    return figure


def _draw_share(axes: Axes, x: np.ndarray, rows: pd.DataFrame, colour: str) -> None:
    """The share of colour of single images, mean over images, in the band of its interval."""
    mean, low, high = (rows[f"channel_share_{name}"].to_numpy(float) for name in ("mean", "low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
    axes.plot(x, mean, color=colour, lw=1.4, marker="o", ms=2.8)


def plot_networks(result: ExplainResult) -> Figure:
    """Returns the profiles of several networks against the share of the depth, and their share of colour."""
    table = compared_table(result.arrays)
    kinds = [("relative_mean", "Relative to the block"), ("mean", "As it is")]
    if np.isfinite(table["channel_share_mean"].to_numpy(float)).any():
        kinds.append(("channel_share_mean", "Share of the colour channel, η², in one image"))
    with figure_style():
        figure, panels = grid_figure(len(kinds), 3, (3.2, 2.6))
        for axes, (column, title) in zip(panels, kinds, strict=True):
            for k, name in enumerate(dict.fromkeys(table["network"])):
                rows, colour = table.loc[table["network"] == name], _HUES[k % len(_HUES)]
                x, mean = rows["depth"].to_numpy(float), rows[column].to_numpy(float)
                if column.startswith("channel_share"):
                    _draw_share(axes, x, rows, colour)
                else:
                    spread = np.nan_to_num(rows[column.replace("mean", "standard_deviation")].to_numpy(float))
                    axes.fill_between(x, np.maximum(mean - spread, 0), mean + spread, color=colour, alpha=0.15, lw=0)
                    axes.plot(x, mean, color=colour, lw=1.4, marker="o", ms=2.8, label=long_text(name, 24))
            axes.set_title(title, loc="left", fontsize=9)
            axes.set_xlabel("share of the depth", fontsize=8)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        panels[0].legend(frameon=False, fontsize=7)
    return figure


def plot_curves(result: ExplainResult) -> Figure:
    """Returns deletion and insertion curves of every method, mean over images, beside random orders."""
    data, x = result.arrays, np.asarray(result.arrays["fraction"].values, float)
    with figure_style():
        figure, panels = grid_figure(2, 2, (3.4, 2.7))
        for axes, name in zip(panels, ("deletion", "insertion"), strict=True):
            for m, values in enumerate(data[name].mean("image").transpose("method", "fraction").values):
                label = long_text(strings(data, "method")[m].replace("_", " "), 24)
                axes.plot(x, values, color=_HUES[m % len(_HUES)], lw=1.3, label=label)
            chance = data[f"random_{name}"].mean(("image", "method", "order")).values
            axes.plot(x, chance, color="black", lw=1, ls="--", label="random order")
            axes.set_title(name.capitalize(), loc="left", fontsize=9)
            axes.set_xlabel("share of the pixels", fontsize=8)
            axes.grid(visible=True, color="#d9dee6", lw=0.6)
        panels[0].set_ylabel(str(data.attrs.get("curve_quantity", "score")))
        panels[0].legend(frameon=False, fontsize=6.5)
    return figure


def plot_randomisation(result: ExplainResult) -> Figure:
    """Returns what is left of each method's maps as the network loses its weights, layer by layer."""
    data, layers = result.arrays, strings(result.arrays, "weight_layer")
    x = np.arange(len(layers) + 1)
    with figure_style():
        figure = Figure(figsize=(max(4.6, 1.6 + 0.3 * len(layers)), 3.2), layout="constrained")
        axes = figure.add_subplot()
        for m, name in enumerate(strings(data, "checked_method")):
            mean, low, high = (np.concatenate([[1.0], pick(data, f"randomised_magnitude_{end}", checked_method=m)])
                               for end in ("mean", "low", "high"))  # fmt: skip
            axes.fill_between(x, low, high, color=_HUES[m % len(_HUES)], alpha=0.12, lw=0)
            label = long_text(name.replace("_", " "), 24)
            axes.plot(x, mean, color=_HUES[m % len(_HUES)], lw=1.3, marker="o", ms=2.6, label=label)
        axes.set_xticks(x, ["none", *(long_text(name, 18) for name in layers)], rotation=35, ha="right", fontsize=7)
        axes.set_ylabel("rank correlation")
        axes.set_title("Maps as weights are drawn anew from the output down", loc="left", fontsize=9)
        axes.grid(visible=True, color="#d9dee6", lw=0.6)
        axes.legend(frameon=False, fontsize=7)
    return figure


def plot_masks(result: ExplainResult) -> Figure:
    """Returns total indices of the cells of images between the ends of their intervals, a row for each image."""
    data, names = result.arrays, strings(result.arrays, "masked")[:_MOST_MASKED]
    with figure_style():
        figure, panels = grid_figure(5 * len(names), 5, (1.5, 1.7))
        for k, name in enumerate(names):
            image = picture(pick(data, "picture", image=int(data["mask_source"].values[k])))
            shown = [(image, long_text(name, 22)), *((each, label) for each, label, _ in mask_pictures(result, k))]
            for axes, (each, label) in zip(panels[5 * k : 5 * k + 5], shown, strict=True):
                axes.imshow(each, interpolation="nearest")
                axes.set_title(label, fontsize=7)
                axes.set_axis_off()
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


def _npz(result: ExplainResult, variables: list[str]) -> bytes:
    """Variables with their named axes; text as text, so that no file needs pickle."""
    data, buffer = result.arrays, io.BytesIO()
    axes = dict.fromkeys(str(axis) for name in variables for axis in data[name].dims)
    arrays = {name: data[name].values for name in [*variables, *(axis for axis in axes if axis in data.coords)]}
    plain = {name: values.astype(str) if values.dtype == object else values for name, values in arrays.items()}
    np.savez_compressed(buffer, **plain)  # pyright: ignore[reportArgumentType]
    return buffer.getvalue()


_DRAWINGS: Final[Mapping[str, tuple[str, Callable[[ExplainResult], Figure]]]] = {
    "depth": ("sensitivity", plot_depth_profile),
    "networks": ("compared_sensitivity", plot_networks),
    "agreement": ("agreement_mean", plot_agreement),
    "curves": ("deletion", plot_curves),
    "randomisation": ("randomised_magnitude", plot_randomisation),
    "masks": ("mask_total_order", plot_masks),
    "maximized": ("maximized", plot_maximized),
    "climbs": ("maximized", plot_climbs),
}
"""File → a variable without which there is no such figure, and what draws it."""
