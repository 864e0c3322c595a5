"""The lung-ultrasound study as one self-contained page."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.blocks import lung, record
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.report.study_page import StudyPage
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("scores", "Balanced accuracy"),
    ("looks", "Maps, measured"),
    ("pictures", "Pictures"),
)
_PROVENANCE: Final = (
    "The trainings have pages and model folders of their own within this folder. On a CPU the same hashes, seed and "
    "versions give the same weights."
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which network, which frames, how they were divided."""
    at, level = result.arrays.attrs, percent(result.confidence_level, 0)
    return (
        f"{clean(at['recipe_text'])}, on {clean(at['data_name'])}: {int(at['n_frames']):,} frames of "
        f"{int(at['n_recordings']):,} recordings in {int(at['n_folds'])} folds, {int(at['n_units']):,} units that no "
        f"fold tears apart. Every frame is judged by the network that was trained on none of its recordings, but "
        f"where a row says otherwise. {level} "
        "intervals by a bootstrap of these units, the same draws for every way."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data = result.arrays
    ways, figure = strings(data, "way"), strings(data, "figure")[0]
    frames, recordings = (lung.score(result, table, ways[0], figure) for table in ("way", "recording"))
    frozen = lung.score(result, "way", str(data.attrs["frozen_way"]), figure)
    known = float(pick(data, "training_accuracy", training_way=ways[0]).mean())
    return [
        {
            "title": "Balanced accuracy",
            "value": fixed(frames.value),
            "text": f"{interval(frames.low, frames.high)} of frames of unseen recordings",
            "tone": "",
        },
        {
            "title": "Whole recordings",
            "value": fixed(recordings.value),
            "text": f"{interval(recordings.low, recordings.high)} balanced accuracy, frames averaged",
            "tone": "",
        },
        {
            "title": "On training frames",
            "value": fixed(known),
            "text": "accuracy, which is what was published (0.94)",
            "tone": "bad" if known > frames.high else "",
        },
        {
            "title": "Without training it",
            "value": fixed(frozen.value),
            "text": f"{interval(frozen.low, frozen.high)} of its features and a logistic regression",
            "tone": "",
        },
    ]


def _parts(result: StudyResult) -> dict[str, Any]:
    return {
        "quantities": [],
        "scores": lung.build_scores(result, "way", "Frames that were not trained on"),
        "recordings": lung.build_scores(result, "recording", "Recordings, probabilities of their frames averaged"),
        "folds": lung.build_folds(result),
        "confusion": lung.build_confusion(result),
        "looks": lung.build_looks(result),
        "look_classes": lung.build_look_classes(result),
        "pictures": lung.build_pictures(result),
        "cost": lung.build_study_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }


PAGE: Final = StudyPage(
    template="lung.html",
    title="Lung-ultrasound study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)
