"""The diabetes study as one self-contained page."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.blocks import diabetes, indices
from shiftgauge.report.blocks.curves import build_curves
from shiftgauge.report.format import clean, fixed, percent
from shiftgauge.report.read import estimate, main_quantity, quantities
from shiftgauge.report.study_page import StudyPage
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("network", "The network"),
    ("indices", "Figure 1: indices"),
    ("interactions", "Figure 2: pairs"),
    ("convergence", "Figure 4: convergence"),
    ("hidden", "Figure 3: hidden layer"),
    ("retraining", "Fewer features"),
    ("ranges", "Other ranges"),
    ("seeds", "Other seeds"),
    ("components", "Components"),
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which network, which table, how it was measured."""
    at = result.arrays.attrs
    level = percent(result.confidence_level, 0)
    count = int(result.cost.get("evaluations_main", result.cost["evaluations"]))
    return (
        f"{clean(at['network_name'])} on {clean(at['data_name'])}, {int(at['n_rows'])} rows. "
        f"Indices by {count:,} evaluations from {int(at['replicates'])} independent scrambled "
        f"sequences; {level} intervals."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data, quantity = result.arrays, main_quantity(result)
    glucose = estimate(data, "total_order", quantity=quantity.name, input="Glucose")
    total = data["total_order"].sel(quantity=quantity.name)
    above = int((total > total.sel(input="Glucose")).sum())
    place = "the largest" if not above else f"number {above + 1}"
    accuracy = float(data["accuracy"].sel(part="test"))
    rule = float(data["majority"].sel(part="test"))
    last = data["training_accuracy"].sel(training="trailing 4", part="test").values
    share = float(data["component_share"].sel(rows="positives").sum())
    return [
        {
            "title": "Total index of Glucose",
            "value": fixed(glucose.value),
            "text": f"± {fixed((glucose.high - glucose.low) / 2, 4)}, {place} of the {len(total)} features",
            "tone": "",
        },
        {
            "title": "Test accuracy",
            "value": percent(accuracy),
            "text": f"published 82.5 %; the majority rule reaches {percent(rule)}",
            "tone": "",
        },
        {
            "title": "Trailing features alone",
            "value": percent(float(last.mean())),
            "text": f"mean over {len(last)} seeds: no gain over the majority rule"
            if last.mean() <= rule + 0.01
            else f"mean over {len(last)} seeds",
            "tone": "bad" if last.mean() <= rule + 0.01 else "",
        },
        {
            "title": "Four components",
            "value": percent(share),
            "text": "of the variance of the positive patients; published “more than 70 %”",
            "tone": "",
        },
    ]


def _parts(result: StudyResult) -> dict[str, Any]:
    shown = quantities(result)
    return {
        "quantities": shown,
        "notes": {q.key: "" for q in shown},
        "network": diabetes.build_network(result),
        "indices": indices.build(result, shown),
        "interactions": indices.build_interactions(result, shown),
        "curves": build_curves(result, shown),
        "widths": diabetes.build_widths(result),
        "hidden": diabetes.build_hidden(result),
        "retraining": diabetes.build_retraining(result),
        "ranges": diabetes.build_ranges(result),
        "seeds": diabetes.build_seeds(result),
        "components": diabetes.build_components(result),
        "cost": diabetes.build_study_cost(result),
    }


PAGE: Final = StudyPage(
    template="diabetes.html",
    title="Diabetes study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)
