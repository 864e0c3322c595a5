"""Blocks of the diabetes study's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.bars import axis_for, bar
from shiftgauge.report.format import clean, duration, fixed, input_label, interval, number, percent
from shiftgauge.report.read import Estimate, pick, strings
from shiftgauge.results.study import StudyResult

_PART_NAMES: Final = {"train": "Training rows", "test": "Test rows", "unused": "Unused rows"}
_RULE_NAMES: Final = {"range": "Smallest to largest", "quantiles": "5 % to 95 % quantile", "nonzero": "Without zeros"}


def build_network(result: StudyResult) -> dict[str, Any]:
    """Returns the scores of the network on each part, its confusion and its first probabilities."""
    data = result.arrays
    header = [
        "Rows",
        "Number",
        "Accuracy, evaluation",
        "Accuracy, training mode",
        "Majority rule",
        "AUC",
        "Cross-entropy",
    ]
    rows = []
    for part in strings(data, "part"):
        values = {
            k: float(pick(data, k, part=part))
            for k in ("part_size", "accuracy", "accuracy_batch", "majority", "auc", "cross_entropy")
        }
        shares = [percent(values[k]) for k in ("accuracy", "accuracy_batch", "majority")]
        rest = [fixed(values["auc"], 4), fixed(values["cross_entropy"], 4)]
        rows.append([_PART_NAMES[part], number(values["part_size"]), *shares, *rest])
    cells = pick(data, "confusion", part="test")
    first = ", ".join(fixed(float(v), 4) for v in pick(data, "first_probability"))
    return {
        "scores": {"header": header, "rows": rows},
        "confusion": f"On the test rows: {cells[0][0]} healthy and {cells[1][1]} diabetic named rightly, {cells[0][1]} "
        f"healthy called diabetic, {cells[1][0]} diabetic missed.",
        "rows": f"Probabilities of the first five rows: {first}.",
    }


def build_widths(result: StudyResult) -> dict[str, Any]:
    """Returns the half-widths of Glucose against N: bootstrap over one sequence, and independent scramblings."""
    data = result.arrays
    sizes = [int(n) for n in data["n_base"].values]
    where = {"input": "Glucose"}
    rows = []
    for kind, word in (("first", "First index"), ("total", "Total index")):
        bounds = pick(data, f"curve_{kind}_order_interval", quantity=0, **where)
        ours = (bounds[:, 1] - bounds[:, 0]) / 2
        theirs = pick(data, f"single_{kind}_half", **where)
        rows.append([f"{word}, as published", *(fixed(float(v), 4) for v in theirs)])
        rows.append([f"{word}, ours", *(fixed(float(v), 4) for v in ours)])
    ratio = float(data["single_first_half"].sel(where)[0] / data["single_first_half"].sel(where)[-1])
    note = (
        f"From N = {sizes[0]:,} to {sizes[-1]:,} the published kind shrinks by a factor of {ratio:.0f} (the square "
        f"root law gives {np.sqrt(sizes[-1] / sizes[0]):.0f})."
    )
    return {"header": ["Half-width", *(f"{n:,}" for n in sizes)], "rows": rows, "note": note}


def build_hidden(result: StudyResult) -> dict[str, Any]:
    """Returns the local relative sensitivity of the first layer, its Sobol' indices, and both through the depth."""
    data, names = result.arrays, strings(result.arrays, "input")
    layers = strings(data, "layer")
    local = [Estimate(float(v)) for v in pick(data, "local_relative", layer=0)]
    closed = pick(data, "local_relative_closed")
    gap = float(np.max(np.abs(closed - pick(data, "local_relative", layer=0)) / closed))
    exact = "less than one part in a million" if gap < 1e-6 else f"{gap:.1e}"
    kinds = {k: pick(data, f"layer_{k}_order", layer=0) for k in ("first", "total")}
    bounds = {k: pick(data, f"layer_{k}_order_interval", layer=0) for k in ("first", "total")}
    sobol = [
        [Estimate(float(kinds[k][i]), *map(float, bounds[k][i])) for k in ("first", "total")] for i in range(len(names))
    ]
    return {
        "local": _table(
            "Local relative sensitivity of the first linear layer, 1 % push (published as “S1”)",
            [(name, [(e, "part")], [_cell(fixed(e.value, 5))]) for name, e in zip(names, local, strict=True)],
        ),
        "note": f"Measured and closed form, 0.01 · mean|x| · ‖W‖, differ by {exact}.",
        "sobol": _table(
            "Sobol' indices of the same layer, aggregated over its ten units",
            [
                (name, [(a, "first"), (b, "total")], [_estimate(a), _estimate(b)])
                for name, (a, b) in zip(names, sobol, strict=True)
            ],
        ),
        "depth": _grid("Feature", layers, names, pick(data, "layer_first_order").T, 3),
        "depth_local": _grid("Feature", layers, names, pick(data, "local_relative").T, 5),
    }


