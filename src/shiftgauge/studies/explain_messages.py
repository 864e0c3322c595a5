"""What to know before relying on a look inside, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.explain_tables import agreement_table, curve_table, randomisation_table
from shiftgauge.results.status import LEVELS, Message
from shiftgauge.studies.data_messages import data_messages
from shiftgauge.studies.explain_headline import listed
from shiftgauge.studies.explain_options import ExplainOptions

_FEW: Final = 10
"""Images below which a spread over images says little."""
_MISSED: Final = 0.05
"""Share of the change of the output that integrated gradients may miss."""
_WEAK: Final = 0.3
"""Rank correlation below which methods do not say the same."""

_KEPT: Final = 0.5
"""Rank correlation above which a map counts as unchanged."""


def find_explain_messages(arrays: xr.Dataset, options: ExplainOptions, notes: Sequence[str]) -> tuple[Message, ...]:
    """Findings about trust, most serious first.

    Args:
        arrays: Of the result.
        options: What was asked.
        notes: Of the data set.
    """
    found = [*data_messages(notes), *_about_images(arrays, options), *_about_maps(arrays, options)]
    found += [*_about_attributions(arrays), *_about_checks(arrays), *_about_global(arrays), *_about_climbs(arrays)]
    return tuple(sorted(found, key=lambda m: -LEVELS.index(m.level)))


def _about_images(arrays: xr.Dataset, options: ExplainOptions) -> list[Message]:
    found, left_out = [], int(arrays.attrs.get("classes_left_out", 0))
    if left_out:
        text = (
            f"{left_out} more class{'es' if left_out > 1 else ''} with images were left out, because at most "
            f"{options.most_classes} are taken; name those of interest in `classes`, or raise `most_classes`."
        )
        found.append(Message(level="caution", code="classes_left_out", text=text))
    wrong = int((arrays["image_right"].values == 0).sum())
    if wrong:
        said = "the class that the network says" if options.about == "predicted" else "the class that was asked about"
        text = (
            f"The network names {wrong} of the {arrays.sizes['image']} images that are shown wrongly; what is said of "
            f"them is about {said}."
        )
        found.append(Message(level="info", code="wrong_images", text=text))
    return found


def _about_maps(arrays: xr.Dataset, options: ExplainOptions) -> list[Message]:
    found = []
    if "norm_of_difference" not in arrays or options.maps is None:
        return found
    if arrays.sizes["counted"] < _FEW:
        text = (
            f"Maps were averaged over {arrays.sizes['counted']} images: the profile is that of these images; raise "
            "`counted_per_class` before saying it of the network."
        )
        found.append(Message(level="caution", code="few_images", text=text))
    found += _about_silence(arrays)
    if options.maps.law != "fixed":
        text = (
            f"Every pixel was pushed by a random amount (law {options.maps.law}): its size is part of what the maps "
            "show and looks like texture."
        )
        found.append(Message(level="caution", code="random_push", text=text))
    return found


def _about_silence(arrays: xr.Dataset) -> list[Message]:
    """Blocks that give nothing but zeros for some images, so that nothing can be relative to them."""
    counts = np.isfinite(arrays["relative_sensitivity"].values).all(axis=-1).sum(axis=0)
    silent = arrays.sizes["counted"] - counts
    if not silent.any():
        return []
    worst, more = int(silent.argmax()), int((silent > 0).sum()) - 1
    others = f", and {more} more block{'s' if more > 1 else ''} for others" if more else ""
    text = (
        f"“{arrays['block'].values[worst]}” gives nothing but zeros for {silent[worst]} of {arrays.sizes['counted']} "
        f"images{others}; they are left out of what is relative to it."
    )
    return [Message(level="caution", code="silent_block", text=text)]


def _about_attributions(arrays: xr.Dataset) -> list[Message]:
    found = []
    missed = float(arrays.attrs.get("completeness_error", 0.0))
    if missed > _MISSED:
        text = f"Integrated gradients miss {missed:.0%} of the change that they explain; raise `attribution.steps`."
        found.append(Message(level="caution", code="incomplete_integral", text=text))
    table = agreement_table(arrays).dropna(subset=["mean"])
    weak = table[table["mean"] < _WEAK]
    if len(weak):
        text = (
            f"{len(weak)} of {len(table)} pairs of methods agree by a rank correlation below {_WEAK:g}: one map alone "
            "does not say which pixels matter."
        )
        found.append(Message(level="caution", code="methods_disagree", text=text))
    return found


def _about_checks(arrays: xr.Dataset) -> list[Message]:
    found = []
    curves = curve_table(arrays)
    unproven = [
        str(method)
        for method, rows in curves.groupby("method", sort=False)
        if not (rows["gain_low"].to_numpy() > 0).any()
    ]
    if unproven:
        text = (
            f"Neither deletion nor insertion shows the order of {listed(unproven)} to be better than a random one "
            f"(over {arrays.sizes['image']} images)."
        )
        found.append(Message(level="caution", code="order_unproven", text=text))
    return [*found, *_about_randomisation(arrays)]


def _about_randomisation(arrays: xr.Dataset) -> list[Message]:
    """Methods whose maps survive, judged by the interval; whether it leaves that open, and images left out."""
    rows = [row for row in randomisation_table(arrays).to_dict("records") if row["maps"] == "magnitude"]
    deepest = max((row["depth"] for row in rows), default=0)
    last = [row for row in rows if row["depth"] == deepest]
    drawn = "when the weights of all convolutions and linear layers are drawn anew"
    kept = [str(row["method"]) for row in last if row["low"] > _KEPT]
    unclear = [str(row["method"]) for row in last if row["mean"] > _KEPT and not row["low"] > _KEPT]
    found = []
    if kept:
        text = (
            f"The maps of {listed(kept)} stay much the same (the interval of the rank "
            f"correlation lies above {_KEPT:g}) {drawn}: they show the image more than what the network has learnt."
        )
        found.append(Message(level="caution", code="maps_survive", text=text))
    if unclear:
        text = (
            f"Whether the maps of {listed(unclear)} stay much the same {drawn} cannot be told: their rank correlation "
            f"is above {_KEPT:g} in the mean, but its interval does not lie above it; take more images."
        )
        found.append(Message(level="caution", code="survival_unclear", text=text))
    images = int(arrays.sizes.get("checked_image", 0))
    fewest = {
        name: min(row["images"] for row in rows if row["method"] == name) for name in (row["method"] for row in last)
    }
    if any(count < images for count in fewest.values()):
        counts = listed([f"{name} {count} of {images}" for name, count in fewest.items() if count < images])
        text = (
            f"Not every image counts in the check by weights drawn anew (at the fewest, {counts}): a map that has "
            "become constant has no rank correlation, and its image is left out."
        )
        found.append(Message(level="caution", code="images_left_out", text=text))
    return found


def _about_global(arrays: xr.Dataset) -> list[Message]:
    found = []
    for name, what, count in (("bounds", "bounds of pixels", "image"), ("masks", "indices of masks", "masked")):
        noted = int(arrays.attrs.get(f"{name}_noted", 0))
        if noted:
            text = f"The {what} of {noted} of {arrays.sizes[count]} images come with a warning, the first: " + str(
                arrays.attrs[f"{name}_note"]
            )
            text = text if text.endswith(".") else f"{text}."
            found.append(Message(level="caution", code=f"{name}_noted", text=text))
    return found


def _about_climbs(arrays: xr.Dataset) -> list[Message]:
    found = []
    flat = str(arrays.attrs.get("without_slope", ""))
    if flat:
        text = f"No step could raise {flat}: there is no slope anywhere on the way (a unit that is off)."
        found.append(Message(level="caution", code="without_slope", text=text))
    if "maximized" in arrays:
        way = arrays["maximized_activation"].values
        lower = int((way[:, -1] <= way[:, 0]).sum())
        if lower and not flat:
            text = f"{lower} of {len(way)} climbs ended no higher than they began; take smaller steps."
            found.append(Message(level="caution", code="no_climb", text=text))
    if "walk_reached_at" in arrays:
        text = (
            "How far an image had to go is what plain ascent took: an upper bound of the distance to the class, and "
            "it depends on the step size."
        )
        found.append(Message(level="info", code="upper_bound", text=text))
    return found
