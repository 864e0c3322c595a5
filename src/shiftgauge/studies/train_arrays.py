"""What was measured of a trained network as named arrays: figures, curves, thresholds, calibration."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.train.calibration import calibration
from shiftgauge.train.measured import Curve, Estimate, Metrics
from shiftgauge.train.rank_metrics import SHARES
from shiftgauge.train.thresholds import Thresholds
from shiftgauge.types import FloatArray

STAGES: Final = ("before", "after")
"""Without and with the temperature."""
WAYS: Final = ("run once", "averaged")
MEASURES: Final = ("precision", "recall", "f1", "average_precision", "roc_auc")
"""Figures of a class."""
SUMMARIES: Final[Mapping[str, Callable[[Metrics], Estimate]]] = MappingProxyType(
    {
        "accuracy": lambda found: found.accuracy,
        "macro_f1": lambda found: found.macro.f1,
        "macro_precision": lambda found: found.macro.precision,
        "macro_recall": lambda found: found.macro.recall,
        "micro_f1": lambda found: found.micro.f1,
        "micro_precision": lambda found: found.micro.precision,
        "micro_recall": lambda found: found.micro.recall,
        "average_precision": lambda found: found.average_precision,
        "roc_auc": lambda found: found.roc_auc,
    }
)
"""Figures over all classes."""
_POINTS: Final = 101


def figure_arrays(found: Mapping[str, Metrics], names: Sequence[str]) -> xr.Dataset:
    """Figures of every part, of all classes together and of each, with confusion.

    Args:
        found: Part → what was measured.
        names: Names of the classes.
    """
    parts = list(found.values())
    each = [[[getattr(c, m) for c in p.classes] for m in MEASURES] for p in parts]
    overall = [[of(p) for of in SUMMARIES.values()] for p in parts]
    values: dict[str, Any] = {
        "class_metric": (("part", "measure", "class"), _values(each)),
        "class_metric_interval": (("part", "measure", "class", "bound"), _bounds(each)),
        "overall": (("part", "summary"), _values(overall)),
        "overall_interval": (("part", "summary", "bound"), _bounds(overall)),
        "support": (("part", "class"), np.array([[c.support for c in p.classes] for p in parts])),
        "prevalence": (("part", "class"), np.array([[c.prevalence for c in p.classes] for p in parts])),
        "n_images": ("part", np.array([p.n_images for p in parts])),
        "n_groups": ("part", np.array([p.n_groups for p in parts])),
    }
    coords = {"part": list(found), "measure": list(MEASURES), "summary": list(SUMMARIES), "class": list(names)}
    name, axes = "label_confusion", ("part", "class", "truth", "decision")
    if parts[0].task == "single":
        name, axes = "confusion", ("part", "class", "class_2")
        coords["class_2"] = list(names)
    bounds = [np.stack([p.confusion_low, p.confusion_high], axis=-1) for p in parts]
    values[name] = (axes, np.stack([p.confusion for p in parts]))
    values[f"{name}_share"] = (axes, np.stack([p.confusion_share for p in parts]))
    values[f"{name}_share_interval"] = ((*axes, "bound"), np.stack(bounds))
    return xr.Dataset(values, coords={**coords, "bound": ["low", "high"]})


def plain_figures(found: Mapping[str, Metrics]) -> dict[str, Any]:
    """The figures of every part as plain values, for the record of a model; the curves stay in the run folder."""
    return {
        name: {
            "n_images": metrics.n_images,
            "confidence_level": metrics.confidence_level,
            **{key: _plain(of(metrics)) for key, of in SUMMARIES.items()},
            "classes": {
                c.name: {
                    "support": c.support,
                    "prevalence": c.prevalence,
                    **{m: _plain(getattr(c, m)) for m in MEASURES},
                }
                for c in metrics.classes
            },
        }
        for name, metrics in found.items()
    }


def curve_arrays(found: Mapping[str, Metrics], names: Sequence[str]) -> xr.Dataset:
    """Precision against recall and ROC curves of every part and class; shorter ones end in NaN.

    Args:
        found: Part → what was measured.
        names: Names of the classes.
    """
    kinds = {"pr": ("precision_recall", "recall", "precision")}
    kinds["roc"] = ("roc", "false_positive_rate", "true_positive_rate")
    values: dict[str, Any] = {}
    for short, (key, across, up) in kinds.items():
        curves = [[_thinned(getattr(c, key)) for c in p.classes] for p in found.values()]
        for place, name in enumerate((across, up)):
            values[f"{short}_{name}"] = (
                ("part", "class", "point"),
                np.array([[c[place] for c in part] for part in curves]),
            )
        for end in ("low", "high"):
            bands = [[_band(getattr(c, key), end) for c in p.classes] for p in found.values()]
            values[f"{short}_band_{end}"] = (("part", "class", "share"), np.array(bands))
    return xr.Dataset(values, coords={"part": list(found), "class": list(names), "share": SHARES})


def averaging_arrays(once: Mapping[str, Metrics], averaged: Mapping[str, Metrics]) -> xr.Dataset:
    """Figures of the network run once beside those of averaged probabilities."""
    rows = [[[of(found[name]) for of in SUMMARIES.values()] for found in (once, averaged)] for name in once]
    axes = ("part", "way", "summary")
    values = {"averaging": (axes, _values(rows)), "averaging_interval": ((*axes, "bound"), _bounds(rows))}
    coords = {"part": list(once), "way": list(WAYS), "summary": list(SUMMARIES), "bound": ["low", "high"]}
    return xr.Dataset(values, coords=coords)


def threshold_arrays(chosen: Thresholds) -> xr.Dataset:
    """Thresholds, what they achieve on validation, how flat their choice is, what was asked of it, and the curves."""
    rows, grid = chosen.classes, np.linspace(0, 1, _POINTS)
    single = {"threshold": "value", **{f"threshold_{n}": n for n in ("precision", "recall", "f1", "cost")}}
    values: dict[str, Any] = {
        name: ("class", np.array([getattr(row, key) for row in rows], float)) for name, key in single.items()
    }
    values["threshold_low"] = ("class", np.array([row.flat[0] for row in rows]))
    values["threshold_high"] = ("class", np.array([row.flat[1] for row in rows]))
    for name in ("precision", "recall", "f1", "cost"):
        curves = [getattr(row.curve, name)[np.searchsorted(row.curve.threshold, grid - 1e-9)] for row in rows]
        values[f"curve_{name}"] = (("class", "at"), np.stack(curves))
    values["curve_threshold"] = (("class", "at"), np.tile(grid, (len(rows), 1)))
    asked = {"recall": "recall_floor", "cost": "cost_ratio"}.get(chosen.aim)
    if asked is not None:
        values[asked] = ("class", np.array(getattr(chosen, asked), float))
    return xr.Dataset(values, coords={"class": [row.name for row in rows]})


def calibration_arrays(
    logits: Mapping[str, FloatArray],
    targets: Mapping[str, npt.NDArray[Any]],
    task: Literal["single", "multi"],
    temperature: float,
    names: Sequence[str],
) -> xr.Dataset:
    """Reliability diagrams, calibration error and log loss of every part, without and with the temperature."""
    found = {
        name: calibration(values, targets[name], task, temperature, class_names=names)
        for name, values in logits.items()
    }
    diagrams = [[getattr(c, stage) for stage in STAGES] for c in found.values()]
    axes = ("part", "stage", "diagram", "bin")
    values: dict[str, Any] = {
        f"reliability_{key}": (axes, np.array([[[getattr(d, key) for d in s] for s in p] for p in diagrams]))
        for key in ("count", "confidence", "frequency", "low", "high")
    }
    for key, short in (("calibration_error", "ece"), ("calibration_log_loss", "nll")):
        rows = [[getattr(c, f"{short}_{stage}") for stage in STAGES] for c in found.values()]
        values[key] = (("part", "stage"), np.array(rows))
    shown = [diagram.name for diagram in next(iter(found.values())).before]
    return xr.Dataset(values, coords={"part": list(found), "stage": list(STAGES), "diagram": shown})


def _values(nested: Sequence[Any]) -> FloatArray:
    return np.array([_values(n) if isinstance(n, list) else n.value for n in nested])


def _bounds(nested: Sequence[Any]) -> FloatArray:
    return np.array([_bounds(n) if isinstance(n, list) else (n.low, n.high) for n in nested])


def _plain(found: Estimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _band(curve: Curve | None, end: str) -> FloatArray:
    """One edge of the band of a curve at `SHARES`."""
    return np.full(len(SHARES), np.nan) if curve is None else np.asarray(getattr(curve, end), float)


def _thinned(curve: Curve | None) -> FloatArray:
    """x and y of at most so many points (2, points), NaN after the last."""
    points = np.full((2, _POINTS), np.nan)
    if curve is not None:
        kept = np.unique(np.linspace(0, len(curve.x) - 1, _POINTS).round().astype(int))
        points[:, : len(kept)] = curve.x[kept], curve.y[kept]
    return points
