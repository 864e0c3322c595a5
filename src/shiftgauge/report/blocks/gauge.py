"""The gauge R&R table: the variance split between parts, shifts, their interactions and repeats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from shiftgauge.report.blocks.bars import Axis, bar
from shiftgauge.report.format import interval, number, percent, percent_interval
from shiftgauge.report.read import Estimate, Quantity, components, estimate, gauge_words
from shiftgauge.results.audit import AuditResult

_AXIS = Axis((0.0, 0.25, 0.5, 0.75, 1.0))


def build(result: AuditResult, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns the table of each quantity, or None when no part-to-part variation was sampled."""
    if "gauge_contribution" not in result.arrays:
        return None
    return {"axis": _AXIS, "tables": [{"quantity": q, **_table(result, q)} for q in quantities]}


def _table(result: AuditResult, quantity: Quantity) -> dict[str, Any]:
    data = result.arrays
    rows = [_row(result, quantity, k, name, level) for k, (name, level) in enumerate(components(data))]
    count, verdict = gauge_words(data, quantity.name)
    few = estimate(data, "gauge_ndc", quantity=quantity.name).value < 5
    return {"rows": rows, "verdict": verdict, "ndc": count, "few": few}


def _row(result: AuditResult, quantity: Quantity, k: int, name: str, level: int) -> dict[str, Any]:
    data = result.arrays
    where: dict[str, Any] = {"quantity": quantity.name, "component": k}
    variance = estimate(data, "gauge_variance", **where)
    share = estimate(data, "gauge_contribution", **where)
    study = estimate(data, "gauge_study_variation", **where)
    total = name.lower().startswith("total")
    kind = "total" if total else "part" if level or name.lower().startswith("part") else "first"
    return {
        "label": name,
        "level": level,
        "total": total,
        "bar": bar(_AXIS, ((_clip(share), kind),)),
        "variance": _small(variance.value),
        "variance_interval": interval(variance.low, variance.high, 4),
        "contribution": percent(share.value),
        "contribution_interval": percent_interval(share.low, share.high),
        "study": percent(study.value),
    }


def _small(value: float) -> str:
    return number(value, 3)


def _clip(share: Estimate) -> Estimate:
    def inside(v: float) -> float:
        return min(max(v, 0.0), 1.0) if math.isfinite(v) else v

    return Estimate(inside(share.value), inside(share.low), inside(share.high))
