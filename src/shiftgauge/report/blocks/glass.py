"""Blocks of the page of the glass study, task 2."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.bars import Axis, bar
from shiftgauge.report.blocks.plot import Line, draw_lines
from shiftgauge.report.format import duration, fixed, interval, percent, signed_interval
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.study import StudyResult

_AXIS: Final = Axis((0.0, 0.25, 0.5, 0.75, 1.0))
_SHOWN: Final = ("micro F1", "macro F1", "macro F1 of defects")


def score(result: StudyResult, table: str, way: str, figure: str, kind: str = "score") -> Estimate:
    """A score, or its difference from the first way, with its interval."""
    where = {table: way, "figure": figure}
    low, high = pick(result.arrays, f"{table}_{kind}_interval", **where).tolist()
    return Estimate(float(pick(result.arrays, f"{table}_{kind}", **where)), low, high)


def build_data(result: StudyResult) -> dict[str, Any]:
    """Returns images of each label in each part, prevalence, threshold and F1 of the recipe."""
    data, labels = result.arrays, strings(result.arrays, "label")
    parts = strings(data, "split_part")
    ways = strings(data, "ablation")
    rows = []
    for name in labels:
        counts = [f"{int(pick(data, 'split_count', label=name, split_part=p)):,}" for p in parts]
        share = percent(float(pick(data, "prevalence", label=name)))
        at = f"{float(pick(data, 'threshold', label=name)):.2f}"
        f1 = score(result, "ablation", ways[0], name)
        rows.append([name, *counts, share, at, f"{fixed(f1.value)} {interval(f1.low, f1.high)}"])
    whole = [f"{int(pick(data, 'split_images', split_part=p)):,}" for p in parts]
    rows.append(["all images", *whole, "", "", ""])
    wrong = {k: int(pick(data, "inconsistent", way_wrong=k)) for k in ("both", "neither")}
    return {
        "header": ["Label", *(p.capitalize() for p in parts), "Prevalence on test", "Threshold", "F1 on test"],
        "rows": rows,
        "note": f"Of the test images {wrong['both']} are said to have no defect and a defect, {wrong['neither']} to "
        "have neither. Prevalence stands beside F1 because what F1 a label can reach depends on it.",
    }


def build_table(result: StudyResult, table: str, caption: str) -> dict[str, Any] | None:
    """Returns ways of deciding beside each other: bars of macro F1, the summaries, and differences from the first."""
    data = result.arrays
    if f"{table}_score" not in data:
        return None
    labels = strings(data, "label")
    ways = strings(data, table)
    rows, differences, each = [], [], []
    for way in ways:
        found = [score(result, table, way, figure) for figure in _SHOWN]
        cells = [{"value": fixed(e.value), "interval": interval(e.low, e.high)} for e in found]
        rows.append({"label": way, "note": "", "bar": bar(_AXIS, ((found[1], "first"),)), "cells": cells})
        each.append([way, *(fixed(score(result, table, way, name).value) for name in labels)])
        if way != ways[0]:
            gaps = [score(result, table, way, figure, "difference") for figure in _SHOWN]
            differences.append([way, *(signed_interval(e.value, e.low, e.high, 4) for e in gaps)])
    return {
        "bars": {"caption": caption, "axis": _AXIS, "rows": rows},
        "names": [("Micro F1", ""), ("Macro F1", "first"), ("Macro F1 of defects", "")],
        "differences": {"header": [f"Against “{ways[0]}”", *(f.capitalize() for f in _SHOWN)], "rows": differences},
        "each": {"header": ["F1 of each label", *labels], "rows": each},
    }


def build_curves(result: StudyResult) -> dict[str, Any] | None:
    """Returns the drawing of what each epoch scores on the part that its thresholds were chosen on."""
    data = result.arrays
    if "watch_curve" not in data:
        return None
    epochs = np.asarray(data["watched_epoch"].values, float)
    lines, texts = [], []
    for part, kind in zip(strings(data, "chosen_on"), ("first", "total"), strict=True):
        values = np.asarray(pick(data, "watch_curve", chosen_on=part), float)
        lines.append(Line(x=epochs, y=values, kind=kind, label=part, dots=len(epochs) <= 60))
        texts.append(f"largest on {part}: {fixed(float(values.max()), 4)} after epoch {int(epochs[values.argmax()])}")
    ends = (float(epochs[0]), float(max(epochs[-1], epochs[0] + 1)))
    said = "Micro F1 after every epoch, with thresholds chosen on the same part"
    return {"svg": draw_lines(lines, x_label="epoch", said=said, x_range=ends), "note": "; ".join(texts)}


def build_epochs(result: StudyResult) -> dict[str, Any]:
    """Returns the epochs of the four ways to choose."""
    data = result.arrays
    rows = [[way, str(int(pick(data, "watch_epoch", watch=way)))] for way in strings(data, "watch")]
    return {"header": ["Chosen", "Epoch"], "rows": rows}


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns trainings and time."""
    cost = result.cost
    facts = [
        ("Trainings", str(cost["trainings"])),
        ("Time of the trainings, with their pages", duration(float(cost["training_seconds"]))),
        ("Time in all", duration(float(cost["seconds"]))),
        ("Run on", str(result.provenance.get("device", ""))),
    ]
    how = (
        "What this call took. Finished trainings and what their networks say are read; scores and pages are made again."
    )
    return {"facts": facts, "trial": [], "how": how}
