"""A look inside a network as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import (
    explain,
    explain_attributions,
    explain_climbs,
    explain_depth,
    explain_global,
    explain_maps,
    record,
)
from shiftgauge.report.blocks.verdict import build_frame
from shiftgauge.report.document import render
from shiftgauge.report.format import clean, fixed, number, percent
from shiftgauge.report.read import strings
from shiftgauge.results.depth import growth
from shiftgauge.results.explain import ExplainResult
from shiftgauge.results.explain_tables import agreement_table, profile_table, walk_table


def write_explain_page(result: ExplainResult, path: str | Path) -> Path:
    """Writes the page of a look inside and returns its path.

    Raises:
        StoreError: The file cannot be written.
    """
    return write_atomic(path, render_explain_page(result).encode("utf-8"))


def render_explain_page(result: ExplainResult) -> str:
    """Returns the page of a look inside as HTML; what was left out leaves its section out."""
    context: dict[str, Any] = {
        "title": clean(result.arrays.attrs.get("title") or "A look inside"),
        "over": "A look inside a network",
        "several": False,
        "quantities": [],
        "verdict": build_frame(result, figures=key_figures(result), measured=looked_sentence(result)),
        "profile": explain_depth.build_profile(result),
        "networks": explain_depth.build_networks(result),
        "maps": explain_maps.build_maps(result),
        "class_maps": explain_maps.build_class_maps(result),
        "derivatives": explain_maps.build_derivatives(result),
        "attributions": explain_attributions.build_attributions(result),
        "methods": [explain.method_label(name) for name in strings(result.arrays, "method")],
        "curves": explain_attributions.build_curves(result),
        "randomisation": explain_attributions.build_randomisation(result),
        "bounds": explain_global.build_bounds(result),
        "masks": explain_global.build_masks(result),
        "maximized": explain_climbs.build_maximized(result),
        "walks": explain_climbs.build_walks(result),
        "cost": explain.build_explain_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }
    context["sections"] = [(key, label) for key, label, needed in _SECTIONS if needed is None or context[needed]]
    return render("explain.html", context, scripts=("page.js",))


def looked_sentence(result: ExplainResult) -> str:
    """Returns one sentence: which network, which images, how many."""
    data, at = result.arrays, result.arrays.attrs
    counted = f"; maps are averaged over {data.sizes['counted']}" if "counted" in data.sizes else ""
    return (
        f"{clean(at.get('model_name', 'The network'))} on {clean(at.get('data_name', 'the images'))}: "
        f"{data.sizes['image']} images are shown{counted}."
    )


_PROVENANCE: Final = "The same model, images and options give the same numbers up to float rounding."
_SECTIONS: Final = (
    ("verdict", "Verdict", None),
    ("profile", "Depth", "profile"),
    ("networks", "Several networks", "networks"),
    ("maps", "Maps of blocks", "maps"),
    ("class-maps", "Maps of classes", "class_maps"),
    ("derivatives", "Derivatives", "derivatives"),
    ("attributions", "Attributions", "attributions"),
    ("curves", "Deletion and insertion", "curves"),
    ("randomisation", "Randomised weights", "randomisation"),
    ("bounds", "Bounds of pixels", "bounds"),
    ("masks", "Sobol' indices of masks", "masks"),
    ("maximized", "Maximised images", "maximized"),
    ("walks", "Towards other classes", "walks"),
    ("cost", "Cost", None),
    ("provenance", "Provenance", None),
)


def key_figures(result: ExplainResult) -> list[dict[str, str]]:
    """Returns the numbers that the page opens with; of parts that were left out there are none."""
    data, found = result.arrays, []
    if "relative_sensitivity" in data:
        found += [_growth_figure(result), *_colour_figure(result)]
    means = agreement_table(data)["mean"].dropna().to_numpy(float)
    if len(means):
        low, high = float(means.min()), float(means.max())
        text = f"mean rank correlation of two methods, from {fixed(low, 2)} to {fixed(high, 2)}"
        found.append(("Methods agree", fixed(float(means.mean()), 2), text))
    walks = walk_table(data)
    away = walks.loc[walks["reached_at"] != 0]
    if len(away):
        reached = away.loc[away["reached_at"] > 0, "reached_rms"].to_numpy(float)
        grey = 255 * float(np.median(reached)) if len(reached) else float("nan")
        text = f"grey levels of 255 to another class in the median; {len(reached)} of {len(away)} got there"
        found.append(("To another class", number(grey), text))
    return [{"title": title, "value": value, "text": text, "tone": ""} for title, value, text in found]


def _growth_figure(result: ExplainResult) -> tuple[str, str, str]:
    """How the relative sensitivity of the last block compares with that of the first, with its interval."""
    data, names = result.arrays, strings(result.arrays, "block")
    grown = growth(data["relative_sensitivity"].transpose("counted", "block", "pushed").values)
    ends = f"interval {number(grown.low)} to {number(grown.high)}, {grown.images} images"
    if grown.images < 2:
        ends = "one image gives no interval" if grown.images else "no image has both"
    elif grown.word == "cannot be told":
        ends += ": whether it grows or falls cannot be told"
    text = f"relative sensitivity of {names[-1]} over that of {names[0]}; {ends}"
    return "Through the depth", f"× {number(grown.ratio)}", text


def _colour_figure(result: ExplainResult) -> list[tuple[str, str, str]]:
    """Share of the variance between colours of single images in the first and the last block."""
    table = profile_table(result.arrays)
    if result.arrays.sizes["pushed"] < 2:
        return []
    first, last = (row for row in table.loc[table["pushed"] == "all"].iloc[[0, -1]].to_dict("records"))
    one, other = (f"{row['block']} {explain_depth.share_interval(row)}".strip() for row in (first, last))
    text = (
        f"share of variance between colours in one image, mean over images, in {one}; "
        f"{percent(float(last['channel_share_mean']))} in {other}"
    )
    return [("Colour", percent(float(first["channel_share_mean"])), text)]
