"""Block of the page of attacks about single images: as given, and attacked at several ratios."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftgauge.report.array_pictures import picture
from shiftgauge.report.blocks.explain import tile
from shiftgauge.report.format import clean, number, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.attack import AttackResult


def build_pictures(result: AttackResult) -> list[dict[str, Any]] | None:
    """Returns for each model and way a row of pictures for each image, None where none are shown."""
    data = result.arrays
    if "attacked_picture" not in data:
        return None
    models, ways = strings(data, "series_model"), strings(data, "series_way")
    return [
        {
            "label": f"{way} on {model}",
            "rows": [_row(result, k, shown, model) for shown in range(data.sizes["shown"])],
        }
        for k, (model, way) in enumerate(zip(models, ways, strict=True))
    ]


def _row(result: AttackResult, series: int, shown: int, model: str) -> dict[str, Any]:
    data = result.arrays
    name, label = strings(data, "shown_name")[shown], strings(data, "shown_label")[shown]
    cells = max(data.sizes["y"], data.sizes["x"]) < 100
    said = str(pick(data, "shown_said", model=model, shown=shown))
    share = float(pick(data, "shown_probability", model=model, shown=shown))
    given = tile(picture(pick(data, "picture", shown=shown)), "as given", _says(said, share), name, cells=cells)
    tiles = [{**given, "wrong": said != label}]
    for panel, asked in enumerate(np.asarray(data["panel_asked"].values, float)):
        where = {"series": series, "panel": panel, "shown": shown}
        said = str(pick(data, "attacked_said", **where))
        epsilon, ratio = (float(pick(data, f"attacked_{key}", **where)) for key in ("epsilon", "snr"))
        text = f"ε {number(epsilon)}; {_says(said, float(pick(data, 'attacked_probability', **where)))}"
        shown_as = f"{number(ratio)} dB" if np.isfinite(ratio) else "∞ dB"
        alt = f"{clean(name)}, attacked, asked for at {number(asked)} dB"
        pixels = picture(pick(data, "attacked_picture", **where))
        tiles.append({**tile(pixels, shown_as, text, alt, cells=cells), "wrong": said != label})
    return {"name": name, "label": label, "tiles": tiles}


def _says(name: str, share: float) -> str:
    return f"says {clean(name)} ({percent(share, 0)})"
