"""The audit of a tabular model as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import indices, record, table
from shiftgauge.report.blocks.curves import build_curves
from shiftgauge.report.blocks.method import method_text, surrogate_text
from shiftgauge.report.blocks.verdict import alarm_text, build_frame, build_gates
from shiftgauge.report.document import render
from shiftgauge.report.format import clean, percent
from shiftgauge.report.read import main_quantity, quantities
from shiftgauge.results.table import TableAuditResult


def write_table_page(result: TableAuditResult, path: str | Path) -> Path:
    """Writes the page of a table audit and returns its path.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_atomic(path, render_table_page(result).encode("utf-8"))


def render_table_page(result: TableAuditResult) -> str:
    """Returns the page of a table audit as HTML; arrays that are absent leave their section out."""
    shown, main = quantities(result), main_quantity(result)
    context: dict[str, Any] = {
        "title": clean(result.arrays.attrs.get("title") or "Audit of a tabular model"),
        "over": "Audit of a tabular model",
        "quantities": shown,
        "several": len(shown) > 1,
        "notes": {q.key: "" for q in shown},
        "verdict": build_frame(
            result,
            figures=table.build_table_figures(result, main),
            measured=f"{measured_sentence(result)} {surrogate_text(result.arrays, main)}".strip(),
            alarm=None if main.factual else alarm_text(main),
            gates=build_gates(result.gates),
        ),
        "space": table.build_table_space(result),
        "indices": indices.build(result, shown),
        "interactions": indices.build_interactions(result, shown),
        "curves": build_curves(result, shown),
        "derivatives": table.build_derivatives(result, shown),
        "reduction": table.build_reduction(result),
        "surrogate": record.build_surrogate(result, shown),
        "cost": table.build_table_cost(result),
        "provenance": record.build_provenance(result),
    }
    context["sections"] = [(key, label) for key, label, needed in _SECTIONS if needed is None or context[needed]]
    return render("table.html", context, scripts=("page.js",))


def measured_sentence(result: TableAuditResult) -> str:
    """Returns one sentence: which model, which table, how it was measured and why it ended."""
    at = result.arrays.attrs
    what = f"{clean(at.get('model_name', 'the model'))} on {clean(at.get('data_name', 'the table'))}"
    rows, inputs = f"{int(at.get('n_rows', 0)):,}", result.arrays.sizes["input"]
    level = percent(result.confidence_level, 0)
    text = f"{what}. {rows} rows, {inputs} inputs that vary; {method_text(result.arrays)}; {level} intervals."
    return f"{text} {clean(at.get('reason', ''))}".strip()


_SECTIONS = (
    ("verdict", "Verdict", None),
    ("space", "What was varied", None),
    ("indices", "Sensitivity indices", None),
    ("interactions", "Interactions", "interactions"),
    ("convergence", "Convergence", "curves"),
    ("derivatives", "Slopes over the data", "derivatives"),
    ("reduction", "Fewer inputs", "reduction"),
    ("surrogate", "Surrogate quality", "surrogate"),
    ("cost", "Cost", None),
    ("provenance", "Provenance", None),
)
