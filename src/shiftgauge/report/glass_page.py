"""The glass study, task 2, as one self-contained page."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.blocks import glass, record
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import Estimate, pick, strings
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
        published = f"{_points(gap.value)} points against choosing on validation"
        luck = _optimism_of(result, way)
        figures.append(
            {
                "title": "Luck of choosing on test",
                "value": "–" if luck is None else _points(luck.value),
                "text": published
                if luck is None
                else f"points of micro F1 [{_points(luck.low)}, {_points(luck.high)}] on halves of test; {published}",
                "tone": "bad" if luck is not None and luck.low > 0 else "",
            }
        )
    return figures


def _optimism_of(result: StudyResult, way: str, figure: str = "micro F1") -> Estimate | None:
    if "watch_optimism" not in result.arrays:
        return None
    where = {"chosen": way, "judged": figure}
    low, high = pick(result.arrays, "watch_optimism_interval", **where).tolist()
    return Estimate(float(pick(result.arrays, "watch_optimism", **where)), low, high)


def build_optimism(result: StudyResult) -> dict[str, Any] | None:
    """Returns what choices are worth on the half that they were made on and on the other."""
    data = result.arrays
    if "watch_optimism" not in data:
        return None
    rows = []
    for way in strings(data, "chosen"):
        for figure in strings(data, "judged"):
            luck = _optimism_of(result, way, figure) or Estimate(float("nan"), float("nan"), float("nan"))
            own, other = (
                fixed(float(pick(data, f"watch_half_{kind}", chosen=way, judged=figure)))
                for kind in ("claimed", "fresh")
            )
            bounds = f"{_points(luck.value)} [{_points(luck.low)}, {_points(luck.high)}]"
            rows.append([way, figure.capitalize(), own, other, bounds])
    return {"header": ["Chosen", "Score", "Its own half", "The other half", "Luck, points"], "rows": rows}


def _points(value: float) -> str:
    return f"{round(100 * value, 2) + 0.0:+.2f}".replace("-", "−")


def _parts(result: StudyResult) -> dict[str, Any]:
    watched = glass.build_table(result, "watch", "The same predictions of the test images, chosen on either part")
    return {
        "quantities": [],
        "data": glass.build_data(result),
        "ablation": glass.build_table(result, "ablation", "The same test images, decided in each way"),
        "watch": watched,
        "curves": glass.build_curves(result),
        "optimism": build_optimism(result),
        "epochs": glass.build_epochs(result) if watched else None,
        "cost": glass.build_study_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }


PAGE: Final = StudyPage(
    template="glass.html",
    title="Glass study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)
