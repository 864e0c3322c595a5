"""Figures of attacks for papers and slides, and every attacked picture that is shown as PNG."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from shiftgauge.errors import StoreError
from shiftgauge.files import write_atomic
from shiftgauge.report.array_pictures import file_name, picture, png_bytes
from shiftgauge.report.blocks.attack import at_text
from shiftgauge.report.figure_file import save_figures
from shiftgauge.report.figure_style import FIRST, SOFT, TOTAL, figure_style, grid_figure, long_text, plain_text
from shiftgauge.report.format import number
from shiftgauge.report.read import pick, strings
from shiftgauge.results.attack import AttackResult
from shiftgauge.results.attack_tables import accuracy_table

_HUES: Final = (FIRST, TOTAL, "#2f9a62", "#b565b8", "#a1793a", SOFT, "#c0392b", "#222222")
_AXIS: Final = "signal-to-noise ratio, dB"


def write_attack_figures(result: AttackResult, folder: str | Path) -> list[Path]:
    """Writes the figures as svg and png, and every picture as PNG below `pictures`.

    Files of this kind that an earlier run left there and that this result does not have are taken away.

    Raises:
        StoreError: The folder cannot be written to.
    """
    target = Path(folder)
    wanted = {name: draw for name, (needed, draw) in _DRAWINGS.items() if needed(result)}
    written = save_figures(result, wanted, target)
    for name, shown in attack_pictures(result):
        written.append(write_atomic(target / "pictures" / f"{name}.png", png_bytes(shown)))
    known = [target / f"{name}.{kind}" for name in _DRAWINGS for kind in ("svg", "png")]
    known += [path for kind in ("given", "attacked") for path in (target / "pictures").glob(f"{kind}_[0-9]*.png")]
    try:
        for path in set(known) - set(written):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write in {target}: {error.strerror or error}") from error
    return written


def attack_pictures(result: AttackResult) -> Iterator[tuple[str, np.ndarray]]:
    """Every picture with its file's name: those as given, and attacked ones with the ratio that was asked for."""
    data = result.arrays
    if "attacked_picture" not in data:
        return
    for k, name in enumerate(strings(data, "shown_name")):
        yield file_name("given", k, name), picture(pick(data, "picture", shown=k))
    models, ways = strings(data, "series_model"), strings(data, "series_way")
    for s, (model, way) in enumerate(zip(models, ways, strict=True)):
        for p, asked in enumerate(np.asarray(data["panel_asked"].values, float)):
            for k, name in enumerate(strings(data, "shown_name")):
                shown = picture(pick(data, "attacked_picture", series=s, panel=p, shown=k))
                yield file_name("attacked", k, s, f"{asked:g}dB", way, model, name), shown


def plot_curves(result: AttackResult) -> Figure:
    """Returns accuracy against the ratio, a panel for each model and a line with its band for each way."""
    table = accuracy_table(result.arrays)
    drawn = table.loc[np.isfinite(table["set_snr_db"]) & (table["kind"] != "clean")]
    ways = list(dict.fromkeys(drawn["way"]))
    with figure_style():
        figure, panels = grid_figure(len(result.models), 3, (3.6, 2.9))
        for axes, model in zip(panels, result.models, strict=True):
            own = drawn.loc[drawn["model"] == model]
            _draw(axes, own, "way", ways)
            rest = table.loc[(table["kind"] == "clean") & (table["model"] == model), "accuracy"].iloc[0]
            axes.axhline(float(rest), color="black", lw=1, ls="--", label="images as given")
            axes.set_title(long_text(model, 34), loc="left", fontsize=9)
        panels[0].legend(frameon=False, fontsize=6.5)
        panels[0].set_ylabel("accuracy")
    return figure


def plot_models(result: AttackResult) -> Figure:
    """Returns accuracy against the ratio, a panel for each way and a line with its band for each model."""
    table = accuracy_table(result.arrays)
    drawn = table.loc[np.isfinite(table["set_snr_db"]) & (table["kind"] != "clean")]
    ways = list(dict.fromkeys(drawn["way"]))
    with figure_style():
        figure, panels = grid_figure(len(ways), 3, (3.6, 2.9))
        for axes, way in zip(panels, ways, strict=True):
            _draw(axes, drawn.loc[drawn["way"] == way], "model", list(result.models))
            axes.set_title(long_text(way.replace("_", " "), 34), loc="left", fontsize=9)
        panels[0].legend(frameon=False, fontsize=6.5)
        panels[0].set_ylabel("accuracy")
    return figure


