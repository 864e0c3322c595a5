"""Blocks of a table audit's page: inputs and their distributions, slopes over the data, retraining, cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.report.blocks.bars import axis_for, bar
from shiftgauge.report.blocks.method import failure_fact
from shiftgauge.report.format import duration, fixed, input_label, interval, number, percent, quantity_label
from shiftgauge.report.read import Estimate, Quantity, estimate, is_constant, pick, ranked, strings
from shiftgauge.results.table import TableAuditResult

_MOST_PAIRS: Final = 30
_SETS: Final = {"all": "All inputs", "leading": "Leading inputs", "trailing": "Trailing inputs"}


def build_table_space(result: TableAuditResult) -> dict[str, Any]:
    """Returns the rule in words and one row for each column of the table."""
    data, rows = result.arrays, []
    for k, name in enumerate(strings(data, "feature")):
        low, high, mean, std, zeros = (
            float(pick(data, f"feature_{v}", feature=k)) for v in ("low", "high", "mean", "std", "zeros")
        )
        rows.append(
            {
                "label": input_label(name),
                "text": strings(data, "feature_text")[k],
                "range": f"{number(low)} to {number(high)}",
                "mean": number(mean),
                "std": number(std),
                "zeros": percent(zeros) if zeros else "none",
            }
        )
    return {"rule": str(data.attrs.get("rule_text", "")), "rows": rows}


def build_derivatives(result: TableAuditResult, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns the derivative statistics of each quantity, or None when the result holds none."""
    data = result.arrays
    if "derivative_mean" not in data:
        return None
    rows, way = int(data["derivative_rows"]), str(data["derivative_way"].values)
    return {
        "text": f"Formed by {way} at {rows:,} rows of the table.",
        "tables": [{"quantity": q, **_slopes(result, q.name)} for q in quantities],
    }


def build_reduction(result: TableAuditResult) -> dict[str, Any] | None:
    """Returns the scores after retraining, or None when nothing was trained again."""
    data = result.arrays
    if "reduction_accuracy" not in data:
        return None
    regressor, rule = data.attrs.get("reduction_score") == "R2", np.asarray(data["reduction_majority"].values, float)
    last = "Mean of the training rows" if regressor else "Majority rule"
    found = [(_SETS.get(n, n), t, pick(data, "reduction_accuracy", set=k)) for k, (n, t) in enumerate(_sets(data))]
    found.append((last, "", rule))
    shown = [Estimate(float(v.mean()), float(v.min()), float(v.max())) for _, _, v in found]
    axis = axis_for(shown)
    repeats = data.sizes["repeat"]
    splits = "one split of the rows" if repeats == 1 else f"{repeats} repetitions"
    return {
        "caption": f"{'R²' if regressor else 'Accuracy'} on test rows, {splits}",
        "score": "R²" if regressor else "accuracy",
        "rule": "the mean of the training rows, which uses no input"
        if regressor
        else "the majority rule, which always names the commonest class",
        "axis": axis,
        "rows": [
            {
                "label": label,
                "features": ", ".join(input_label(f) for f in text.split(", ")) if text else "",
                "bar": bar(axis, ((e, "part" if label == last else "first"),), marks=(float(rule.mean()),)),
                "mean": fixed(e.value) if regressor else percent(e.value),
                "range": interval(e.low, e.high) if regressor else interval(100 * e.low, 100 * e.high, 1),
            }
            for (label, text, _), e in zip(found, shown, strict=True)
        ],
    }


def build_table_figures(result: TableAuditResult, quantity: Quantity) -> list[dict[str, str]]:
    """Returns the key figures under the verdict."""
    data = result.arrays
    mean, at_data = estimate(data, "mean", quantity=quantity.name), estimate(data, "data_mean", quantity=quantity.name)
    figures = [
        {
            "title": quantity_label(quantity.name),
            "value": f"{number(at_data.value, 2)} → {number(mean.value, 2)}"
            if at_data.defined
            else number(mean.value, 2),
            "text": "mean over the table → mean over the space",
            "tone": "",
        }
    ]
    if is_constant(data, quantity.name):
        return [
            *figures,
            {"title": "Moves the output most", "value": "nothing", "text": "it never changed", "tone": ""},
        ]
    top = ranked(data, quantity.name, strings(data, "input"))[0]
    total = estimate(data, "total_order", quantity=quantity.name, input=top)
    text = f"takes part in {percent(total.value, 0)} of the variance {interval(total.low, total.high, 2)} (total index)"
    figures.append({"title": "Moves the output most", "value": input_label(top), "text": text, "tone": ""})
    figures += _together(result, quantity)
    score, majority = float(data.attrs["accuracy"]), float(data.attrs["majority"])
    if math.isfinite(score):
        text = f"of the table's rows are named rightly; the commonest class makes {percent(majority)}"
        tone = "good" if score > majority else "bad"
        figures.append({"title": "Accuracy", "value": percent(score), "text": text, "tone": tone})
    return figures


