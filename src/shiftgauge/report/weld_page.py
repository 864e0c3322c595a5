"""The weld study as one self-contained page."""

from __future__ import annotations

from typing import Any, Final

from shiftgauge.report.blocks import indices, surface, verdict, weld
from shiftgauge.report.embed import safe_json
from shiftgauge.report.format import clean, fixed, input_label, percent, percent_interval
from shiftgauge.report.read import estimate, main_quantity, pick, ranked, strings
from shiftgauge.report.study_page import StudyPage
from shiftgauge.report.weld_figures import published_view
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("training", "Data and training"),
    ("indices", "One image"),
    ("interactions", "Interactions"),
    ("all", "All test images"),
    ("surface", "The surface"),
    ("orders", "Surrogates"),
    ("variants", "Ways of shifting"),
    ("watching", "Test images watched"),
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which network, which data, how it was measured."""
    at, level = result.arrays.attrs, percent(result.confidence_level, 0)
    return (
        f"{clean(at['network_name'])} on {clean(at['data_name'])}: {int(at['n_test'])} test images; the one image is "
        f"{clean(at['image_name'])}. Indices by {int(result.cost['evaluations_one']):,} evaluations for it and "
        f"{int(result.cost['evaluations_all']):,} for all; {level} intervals."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data, quantity = result.arrays, main_quantity(result)
    first = ranked(data, quantity.name, strings(data, "input"))[0]
    found = estimate(data, "total_order", quantity=quantity.name, input=first)
    picture = estimate(data, "all_total_order", all_input="image")
    clean_share, moved = (float(pick(data, f"all_{k}_accuracy")) for k in ("clean", "shifted"))
    low, high = (float(v) for v in pick(data, "all_shifted_accuracy_interval"))
    q2 = float(pick(data, "order_q2", order="order 6, all products (published)"))
    values = (
        ("Accuracy under the shifts", percent(moved), f"{percent_interval(low, high)}; without shifts "
         f"{percent(clean_share)}", "bad" if clean_share - moved > 0.1 else ""),
        (f"Total index of {input_label(first).lower()}", fixed(found.value), "for the one image, the largest", ""),
        ("Total index of the picture", fixed(picture.value), "over all test images", ""),
        ("Q² of the published surrogate", fixed(q2, 2), f"at {int(data.attrs['points']):,} points (published: 10,000); "
         "1 would be the classifier itself", "bad" if q2 < 0.9 else ""),
    )  # fmt: skip
    return [dict(zip(("title", "value", "text", "tone"), row, strict=True)) for row in values]


def _parts(result: StudyResult) -> dict[str, Any]:
    main = main_quantity(result)
    drawn = surface.build(published_view(result), [main])
    return {
        "quantities": [main],
        "notes": {main.key: verdict.drawing_note(main, str(result.arrays.attrs["estimator"]))},
        "training": weld.build_training(result),
        "indices": {**indices.build(result, [main]), "per_image": []},
        "interactions": indices.build_interactions(result, [main]),
        "all_images": weld.build_one_and_all(result),
        "surface": drawn,
        "surface_json": safe_json(drawn["payload"]) if drawn else "",
        "orders": weld.build_orders(result),
        "variants": weld.build_variants(result),
        "watching": weld.build_watching(result),
        "cost": weld.build_study_cost(result),
    }


PAGE: Final = StudyPage(
    template="weld.html",
    title="Weld study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
    scripts=("scene.js", "surface.js", "page.js"),
)
