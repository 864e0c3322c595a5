"""Results of trainings with made-up numbers, for pages and files."""

from pathlib import Path

import numpy as np
import xarray as xr

from shiftgauge.results.status import Gate, Message
from shiftgauge.results.train import HISTORY, TrainResult

PARTS = ("validation", "test")
SUMMARY = ("accuracy", "macro_f1", "micro_f1", "micro_precision", "micro_recall")
MEASURES = ("precision", "recall", "f1", "average_precision", "roc_auc")
HOSTILE = ("<script>alert(1)</script>", "$x$ \x1b[31m", "a" * 60)


def train_result(
    *,
    task="single",
    n_classes=4,
    epochs=6,
    averaging=False,
    hostile=False,
    undefined=False,
    aim="f1",
    asked=None,
    mistakes=3,
    inconsistent=None,
):
    """A training whose numbers are random but in range."""
    rng = np.random.default_rng(0)
    names = [f"defect {k}" for k in range(n_classes)]
    if hostile:
        names[: len(HOSTILE)] = HOSTILE[:n_classes]
    counts = rng.integers(5, 80, n_classes)
    values = _figures(rng, names, counts) | _history(rng, epochs) | _calibration(rng, task, names)
    if task == "single":
        confusion = np.stack([np.diag(counts) + rng.integers(0, 4, (n_classes, n_classes)) for _ in PARTS])
        values |= _confusion("confusion", ("part", "class", "class_2"), confusion)
    else:
        found = rng.integers(0, 90, (2, n_classes, 2, 2))
        values |= _confusion("label_confusion", ("part", "class", "truth", "decision"), found)
        values |= _thresholds(rng, n_classes)
        if asked is not None:
            name = {"recall": "recall_floor", "cost": "cost_ratio"}[aim]
            values[name] = ("class", np.broadcast_to(np.asarray(asked, float), n_classes))
    if inconsistent is not None:
        values |= {"inconsistent": (("part", "way_wrong"), [inconsistent] * 2), "n_unlabelled": ("part", [0, 0])}
    values |= _mistakes(rng, names, mistakes)
    if averaging:
        values["averaging"] = (("part", "way", "summary"), rng.random((2, 2, len(SUMMARY))))
        values["averaging_interval"] = (
            ("part", "way", "summary", "bound"),
            np.sort(rng.random((2, 2, len(SUMMARY), 2))),
        )
    coords = {"epoch": np.arange(1, epochs + 1), "class": names, "class_2": names, "part": list(PARTS)}
    coords |= {"measure": list(MEASURES), "summary": list(SUMMARY), "bound": ["low", "high"]}
    coords["share"] = np.linspace(0, 1, 5)
    coords |= {"split_part": ["train", *PARTS], "stage": ["before", "after"], "way": ["run once", "averaged"]}
    coords["way_wrong"] = ["both", "neither"]
    coords["diagram"] = ["decided class"] if task == "single" else names
    used = {axis for axes, _ in values.values() for axis in ((axes,) if isinstance(axes, str) else axes)}
    arrays = xr.Dataset(values, coords={k: v for k, v in coords.items() if k in used})
    if undefined:
        arrays["class_metric"][1, :, 0] = np.nan
        arrays["class_metric_interval"][1, :, 0] = np.nan
    arrays.attrs = {
        **{"task": task, "quantity_of_interest": "macro_f1", "confidence_level": 0.95, "best_epoch": min(4, epochs)},
        **{"monitor": "macro_f1", "temperature": 1.31, "calibrated": 1, "stopped": "epochs", "epochs_wanted": epochs},
        **{"title": "Steel parts", "data_name": "steel", "model_name": "resnet18_small, 32 × 32, 1 channel"},
        **{"network_notes": "every weight starts at random", "averaging": "the image, flipped horizontal"},
        **{"aim": aim, "search": "exact", "split_by": "stratified", "seed": 0, "split_copies": 4, "split_units": 180},
        **{"split_near_duplicates": 9, "split_torn_by_a_plain_split": 6, "no_defect": names[0]},
    }
    return TrainResult(
        config={"resolved": {"optimizer": {"kind": "adamw"}, "augment": {"flips": ["vertical"]}}},
        provenance={"hashes": {"weights": "ab"}, "versions": {"torch": "2"}, "seed": 0, "device": "cpu"},
        cost={"epochs": epochs, "seconds": 12.0, "fit_seconds": 8.0, "images_per_second": 310.0, "device": "cpu"}
        | {"precision": "float32", "stopped": "epochs"},
        headline="Macro F1 0.91 on 120 test images.",
        arrays=arrays,
        messages=(Message(level="caution", code="few_images", text="Few test images of defect 1 (5)."),),
        gates=(Gate(name="min_macro_f1", limit=0.9, value=0.91, passed=True, text="macro f1 is within the limit"),),
        folder=Path("runs/steel"),
    )