def build_retraining(result: StudyResult) -> dict[str, Any]:
    """Returns test accuracies after training on each set of features, beside the majority rule."""
    data = result.arrays
    rule = float(pick(data, "majority", part="test"))
    rows, cells = [], []
    for name, features in zip(strings(data, "training"), strings(data, "training_features"), strict=True):
        values = pick(data, "training_accuracy", training=name, part="test")
        e = _range_of(values)
        note = "" if name.startswith("all") else ", ".join(input_label(f) for f in features.split(", "))
        shown = [_cell(percent(e.value)), _cell(interval(100 * e.low, 100 * e.high, 1))]
        rows.append((f"{name} features", [(e, "first")], shown, note))
        kinds = ("training_accuracy", "training_accuracy_leaked", "training_accuracy_batch")
        tests = [_mean_spread(pick(data, kind, training=name, part="test")) for kind in kinds]
        rest = [_mean_spread(pick(data, "training_accuracy", training=name, part=p)) for p in ("train", "unused")]
        cells.append([f"{name} features", *tests, *rest])
    majority = [percent(float(pick(data, "majority", part=p))) for p in ("test", "train", "unused")]
    cells.append(["majority rule", majority[0], majority[0], majority[0], *majority[1:]])
    rows.append(
        ("majority rule", [(Estimate(rule), "part")], [_cell(percent(rule)), _cell("")], "always “no diabetes”")
    )
    header = ["Trained on", "Test", "Test, statistics leaked", "Test, training mode", "Training rows", "Unused rows"]
    return {
        "table": _table(f"Accuracy on the 200 test rows, {data.sizes['seed']} seeds", rows, marks=(rule,)),
        "grid": {"header": header, "rows": cells},
        "note": f"Mean ± standard deviation over seeds. {_steps(result)} “Leaked” is batch norm whose statistics saw "
        "the test rows, as there; “training mode” is what the scripts print.",
    }


def _steps(result: StudyResult) -> str:
    """How long all features and fewer features were trained."""
    data = result.arrays
    steps = [int(v) for v in data["training_epochs"].values]
    drop = bool(data["training_drop"][1]) if "training_drop" in data else steps[0] != steps[1]
    if steps[0] == steps[1] and not drop:
        return f"Every training took {steps[0]:,} steps."
    text = f"All features: {steps[0]:,} steps; fewer features: {steps[1]:,} steps"
    return f"{text} with a drop of the learning rate, as in the published script." if drop else f"{text}."


def build_ranges(result: StudyResult) -> dict[str, Any]:
    """Returns total and first indices, and the ranges themselves, under each rule."""
    data, names = result.arrays, strings(result.arrays, "input")
    rules = strings(data, "rule")
    header = [_RULE_NAMES[r] for r in rules]
    found: dict[str, Any] = {}
    for kind in ("total", "first"):
        values, bounds = pick(data, f"rule_{kind}_order"), pick(data, f"rule_{kind}_order_interval")
        half = (bounds[..., 1] - bounds[..., 0]) / 2
        rows = [
            [input_label(n), *(f"{fixed(float(values[r, i]))} ± {fixed(float(half[r, i]))}" for r in range(len(rules)))]
            for i, n in enumerate(names)
        ]
        found[kind] = {"header": ["Feature", *header], "rows": rows}
    limits = pick(data, "rule_range")
    rows = [
        [
            input_label(n),
            *(f"{number(float(limits[r, i, 0]))} to {number(float(limits[r, i, 1]))}" for r in range(len(rules))),
        ]
        for i, n in enumerate(names)
    ]
    return {**found, "bounds": {"header": ["Feature", *header], "rows": rows}}


