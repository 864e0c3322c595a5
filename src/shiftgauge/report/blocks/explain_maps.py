"""Maps of blocks on the page of a look inside: of images, of classes, and derivatives."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.array_pictures import colour_map, heat, signed_heat
from shiftgauge.report.blocks.explain import MOST_IMAGES, heads, image_tile, tile
from shiftgauge.report.format import number
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import STATISTICS, ExplainResult

STATISTIC_LABEL: Final = {
    "mean": "mean",
    "standard_deviation": "standard deviation between images",
    "mean_square": "mean of the squares",
    "minimum": "minimum",
    "maximum": "maximum",
}


def map_picture(maps_cyx: np.ndarray) -> np.ndarray:
    """Returns a map as a picture: three pushed channels as red, green and blue, others by their mean."""
    return colour_map(maps_cyx) if len(maps_cyx) == 3 else heat(maps_cyx.mean(axis=0))


def build_maps(result: ExplainResult) -> dict[str, Any] | None:
    """Returns, for each image, its picture and both maps of each block with their numbers."""
    if "norm_of_difference" not in result.arrays:
        return None
    names = ("norm_of_difference", "difference_of_norms")
    return _of_images(result, names, ("difference", "difference of norms"), "pushed")


def build_derivatives(result: ExplainResult) -> dict[str, Any] | None:
    """Returns, for each image, its picture and both derivative maps of each block; and those of classes."""
    if "norm_of_derivative" not in result.arrays:
        return None
    names = ("norm_of_derivative", "derivative_of_norm")
    found = _of_images(result, names, ("derivative", "derivative of the norm"), "direction")
    return {**found, "classes": build_class_maps(result, "derivative")}


def build_class_maps(result: ExplainResult, prefix: str = "map") -> list[dict[str, Any]]:
    """Returns, for each class, a row of maps for each statistic over its images, block by block.

    Args:
        result: The result.
        prefix: `map` or `derivative`.
    """
    data = result.arrays
    if f"{prefix}_mean" not in data:
        return []
    found = []
    for k, name in enumerate(strings(data, "class")):
        count, rows = int(pick(data, f"{prefix}_count", **{"class": k})), []
        for statistic in STATISTICS:
            if not count or (statistic == "standard_deviation" and count < 2):
                continue
            tiles = []
            for b, block in enumerate(strings(data, "block")):
                maps = pick(data, f"{prefix}_{statistic}", **{"class": k, "block": b})
                text, alt = f"mean {number(float(maps.mean()))}", f"{name}, {statistic} of the maps of {block}"
                tiles.append(tile(map_picture(maps), block, text, alt, cells=True))
            rows.append({"label": STATISTIC_LABEL[statistic], "tiles": tiles})
        if rows:
            found.append({"label": name, "count": count, "rows": rows})
    return found


def _of_images(result: ExplainResult, names: tuple[str, str], words: tuple[str, str], axis: str) -> dict[str, Any]:
    data, images = result.arrays, []
    for k, head in enumerate(heads(result)[:MOST_IMAGES]):
        tiles, signed = [image_tile(result, k, head["name"])], []
        for b, block in enumerate(strings(data, "block")):
            maps, changes = (pick(data, name, image=k, block=b) for name in names)
            mean, text = float(maps.mean()), f"mean {number(float(maps.mean()))}"
            if "block_norm" in data:
                norm = float(pick(data, "block_norm", image=k, block=b))
                text += f", {number(mean / norm) if norm > 0 else '–'} of the block's norm"
            alt = f"{head['name']}, map of {block}"
            tiles.append(tile(map_picture(maps), block, text, alt, cells=True))
            text = f"mean {number(float(changes.mean()))}"
            shown = signed_heat(changes.mean(axis=0))
            signed.append(tile(shown, block, text, f"{head['name']}, {words[1]} of {block}", cells=True))
        images.append({**head, "tiles": tiles, "signed": signed})
    colour = "three" if data.sizes[axis] == 3 else "one"
    return {"images": images, "colour": colour, "more": max(0, data.sizes["image"] - MOST_IMAGES), "signed": words[1]}
