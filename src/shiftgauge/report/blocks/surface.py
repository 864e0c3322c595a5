"""The response surface over two shifts: what the page's script draws, and a table for those who cannot see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.colors import to_hex

from shiftgauge.report.blocks.effects import value_range
from shiftgauge.report.embed import pack
from shiftgauge.report.format import clean, input_label, number, with_unit
from shiftgauge.report.read import Quantity, pick, shift_units, strings
from shiftgauge.results.audit import AuditResult

BUDGET: Final = 1_200_000
"""Most surface heights embedded in a page; above it the grid is thinned, then the quantities."""


def build(result: AuditResult, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns the data of the surfaces, or None when fewer than two shifts vary.

    `payload` is JSON-able: colours, quantities, pairs with their axes and packed heights, and the samples.
    """
    data = result.arrays
    if "surface_z" not in data or not strings(data, "pair_first"):
        return None
    shown = list(quantities)
    stride = 1
    while _size(data, len(shown), stride) > BUDGET and math.ceil(data.sizes["gx"] / (stride + 1)) >= 16:
        stride += 1
    while _size(data, len(shown), stride) > BUDGET and len(shown) > 1:
        shown.pop()
    payload = {
        "colours": [to_hex(c) for c in mpl.colormaps["plasma"](np.linspace(0, 1, 33))],
        "quantities": [_quantity(result, q) for q in shown],
        "pairs": [_pair(result, p, shown, stride) for p in range(data.sizes["pair"])],
        "samples": _samples(data, shown),
    }
    return {"payload": payload, "pairs": payload["pairs"], "table": _table(result, quantities[0]), "quantities": shown}


def _size(data: xr.Dataset, n_quantities: int, stride: int) -> int:
    sizes = data.sizes
    cells = math.ceil(sizes["gx"] / stride) * math.ceil(sizes["gy"] / stride)
    return cells * sizes["pair"] * sizes["slice"] * n_quantities


def _quantity(result: AuditResult, quantity: Quantity) -> dict[str, Any]:
    data = result.arrays
    values = pick(data, "surface_z", quantity=quantity.name)
    values = values[np.isfinite(values)]
    low, high = value_range(result, quantity.name)
    if values.size:
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    return {"key": quantity.key, "label": quantity.label, "low": low, "high": high, "trusted": quantity.trusted}


def _pair(result: AuditResult, p: int, shown: Sequence[Quantity], stride: int) -> dict[str, Any]:
    data = result.arrays
    first, second, third = (strings(data, f"pair_{k}")[p] for k in ("first", "second", "third"))
    fixed = pick(data, "surface_fixed", pair=p).astype(float)
    columns, rows = _thinned(data.sizes["gx"], stride), _thinned(data.sizes["gy"], stride)
    z = np.stack([pick(data, "surface_z", quantity=q.name, pair=p)[..., rows[:, None], columns] for q in shown])
    if not third:
        fixed, z = np.full(1, np.nan), z[:, :1]
    return {
        "first": _axis(data, first),
        "second": _axis(data, second),
        "third": _axis(data, third) if third else None,
        "x": _floats(pick(data, "surface_x", pair=p)[columns]),
        "y": _floats(pick(data, "surface_y", pair=p)[rows]),
        "fixed": _floats(fixed),
        "start": _start(data, third, fixed),
        "z": pack(z),
    }


def _thinned(n: int, stride: int) -> np.ndarray:
    """Positions of about every `stride`-th line, both edges among them."""
    return np.unique(np.linspace(0, n - 1, math.ceil(n / stride)).round().astype(int))


def _axis(data: xr.Dataset, name: str) -> dict[str, Any]:
    k = strings(data, "shift").index(name)
    low, high = float(pick(data, "shift_low", shift=k)), float(pick(data, "shift_high", shift=k))
    if not (math.isfinite(low) and math.isfinite(high)) and "sample_theta" in data:
        low, high = float(pick(data, "sample_theta", shift=k).min()), float(pick(data, "sample_theta", shift=k).max())
    unit = clean(shift_units(data)[name]).strip()
    return {
        "index": k,
        "label": input_label(name),
        "unit": unit,
        "range": (high - low) if math.isfinite(high - low) else 0,
    }


def _start(data: xr.Dataset, third: str, fixed: np.ndarray) -> int:
    if not third:
        return 0
    nominal = float(pick(data, "shift_nominal", shift=third)) if "shift_nominal" in data else math.nan
    goal = nominal if math.isfinite(nominal) else float(np.nanmedian(fixed))
    return int(np.nanargmin(np.abs(fixed - goal)))


def _samples(data: xr.Dataset, shown: Sequence[Quantity]) -> dict[str, Any] | None:
    if "sample_theta" not in data:
        return None
    theta = np.asarray(data["sample_theta"].values, dtype=float)
    values = [pack(pick(data, "sample_value", quantity=q.name)) for q in shown]
    return {"theta": [pack(theta[:, k]) for k in range(theta.shape[1])], "values": values}


def _table(result: AuditResult, quantity: Quantity) -> dict[str, Any]:
    data = result.arrays
    pair = _pair(result, 0, [quantity], 1)
    z = pick(data, "surface_z", quantity=quantity.name, pair=0, slice=pair["start"])
    columns = np.unique(np.linspace(0, z.shape[1] - 1, 7).round().astype(int))
    rows = np.unique(np.linspace(0, z.shape[0] - 1, 7).round().astype(int))
    return {
        "columns": [with_unit(pair["x"][c] or 0.0, pair["first"]["unit"]) for c in columns],
        "rows": [
            {
                "label": with_unit(pair["y"][r] or 0.0, pair["second"]["unit"]),
                "cells": [number(float(z[r, c])) for c in columns],
            }
            for r in rows
        ],
    }


def _floats(values: np.ndarray) -> list[float | None]:
    return [float(v) if math.isfinite(v) else None for v in np.asarray(values, dtype=float)]