def build_seeds(result: StudyResult) -> dict[str, Any]:
    """Returns mean and range of total indices over the trained networks."""
    data, names = result.arrays, strings(result.arrays, "input")
    values = pick(data, "seed_total_order")
    found = [(n, _range_of(values[:, i])) for i, n in enumerate(names)]
    found.sort(key=lambda item: -item[1].value)
    rows = [(n, [(e, "total")], [_cell(fixed(e.value)), _cell(interval(e.low, e.high))]) for n, e in found]
    return _table(f"Total index over {len(values)} networks", rows)


def build_components(result: StudyResult) -> dict[str, Any]:
    """Returns the shares of four components and the published importance, of the positives and of all rows."""
    data, names = result.arrays, strings(result.arrays, "input")
    shares = pick(data, "component_share")
    weights = pick(data, "component_importance")
    parts = ", ".join(percent(float(v), 2) for v in shares[0])
    rows = []
    for i in np.argsort(-weights[0]):
        pair = [Estimate(float(weights[k, i])) for k in (0, 1)]
        shown = [_cell(fixed(e.value, 4)) for e in pair]
        rows.append((names[i], [(pair[0], "first"), (pair[1], "total")], shown))
    return {
        "lead": f"Four components hold {percent(float(shares[0].sum()), 2)} of the variance of the positive patients "
        f"({parts}), and {percent(float(shares[1].sum()), 2)} of all rows.",
        "table": _table("Sum of absolute loadings over four components, normalised to 1", rows),
    }


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns evaluations and the time of each part."""
    cost = result.cost
    facts = [("Evaluations of a network", f"{int(cost['evaluations']):,}")]
    for key, label in (
        ("evaluations_main", "of these for the indices"),
        ("evaluations_as_published", "for the published kind of interval"),
        ("evaluations_layers", "for the layers"),
        ("evaluations_ranges", "for other ranges"),
        ("evaluations_seeds", "for other seeds"),
    ):
        if key in cost:
            facts.append((label, f"{int(cost[key]):,}"))
    for key, label in (
        ("seconds_training", "Training of all networks"),
        ("seconds_sobol", "Both designs, evaluated and estimated"),
        ("seconds_other_parts", "Layers, ranges, seeds, components"),
    ):
        facts.append((label, duration(float(cost[key]))))
    how = "What each part took. Nothing is stored on the way: after an interruption the same command starts again."
    return {"facts": facts, "trial": [], "how": how}


def _table(caption: str, rows: Sequence[tuple[Any, ...]], marks: Sequence[float] = ()) -> dict[str, Any]:
    """A table of bars: rows of name, estimates with their colours, cells and, optionally, a note."""
    axis = axis_for((e for row in rows for e, _ in row[1]), floor=1e-9)
    return {
        "caption": caption,
        "axis": axis,
        "rows": [
            {
                "label": input_label(row[0]),
                "bar": bar(axis, row[1], marks=marks),
                "cells": row[2],
                "note": row[3] if len(row) > 3 else "",
            }
            for row in rows
        ],
    }


def _grid(first: str, columns: Sequence[str], names: Sequence[str], values: np.ndarray, digits: int) -> dict[str, Any]:
    rows = [[input_label(n), *(fixed(float(v), digits) for v in line)] for n, line in zip(names, values, strict=True)]
    return {"header": [first, *(clean(c) for c in columns)], "rows": rows}


def _cell(text: str) -> dict[str, str]:
    return {"value": text, "interval": ""}


def _estimate(e: Estimate) -> dict[str, str]:
    return {"value": fixed(e.value), "interval": interval(e.low, e.high)}


def _range_of(values: np.ndarray) -> Estimate:
    return Estimate(float(values.mean()), float(values.min()), float(values.max()))


def _mean_spread(values: np.ndarray) -> str:
    spread = f" ± {fixed(100 * float(values.std(ddof=1)), 1)}" if len(values) > 1 else ""
    return f"{fixed(100 * float(values.mean()), 1)}{spread}\u00a0%"
