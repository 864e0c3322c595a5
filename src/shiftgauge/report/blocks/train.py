"""Blocks of a training's page: scores of every class, learning curves, confusion, the curves of ranking."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.bars import Axis, bar
from shiftgauge.report.blocks.indices import heat_level
from shiftgauge.report.blocks.plot import UNIT, Line, draw_lines
from shiftgauge.report.format import clean, fixed, interval, number, percent
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.train import TrainResult

_AXIS: Final = Axis((0.0, 0.25, 0.5, 0.75, 1.0))
_MEASURES: Final = {
    "precision": "Precision",
    "recall": "Recall",
    "average_precision": "Average precision",
    "roc_auc": "ROC-AUC",
}
MEASURE_WORDS: Final = {
    "accuracy": "Accuracy",
    "macro_f1": "Macro F1",
    "micro_f1": "Micro F1",
    "weighted_f1": "Weighted F1",
    "macro_precision": "Macro precision",
    "macro_recall": "Macro recall",
    "micro_precision": "Micro precision",
    "micro_recall": "Micro recall",
    "macro_average_precision": "Mean average precision",
    "macro_roc_auc": "Mean ROC-AUC",
    "train_loss": "Training loss",
    "loss": "Validation loss",
    "average_precision": "Average precision",
    "learning_rate": "Learning rate",
}
"""What figures are called."""
_MOST_PANELS: Final = 24
_MOST_CLASSES: Final = 30


def words(name: str) -> str:
    """What a figure is called; a name that is not known, with spaces."""
    return MEASURE_WORDS.get(name, clean(name).replace("_", " ").capitalize())


def found(result: TrainResult, name: str, part: str, of: str | None = None) -> Estimate:
    """A figure with its interval."""
    return Estimate(*result.metric(name, part=part, of=of))


def text(value: Estimate) -> dict[str, str]:
    """A figure as text: value and interval."""
    return {"value": fixed(value.value), "interval": interval(value.low, value.high)}


def by_weakness(result: TrainResult) -> list[str]:
    """The classes by rising F1 on the part of the verdict, undefined ones last."""
    names = strings(result.arrays, "class")
    f1 = [result.metric("f1", of=name)[0] for name in names]
    return [names[k] for k in np.argsort(np.nan_to_num(f1, nan=2.0), kind="stable")]


def build_scores(result: TrainResult) -> dict[str, Any]:
    """Returns the scores of each part: all classes together, then every class, the weakest first."""
    return {
        "axis": _AXIS,
        "measures": list(_MEASURES.values()),
        "tables": [
            {
                "part": part,
                "n": f"{int(pick(result.arrays, 'n_images', part=part)):,}",
                "shares": share_text(result, part),
                "overall": [
                    {"label": words(name), **text(found(result, name, part))}
                    for name in strings(result.arrays, "summary")
                ],
                "rows": [_class_row(result, part, name) for name in by_weakness(result)],
            }
            for part in strings(result.arrays, "part")[::-1]
        ],
    }


def _class_row(result: TrainResult, part: str, name: str) -> dict[str, Any]:
    data, f1 = result.arrays, found(result, "f1", part, name)
    where = {"part": part, "class": name}
    return {
        "label": name,
        "images": f"{int(pick(data, 'support', **where)):,}",
        "prevalence": percent(float(pick(data, "prevalence", **where))),
        "bar": bar(_AXIS, ((f1, "first"),)),
        "f1": text(f1),
        "cells": [{"label": label, **text(found(result, m, part, name))} for m, label in _MEASURES.items()],
    }


def share_text(result: TrainResult, part: str) -> str:
    """Smallest and largest prevalence of a class in a part."""
    shares = np.asarray(pick(result.arrays, "prevalence", part=part), float)
    return f"{percent(float(shares.min()))} to {percent(float(shares.max()))}"


def build_learning(result: TrainResult) -> dict[str, Any]:
    """Returns the drawings of what every epoch brought, and the numbers as a table."""
    data = result.arrays
    epochs = np.asarray(data["epoch"].values, float)
    ends = (float(epochs[0]), float(max(epochs[-1], epochs[0] + 1)))
    best = result.best_epoch
    marks = ((float(best), f"{'last' if result.arrays.attrs['monitor'] == 'last' else 'best'} epoch: {best}"),)
    panels = []
    for title, names in _PANELS:
        lines = [
            Line(x=epochs, y=data[f"history_{n}"].values, kind=kind, label=words(n), dots=len(epochs) <= 60)
            for n, kind in zip(names, ("first", "total"), strict=False)
        ]
        said = f"{title} against the epoch; table below"
        panels.append(
            {
                "label": title,
                "legend": [(line.kind, line.label) for line in lines],
                "svg": draw_lines(lines, x_label="epoch", said=said, x_range=ends, marks=marks),
            }
        )
    history = result.history
    return {
        "text": _epoch_text(result),
        "panels": panels,
        "names": [words(n) for n in history.columns],
        "rows": [
            {"epoch": int(e), "best": int(e) == best, "cells": [number(float(v)) for v in row]}
            for e, row in zip(history.index, history.to_numpy(), strict=True)
        ],
    }


_PANELS: Final = (
    ("Loss", ("train_loss", "loss")),
    ("F1 on validation", ("macro_f1", "micro_f1")),
    ("Accuracy and average precision on validation", ("accuracy", "average_precision")),
    ("Learning rate", ("learning_rate",)),
)


def _epoch_text(result: TrainResult) -> str:
    at = result.arrays.attrs
    done, wanted = result.arrays.sizes["epoch"], int(at.get("epochs_wanted", 0))
    of = f"of {done}, and it ended early: {wanted} were allowed" if at["stopped"] == "patience" else f"of {done}"
    best, by = result.best_epoch, str(at["monitor"])
    why = "the last, as was asked" if by == "last" else f"it was the best by {words(by).lower()} on validation"
    return f"The model folder holds the weights of epoch {best} {of}; {why}."


def build_confusion(result: TrainResult) -> dict[str, Any]:
    """Returns the confusion of the part of the verdict: one map, or a row for each label."""
    data, part, names = result.arrays, result.part, strings(result.arrays, "class")
    if "label_confusion" in data:
        counts = pick(data, "label_confusion", part=part)
        rows = [
            {"label": name, "cells": [f"{int(v):,}" for v in (c[1, 1], c[1, 0], c[0, 1], c[0, 0])]}
            for name, c in zip(names, counts, strict=True)
        ]
        return {"part": part, "labels": rows, "map": None, "pairs": []}
    counts = np.asarray(pick(data, "confusion", part=part), float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    drawn = [
        {
            "label": names[i],
            "cells": [
                {"text": f"{int(counts[i, j]):,}" if counts[i, j] else "·", "level": heat_level(float(shares[i, j]), 1)}
                for j in range(len(names))
            ],
        }
        for i in range(len(names))
    ]
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    pairs = [
        {"true": names[i], "decided": names[j], "count": f"{int(wrong[i, j]):,}", "share": percent(float(shares[i, j]))}
        for i, j in (np.unravel_index(k, wrong.shape) for k in order)
        if wrong[i, j]
    ]
    fits = len(names) <= _MOST_CLASSES
    return {"part": part, "labels": [], "map": {"names": names, "rows": drawn} if fits else None, "pairs": pairs}


def build_ranking(result: TrainResult) -> dict[str, Any]:
    """Returns precision against recall and the ROC curve of each class, the weakest first."""
    data, part = result.arrays, result.part
    order = by_weakness(result)
    panels = []
    for name in order[:_MOST_PANELS]:
        where = {"part": part, "class": name}
        share = float(pick(data, "prevalence", **where))
        curves = (
            (
                f"Precision against recall; chance is the prevalence, {percent(share)}",
                _curve(result, "pr", ("recall", "precision"), "first", where),
                "recall",
                False,
            ),
            (
                "True against false positive rate (ROC); chance is the dashed line",
                _curve(result, "roc", ("false_positive_rate", "true_positive_rate"), "total", where),
                "false positive rate",
                True,
            ),
        )
        values = [text(found(result, m, part, name)) for m in ("average_precision", "roc_auc")]
        drawings = [
            draw_lines([line], x_label=axis, said=f"{said}: {name}", x_range=UNIT, y_range=UNIT, diagonal=diagonal)
            for said, line, axis, diagonal in curves
        ]
        panels.append({"label": name, "prevalence": percent(share), "ranked": values, "drawings": drawings})
    return {"part": part, "panels": panels, "left_out": max(len(order) - _MOST_PANELS, 0)}


def _curve(result: TrainResult, short: str, names: tuple[str, str], kind: str, where: dict[str, str]) -> Line:
    """A curve of one class with its band, where there is one."""
    data, band = result.arrays, None
    if f"{short}_band_low" in data:
        low, high = (pick(data, f"{short}_band_{end}", **where) for end in ("low", "high"))
        band = (np.asarray(data["share"].values, float), low, high)
    x, y = (pick(data, f"{short}_{name}", **where) for name in names)
    return Line(x=x, y=y, kind=kind, label="", band=band)
