"""Blocks of a training's page about what was chosen on validation, about the split, and about the options."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.report.blocks.plot import UNIT, Line, draw_lines
from shiftgauge.report.blocks.train import by_weakness, found, shown_summaries, text, words
from shiftgauge.report.format import clean, duration, fixed, number
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.train import TrainResult

_MOST_PANELS: Final = 24
_DIVIDED: Final = {
    "given": "as the data state",
    "group": "by group",
    "stratified": "stratified",
    "own": "by parts that were handed over",
}
_AIMS: Final = {
    "f1": "for the largest F1",
    "recall": "for the largest precision among those that hold {}",
    "cost": "for the least mean cost of an image{}",
}


def build_thresholds(result: TrainResult) -> dict[str, Any] | None:
    """Returns the threshold of each label with its curves and its flatness, or None with one class an image."""
    data = result.arrays
    if "threshold" not in data:
        return None
    rows = [_threshold_row(result, name) for name in by_weakness(result)]
    drawn = [_SCORES, *([_COST] if data.attrs.get("aim") == "cost" else [])][::-1]
    panels = [
        {
            "label": name,
            "about": about if len(drawn) > 1 else "",
            "svg": _threshold_drawing(result, name, about, curves),
        }
        for name in by_weakness(result)[:_MOST_PANELS]
        for about, curves in drawn
    ]
    search = "every score" if data.attrs.get("search") == "exact" else "a grid"
    return {"aim": aim_text(result), "search": search, "rows": rows, "panels": panels}


def aim_text(result: TrainResult) -> str:
    """What thresholds were chosen for, with the recall floor or the cost ratio in effect."""
    data, aim = result.arrays, str(result.arrays.attrs.get("aim"))
    if aim == "recall":
        floors = _asked(data, "recall_floor")
        return _AIMS[aim].format(f"a recall of at least {floors}" if floors else "the recall floor")
    if aim == "cost":
        ratios = _asked(data, "cost_ratio")
        return _AIMS[aim].format(f", a missed label costing as much as {ratios} false alarms" if ratios else "")
    return _AIMS.get(aim, "")


def _asked(data: xr.Dataset, name: str) -> str:
    """A number that was asked of every label, or the span of those that were."""
    if name not in data:
        return ""
    low, high = (float(end(data[name].values)) for end in (np.min, np.max))
    return f"{low:g}" if low == high else f"{low:g} to {high:g} (each label its own)"


def _threshold_row(result: TrainResult, name: str) -> dict[str, Any]:
    """The threshold of one label and what it achieves; with a recall floor also whether test holds it."""
    data, where = result.arrays, {"class": name}
    values = {k: float(pick(data, f"threshold_{k}", **where)) for k in ("low", "high", *_ACHIEVED)}
    cells = [
        ("Threshold", fixed(float(pick(data, "threshold", **where)))),
        ("As good within 1 %", f"{fixed(values['low'])} to {fixed(values['high'])}"),
        *((word, fixed(values[k])) for k, word in _ACHIEVED.items() if k != "cost" or data.attrs.get("aim") == "cost"),
    ]
    if "cost_ratio" in data:
        cells.append(("Cost of a miss", number(float(pick(data, "cost_ratio", **where)))))
    if "recall_floor" in data:
        support = pick(data, "support", part="validation", **where)
        cells += [
            ("Floor", number(float(pick(data, "recall_floor", **where)))),
            ("Positive", f"{int(support):,}"),
        ]
        if result.part != "validation":
            recall = text(found(result, "recall", result.part, name))
            cells.append((f"Recall on {result.part}", f"{recall['value']} {recall['interval']}".strip()))
    return {"label": name, "cells": [{"label": label, "value": value} for label, value in cells]}


_ACHIEVED: Final = {"precision": "Precision", "recall": "Recall", "f1": "F1", "cost": "Cost"}


_SCORES: Final = ("precision, recall and F1", {"precision": "total", "recall": "part", "f1": "first"})
_COST: Final = ("mean cost of an image", {"cost": "first"})
"""What is drawn against the threshold, and in which colours."""


def _threshold_drawing(result: TrainResult, name: str, about: str, curves: Mapping[str, str]) -> Any:
    data, where = result.arrays, {"class": name}
    chosen, low, high = (float(pick(data, f"threshold{k}", **where)) for k in ("", "_low", "_high"))
    at = pick(data, "curve_threshold", **where)
    lines = [Line(x=at, y=pick(data, f"curve_{k}", **where), kind=colour, label=k) for k, colour in curves.items()]
    return draw_lines(
        lines,
        x_label="threshold",
        said=f"{about[:1].upper()}{about[1:]} of {name} against the threshold",
        x_range=UNIT,
        y_range=None if "cost" in curves else UNIT,
        marks=((chosen, f"chosen: {fixed(chosen)}"),),
        band=(low, high),
    )


def build_calibration(result: TrainResult) -> dict[str, Any]:
    """Returns the reliability diagrams of the part of the verdict, before and after the temperature."""
    data, part = result.arrays, result.part
    stages = strings(data, "stage")
    names = strings(data, "diagram")
    order = [n for n in by_weakness(result) if n in names] or names
    panels = []
    for name in order[:_MOST_PANELS]:
        lines = []
        for stage, kind in zip(stages, ("total", "first"), strict=False):
            where = {"part": part, "stage": stage, "diagram": name}
            count = pick(data, "reliability_count", **where)
            x, y = pick(data, "reliability_confidence", **where), pick(data, "reliability_frequency", **where)
            ends = tuple(pick(data, f"reliability_{end}", **where)[count > 0] for end in ("low", "high"))
            shown = {"x": x[count > 0], "y": y[count > 0], "whiskers": ends}
            lines.append(Line(**shown, kind=kind, label=f"{stage}, said", dots=True))
        said = f"Share that came true against the probability that was said: {name}"
        svg = draw_lines(lines, x_label="probability said", said=said, x_range=UNIT, y_range=UNIT, diagonal=True)
        panels.append({"label": name, "svg": svg})
    rows = [
        {
            "part": p,
            "stage": stage,
            "error": fixed(float(pick(data, "calibration_error", part=p, stage=stage))),
            "loss": fixed(float(pick(data, "calibration_log_loss", part=p, stage=stage)), 4),
        }
        for p in strings(data, "part")
        for stage in stages
    ]
    temperature = float(data.attrs["temperature"])
    learned = f"temperature {number(temperature)}, learned on validation" if data.attrs.get("calibrated") else ""
    return {"part": part, "panels": panels, "rows": rows, "temperature": learned, "stages": stages}


def build_averaging(result: TrainResult) -> dict[str, Any] | None:
    """Returns what averaging over changed images gains, or None where it was not asked for."""
    data = result.arrays
    if "averaging" not in data:
        return None
    ways = [(part, way) for part in strings(data, "part")[::-1] for way in strings(data, "way")]
    rows = []
    for name in shown_summaries(result):
        cells = []
        for part, way in ways:
            where = {"part": part, "way": way, "summary": name}
            value, bounds = (pick(data, f"averaging{end}", **where) for end in ("", "_interval"))
            cells.append(text(Estimate(float(value), *bounds.tolist())))
        rows.append({"label": words(name), "cells": cells})
    changes = clean(data.attrs.get("averaging", ""))
    return {"changes": changes, "columns": [f"{part}, {way}" for part, way in ways], "rows": rows}


def build_split(result: TrainResult) -> dict[str, Any]:
    """Returns images, units and images of each class of every part, and how they were divided."""
    data, at = result.arrays, result.arrays.attrs
    parts, names = strings(data, "split_part"), strings(data, "class")
    rows = [
        {
            "label": name,
            "cells": [f"{int(pick(data, 'split_count', **{'split_part': p, 'class': name})):,}" for p in parts],
        }
        for name in names
    ]
    whole = [f"{int(pick(data, 'split_images', split_part=p)):,}" for p in parts]
    units = [f"{int(pick(data, 'split_units', split_part=p)):,}" for p in parts]
    facts = [
        ("Divided", _DIVIDED.get(str(at["split_by"]), clean(at["split_by"]))),
        ("Images with an exact copy", _counted(at, "copies")),
        ("Images with a near-duplicate or copy", _counted(at, "near_duplicates") or "not looked for"),
        ("Units that are never separated", _counted(at, "units")),
        ("Images a plain split would part from their like", _counted(at, "torn_by_a_plain_split")),
        ("Validation images whose group begins in training", _counted(at, "cut") if at.get("split_cut") else ""),
    ]
    shown = [(name, value) for name, value in facts if value]
    return {"parts": parts, "rows": rows, "images": whole, "units": units, "facts": shown, "how": _kept_together(at)}


def _counted(at: Mapping[str, Any], name: str) -> str:
    """A count of images or units of the split; empty where nobody counted."""
    return f"{int(at[f'split_{name}']):,}" if f"split_{name}" in at else ""


def _kept_together(at: Mapping[str, Any]) -> str:
    """What is not in two parts, and what is."""
    looked, cut = "split_near_duplicates" in at, int(at.get("split_cut", 0))
    text = f"No group{', no content and no near-duplicate' if looked else ' and no content'} is in two parts"
    if cut:
        text += f", but for {cut:,} validation images whose group begins in training: no whole group could give "
        text += "validation an image of their class"
        text += f". {_counted(at, 'cut_near_duplicates')} of these have a near-duplicate in training" if looked else ""
    text += "." if looked else ". Near-duplicates were not looked for."
    return f"{text} A unit is a set of images that belong together; the bootstrap draws units, not images."


def build_train_cost(result: TrainResult) -> dict[str, Any]:
    """Returns epochs, time and rate."""
    cost = result.cost
    rate = cost.get("images_per_second")
    facts = [
        ("Epochs", str(cost["epochs"])),
        ("Time", duration(float(cost["seconds"]))),
        ("Time of the training alone", duration(float(cost["fit_seconds"]))),
        ("Training images per second", "–" if rate is None else number(float(rate), 4)),
        ("Run on", f"{cost['device']}, {cost['precision']}"),
    ]
    how = (
        "What this call took, with reading, measuring and drawing. The rate is that of training alone. An interrupted "
        "training goes on after its last finished epoch, and this then tells of the last call."
    )
    return {"facts": [f for f in facts if f[1] != "–"], "trial": [], "how": how}


def build_options(result: TrainResult) -> list[tuple[str, str]]:
    """Returns the options that decide most, as short facts; all of them stand under Provenance."""
    train, at = _group(result.config, "resolved"), result.arrays.attrs
    optimizer, schedule, loss = (_group(train, key) for key in ("optimizer", "schedule", "loss"))
    sampling, augment = _group(train, "sampling"), _group(train, "augment")
    facts = [
        ("Network", clean(at.get("model_name", ""))),
        ("Weights", clean(at.get("network_notes", ""))),
        ("Optimiser", _words(optimizer, "kind", ("learning_rate", "rate"), ("weight_decay", "decay"))),
        ("Schedule", _words(schedule, "kind", ("warmup_epochs", "warm-up epochs"))),
        ("Loss", _words(loss, "kind", ("class_weights", "class weights"), ("positive_weights", "positive weights"))),
        ("Batches", _words(sampling, "kind", ("batch_size", "images each"))),
        ("Changes of training images", _changes(augment)),
        ("Moving average of the weights", _words({"kind": "", **train}, "kind", ("ema_decay", "decay"))),
        ("Batch statistics", "those that the network came with" if train.get("frozen_statistics") else ""),
        ("Epoch kept", _kept_epoch(str(at.get("monitor", "")))),
        ("Seed", str(at.get("seed", ""))),
    ]
    return [(name, value) for name, value in facts if value]


def _kept_epoch(monitor: str) -> str:
    return "the last" if monitor == "last" else f"the best by {words(monitor).lower()} on validation"


def _group(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def _words(values: Mapping[str, Any], kind: str, *others: tuple[str, str]) -> str:
    parts = [clean(values.get(kind, "")).replace("_", " ")]
    parts += [f"{word} {_shown(values[key])}" for key, word in others if values.get(key) not in (None, "none", 0)]
    return ", ".join(p for p in parts if p)


def _shown(value: Any) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(float(value)) if math.isfinite(value) else "–"
    return clean(value)


def _changes(augment: Mapping[str, Any]) -> str:
    parts = [clean(flip).replace("_", " ") for flip in augment.get("flips") or []]
    parts += [f"shift {clean(name).replace('_', ' ')}" for name in _group(_group(augment, "space"), "parameters")]
    parts += [clean(k.get("name", "")) for k in augment.get("kornia") or [] if isinstance(k, Mapping)]
    return ", ".join(parts) or "none"
