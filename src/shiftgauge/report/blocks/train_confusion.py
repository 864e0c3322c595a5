"""Block of a training's page about confusion: one map of all classes, or a row for each label."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.indices import heat_level
from shiftgauge.report.format import percent, percent_interval
from shiftgauge.report.read import pick, strings
from shiftgauge.results.train import TrainResult
from shiftgauge.types import FloatArray

_MOST_CLASSES: Final = 30
_MOST_PAIRS: Final = 10
_CELLS: Final = {"Found": (1, 1), "Missed": (1, 0), "False alarm": (0, 1), "Rightly not": (0, 0)}
"""Truth and decision of each cell of a label."""


def build_confusion(result: TrainResult) -> dict[str, Any]:
    """Returns the confusion of the part of the verdict: one map, or a row for each label."""
    if "label_confusion" in result.arrays:
        return {"part": result.part, "columns": list(_CELLS), "labels": _label_rows(result), "map": None, "pairs": []}
    counts, shares, bounds = _counts(result, "confusion")
    names = strings(result.arrays, "class")
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [
        {
            "true": names[i],
            "decided": names[j],
            "count": f"{wrong[i, j]:,}",
            **_share(float(shares[i, j]), bounds[i, j]),
        }
        for i, j in (np.unravel_index(k, wrong.shape) for k in order)
        if wrong[i, j]
    ]
    rows = [
        {"label": name, "cells": [_cell(*found) for found in zip(counts[i], shares[i], bounds[i], strict=True)]}
        for i, name in enumerate(names)
    ]
    drawn = {"names": names, "rows": rows} if len(names) <= _MOST_CLASSES else None
    return {"part": result.part, "labels": [], "map": drawn, "pairs": pairs}


def _label_rows(result: TrainResult) -> list[dict[str, Any]]:
    """Images of each cell of each label, and their share of the images with the label, or without it."""
    counts, shares, bounds = _counts(result, "label_confusion")
    return [
        {
            "label": name,
            "cells": [
                {"label": word, "count": f"{counts[k][at]:,}", **_share(float(shares[k][at]), bounds[k][at])}
                for word, at in _CELLS.items()
            ],
        }
        for k, name in enumerate(strings(result.arrays, "class"))
    ]


def _counts(result: TrainResult, name: str) -> tuple[np.ndarray, FloatArray, FloatArray]:
    """Images, shares of their rows and the bounds of these; a folder without shares gives bounds that are undefined."""
    data, part = result.arrays, result.part
    counts = np.asarray(pick(data, name, part=part)).astype(int)
    if f"{name}_share" in data:
        shares, bounds = (np.asarray(pick(data, f"{name}_share{end}", part=part)) for end in ("", "_interval"))
        return counts, shares, bounds
    return counts, counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1), np.full((*counts.shape, 2), np.nan)


def _share(share: float, bounds: FloatArray) -> dict[str, str]:
    return {"share": percent(share), "interval": percent_interval(*bounds.tolist())}


def _cell(count: int, share: float, bounds: FloatArray) -> dict[str, Any]:
    """A field of the map: its count, its shade, and its share with the interval as a hint."""
    tip = " ".join(text for text in _share(share, bounds).values() if text)
    return {"text": f"{count:,}" if count else "·", "level": heat_level(float(share), 1), "tip": tip}
