"""Drawings of the page of the eye-state study: curves by ratio, boxes over folds, ROC, learning, pictures, classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from markupsafe import Markup

from shiftgauge.report.array_pictures import picture
from shiftgauge.report.blocks.bars import axis_for, bar
from shiftgauge.report.blocks.boxes import draw_boxes
from shiftgauge.report.blocks.explain import legend, tile
from shiftgauge.report.blocks.plot import UNIT, Line, draw_lines
from shiftgauge.report.format import clean, number
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.study import StudyResult

HUES: Final = ("first", "total", "hued green", "hued purple", "hued brown", "part", "hued red", "hued ink")
"""Colours of lines that stand beside each other."""
Curve: TypeAlias = tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Name, ratio, accuracy, lower and upper end."""
_AXIS: Final = "signal-to-noise ratio, dB (left is louder)"
_DOTTED: Final = 12
"""Most epochs whose points are drawn."""
_CURVES: Final = {"accuracy": "accuracy on validation", "loss": "loss on validation", "train_loss": "loss of training"}


def families(result: StudyResult) -> list[tuple[str, list[str]]]:
    """Wide residual networks, and the others."""
    models = strings(result.arrays, "model")
    wide = [m for m in models if not m.startswith("CNN")]
    return [("Wide residual and Parseval networks", wide), ("CNN", [m for m in models if m not in wide])]


def curves_of(result: StudyResult, model: str) -> list[Curve]:
    """Every way of changing crops of one network, each by rising ratio."""
    data, found = result.arrays, []
    for a, attack in enumerate(strings(data, "attack")):
        ends = pick(data, "white_interval", model=model, attack=a)
        found.append((attack, pick(data, "snr", attack=a), pick(data, "white", model=model, attack=a), ends))
    for s, shift in enumerate(strings(data, "shift")):
        ends = pick(data, "shifted_interval", model=model, shift=s)
        value = pick(data, "shifted", model=model, shift=s)
        found.append((shift.replace("_", " "), pick(data, "shift_snr", shift=s), value, ends))
    kept = []
    for name, ratio, value, ends in found:
        order = np.argsort(ratio)
        order = order[np.isfinite(ratio[order]) & np.isfinite(value[order])]
        kept.append((name, ratio[order], value[order], ends[order, 0], ends[order, 1]))
    return kept


def build_scale(result: StudyResult) -> dict[str, Any]:
    """Returns for each network accuracy under attacks, noise and natural shifts; and for each attack all networks."""
    by_model, models = [], strings(result.arrays, "model")
    everything = {m: curves_of(result, m) for m in models}
    ends = _ends([c[1] for curves in everything.values() for c in curves])
    ways = [c[0] for c in everything[models[0]]]
    for model in models:
        lines = [
            Line(x=x, y=y, kind=HUES[k], label=name, dots=True, band=(x, low, high))
            for k, (name, x, y, low, high) in enumerate(everything[model])
        ]
        by_model.append({"label": model, "svg": _drawn(lines, f"Accuracy by ratio, {clean(model)}", ends)})
    groups = []
    for family, names in families(result):
        drawn = [c[1] for name in names for c in everything[name][:2]]
        panels = [_of_way(everything, names, k, _ends(drawn)) for k in range(2)]
        groups.append({"label": family, "legend": legend(names, HUES), "panels": panels})
    return {"models": by_model, "ways": legend(ways, HUES), "groups": groups}


def _of_way(
    everything: Mapping[str, Sequence[Curve]], names: Sequence[str], way: int, ends: tuple[float, float]
) -> dict[str, Any]:
    """All networks of a family under one way of changing crops."""
    lines = []
    for k, name in enumerate(names):
        _, x, y, low, high = everything[name][way]
        lines.append(Line(x=x, y=y, kind=HUES[k], label=name, dots=True, band=(x, low, high)))
    label = everything[names[0]][way][0]
    return {"label": label, "svg": _drawn(lines, f"Accuracy by ratio under {label}", ends)}


def build_boxes(result: StudyResult) -> list[dict[str, Any]]:
    """Returns box plots over folds at the ratios of tables, for FGSM and PGD."""
    found = []
    for family, names in families(result):
        panels = []
        for attack in strings(result.arrays, "attack")[:2]:
            places, boxes = box_values(result, attack, names)
            said = f"Accuracy of folds under {attack}, {family}"
            panels.append({"label": attack, "svg": draw_boxes(boxes, places, HUES, said=said)})
        found.append({"label": family, "legend": legend(names, HUES), "panels": panels})
    return found