def _draw(axes: Axes, rows: pd.DataFrame, column: str, names: list[str]) -> None:
    for k, name in enumerate(names):
        own = rows.loc[rows[column] == name].sort_values("set_snr_db")
        if len(own):
            x, y, low, high = (own[c].to_numpy(float) for c in ("set_snr_db", "accuracy", "low", "high"))
            colour = _HUES[k % len(_HUES)]
            axes.fill_between(x, low, high, color=colour, alpha=0.15, lw=0)
            axes.plot(x, y, color=colour, lw=1.4, marker="o", ms=2.8, label=long_text(name.replace("_", " "), 28))
    axes.set_ylim(0, 1)
    axes.set_xlabel(_AXIS)
    axes.grid(visible=True, color="#d9dee6", lw=0.6)


def plot_transfer(result: AttackResult) -> Figure:
    """Returns the matrix source × target of each attack at the loudness of the headline, white-box framed."""
    data = result.arrays
    names, attacks = strings(data, "source"), strings(data, "attack")
    budgets = [float(value) for value in data["budget"].values]
    at = float(data.attrs.get("headline_at", np.nan))
    budget = budgets.index(at) if at in budgets else len(budgets) // 2
    side = 1.6 + 0.62 * len(names)
    with figure_style():
        figure, panels = grid_figure(len(attacks), 3, (side + 0.6, side + 0.3))
        for a, (axes, attack) in enumerate(zip(panels, attacks, strict=True)):
            values = np.asarray(data["transfer_accuracy"].values[a, budget], float)
            axes.imshow(values, cmap="Blues", vmin=0, vmax=1)
            for (s, t), value in np.ndenumerate(values):
                colour = "white" if value > 0.5 else "black"
                axes.text(t, s, f"{100 * value:.0f}", ha="center", va="center", fontsize=8, color=colour)
                if s == t:
                    edge = [t - 0.46, t + 0.46, t + 0.46, t - 0.46, t - 0.46]
                    rise = [s - 0.46, s - 0.46, s + 0.46, s + 0.46, s - 0.46]
                    axes.plot(edge, rise, color=TOTAL, lw=2)
            labels = [long_text(name, 16) for name in names]
            axes.set_xticks(range(len(names)), labels, rotation=35, ha="right")
            axes.set_yticks(range(len(names)), labels)
            axes.set_xlabel("met by")
            axes.set_ylabel("made on")
            axes.set_title(plain_text(f"{attack}, {at_text(result, budgets[budget])}, %"), loc="left", fontsize=9)
    return figure


def plot_pictures(result: AttackResult) -> Figure:
    """Returns the images that are shown: as given and attacked, with true ratio, ε and the model's answer."""
    data = result.arrays
    models, ways = strings(data, "series_model"), strings(data, "series_way")
    asked, shown = len(data["panel_asked"]), data.sizes["shown"]
    with figure_style():
        figure, panels = grid_figure(len(models) * shown * (asked + 1), asked + 1, (1.5, 1.9))
        places = iter(panels)
        for s, model in enumerate(models):
            for k in range(shown):
                said = str(pick(data, "shown_said", model=model, shown=k))
                title = f"{model}, {ways[s]}"
                _show(next(places), pick(data, "picture", shown=k), title, f"as given\n{said}")
                for p in range(asked):
                    where = {"series": s, "panel": p, "shown": k}
                    ratio, epsilon = (float(pick(data, f"attacked_{key}", **where)) for key in ("snr", "epsilon"))
                    text = f"{number(ratio)} dB, ε {number(epsilon)}\n{pick(data, 'attacked_said', **where)}"
                    _show(next(places), pick(data, "attacked_picture", **where), "", text)
    return figure


def _show(axes: Axes, image: np.ndarray, title: str, text: str) -> None:
    axes.imshow(picture(image), interpolation="nearest")
    axes.set_title(long_text(title, 24), fontsize=7, loc="left")
    lines = [long_text(part, 24) for part in text.split("\n")]
    axes.set_xlabel("\n".join(lines), fontsize=6.5)
    axes.set_xticks([])
    axes.set_yticks([])


def _has(name: str) -> Callable[[AttackResult], bool]:
    return lambda result: name in result.arrays


def _finite(result: AttackResult) -> bool:
    return "row_set_snr" in result.arrays and bool(np.isfinite(result.arrays["row_set_snr"].values).any())


_DRAWINGS: Final[Mapping[str, tuple[Callable[[AttackResult], bool], Callable[[AttackResult], Figure]]]] = {
    "curves": (_finite, plot_curves),
    "models": (lambda result: _finite(result) and len(result.models) > 1, plot_models),
    "transfer": (_has("transfer_accuracy"), plot_transfer),
    "pictures": (_has("attacked_picture"), plot_pictures),
}
"""File → whether there is such a figure, and what draws it."""
