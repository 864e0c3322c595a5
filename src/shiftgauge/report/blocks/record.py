"""What was varied, how good the surrogate is, what the run cost and what it was made from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from shiftgauge.report.blocks.bars import Axis, bar
from shiftgauge.report.blocks.method import addition_text, failure_fact
from shiftgauge.report.format import duration, fixed, input_label, number, percent, with_unit
from shiftgauge.report.read import Estimate, Quantity, Shown, estimate, pick, strings
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.status import TRUSTED_SHARE

_AXIS = Axis((0.0, 0.25, 0.5, 0.75, 1.0))


def build_space(result: AuditResult) -> list[dict[str, str]]:
    """Returns one row for each varying shift: distribution, value that leaves an image unchanged, stage, summary."""
    data = result.arrays
    rows = []
    columns = {n: strings(data, f"shift_{n}") for n in ("unit", "text", "stage", "summary")}
    for k, name in enumerate(strings(data, "shift")):
        texts = {n: v[k] if v else "" for n, v in columns.items()}
        nominal = float(pick(data, "shift_nominal", shift=k)) if "shift_nominal" in data else math.nan
        rows.append({"label": input_label(name), "nominal": with_unit(nominal, texts["unit"]), **texts})
    return rows


def build_surrogate(result: Shown, quantities: Sequence[Quantity]) -> dict[str, Any] | None:
    """Returns Q² of each quantity beside the limit, and the surrogate's own indices, or None without a surrogate."""
    if not any(math.isfinite(q.share) for q in quantities):
        return None
    rows = [
        {
            "label": q.label,
            "share": percent(q.share),
            "bar": bar(
                _AXIS, ((Estimate(q.share), "first" if q.trusted else "first doubtful"),), marks=(TRUSTED_SHARE,)
            ),
            "trusted": q.trusted,
        }
        for q in quantities
    ]
    tables = [{"quantity": q, "formula": _formula(result, q), "rows": _comparison(result, q)} for q in quantities]
    return {"rows": rows, "axis": _AXIS, "limit": percent(TRUSTED_SHARE, 0), "tables": tables}


def build_cost(result: AuditResult) -> dict[str, Any]:
    """Returns evaluations, time, rate and the trial of execution settings, the chosen one marked."""
    cost = result.cost
    facts = [
        ("Evaluations of the classifier", number(_float(cost, "evaluations"), 7)),
        ("Time", duration(_float(cost, "seconds"))),
        ("Images per second", number(_float(cost, "images_per_second"))),
        ("Run as", execution_text(cost.get("execution"))),
    ]
    if _float(cost, "rows_from_store") > 0:
        facts.append(("Evaluations taken over from an earlier start", number(_float(cost, "rows_from_store"), 7)))
    failed = failure_fact(result.arrays)
    facts += [] if failed is None else [failed]
    trial = []
    for row in cost.get("trial") or []:
        trial.append(
            {
                "text": execution_text(row),
                "rate": number(_float(row, "images_per_second")),
                "difference": number(_float(row, "max_difference"), 2),
                "relative": percent(_float(row, "relative_difference"), 2),
                "verdict": _trial_verdict(row, cost.get("execution") or {}),
            }
        )
    return {"facts": [f for f in facts if f[1] not in ("–", "")], "trial": trial}


def build_provenance(result: Shown) -> dict[str, Any]:
    """Returns hashes, versions, run facts, skipped files, notes on the data and the configuration as text."""
    found = result.provenance
    run = [(k, found.get(k)) for k in ("started", "finished", "device", "seed")]
    return {
        "run": [(k.capitalize(), str(v).replace("T", " ")) for k, v in run if v not in (None, "")],
        "hashes": list(dict(found.get("hashes") or {}).items()),
        "versions": list(dict(found.get("versions") or {}).items()),
        "skipped": [(str(s[0]), str(s[1])) for s in found.get("skipped") or []],
        "notes": [str(note) for note in dict.fromkeys(found.get("notes") or [])],
        "config": json.dumps(result.config, indent=2, ensure_ascii=False, default=str),
    }


def execution_text(settings: Mapping[str, Any] | None) -> str:
    """Returns how the model was run, in words; `streams` is the number of batches at a time.

    Example:
        >>> execution_text({"batch_size": 8, "channels_last": True, "precision": "bfloat16", "streams": 2})
        'batch 8, 2 at a time, channels last, bfloat16'
    """
    if not settings:
        return ""
    parts = [f"batch {settings.get('batch_size', '?')}"]
    streams = settings.get("streams")
    parts += [f"{streams} at a time"] * (isinstance(streams, int) and streams > 1)
    parts += ["channels last"] * bool(settings.get("channels_last"))
    parts += [str(settings.get("precision", "float32"))]
    parts += ["compiled"] * bool(settings.get("compiled"))
    return ", ".join(parts)


def _trial_verdict(row: Mapping[str, Any], execution: Mapping[str, Any]) -> str:
    if execution and all(row.get(key) == value for key, value in execution.items()):
        return "✓ chosen"
    if row.get("agrees") is not False:
        return ""
    why = {"tolerance": ": a probability by too much", "spread": ": by too much against the spread"}
    return f"differs from float32{why.get(str(row.get('refused_by')), '')}"


def _formula(result: Shown, quantity: Quantity) -> str:
    """The surrogate of a quantity in words, such as `total degree 6, 84 terms`."""
    data, parts = result.arrays, []
    if "surrogate_label" in data:
        parts.append(str(pick(data, "surrogate_label", quantity=quantity.name)))
    if "surrogate_terms" in data:
        count = number(float(pick(data, "surrogate_terms", quantity=quantity.name)), 7)
        parts.append(f"{count} term{'s' * (count != '1')}")
    added = addition_text(data, quantity.name)
    parts += [f"explains {percent(quantity.share)}; {added}"] if added else []
    return ", ".join(p for p in parts if p)


def _comparison(result: Shown, quantity: Quantity) -> list[dict[str, str]]:
    data = result.arrays
    if "surrogate_total_order" not in data:
        return []
    rows = []
    for name in strings(data, "input"):
        where = {"quantity": quantity.name, "input": name}
        kinds = ("first_order", "surrogate_first_order", "total_order", "surrogate_total_order")
        rows.append({"label": input_label(name), "values": [fixed(estimate(data, k, **where).value) for k in kinds]})
    return rows


def _float(facts: Mapping[str, Any], key: str) -> float:
    value = facts.get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan
