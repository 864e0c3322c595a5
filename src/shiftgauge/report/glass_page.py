"""The glass study, task 2, as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from shiftgauge.report.blocks import glass, record
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.report.study_page import StudyPage
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("data", "Images and labels"),
    ("ablation", "What each part is worth"),
    ("watch", "Chosen on test"),
)
_PROVENANCE: Final = (
    "The trainings have pages and model folders of their own within this folder. On a CPU the same hashes, seed and "
    "versions give the same weights."
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which network, which images, how they were divided."""
    at, level = result.arrays.attrs, percent(result.confidence_level, 0)
    counts = ", ".join(f"{int(at[f'n_{part}']):,} {part}" for part in ("train", "validation", "test"))
    return (
        f"{clean(at['recipe_text'])}, on {clean(at['data_name'])}: {counts} images. {level} intervals by a bootstrap "
        "of test images that belong together, the same draws for every way."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data = result.arrays
    recipe = strings(data, "ablation")[0]
    figures = [
        {"title": title, "value": fixed(e.value), "text": f"{interval(e.low, e.high)} {text}", "tone": ""}
        for title, text, e in (
            ("Micro F1", "all decisions together", glass.score(result, "ablation", recipe, "micro F1")),
            ("Macro F1", "mean over the labels", glass.score(result, "ablation", recipe, "macro F1")),
            ("Defects alone", "macro F1", glass.score(result, "ablation", recipe, "macro F1 of defects")),
        )
    ]
    if "watch_score" in data:
        way = strings(data, "watch")[-1]
        gap = glass.score(result, "watch", way, "micro F1", "difference")
        epoch = int(pick(data, "watch_epoch", watch=way))
        figures.append(
            {
                "title": "Claimed too much",
                "value": f"{100 * gap.value:+.2f}".replace("-", "−"),
                "text": f"points of micro F1 by choosing thresholds and epoch ({epoch}) on test",
                "tone": "bad" if gap.low > 0 else "",
            }
        )
    return figures


def _parts(result: StudyResult) -> dict[str, Any]:
    watched = glass.build_table(result, "watch", "The same predictions of the test images, chosen on either part")
    return {
        "quantities": [],
        "data": glass.build_data(result),
        "ablation": glass.build_table(result, "ablation", "The same test images, decided in each way"),
        "watch": watched,
        "curves": glass.build_curves(result),
        "epochs": glass.build_epochs(result) if watched else None,
        "cost": glass.build_study_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }


_PAGE: Final = StudyPage(
    template="glass.html",
    title="Glass study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)


def write_study_page(result: StudyResult, path: str | Path) -> Path:
    """Writes the page of the study and returns its path.

    Raises:
        StoreError: The file cannot be written.
    """
    return _PAGE.write(result, path)


def render_study_page(result: StudyResult) -> str:
    """Returns the page of the study as HTML."""
    return _PAGE.render(result)
