"""Global sensitivity on the page of a look inside: bounds and indices of masks as heat maps with intervals."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.array_pictures import cells_over, heat
from shiftgauge.report.blocks.explain import MOST_IMAGES, heads, image_tile, tile
from shiftgauge.report.format import fixed, interval, number, percent
from shiftgauge.report.read import pick
from shiftgauge.results.explain import ExplainResult

_SMALL: Final = 0.01
"""Total index below which a pixel hardly matters."""


def build_bounds(result: ExplainResult) -> dict[str, Any] | None:
    """Returns, for each image, the bound of every pixel between the ends of its interval, on one scale."""
    data = result.arrays
    if "pixel_bound" not in data:
        return None
    images = []
    for k, head in enumerate(heads(result)[:MOST_IMAGES]):
        low, bound, limit = bound_maps(result, k)
        tiles = [image_tile(result, k, head["name"])]
        if np.isfinite(bound).any():
            top = max(float(np.quantile(limit, 0.995)), 1e-12)
            below = float((limit < _SMALL).mean())
            texts = (
                f"sum {number(float(low.sum()))}",
                f"sum {number(float(bound.sum()))}, largest {fixed(float(bound.max()), 4)}",
                f"{percent(below)} of the pixels stay below {_SMALL:g}",
            )
            labels = ("lower end", "bound", "upper end")
            for shown, label, text in zip((low, bound, limit), labels, texts, strict=True):
                tiles.append(tile(heat(shown, top), label, text, f"{head['name']}, {label} of the bounds", cells=True))
        images.append({**head, "tiles": tiles, "fails": not np.isfinite(bound).any()})
    options = dict(result.config.get("bounds") or dict(result.config.get("explain") or {}).get("bounds") or {})
    return {"images": images, "delta": number(float(options.get("delta", float("nan")))), "small": f"{_SMALL:g}",
            "score": str(options.get("score", "score")).replace("_", "-")}  # fmt: skip


def bound_maps(result: ExplainResult, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lower end, bound and upper end of each pixel, all its channels together (at most the sum of theirs)."""
    names = ("pixel_bound_low", "pixel_bound", "pixel_bound_limit")
    low, bound, limit = (pick(result.arrays, name, image=image).sum(axis=0) for name in names)
    return np.maximum(low, 0), bound, limit


def build_masks(result: ExplainResult) -> dict[str, Any] | None:
    """Returns, for each masked image, the indices of its cells between the ends of their intervals, on one scale."""
    data = result.arrays
    if "mask_total_order" not in data:
        return None
    known, images = heads(result), []
    for k, source in enumerate(data["mask_source"].values.tolist()):
        head = known[source]
        is_open = pick(data, "mask_is_open", masked=k) > 0
        tiles = [image_tile(result, source, head["name"])]
        tiles += [tile(shown, label, text, f"{head['name']}, {label} of the cells")
                  for shown, label, text in mask_pictures(result, k)]  # fmt: skip
        rest = float(pick(data, "mask_rest_limit", masked=k))
        closed = int((~is_open).sum())
        said = f"{int(is_open.sum())} of {is_open.size} cells were picked and frozen"
        said += f"; the other {closed} together have a total index below {number(rest)}" if closed else ""
        images.append({**head, "tiles": tiles, "cells": said})
    closing = bool((data["mask_is_open"].values == 0).any())
    return {"images": images, "grid": "×".join(map(str, data["mask_is_open"].shape[1:])), "closing": closing}


def mask_pictures(result: ExplainResult, masked: int) -> list[tuple[np.ndarray, str, str]]:
    """Total index with both ends of its interval and the first-order index, each as a heat map over the image."""
    data = result.arrays
    image = pick(data, "picture", image=int(data["mask_source"].values[masked]))
    values = {name: pick(data, f"mask_{name}", masked=masked)
              for name in ("total_order", "total_order_low", "total_order_high", "first_order")}  # fmt: skip
    high = values["total_order_high"]
    top = max(float(np.nanmax(high)) if np.isfinite(high).any() else 0.0, 1e-12)
    total, text = values["total_order"], ""
    if np.isfinite(total).any():
        at = np.unravel_index(int(np.nanargmax(total)), total.shape)
        ends = interval(float(values["total_order_low"][at]), float(high[at]), 2)
        text = f"largest {fixed(float(total[at]), 2)} {ends}"
    first = values["first_order"]
    alone = f"sum {fixed(float(np.nansum(first)), 2)}" if np.isfinite(first).any() else ""
    shown = (("total index", "total_order", text), ("lower end", "total_order_low", ""),
             ("upper end", "total_order_high", ""), ("alone (first order)", "first_order", alone))  # fmt: skip
    return [(cells_over(values[name], image, top), label, said) for label, name, said in shown]
