"""The eye-state study as one self-contained page."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.blocks import eye, eye_curves, record
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import Estimate, estimate, strings
from shiftgauge.report.study_page import StudyPage
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("copies", "Adversarial copies"),
    ("scale", "Accuracy by ratio"),
    ("hardened", "Adversarial training"),
    ("parseval", "Parseval"),
    ("bounds", "Certified"),
    ("published", "Published tables"),
    ("learning", "Learning and ROC"),
    ("pictures", "Pictures and data"),
)
_PROVENANCE: Final = (
    "The trainings lie in folders of their own within this one, with tables of every fold. On a CPU the same hashes, "
    "seed and versions give the same weights."
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which networks, which crops, how they were divided."""
    at, level = result.arrays.attrs, percent(result.confidence_level, 0)
    whom = (
        f"{int(at['n_persons']):,} persons or faces, all crops of one on the same side"
        if at["by_person"]
        else f"{int(at['n_units']):,} contents, without regard to persons, whom the data do not name"
    )
    few = f", on {int(at['pgd_images'])} crops of each fold" if at["pgd_images"] else ""
    return (
        f"{clean(at['recipe_text'])}, on {clean(at['data_name'])}: {int(at['n_crops']):,} crops of "
        f"{int(at['n_classes'])} classes in {int(at['n_folds'])} folds, of {whom}. ε and ratios are those of "
        "standardised crops, of PGD those of its ball; attacks are L∞ and may leave the range of pixels, as published. "
        f"PGD takes {int(at['pgd_steps'])} steps{few}. {level} intervals."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data = result.arrays
    plain = str(data.attrs["plain_model"])
    scope, contrast = strings(data, "scope")[0], strings(data, "contrast")[0]
    value = estimate(data, "model_score", model=plain, figure="accuracy")
    gap = estimate(data, "contrast_difference", contrast=contrast, scope=scope)
    loud = eye.accuracy(result, plain, "PGD", float(data.attrs["loud"]))
    names = strings(data, "hardened")
    name = next((n for n in names if "PGD" in n), names[0])
    ratio = estimate(data, "loss_ratio", hardened=name)
    return [
        _figure("Clean accuracy", value, f"of {plain}, crops of unseen persons"),
        _figure("FGSM copies", gap, "more accuracy than with clean copies", decimals=4),
        _figure("Under white-box PGD", loud, f"of {plain}, {eye.at_text(result, 'PGD', float(data.attrs['loud']))}"),
        _figure("Lost after hardening", ratio, f"of what {plain} loses there: {name}"),
    ]


def _figure(title: str, e: Estimate, text: str, *, decimals: int = 3) -> dict[str, str]:
    told = f"{interval(e.low, e.high, decimals)} {text}".strip()
    return {"title": title, "value": fixed(e.value, decimals), "text": told, "tone": ""}


def _parts(result: StudyResult) -> dict[str, Any]:
    return {
        "quantities": [],
        "copies": {"table": eye.build_copies(result), **eye.build_contrasts(result)},
        "scale": {**eye_curves.build_scale(result), "boxes": eye_curves.build_boxes(result)},
        "accuracies": eye.build_accuracies(result),
        "hardened": {"overstated": eye.build_overstated(result), "losses": eye.build_losses(result)},
        "parseval": {"pairs": eye.build_pairs(result), "orders": eye.build_orders(result)},
        "bounds": eye.build_bounds(result),
        "published": {"tables": eye.build_published(result), "copies": eye.build_published_copies(result)},
        "learning": {"roc": eye_curves.build_roc(result), "curves": eye_curves.build_learning(result)},
        "pictures": eye_curves.build_pictures(result),
        "classes": eye_curves.build_classes(result),
        "folds": eye.build_folds(result),
        "cost": eye.build_study_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }


PAGE: Final = StudyPage(
    template="eye.html",
    title="Eye-state study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)