def _figures(rng, names, counts):
    k = len(names)
    metric = rng.uniform(0.5, 1, (2, len(MEASURES), k))
    overall = rng.uniform(0.6, 1, (2, len(SUMMARY)))
    near = np.array([-0.05, 0.05])
    curve = np.broadcast_to(np.linspace(0, 1, 21), (2, k, 21))
    return {
        "class_metric": (("part", "measure", "class"), metric),
        "class_metric_interval": (("part", "measure", "class", "bound"), (metric[..., None] + near).clip(0, 1)),
        "overall": (("part", "summary"), overall),
        "overall_interval": (("part", "summary", "bound"), (overall[..., None] + near).clip(0, 1)),
        "support": (("part", "class"), np.stack([counts, counts])),
        "prevalence": (("part", "class"), np.stack([counts, counts]) / counts.sum()),
        "n_images": ("part", [int(counts.sum())] * 2),
        "roc_false_positive_rate": (("part", "class", "point"), curve),
        "roc_true_positive_rate": (("part", "class", "point"), curve**0.3),
        "pr_recall": (("part", "class", "point"), curve),
        "pr_precision": (("part", "class", "point"), 1 - curve**4 / 2),
        "pr_band_low": (("part", "class", "share"), np.full((2, k, 5), 0.4)),
        "pr_band_high": (("part", "class", "share"), np.full((2, k, 5), 0.9)),
        "roc_band_low": (("part", "class", "share"), np.full((2, k, 5), np.nan)),
        "roc_band_high": (("part", "class", "share"), np.full((2, k, 5), np.nan)),
        "split_images": ("split_part", [int(3 * counts.sum()), int(counts.sum()), int(counts.sum())]),
        "split_units": ("split_part", [int(2 * counts.sum()), int(counts.sum()), int(counts.sum())]),
        "split_count": (("split_part", "class"), np.stack([3 * counts, counts, counts])),
    }


def _confusion(name, axes, counts):
    share = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    bounds = np.stack([(share - 0.04).clip(0, 1), (share + 0.06).clip(0, 1)], axis=-1)
    return {name: (axes, counts), f"{name}_share": (axes, share), f"{name}_share_interval": ((*axes, "bound"), bounds)}


def _mistakes(rng, names, count):
    found = {"n_wrong": ("part", [count, count])}
    if not count:
        return found
    words = {
        "name": [f"part {k}.png" for k in range(count)],
        "truth": [names[k % len(names)] for k in range(count)],
        "decision": [names[(k + 1) % len(names)] for k in range(count)],
        "class": [names[(k + 1) % len(names)] for k in range(count)],
    }
    found |= {f"mistake_{key}": ("mistake", np.array(value, dtype=object)) for key, value in words.items()}
    pixels = rng.integers(0, 256, (count, 24, 24, 3)).astype(np.uint8)
    found["mistake_image"] = (("mistake", "mistake_row", "mistake_column", "rgb"), pixels)
    found["mistake_probability"] = ("mistake", np.linspace(0.99, 0.5, count))
    return found


def _history(rng, epochs):
    falling = np.exp(-np.arange(epochs) / 3)
    return {f"history_{name}": ("epoch", falling * rng.uniform(0.8, 1.2, epochs)) for name in HISTORY}


def _calibration(rng, task, names):
    shape = (2, 2, 1 if task == "single" else len(names), 10)
    axes = ("part", "stage", "diagram", "bin")
    middle = np.broadcast_to(np.linspace(0.05, 0.95, 10), shape)
    count = rng.integers(0, 9, shape)
    said = np.where(count > 0, middle, np.nan)
    return {
        "reliability_count": (axes, count),
        "reliability_confidence": (axes, said),
        "reliability_frequency": (axes, (said + rng.normal(0, 0.05, shape)).clip(0, 1)),
        "reliability_low": (axes, (said - 0.2).clip(0, 1)),
        "reliability_high": (axes, (said + 0.2).clip(0, 1)),
        "calibration_error": (("part", "stage"), rng.random((2, 2)) / 10),
        "calibration_log_loss": (("part", "stage"), rng.random((2, 2))),
    }


def _thresholds(rng, k):
    at = np.linspace(0, 1, 101)
    found = {
        "threshold": rng.uniform(0.3, 0.6, k),
        "threshold_low": np.full(k, 0.25),
        "threshold_high": np.full(k, 0.65),
        **{f"threshold_{name}": rng.uniform(0.5, 1, k) for name in ("precision", "recall", "f1", "cost")},
    }
    curves = {
        "curve_threshold": at,
        "curve_precision": np.where(at < 0.95, 0.5 + at / 2, np.nan),
        "curve_recall": 1 - at**3,
        "curve_f1": 1 - (at - 0.45) ** 2,
        "curve_cost": at**2,
    }
    shown = {name: (("class", "at"), np.tile(curve, (k, 1))) for name, curve in curves.items()}
    return {name: ("class", value) for name, value in found.items()} | shown
