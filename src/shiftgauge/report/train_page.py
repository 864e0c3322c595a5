"""A training as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import record, train, train_choices, train_confusion, train_mistakes
from shiftgauge.report.blocks.verdict import build_frame, build_gates
from shiftgauge.report.document import render
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.train import TrainResult


def write_train_page(result: TrainResult, path: str | Path) -> Path:
    """Writes the page of a training and returns its path.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_atomic(path, render_train_page(result).encode("utf-8"))


def render_train_page(result: TrainResult) -> str:
    """Returns the page of a training as HTML; what is absent leaves its section out."""
    provenance = record.build_provenance(result)
    context: dict[str, Any] = {
        "title": clean(result.arrays.attrs.get("title") or "Training"),
        "over": "Training of a classifier",
        "several": False,
        "quantities": [],
        "verdict": build_frame(
            result,
            figures=_figures(result),
            measured=measured_sentence(result),
            gates=build_gates(result.gates),
        ),
        "scores": train.build_scores(result),
        "confusion": train_confusion.build_confusion(result)
        | {"consistency": train_mistakes.contradiction_text(result)},
        "mistakes": train_mistakes.build_mistakes(result),
        "thresholds": train_choices.build_thresholds(result),
        "ranking": train.build_ranking(result),
        "calibration": train_choices.build_calibration(result),
        "averaging": train_choices.build_averaging(result),
        "learning": train.build_learning(result),
        "split": train_choices.build_split(result),
        "options": train_choices.build_options(result),
        "cost": train_choices.build_train_cost(result),
        "provenance": {**provenance, "how": _PROVENANCE},
    }
    context["sections"] = [(key, label) for key, label, needed in _SECTIONS if needed is None or context[needed]]
    return render("train.html", context, scripts=("page.js",))


def measured_sentence(result: TrainResult) -> str:
    """Returns one sentence: which network, which images, how many, and the level of the intervals."""
    data, at = result.arrays, result.arrays.attrs
    counts = [f"{int(pick(data, 'split_images', split_part=p)):,} {p}" for p in strings(data, "split_part")]
    level = percent(result.confidence_level, 0)
    return (
        f"{clean(at.get('model_name', 'the network'))} on {clean(at.get('data_name', 'the images'))}: "
        f"{', '.join(counts)} images. {level} intervals by a bootstrap of what belongs together, for this one "
        "network: another seed gives another one."
    )


_PROVENANCE: Final = (
    "Two trainings with the same hashes, seed and versions on a CPU give the same weights, bit for bit. Keep this with "
    "the model folder."
)
_SECTIONS: Final = (
    ("verdict", "Verdict", None),
    ("scores", "Scores", None),
    ("confusion", "Confusion", None),
    ("mistakes", "Mistakes", "mistakes"),
    ("thresholds", "Thresholds", "thresholds"),
    ("ranking", "Ranking curves", None),
    ("calibration", "Calibration", None),
    ("averaging", "Averaging", "averaging"),
    ("learning", "Learning curves", None),
    ("split", "The split", None),
    ("options", "Options", None),
    ("cost", "Cost", None),
    ("provenance", "Provenance", None),
)


def _figures(result: TrainResult) -> list[dict[str, str]]:
    part = result.part
    macro, accuracy = (train.found(result, name, part) for name in ("macro_f1", "accuracy"))
    exact = "every label of an image right" if result.task == "multi" else "of the images named rightly"
    weakest = train.by_weakness(result)[0]
    f1 = train.found(result, "f1", part, weakest)
    share = percent(float(pick(result.arrays, "prevalence", **{"part": part, "class": weakest})))
    stage = strings(result.arrays, "stage")[-1]
    error = float(pick(result.arrays, "calibration_error", part=part, stage=stage))
    return [
        {
            "title": f"Macro F1 on {part}",
            "value": fixed(macro.value),
            "text": f"{interval(macro.low, macro.high)} at prevalences from {train.share_text(result, part)}".strip(),
            "tone": "",
        },
        {
            "title": f"Accuracy on {part}",
            "value": percent(accuracy.value),
            "text": f"{exact} {interval(100 * accuracy.low, 100 * accuracy.high, 1)}".strip(),
            "tone": "",
        },
        {
            "title": f"Weakest: {clean(weakest)}",
            "value": fixed(f1.value),
            "text": f"F1 {interval(f1.low, f1.high)} at prevalence {share}",
            "tone": "",
        },
        {
            "title": "Calibration error",
            "value": fixed(error),
            "text": f"mean distance of probabilities from shares, {stage} the temperature",
            "tone": "",
        },
    ]