def box_values(result: StudyResult, attack: str, names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Ratios of tables as text, loudest first and clean last, and accuracies (place, network, fold)."""
    data = result.arrays
    grid = data["epsilon"].values
    a = strings(data, "attack").index(attack)
    places, values = [], []
    for epsilon in [*sorted(np.atleast_1d(data.attrs["marked"]).tolist(), reverse=True), 0.0]:
        at = int(np.flatnonzero(np.isclose(grid, epsilon))[0])
        ratio = float(pick(data, "snr", attack=a, epsilon=at))
        places.append(f"{ratio:.0f} dB" if np.isfinite(ratio) else "∞")
        values.append([pick(data, "white_fold", model=m, attack=a, epsilon=at) for m in names])
    return places, np.array(values, float)


def build_roc(result: StudyResult) -> list[dict[str, Any]]:
    """Returns micro-averaged ROC curves over log10 of the false positive rate, with bands from fold to fold."""
    data, found = result.arrays, []
    x = np.log10(data["false_rate"].values)
    for family, names in families(result):
        lines = []
        for k, name in enumerate(names):
            values = pick(data, "roc", model=name)
            mean, half = values.mean(axis=1), values.std(axis=1, ddof=1)
            band = (x, np.clip(mean - half, 0, 1), np.clip(mean + half, 0, 1))
            lines.append(Line(x=x, y=mean, kind=HUES[k], label=name, band=band))
        svg = draw_lines(
            lines,
            x_label="log10 of the false positive rate",
            said=f"ROC curves, {family}",
            x_range=(-3.0, 0.0),
            y_range=UNIT,
        )
        panels = [{"label": "all classes together", "svg": svg}]
        found.append({"label": family, "legend": legend(names, HUES), "panels": panels})
    return found


def build_learning(result: StudyResult) -> list[dict[str, Any]]:
    """Returns learning curves with bands from fold to fold."""
    data, found = result.arrays, []
    x = data["epoch"].values.astype(float)
    for family, names in families(result):
        panels = []
        for c, curve in enumerate(strings(data, "curve")):
            lines = []
            for k, name in enumerate(names):
                values = pick(data, "learned", model=name, curve=c)
                mean, half = values.mean(axis=1), values.std(axis=1, ddof=1)
                band = (x, mean - half, mean + half)
                lines.append(Line(x=x, y=mean, kind=HUES[k], label=name, dots=len(x) <= _DOTTED, band=band))
            said = f"Learning curves: {_CURVES[curve]}, {family}"
            svg = draw_lines(lines, x_label="epoch", said=said, x_range=(1.0, max(2.0, x[-1])))
            panels.append({"label": _CURVES[curve], "svg": svg})
        found.append({"label": family, "legend": legend(names, HUES), "panels": panels})
    return found


def build_pictures(result: StudyResult) -> list[dict[str, Any]]:
    """Returns for each way and crop a row of pictures: as given, then at falling ratios."""
    data, found = result.arrays, []
    panels = [float(p) for p in data["panel"].values]
    for w, way in enumerate(strings(data, "way")):
        rows = []
        for k in range(data.sizes["shown"]):
            name, label, said = (str(pick(data, f"shown_{key}", shown=k)) for key in ("name", "label", "said"))
            given = tile(picture(pick(data, "picture", shown=k)[None]), "as given", f"says {said}", name, cells=True)
            tiles = [{**given, "wrong": said != label}]
            for p in range(len(panels)):
                where = {"way": w, "panel": p, "shown": k}
                said, epsilon, ratio = (pick(data, f"attacked_{key}", **where) for key in ("said", "epsilon", "snr"))
                text = f"ε {number(float(epsilon))}; says {clean(str(said))}"
                pixels = picture(pick(data, "attacked_picture", **where)[None])
                made = tile(pixels, f"{number(float(ratio))} dB", text, f"{clean(name)}, {way}", cells=True)
                tiles.append({**made, "wrong": str(said) != label})
            rows.append({"name": name, "label": label, "tiles": tiles})
        found.append({"label": way, "rows": rows})
    return found


def build_classes(result: StudyResult) -> dict[str, Any]:
    """Returns a bar for each class."""
    counts = [Estimate(float(v)) for v in pick(result.arrays, "class_count")]
    axis = axis_for(counts)
    rows = [
        {
            "label": name,
            "note": "",
            "bar": bar(axis, ((e, "first"),)),
            "cells": [{"value": f"{e.value:,.0f}", "interval": ""}],
        }
        for name, e in zip(strings(result.arrays, "class"), counts, strict=True)
    ]
    return {"caption": "Crops of each class", "axis": axis, "rows": rows}


def _drawn(lines: Sequence[Line], said: str, ends: tuple[float, float]) -> Markup:
    return draw_lines(lines, x_label=_AXIS, said=said, x_range=ends, y_range=UNIT)


def _ends(ratios: Sequence[np.ndarray]) -> tuple[float, float]:
    known = np.concatenate(ratios)
    low, high = float(np.floor(known.min())), float(np.ceil(known.max()))
    return (low, high) if high > low else (low - 1, high + 1)
