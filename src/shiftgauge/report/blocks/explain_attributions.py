"""Attributions on the page of a look inside: pictures, agreement, curves, and what is left without weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftgauge.report.array_pictures import heat, signed_heat
from shiftgauge.report.blocks.explain import HUES, MOST_IMAGES, heads, image_tile, legend, method_label, tile
from shiftgauge.report.blocks.plot import Line, draw_lines
from shiftgauge.report.format import clean, fixed, interval
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import ExplainResult
from shiftgauge.results.explain_tables import agreement_table, curve_table, randomisation_table

_UNSIGNED = ("saliency",)


def build_attributions(result: ExplainResult) -> dict[str, Any] | None:
    """Returns each image beside what every method says of it, and how far the methods agree."""
    data = result.arrays
    if "attribution" not in data:
        return None
    methods, images = strings(data, "method"), []
    for k, head in enumerate(heads(result)[:MOST_IMAGES]):
        tiles, signed = [image_tile(result, k, head["name"])], []
        for m, name in enumerate(methods):
            text = "" if "agreement" not in data else f"with the others {_with_others(result, k, m)}"
            alt, label = f"{head['name']}, {name}", method_label(name)
            tiles.append(tile(heat(pick(data, "attribution", image=k, method=m)), label, text, alt, cells=True))
            if name not in _UNSIGNED:
                shown = signed_heat(pick(data, "attribution_signed", image=k, method=m))
                signed.append(tile(shown, label, "", f"{alt} with its sign", cells=True))
        images.append({**head, "tiles": tiles, "signed": signed})
    return {
        "images": images,
        "layer": clean(data.attrs.get("cam_layer", "")),
        "agreement": [
            {
                "label": " and ".join(method_label(row[k]) for k in ("method", "other")),
                "cells": [*(fixed(row[k], 2) for k in ("mean", "low", "high")), str(row["images"])],
            }
            for row in agreement_table(data).to_dict("records")
        ],
        "with_maps": _with_maps(result),
        "more": max(0, data.sizes["image"] - MOST_IMAGES),
    }


def build_curves(result: ExplainResult) -> dict[str, Any] | None:
    """Returns deletion and insertion curves of every method, mean over images, and their areas."""
    data = result.arrays
    if "deletion" not in data:
        return None
    methods, x = strings(data, "method"), np.asarray(data["fraction"].values, float)
    panels = []
    for name, label in (("deletion", "Pixels taken away"), ("insertion", "Pixels given back")):
        mean = data[name].mean("image").transpose("method", "fraction").values
        lines = [
            Line(x=x, y=values, kind=HUES[m % len(HUES)], label=method_label(methods[m]))
            for m, values in enumerate(mean)
        ]
        chance = data[f"random_{name}"].mean(("image", "method", "order")).values
        lines.append(Line(x=x, y=chance, kind="random", label="random order"))
        said = f"Score of the class against the share of {label.lower()}"
        panels.append(
            {"label": label, "svg": draw_lines(lines, x_label="share of the pixels", said=said, x_range=(0, 1))}
        )
    rows = [
        {
            "label": f"{method_label(row['method'])}, {row['curve']}",
            "cells": [fixed(row["area"], 3), fixed(row["random_area"], 3), fixed(row["gain"], 3),
                      interval(row["gain_low"], row["gain_high"])],
        }
        for row in curve_table(data).to_dict("records")
    ]  # fmt: skip
    keys = [*legend([method_label(name) for name in methods]), ("random", "random order")]
    return {
        "panels": panels,
        "rows": rows,
        "legend": keys,
        "quantity": clean(data.attrs.get("curve_quantity", "score")),
    }


def build_randomisation(result: ExplainResult) -> dict[str, Any] | None:
    """Returns what is left of each method's maps as the network loses its weights, layer by layer."""
    data = result.arrays
    if "randomised_magnitude" not in data:
        return None
    methods, layers = strings(data, "checked_method"), strings(data, "weight_layer")
    x, panels = np.arange(len(layers) + 1), []
    for kind, label in (("magnitude", "Magnitude"), ("signed", "With its sign")):
        lines = []
        for m, name in enumerate(methods):
            mean, low, high = (
                np.concatenate([[1.0], pick(data, f"randomised_{kind}_{end}", checked_method=m)])
                for end in ("mean", "low", "high")
            )
            hue = HUES[m % len(HUES)]
            lines.append(Line(x=x, y=mean, kind=hue, label=method_label(name), dots=True, band=(x, low, high)))
        said = f"Rank correlation with the map of the trained network, {label.lower()}"
        svg = draw_lines(lines, x_label="drawn anew up to", said=said, x_range=(0, len(layers)),
                         y_range=(-1 if kind == "signed" else -0.5, 1), names=["none", *layers])  # fmt: skip
        panels.append({"label": label, "svg": svg})
    table = randomisation_table(data)
    last = table.loc[table["depth"] == len(layers)].set_index(["method", "maps"])
    rows = [
        {
            "label": method_label(name),
            "cells": [
                cell
                for kind in ("magnitude", "signed")
                for row in [last.loc[(name, kind)]]
                for cell in (_with_interval(row), str(int(row["images"])))
            ],
        }
        for name in methods
    ]
    return {"panels": panels, "rows": rows, "legend": legend([method_label(name) for name in methods]),
            "images": data.sizes["checked_image"], "layers": len(layers)}  # fmt: skip


def _with_interval(row: Any) -> str:
    return f"{fixed(row['mean'], 2)} {interval(row['low'], row['high'], 2)}".strip()


def _with_others(result: ExplainResult, image: int, method: int) -> str:
    row = np.array(pick(result.arrays, "agreement", image=image, method=method), float)
    row[method] = np.nan
    return fixed(float(np.nanmean(row)), 2) if np.isfinite(row).any() else "–"


def _with_maps(result: ExplainResult) -> list[dict[str, Any]]:
    """How far each block's map agrees with each method's, mean over the images."""
    data = result.arrays
    if "map_agreement" not in data:
        return []
    rows = []
    for b, block in enumerate(strings(data, "block")):
        values = np.asarray(pick(data, "map_agreement", block=b), float)
        means = [float(np.nanmean(c)) if np.isfinite(c).any() else float("nan") for c in values.T]
        rows.append({"label": block, "cells": [fixed(mean, 2) for mean in means]})
    return rows
