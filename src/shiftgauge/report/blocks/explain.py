"""Pictures and numbers of a look inside a network, for its page."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.array_pictures import colour_map, heat, picture, png_uri
from shiftgauge.report.blocks.plot import Line, draw_lines
from shiftgauge.report.format import clean, duration, fixed, number, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import PARTS, ExplainResult, agreement_table, profile_table

METHOD_LABEL: Final = {
    "saliency": "saliency",
    "input_x_gradient": "input × gradient",
    "integrated_gradients": "integrated gradients",
    "smooth_grad": "SmoothGrad",
    "grad_cam": "Grad-CAM",
    "occlusion": "occlusion",
}
_PART_LABEL: Final = {
    "maps": "Maps of blocks",
    "attribution": "Attributions",
    "maximize": "Maximised images",
    "walk": "Walks",
}
_MOST_IMAGES: Final = 24
_GREY_LEVELS: Final = 255


def build_maps(result: ExplainResult) -> dict[str, Any] | None:
    """Returns, for each image, its picture and the map of each block with its numbers."""
    data = result.arrays
    if "norm_of_difference" not in data:
        return None
    blocks = strings(data, "block")
    images = []
    for k, head in enumerate(_heads(result)[:_MOST_IMAGES]):
        tiles = [_tile(picture(pick(data, "picture", image=k)), "the image", "", head["name"])]
        for name in blocks:
            maps = pick(data, "norm_of_difference", image=k, block=name)
            norm = float(pick(data, "block_norm", image=k, block=name))
            mean = float(maps.mean())
            shown = colour_map(maps) if len(maps) == 3 else heat(maps.mean(axis=0))
            text = f"mean {number(mean)}, {number(mean / norm) if norm > 0 else '–'} of the block's norm"
            tiles.append(_tile(shown, name, text, f"{head['name']}, map of {name}", cells=True))
        images.append({**head, "tiles": tiles})
    colour = "three" if data.sizes["pushed"] == 3 else "one"
    return {"images": images, "colour": colour, "more": max(0, data.sizes["image"] - _MOST_IMAGES)}


def build_class_maps(result: ExplainResult) -> list[dict[str, Any]]:
    """Returns, for each class, mean and spread of the maps of its images, block by block."""
    data = result.arrays
    if "map_mean" not in data:
        return []
    rows = []
    for name in strings(data, "class"):
        count = int(pick(data, "map_count", **{"class": name}))
        if not count:
            continue
        tiles = []
        for block in strings(data, "block"):
            mean = pick(data, "map_mean", **{"class": name, "block": block})
            spread = pick(data, "map_standard_deviation", **{"class": name, "block": block})
            shown = colour_map(mean) if len(mean) == 3 else heat(mean.mean(axis=0))
            text = f"mean {number(float(mean.mean()))}" + (
                f", spread between images {number(float(spread.mean()))}" if count > 1 else ""
            )
            tiles.append(_tile(shown, block, text, f"{name}, mean map of {block}", cells=True))
        rows.append({"label": name, "count": count, "tiles": tiles})
    return rows


def build_profile(result: ExplainResult) -> dict[str, Any] | None:
    """Returns the profile over depth as drawings and as a table."""
    data = result.arrays
    if "sensitivity" not in data:
        return None
    table, depth = profile_table(data), np.arange(data.sizes["block"])
    whole = table.loc[table["pushed"] == "all"]
    panels = [
        _depth_panel("Relative to the block", whole, "relative_mean", "relative_standard_deviation", depth),
        _depth_panel("As it is", whole, "mean", "standard_deviation", depth),
    ]
    if data.sizes["pushed"] > 1:
        share = Line(x=depth, y=data["channel_share"].values, kind="total", label="share of colour", dots=True)
        svg = draw_lines(
            [share],
            x_label="block",
            said="Share of the colour channel over depth",
            x_range=_ends(depth),
            y_range=(0, 1),
        )
        panels.append({"label": "Share of the colour channel, η²", "svg": svg})
    rows = [
        {
            "label": row["block"],
            "cells": [
                str(k),
                number(row["mean"]),
                number(row["standard_deviation"]),
                number(row["relative_mean"]),
                number(row["relative_standard_deviation"]),
                percent(row["channel_share"]),
            ],
        }
        for k, row in enumerate(whole.to_dict("records"))
    ]
    return {"panels": panels, "rows": rows, "images": data.sizes["counted"]}


def build_attributions(result: ExplainResult) -> dict[str, Any] | None:
    """Returns each image beside what every method says of it, and how far the methods agree."""
    data = result.arrays
    if "attribution" not in data:
        return None
    methods, heads = strings(data, "method"), _heads(result)
    images = []
    for k, head in enumerate(heads[:_MOST_IMAGES]):
        tiles = [_tile(picture(pick(data, "picture", image=k)), "the image", "", head["name"])]
        for name in methods:
            shown = heat(pick(data, "attribution", image=k, method=name))
            text = "" if "agreement" not in data else f"with the others {_with_others(result, k, name)}"
            tiles.append(_tile(shown, METHOD_LABEL.get(name, name), text, f"{head['name']}, {name}", cells=True))
        images.append({**head, "tiles": tiles, "asked": str(pick(data, "asked_class", image=k))})
    return {
        "images": images,
        "layer": clean(data.attrs.get("cam_layer", "")),
        "agreement": [
            {
                "label": " and ".join(METHOD_LABEL.get(str(row[k]), str(row[k])) for k in ("method", "other")),
                "cells": [fixed(row["mean"], 2), fixed(row["low"], 2), fixed(row["high"], 2)],
            }
            for row in agreement_table(data).to_dict("records")
        ],
        "with_maps": _with_maps(result),
    }


def build_maximized(result: ExplainResult) -> dict[str, Any] | None:
    """Returns the image that each class or unit wants to see, with its activation before and after."""
    data = result.arrays
    if "maximized" not in data:
        return None
    names = clean_names(result)
    tiles = []
    for k, name in enumerate(strings(data, "target")):
        way = pick(data, "maximized_activation", target=k)
        said = names[int(pick(data, "maximized_predicted", target=k)[-1])]
        text = f"{number(float(way[0]))} → {number(float(way[-1]))}, the network says {said}"
        tiles.append(_tile(picture(pick(data, "maximized", target=k)), name, text, f"maximised {name}", cells=True))
    return {"tiles": tiles, "steps": data.sizes["step"] - 1}


def build_walks(result: ExplainResult) -> dict[str, Any] | None:
    """Returns each pushed image at each class, with the step and the distance at which the network said so."""
    data = result.arrays
    if "walk_image" not in data:
        return None
    rows, images = [], strings(data, "image")
    for k, name in enumerate(strings(data, "walker")):
        start = pick(data, "picture", image=images.index(name))
        tiles = [_tile(picture(start), "the image", "", name)]
        for t, target in enumerate(strings(data, "walked")):
            step = int(pick(data, "walk_reached_at", walker=k, walked=t))
            grey = _GREY_LEVELS * float(pick(data, "walk_reached_rms", walker=k, walked=t))
            text = (
                "never" if step < 0 else "from the start" if step == 0 else f"step {step}, {number(grey)} grey levels"
            )
            shown = picture(pick(data, "walk_image", walker=k, walked=t))
            tile = _tile(shown, target, text, f"{name} pushed towards {target}", cells=True)
            tiles.append(tile | {"wrong": step < 0})
        rows.append({"name": name, "tiles": tiles})
    return {"rows": rows}


def build_explain_cost(result: ExplainResult) -> dict[str, Any]:
    """Returns images that passed through the network and time, of each part."""
    parts = dict(result.cost.get("parts") or {})
    facts = [
        (_PART_LABEL[name], f"{int(parts[name]['evaluations']):,} passes, {duration(float(parts[name]['seconds']))}")
        for name in PARTS
        if name in parts
    ]
    how = (
        "What each part took when it was made; a part that was finished before is taken from the run folder. A pass is "
        "one image through the network, of maps one push, of which only what it can reach is computed."
    )
    return {"facts": facts, "trial": [], "how": how}


def clean_names(result: ExplainResult) -> list[str]:
    """Names of the network's classes, in the order of its outputs."""
    return [clean(name) for name in str(result.arrays.attrs.get("class_names", "")).split("\n")]


