"""Ranked first and total indices, and what pairs of inputs do together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from shiftgauge.report.blocks.bars import axis_for, bar
from shiftgauge.report.format import fixed, input_label, interval
from shiftgauge.report.read import Estimate, Quantity, Shown, estimate, is_constant, ranked, strings


def build(result: Shown, quantities: Sequence[Quantity]) -> dict[str, Any]:
    """Returns the index table of each quantity and, with several chosen images, their own tables."""
    return {
        "tables": [{"quantity": q, **_table(result, q)} for q in quantities],
        "per_image": [{"quantity": q, "images": _per_image(result, q)} for q in quantities]
        if "image_total_order" in result.arrays
        else [],
    }


def build_interactions(result: Shown, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns the heat map of pairs for each quantity, or None with fewer than two inputs."""
    data = result.arrays
    if len(strings(data, "input")) < 2 or not {"total_interaction", "second_order"} & set(map(str, data.data_vars)):
        return None
    return {"maps": [{"quantity": q, **_map(result, q)} for q in quantities]}


def text_of(value: Estimate) -> dict[str, str]:
    """Returns an index as text: value and interval."""
    return {"value": fixed(value.value), "interval": interval(value.low, value.high)}


def _table(result: Shown, quantity: Quantity) -> dict[str, Any]:
    data = result.arrays
    rows = []
    for name in ranked(data, quantity.name, strings(data, "input")):
        first = estimate(data, "first_order", quantity=quantity.name, input=name)
        total = estimate(data, "total_order", quantity=quantity.name, input=name)
        rows.append((name, first, total))
    axis = axis_for(e for row in rows for e in row[1:])
    return {
        "constant": is_constant(data, quantity.name),
        "axis": axis,
        "rows": [
            {
                "label": input_label(name),
                "bar": bar(axis, ((first, "first"), (total, "total"))),
                "first": text_of(first),
                "total": text_of(total),
            }
            for name, first, total in rows
        ],
    }


def _per_image(result: Shown, quantity: Quantity) -> list[dict[str, Any]]:
    data, images = result.arrays, []
    for k, image in enumerate(strings(data, "chosen")):
        rows = []
        for name in strings(data, "shift"):
            where: dict[str, Any] = {"quantity": quantity.name, "chosen": k, "shift": name}
            rows.append(
                (name, estimate(data, "image_first_order", **where), estimate(data, "image_total_order", **where))
            )
        axis = axis_for(e for row in rows for e in row[1:])
        rows.sort(key=lambda r: -r[2].value if r[2].defined else math.inf)
        images.append(
            {
                "name": image,
                "axis": axis,
                "rows": [
                    {
                        "label": input_label(n),
                        "bar": bar(axis, ((a, "first"), (b, "total"))),
                        "first": text_of(a),
                        "total": text_of(b),
                    }
                    for n, a, b in rows
                ],
            }
        )
    return images


def _map(result: Shown, quantity: Quantity) -> dict[str, Any]:
    data = result.arrays
    names = strings(data, "input")
    kind = "total_interaction" if "total_interaction" in data else "second_order"
    both = "second_order" in data and "total_interaction" in data
    cells: list[dict[str, Any]] = []
    pairs: list[tuple[Estimate, dict[str, Any]]] = []
    for i, first in enumerate(names):
        row: list[dict[str, Any]] = []
        for second in names[:i]:
            where = {"quantity": quantity.name, "input": first, "input_2": second}
            value = estimate(data, kind, **where)
            row.append({"text": fixed(value.value, 2), "value": value.value})
            pair = {"first": input_label(second), "second": input_label(first), "total": text_of(value)}
            pairs.append((value, pair | {"alone": text_of(estimate(data, "second_order", **where)) if both else None}))
        cells.append({"label": input_label(first), "cells": row})
    top = max([c["value"] for r in cells for c in r["cells"] if math.isfinite(c["value"])], default=0.0)
    for line in cells:
        for cell in line["cells"]:
            cell["level"] = heat_level(cell["value"], max(top, 0.05))
    pairs.sort(key=lambda p: -p[0].value if p[0].defined else math.inf)
    return {
        "names": [input_label(n) for n in names[:-1]],
        "rows": cells[1:],
        "pairs": [p for _, p in pairs],
        "kind": kind,
        "both": both,
        "strongest": pairs[0][1] if pairs and pairs[0][0].defined else None,
    }


def heat_level(value: float, top: float) -> int:
    """Returns the shade, 0 to 10, of a value between 0 and `top`.

    Example:
        >>> heat_level(0.2, 0.4), heat_level(float("nan"), 1.0)
        (5, 0)
    """
    return 0 if not math.isfinite(value) else min(max(round(10 * value / top), 0), 10)
