"""Blocks of the page of the lung-ultrasound study."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.report.blocks.bars import Axis, bar
from shiftgauge.report.format import duration, fixed, interval, signed_interval
from shiftgauge.report.pictures import data_uri
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.study import StudyResult

_AXIS: Final = Axis((0.0, 0.25, 0.5, 0.75, 1.0))
_WARM: Final = np.array([232, 118, 24], float)
_COLD: Final = np.array([36, 99, 190], float)


def note_of(result: StudyResult, way: str) -> str:
    """What tells a way from the others; empty where nothing does."""
    if way != result.arrays.attrs["pooled_way"]:
        return ""
    return "other frames of the same recordings were trained on: no test"


def score(result: StudyResult, table: str, way: str, figure: str, kind: str = "score") -> Estimate:
    """A score, or its difference from whole frames, with its interval."""
    where = {table: way, "figure": figure}
    low, high = pick(result.arrays, f"{table}_{kind}_interval", **where).tolist()
    return Estimate(float(pick(result.arrays, f"{table}_{kind}", **where)), low, high)


def look(result: StudyResult, way: str, method: str, measure: str) -> Estimate:
    """A measure of a method's maps with its interval."""
    where = {"look_way": way, "method": method, "measure": measure}
    low, high = pick(result.arrays, "look_value_interval", **where).tolist()
    return Estimate(float(pick(result.arrays, "look_value", **where)), low, high)


def build_scores(result: StudyResult, table: str, caption: str) -> dict[str, Any]:
    """Returns ways beside each other: bars of balanced accuracy, recalls, and differences from whole frames."""
    data = result.arrays
    figures, ways = strings(data, "figure"), strings(data, table)
    rows, differences, each = [], [], []
    for way in ways:
        found = [score(result, table, way, figure) for figure in figures]
        cells = [{"value": fixed(e.value), "interval": interval(e.low, e.high)} for e in found[:2]]
        drawn = bar(_AXIS, ((found[0], "first"),), marks=(1 / len(strings(data, "class")),))
        rows.append({"label": way, "note": note_of(result, way), "bar": drawn, "cells": cells})
        each.append([way, *(f"{fixed(e.value)} {interval(e.low, e.high)}" for e in found[2:])])
        if way != ways[0]:
            gap = score(result, table, way, figures[0], "difference")
            differences.append([way, _signed_interval(gap)])
    return {
        "bars": {"caption": caption, "axis": _AXIS, "rows": rows},
        "names": [("Balanced accuracy", "first"), ("Accuracy", "")],
        "differences": {"header": [f"Against “{ways[0]}”", "Balanced accuracy"], "rows": differences},
        "each": {"header": ["Way", *(f.capitalize() for f in figures[2:])], "rows": each},
    }


def build_folds(result: StudyResult) -> dict[str, Any]:
    """Returns frames and recordings of each fold, its balanced accuracy and that of training."""
    data = result.arrays
    classes, ways = strings(data, "class"), strings(data, "training_way")
    rows = []
    for fold in data["fold"].values.tolist():
        at = {"fold": int(fold) - 1}
        counts = [f"{int(pick(data, 'fold_frames', **{**at, 'class': name}))}" for name in classes]
        known = fixed(float(pick(data, "training_accuracy", training_way=ways[0], **at)))
        balanced = fixed(float(pick(data, "fold_balanced", **at)))
        rows.append([str(fold), str(int(pick(data, "fold_recordings", **at))), *counts, balanced, known])
    header = ["Fold", "Recordings", *classes, "Balanced accuracy", "On training"]
    return {"header": header, "rows": rows}


def build_confusion(result: StudyResult) -> dict[str, Any]:
    """Returns frames of each class by what was said of them."""
    data = result.arrays
    names = strings(data, "class")
    rows = [
        [name, *(f"{int(pick(data, 'confusion', **{'class': name, 'said_class': other})):,}" for other in names)]
        for name in names
    ]
    return {"header": ["Frames of", *(f"said to be {name}" for name in names)], "rows": rows}


def build_looks(result: StudyResult) -> dict[str, Any]:
    """Returns the measures of all methods for every way to train, and differences on the same frames."""
    data = result.arrays
    measures, rows, differences = strings(data, "measure"), [], []
    for way in strings(data, "look_way"):
        for method in strings(data, "method"):
            found = [look(result, way, method, measure) for measure in measures]
            rows.append([f"{way}, {method}", *(f"{fixed(e.value)} {interval(e.low, e.high)}".strip() for e in found)])
        for other in strings(data, "other"):
            gaps = [_gap(result, way, other, measure) for measure in measures]
            differences.append([f"{way}, less {other}", *(_signed_interval(e) for e in gaps)])
    names = [m.capitalize() for m in measures]
    ascent, area = strings(data, "method")[0], float(data.attrs["border_area"])
    return {
        "header": ["Networks and method", *names],
        "rows": rows,
        "note": _look_note(result),
        "area": fixed(area, 2),
        "differences": {"header": [ascent.capitalize(), *names], "rows": differences},
        "repeats": _repeats(result),
    }


