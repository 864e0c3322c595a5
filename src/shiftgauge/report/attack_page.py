"""Attacks on classifiers as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import attack, attack_pictures, attack_transfer, record
from shiftgauge.report.blocks.verdict import build_frame, build_gates
from shiftgauge.report.document import render
from shiftgauge.report.format import clean, fixed, percent, percent_interval
from shiftgauge.results.attack import AttackResult
from shiftgauge.results.attack_tables import accuracy_table, comparison_table


def write_attack_page(result: AttackResult, path: str | Path) -> Path:
    """Writes the page of attacks and returns its path.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_atomic(path, render_attack_page(result).encode("utf-8"))


def render_attack_page(result: AttackResult) -> str:
    """Returns the page of attacks as HTML; what was left out leaves its section out."""
    context: dict[str, Any] = {
        "title": clean(result.arrays.attrs.get("title") or "Attacks"),
        "over": "Attacks, noise and natural shifts",
        "several": False,
        "quantities": [],
        "verdict": build_frame(
            result,
            figures=key_figures(result),
            measured=measured_sentence(result),
            gates=build_gates(result.gates, percent) or None,
        ),
        "curves": attack.build_curves(result),
        "tables": attack.build_table(result),
        "comparison": attack.build_comparison(result),
        "transfer": attack_transfer.build_transfer(result),
        "pictures": attack_pictures.build_pictures(result),
        "audit": attack.build_audit(result),
        "asked": attack.build_asked(result),
        "target": clean(result.arrays.attrs.get("target", "")),
        "cost": attack.build_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }
    context["sections"] = [(key, label) for key, label, needed in _SECTIONS if needed is None or context[needed]]
    return render("attack.html", context, scripts=("page.js",))


def measured_sentence(result: AttackResult) -> str:
    """Returns one sentence: which models, which images, how many."""
    data, at = result.arrays, result.arrays.attrs
    models = ", ".join(clean(name) for name in result.models)
    level = percent(result.confidence_level, 0)
    return f"{models} on {clean(at.get('data_name', 'the images'))}: {data.sizes['image']:,} images; {level} intervals."


_PROVENANCE: Final = "The same models, images and options give the same numbers up to float rounding."
_SECTIONS: Final = (
    ("verdict", "Verdict", None),
    ("curves", "Accuracy by loudness", "curves"),
    ("table", "Table", "tables"),
    ("comparison", "Models beside each other", "comparison"),
    ("transfer", "Transfer", "transfer"),
    ("pictures", "Pictures", "pictures"),
    ("audit", "Beside the audit", "audit"),
    ("asked", "What was asked", None),
    ("cost", "Cost", None),
    ("provenance", "Provenance", None),
)


def key_figures(result: AttackResult) -> list[dict[str, str]]:
    """Returns the numbers that the page opens with: of up to three models, and how two of them differ."""
    data, table = result.arrays, accuracy_table(result.arrays)
    way, at = str(data.attrs.get("strongest", "")), float(data.attrs.get("headline_at", "nan"))
    found = []
    for model in result.models[:3]:
        rest = table.loc[(table["kind"] == "clean") & (table["model"] == model)].to_dict("records")[0]
        rows = table.loc[(table["way"] == way) & (table["asked"] == at) & (table["model"] == model)].to_dict("records")
        start = percent(float(rest["accuracy"]))
        if rows:
            row = rows[0]
            ends = percent_interval(float(row["low"]), float(row["high"]))
            value = f"{start} → {percent(float(row['accuracy']))}"
            text = f"accuracy as given → under “{way}” at {attack.at_text(result, at)} {ends}"
        else:
            value, text = start, f"accuracy as given {percent_interval(float(rest['low']), float(rest['high']))}"
        found.append({"title": clean(model), "value": value, "text": text, "tone": ""})
    compared = comparison_table(data)
    rows = compared.loc[(compared["way"] == way) & (compared["at"] == at)].to_dict("records")
    if rows:
        row = rows[0]
        ends = percent_interval(float(row["low"]), float(row["high"]))
        text = f"points between “{row['first']}” and “{row['second']}” under “{way}”, same images {ends}"
        value = fixed(100 * float(row["difference"]), 1)
        found.append({"title": "Difference", "value": value, "text": text, "tone": ""})
    return found