def _heads(result: ExplainResult) -> list[dict[str, str]]:
    data = result.arrays
    return [
        {
            "name": name,
            "label": str(pick(data, "image_label", image=k)),
            "said": str(pick(data, "image_predicted", image=k)),
            "probability": percent(float(pick(data, "image_probability", image=k))),
        }
        for k, name in enumerate(strings(data, "image"))
    ]


def _tile(shown: np.ndarray, title: str, text: str, alt: str, *, cells: bool = False) -> dict[str, Any]:
    return {"src": png_uri(shown), "title": title, "text": text, "alt": alt, "cells": cells, "wrong": False}


def _depth_panel(label: str, table: Any, mean: str, spread: str, depth: np.ndarray) -> dict[str, Any]:
    values, around = table[mean].to_numpy(float), np.nan_to_num(table[spread].to_numpy(float))
    line = Line(
        x=depth,
        y=values,
        kind="first",
        label=label,
        dots=True,
        band=(depth, np.maximum(values - around, 0), values + around),
    )
    svg = draw_lines([line], x_label="block", said=f"Sensitivity over depth, {label.lower()}", x_range=_ends(depth))
    return {"label": label, "svg": svg}


def _ends(depth: np.ndarray) -> tuple[float, float]:
    return 0.0, float(max(len(depth) - 1, 1))


def _with_others(result: ExplainResult, image: int, method: str) -> str:
    data = result.arrays
    row = np.array(pick(data, "agreement", image=image, method=method), float)
    row[strings(data, "method").index(method)] = np.nan
    return fixed(float(np.nanmean(row)), 2) if np.isfinite(row).any() else "–"


def _with_maps(result: ExplainResult) -> list[dict[str, Any]]:
    """How far each block's map agrees with Grad-CAM (or the last method), mean over the images."""
    data = result.arrays
    if "map_agreement" not in data:
        return []
    rows = []
    for block in strings(data, "block"):
        values = np.asarray(pick(data, "map_agreement", block=block), float)
        means = [float(np.nanmean(c)) if np.isfinite(c).any() else float("nan") for c in values.T]
        rows.append({"label": block, "cells": [fixed(mean, 2) for mean in means]})
    return rows