def _repeats(result: StudyResult) -> dict[str, Any]:
    """Returns how alike two maps of a frame are, and by how much more with another seed alone."""
    data = result.arrays
    way, repeats, grains = strings(data, "look_way")[0], strings(data, "repeat"), strings(data, "grain")
    rows = []
    for repeat in repeats:
        found = [_repeat(result, "look_repeat", way, repeat=repeat, grain=grain) for grain in grains]
        gaps = [
            "" if repeat == repeats[0] else _signed_interval(_repeat(result, "look_repeat_gap", way, **where))
            for where in ({"reference": repeat, "grain": grain} for grain in grains)
        ]
        rows.append([repeat, *(f"{fixed(e.value)} {interval(e.low, e.high)}".strip() for e in found), *gaps])
    more = [f"Same class, more: {grain}" for grain in grains]
    return {"header": ["Correlation of two maps of a frame", *(g.capitalize() for g in grains), *more], "rows": rows}


def _repeat(result: StudyResult, name: str, way: str, **where: str) -> Estimate:
    low, high = pick(result.arrays, f"{name}_interval", look_way=way, **where).tolist()
    return Estimate(float(pick(result.arrays, name, look_way=way, **where)), low, high)


def _look_note(result: StudyResult) -> str:
    """How many frames have a map, and what Grad-CAM looked at."""
    data = result.arrays
    counts = []
    for way in strings(data, "look_way"):
        cells = {
            m: [int(pick(data, n, look_way=way, method=m)) for n in ("look_frames", "look_empty")]
            for m in strings(data, "method")[:2]
        }
        frames = max(sum(pair) for pair in cells.values())
        empty = [f"{pair[1]} without a map by {m}" for m, pair in cells.items() if pair[1]]
        counts.append(f"{way} {frames}" + (f" ({', '.join(empty)})" if empty else ""))
    return (
        f"Frames looked at: {', '.join(counts)}. Grad-CAM looked at {data.attrs['cam_layer']}, "
        f"{int(data.attrs['cam_rows'])} × {int(data.attrs['cam_columns'])} cells."
    )


def build_look_classes(result: StudyResult) -> dict[str, Any]:
    """Returns the means of all methods for each class, of the networks of whole frames."""
    data = result.arrays
    way, methods, measures = strings(data, "look_way")[0], strings(data, "method"), strings(data, "measure")
    rows = []
    for name in strings(data, "class"):
        for method in methods:
            where = {"look_way": way, "method": method, "class": name}
            values = [fixed(float(pick(data, "look_class", measure=measure, **where))) for measure in measures]
            rows.append([f"{name}, {method}", *values])
    return {"header": ["Class and method", *(m.capitalize() for m in measures)], "rows": rows}


def build_pictures(result: StudyResult) -> dict[str, Any]:
    """Returns the pictures: for each class frame, maximised frame, change, Grad-CAM; and what a class wants to see."""
    data = result.arrays
    rows = []
    for k, name in enumerate(strings(data, "shown_class")):
        tiles = [{"src": data_uri(image), "text": text} for text, image in pictures_of(result, k)]
        rows.append({"name": name, "tiles": tiles})
    dreams = [
        {"name": start, "tiles": [_dream(data, start, name) for name in strings(data, "dream_class")]}
        for start in strings(data, "dream_start")
    ]
    return {"rows": rows, "dreams": dreams}


def pictures_of(result: StudyResult, k: int) -> list[tuple[str, npt.NDArray[np.uint8]]]:
    """The four pictures of one class: name and grey or coloured bytes."""
    data = result.arrays
    names = ("shown_frame", "shown_ascent", "shown_change", "shown_cam")
    frame, ascent, change, cam = (np.asarray(pick(data, name, shown_class=k)) for name in names)
    return [
        ("frame", frame),
        ("activation maximisation", ascent),
        ("what it changed", diverging(change)),
        ("Grad-CAM", overlaid(frame, cam)),
    ]


def diverging(change_yx: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Colours a signed map: 128 is white, brighter is warm, darker is cold (y, x, 3)."""
    signed = np.clip((change_yx.astype(float) - 128) / 127, -1, 1)
    strength = np.sqrt(np.abs(signed))[..., None]
    colour = np.where(signed[..., None] >= 0, _WARM, _COLD)
    return np.round(255 * (1 - strength) + colour * strength).astype(np.uint8)


def overlaid(frame_yx: npt.NDArray[np.uint8], map_yx: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lays a map in one warm colour over a grey frame (y, x, 3)."""
    strength = 0.75 * map_yx.astype(float)[..., None] / 255
    return np.round(frame_yx.astype(float)[..., None] * (1 - strength) + _WARM * strength).astype(np.uint8)


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns trainings and time."""
    cost = result.cost
    facts = [
        ("Trainings", str(cost["trainings"])),
        ("Time of trainings, with their pages", duration(float(cost["training_seconds"]))),
        ("Time of maps and pictures", duration(float(cost["looking_seconds"]))),
        ("Time in all", duration(float(cost["seconds"]))),
        ("Run on", str(result.provenance.get("device", ""))),
    ]
    how = "What this call took. Finished trainings, maps and what networks say are read; baselines are fitted again."
    return {"facts": facts, "trial": [], "how": how}


def _dream(data: xr.Dataset, start: str, name: str) -> dict[str, str]:
    picture = pick(data, "dream", dream_start=start, dream_class=name)
    return {"src": data_uri(picture), "text": f"{name}, from {start}"}


def _gap(result: StudyResult, way: str, other: str, measure: str) -> Estimate:
    where = {"look_way": way, "other": other, "measure": measure}
    low, high = pick(result.arrays, "look_gap_interval", **where).tolist()
    return Estimate(float(pick(result.arrays, "look_gap", **where)), low, high)


def _signed_interval(e: Estimate) -> str:
    return signed_interval(e.value, e.low, e.high)