def _together(result: TableAuditResult, quantity: Quantity) -> list[dict[str, str]]:
    if "joint_share" not in result.arrays:
        return []
    found = estimate(result.arrays, "joint_share", quantity=quantity.name)
    value = percent(found.value, 0) if found.low > 0 else "not established"
    bounds = interval(found.low, found.high, 2)
    text = f"of the variance needs two or more inputs at once: 1 − sum of first indices {bounds}".strip()
    return [{"title": "Acting together", "value": value, "text": text, "tone": ""}]


def build_table_cost(result: TableAuditResult) -> dict[str, Any]:
    """Returns evaluations, time and rate."""
    cost = result.cost
    facts = [
        ("Evaluations of the model", f"{int(cost['evaluations']):,}"),
        ("Time", duration(float(cost["seconds"]))),
        ("Rows per second", f"{int(cost['rows_per_second']):,}"),
    ]
    failed = failure_fact(result.arrays)
    facts += [] if failed is None else [failed]
    how = (
        "What design, evaluation and estimates took. Nothing is stored on the way: after an interruption the same "
        "command starts again. Halving the intervals takes about four times as many evaluations."
    )
    return {"facts": facts, "trial": [], "how": how}


def _slopes(result: TableAuditResult, quantity: str) -> dict[str, Any]:
    data, names = result.arrays, strings(result.arrays, "feature")
    scaled = np.asarray(pick(data, "derivative_per_std", quantity=quantity), float)
    axis = axis_for((Estimate(float(v)) for v in scaled), floor=1e-12)
    order = np.argsort(-scaled, kind="stable")
    kinds = {k: np.asarray(pick(data, f"derivative_{k}", quantity=quantity), float) for k in _STATISTICS}
    rows = [
        {
            "label": input_label(names[i]),
            "bar": bar(axis, ((Estimate(float(scaled[i])), "first"),)),
            "scaled": number(float(scaled[i])),
            **{short: number(float(kinds[kind][i])) for kind, short in _STATISTICS.items()},
        }
        for i in order
    ]
    pairs = _pairs(result, quantity) if "second_derivative_mean" in data else []
    return {"axis": axis, "rows": rows, "pairs": pairs[:_MOST_PAIRS], "left_out": max(len(pairs) - _MOST_PAIRS, 0)}


_STATISTICS: Final = {"mean": "mean", "std": "std", "mean_square": "square"}


def _pairs(result: TableAuditResult, quantity: str) -> list[dict[str, str]]:
    data, names = result.arrays, strings(result.arrays, "feature")
    kinds = {k: np.asarray(pick(data, f"second_derivative_{k}", quantity=quantity), float) for k in _STATISTICS}
    spread = np.asarray(data["feature_std"].values, float)
    i, j = np.triu_indices(len(names))
    weight = np.sqrt(kinds["mean_square"][i, j]) * spread[i] * spread[j]
    return [
        {
            "label": f"{input_label(names[a])} twice"
            if a == b
            else f"{input_label(names[a])} × {input_label(names[b])}",
            **{short: number(float(kinds[kind][a, b])) for kind, short in _STATISTICS.items()},
        }
        for a, b in ((int(i[k]), int(j[k])) for k in np.argsort(-weight, kind="stable"))
    ]


def _sets(data: Any) -> list[tuple[str, str]]:
    return list(zip(strings(data, "set"), strings(data, "reduction_features"), strict=True))


def text_of(value: Estimate) -> str:
    """Returns an estimate with its interval on one line."""
    return f"{fixed(value.value)} {interval(value.low, value.high)}".strip()
