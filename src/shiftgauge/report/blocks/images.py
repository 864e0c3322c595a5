"""Real images: a strip along each shift, and the images that the shifts move most and least."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.report.format import clean, input_label, number, with_unit
from shiftgauge.report.pictures import data_uri
from shiftgauge.report.read import Quantity, pick, shift_units, strings
from shiftgauge.results.audit import AuditResult

TABLE_ROWS: Final = 12
"""Rows of the table of images; the files hold all of them."""


def build_strips(result: AuditResult) -> list[dict[str, Any]]:
    """Returns the strips: for each image and shift the pictures, with value, probability and prediction."""
    data = result.arrays
    if "strip_image" not in data:
        return []
    labels, names = strings(data, "strip_label"), strings(data, "strip_name")
    return [
        {
            "name": name,
            "label": labels[i] if labels else "",
            "rows": [_strip_row(result, i, k, shift) for k, shift in enumerate(strings(data, "shift"))],
        }
        for i, name in enumerate(names)
    ]


def build_images(result: AuditResult, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns the most and least affected images with their thumbs, and a table of the most affected, or None."""
    data = result.arrays
    if "image_mean" not in data:
        return None
    return {
        "most": _thumbs(result, quantities[0], "most"),
        "least": _thumbs(result, quantities[0], "least"),
        "quantity": quantities[0],
        "tables": [{"quantity": q, "rows": _image_rows(result, q)} for q in quantities],
    }


def _strip_row(result: AuditResult, strip: int, k: int, shift: str) -> dict[str, Any]:
    data = result.arrays
    unit = shift_units(data)[shift]
    theta = pick(data, "strip_theta", strip=strip, shift=k)
    pictures = pick(data, "strip_image", strip=strip, shift=k)
    probability = pick(data, "strip_probability", strip=strip, shift=k)
    predicted = pick(data, "strip_predicted", strip=strip, shift=k) if "strip_predicted" in data else None
    label = strings(data, "strip_label")[strip] if "strip_label" in data else ""
    tiles = []
    for n in range(len(theta)):
        guess = str(predicted[n]) if predicted is not None else ""
        p = float(probability[n])
        tiles.append(
            {
                "src": data_uri(pictures[n]),
                "at": with_unit(float(theta[n]), unit),
                "probability": f"{p:.2f}" if math.isfinite(p) else "–",
                "width": round(100 * min(max(p, 0.0), 1.0), 1) if math.isfinite(p) else 0,
                "predicted": guess,
                "right": guess == label,
            }
        )
    return {"label": input_label(shift), "tiles": tiles}


def _thumbs(result: AuditResult, quantity: Quantity, role: str) -> list[dict[str, Any]]:
    data = result.arrays
    images, labels = strings(data, "image"), strings(data, "image_label")
    cards = []
    for t, (name, found) in enumerate(zip(strings(data, "thumb_of"), strings(data, "thumb_role"), strict=True)):
        if found != role:
            continue
        at = images.index(name) if name in images else None
        where: dict[str, Any] = {"quantity": quantity.name, "image": at}
        facts = dict.fromkeys(("clean", "mean", "std"), "–")
        if at is not None:
            facts = {k: number(float(pick(data, f"image_{k}", **where))) for k in facts}
        cards.append(
            {
                "name": name,
                "label": labels[at] if labels and at is not None else "",
                "src": data_uri(pick(data, "thumb_image", thumb=t)),
                "worst": data_uri(pick(data, "thumb_worst", thumb=t)),
                "text": strings(data, "thumb_worst_text")[t] if "thumb_worst_text" in data else "",
                "clean": facts["clean"],
                "mean": facts["mean"],
                "std": facts["std"],
            }
        )
    return cards


def _image_rows(result: AuditResult, quantity: Quantity) -> list[dict[str, str]]:
    data = result.arrays
    names, labels, guesses = (strings(data, n) for n in ("image", "image_label", "image_predicted"))
    clean_n, mean_n, std_n = (pick(data, f"image_{k}", quantity=quantity.name) for k in ("clean", "mean", "std"))
    order = np.argsort(-np.where(np.isfinite(mean_n), np.abs(mean_n - clean_n), -np.inf), kind="stable")[:TABLE_ROWS]
    return [
        {
            "name": clean(names[i]),
            "label": labels[i] if labels else "",
            "predicted": guesses[i] if guesses else "",
            "clean": number(float(clean_n[i])),
            "mean": number(float(mean_n[i])),
            "std": number(float(std_n[i])),
        }
        for i in order
    ]
