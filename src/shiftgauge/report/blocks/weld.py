"""Blocks of the weld study's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.bars import axis_for, bar
from shiftgauge.report.format import clean, duration, fixed, input_label, interval, number, percent, percent_interval
from shiftgauge.report.read import Estimate, estimate, pick, strings
from shiftgauge.results.study import StudyResult

_SECONDS: Final = {
    "seconds_training": "Training",
    "seconds_audit_of_one_image": "Audit of one image",
    "seconds_audit_of_all_images": "Audit of all test images",
    "seconds_ways_of_shifting": "Ways of shifting",
}
_SCORES: Final = {"accuracy": "Accuracy", "macro_f1": "Macro F1"}
_SUMMARY: Final = ("q2", "mean")
_TOGETHER: Final = "variant_correlation"


def build_training(result: StudyResult) -> dict[str, Any]:
    """Returns the network's scores, the images of each part, and the epochs."""
    data, level = result.arrays, percent(result.confidence_level, 0)
    scores = []
    for name, label in _SCORES.items():
        cells = []
        for part in ("validation", "test"):
            low, high = pick(data, "score_interval", score_part=part, score_name=name)
            value = float(pick(data, "score", score_part=part, score_name=name))
            cells.append(f"{percent(value)} {percent_interval(float(low), float(high))}")
        scores.append([label, *cells])
    counts, weights = pick(data, "split_count"), pick(data, "class_weight")
    parts = strings(data, "split_part")
    classes = [
        [clean(name), *(number(float(counts[p, k])) for p in range(len(parts))), fixed(float(weights[k]))]
        for k, name in enumerate(strings(data, "class"))
    ]
    at = data.attrs
    return {
        "scores": {"header": [f"{level} intervals", "Validation", "Test"], "rows": scores},
        "classes": {"header": ["Class", *(p.capitalize() for p in parts), "Weight in the loss"], "rows": classes},
        "note": f"{clean(at['network_name'])}, {int(at['epochs'])} epochs, of which epoch {int(at['best_epoch'])} is "
        "kept for its macro F1 on validation; test images were looked at once, afterwards.",
    }


def build_one_and_all(result: StudyResult) -> dict[str, Any]:
    """Returns first and total indices over all test images."""
    data = result.arrays
    rows = []
    for name in strings(data, "all_input"):
        pair = [estimate(data, f"all_{kind}_order", all_input=name) for kind in ("first", "total")]
        rows.append((name, [(pair[0], "first"), (pair[1], "total")], [_estimate(e) for e in pair]))
    rows.sort(key=lambda row: -row[1][1][0].value if row[1][1][0].defined else np.inf)
    return _table(f"All {int(data.attrs['n_test'])} test images, ranked by total index", rows)


def build_orders(result: StudyResult) -> dict[str, Any]:
    """Returns Q² and total indices of every set of terms."""
    data, shifts = result.arrays, strings(result.arrays, "shift")
    header = ["Terms", "Number", "Q²", *(f"Total, {input_label(s).lower()}" for s in shifts)]
    rows = []
    for name in strings(data, "order"):
        totals = [fixed(float(pick(data, "order_total_order", order=name, shift=s))) for s in shifts]
        count, q2 = (float(pick(data, f"order_{k}", order=name)) for k in ("terms", "q2"))
        rows.append([clean(name), number(count), fixed(q2), *totals])
    return {"header": header, "rows": rows}


def build_variants(result: StudyResult) -> dict[str, Any]:
    """Returns the ways of shifting: indices of each, and each beside the one that it is compared with."""
    data, shifts = result.arrays, strings(result.arrays, "shift")
    level = percent(result.confidence_level, 0)
    labels = [input_label(s).lower() for s in shifts]
    own, beside = [], []
    for name, other in zip(strings(data, "variant"), strings(data, "variant_reference"), strict=True):
        totals = [_both(estimate(data, "variant_total_order", variant=name, shift=s)) for s in shifts]
        own.append([clean(name), *totals, *(fixed(float(pick(data, f"variant_{k}", variant=name))) for k in _SUMMARY)])
        if name == other:
            continue
        gaps = [_both(estimate(data, "variant_gap", variant=name, shift=s), sign=True) for s in shifts]
        mean = fixed(float(pick(data, "variant_difference", variant=name)))
        beside.append([clean(name), clean(other), *gaps, mean, _both(estimate(data, _TOGETHER, variant=name))])
    texts = zip(strings(data, "variant"), strings(data, "variant_text"), strict=True)
    return {
        "grid": {"header": ["Way", *(f"Total, {s}" for s in labels), "Q²", "Mean probability"], "rows": own},
        "gaps": {
            "header": ["Way", "Beside", *(f"Difference, {s}" for s in labels), "Mean change", "Correlation"],
            "rows": beside,
        },
        "note": f"{level} intervals: how far the figures spread when the same {int(data.attrs['points']):,} points are "
        "drawn anew, for both ways alike. They say nothing of what the polynomial leaves out, which Q² does.",
        "texts": [(clean(n), clean(t)) for n, t in texts],
    }


def build_watching(result: StudyResult) -> dict[str, Any] | None:
    """Returns what watching the test images is worth, or None where it was not measured."""
    data = result.arrays
    if "watch_chosen" not in data:
        return None
    chosen, fresh, last = (pick(data, f"watch_{k}") for k in ("chosen", "fresh", "last"))
    rows = [
        ["The chosen epoch, on the images it was chosen on", *_points(chosen)],
        ["The chosen epoch, on other images", *_points(fresh)],
        ["Too high by, in points", *_points(chosen - fresh)],
        ["The last epoch, on other images", *_points(last)],
    ]
    whole = ", ".join(fixed(100 * float(v), 1) for v in pick(data, "watch_f1"))
    return {
        "grid": {"header": ["Macro F1, in per cent", "Mean", "5 to 95 % of the divisions"], "rows": rows},
        "note": f"On all {int(data.attrs['watch_images'])} images, epoch by epoch: {whole}.",
    }


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns evaluations and the time of each part."""
    facts = [("Evaluations of the network", f"{int(result.cost['evaluations']):,}")]
    facts += [(label, duration(float(result.cost[key]))) for key, label in _SECONDS.items() if key in result.cost]
    how = "What each part took. Trainings and audits go on where an interrupted study ended; the rest starts again."
    return {"facts": facts, "trial": [], "how": how}


def _points(values: np.ndarray) -> list[str]:
    low, high = np.quantile(values, [0.05, 0.95])
    return [fixed(100 * float(values.mean()), 2), interval(100 * float(low), 100 * float(high), 2)]


def _table(caption: str, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    axis = axis_for((e for row in rows for e, _ in row[1]), floor=1e-9)
    return {
        "caption": caption,
        "axis": axis,
        "rows": [{"label": input_label(r[0]), "bar": bar(axis, r[1]), "cells": r[2], "note": ""} for r in rows],
    }


def _estimate(e: Estimate) -> dict[str, str]:
    return {"value": fixed(e.value), "interval": interval(e.low, e.high)}


def _both(e: Estimate, *, sign: bool = False) -> str:
    """A value with its interval in one cell of a table."""
    plus = "+" if sign and e.value >= 0.005 else ""
    return f"{plus}{fixed(e.value, 2)} {interval(e.low, e.high, 2)}".rstrip()
