"""The verdict of an audit: a headline, and findings about trust, all read off the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import TRUSTED_SHARE, Message
from shiftgauge.studies.failures import failure_messages
from shiftgauge.studies.verdict_facts import is_indifferent, only_class, readable, surrogate_alone

_WIDE: Final = 0.1
_FEW_IMAGES: Final = 30
_LOW_ACCURACY: Final = 0.7


def withhold_gauge(arrays: xr.Dataset) -> xr.Dataset:
    """Takes back the gauge verdict where nothing was gauged: no shift acts, or one class is named for every image."""
    if "gauge_verdict" not in arrays:
        return arrays
    one = only_class(arrays) is not None
    idle = [one or is_indifferent(arrays, str(q)) for q in arrays["quantity"].values]
    verdict, ndc = arrays["gauge_verdict"].values.copy(), arrays["gauge_ndc"].values.astype(float)
    verdict[idle], ndc[idle] = "undefined", np.nan
    return arrays.assign(gauge_verdict=("quantity", verdict), gauge_ndc=("quantity", ndc))


def find_messages(
    arrays: xr.Dataset, skipped: int, disagreement: Mapping[str, Any] | None = None
) -> tuple[Message, ...]:
    """Says what a reader must know before relying on the result, most serious first.

    Args:
        arrays: The arrays of the result.
        skipped: Number of image files that could not be read.
        disagreement: The row of the trial of a setting that the user insisted on, where it differs from plain float32.
    """
    q = str(arrays.attrs["quantity_of_interest"])
    forced = [] if disagreement is None else [_forced_message(disagreement)]
    found = [*forced, *failure_messages(arrays), *_surrogate_messages(arrays, q), *_interval_messages(arrays, q)]
    found += _data_messages(arrays, skipped)
    order = {"alarm": 0, "caution": 1, "info": 2}
    return tuple(sorted(found, key=lambda m: order[m.level]))


def headline(arrays: xr.Dataset) -> str:
    """Writes the verdict in one or two sentences."""
    q = str(arrays.attrs["quantity_of_interest"])
    total = arrays["total_order"].sel(quantity=q, input=list(arrays["shift"].values))
    accuracy = ""
    if "correct" in arrays["quantity"].values:
        before, after = (float(arrays[name].sel(quantity="correct")) for name in ("clean_mean", "mean"))
        whole = int(arrays.attrs["n_images"])
        n = int(arrays.attrs.get("n_shifted", whole))
        where = "" if n == whole else f" of the {n} named image{'s' * (n > 1)}"
        accuracy = (
            f" Over the stated ranges accuracy{where} goes from {before:.1%} without shifts to {after:.1%} on average."
        )
    if not np.isfinite(total.values).any():
        return f"The {readable(q)} did not change at all: no sensitivity can be stated.{accuracy}"
    if surrogate_alone(arrays):
        share = max(float(arrays["surrogate_share"].sel(quantity=q)), 0)
        return (
            f"No index of the {readable(q)} can be stated: the surrogate alone explains {share:.0%} of its variance; "
            f"use estimator: assisted.{accuracy}"
        )
    if is_indifferent(arrays, q):
        return f"None of the shifts moves the {readable(q)}: whatever varies is the image.{accuracy}"
    ranked = [str(total["input"].values[i]) for i in np.argsort(-total.values)]
    top = ranked[0]
    share = f"its total index is {_estimate(arrays, 'total_order', q, top)}"
    text = f"The {readable(q)} depends most on {readable(top)}: {share}"
    if len(ranked) > 1:
        text += f"; least on {readable(ranked[-1])}, {_estimate(arrays, 'total_order', q, ranked[-1])}"
    return f"{text}.{accuracy}"


def _estimate(arrays: xr.Dataset, kind: str, quantity: str, name: str) -> str:
    where = {"quantity": quantity, "input": name}
    low, high = arrays[f"{kind}_interval"].sel(where).values
    level = float(arrays.attrs["confidence_level"])
    return f"{float(arrays[kind].sel(where)):.2f} ({level:.0%} interval {low:.2f} to {high:.2f})"


def _forced_message(row: Mapping[str, Any]) -> Message:
    relative = float(row.get("relative_difference", float("nan")))
    against = f" and the quantity of interest by {relative:.0%} of its spread" if np.isfinite(relative) else ""
    text = (
        f"The model was run as the configuration insists, though a probability differed by {row['max_difference']:.2g}"
        f"{against} from plain float32 on a sample; leave the precision open to have that refused"
    )
    return Message(level="caution", code="forced_execution", text=text)


def _surrogate_messages(arrays: xr.Dataset, q: str) -> list[Message]:
    if "surrogate_share" not in arrays:
        return []
    share = float(arrays["surrogate_share"].sel(quantity=q))
    if not np.isfinite(share) or share >= TRUSTED_SHARE:
        return []
    explained = f"the smooth surrogate explains {max(share, 0):.0%} of the variance of the {readable(q)}"
    if arrays.attrs["estimator"] == "gpc":
        text = (
            f"{explained}, less than {TRUSTED_SHARE:.0%}: these are indices of the surrogate, not of the classifier, "
            "and may even rank the shifts wrongly; use estimator: assisted"
        )
        return [Message(level="alarm", code="surrogate_poor", text=text[0].upper() + text[1:])]
    text = (
        f"{explained}; the indices do not rest on it, but drawings made with it (main-effect lines, response surface) "
        "show a smoothed picture"
    )
    return [Message(level="info", code="surrogate_poor", text=text[0].upper() + text[1:])]


def _interval_messages(arrays: xr.Dataset, q: str) -> list[Message]:
    interval = arrays["total_order_interval"].sel(quantity=q)
    half = (interval.sel(bound="high") - interval.sel(bound="low")) / 2
    if not np.isfinite(arrays["total_order"].sel(quantity=q).values).any():
        text = (
            f"The {readable(q)} is constant over the whole design, so its indices are undefined; widen the ranges, or "
            "choose another quantity of interest"
        )
        return [Message(level="alarm", code="constant_output", text=text)]
    if is_indifferent(arrays, q):
        text = (
            f"No shift moves the {readable(q)} at all: check that the model looks at its input, and that the ranges "
            "are wide enough; a gauge verdict would mean nothing"
        )
        return [Message(level="alarm", code="no_effect", text=text)]
    if arrays.attrs.get("ending") == "budget" and "tolerance" in arrays.attrs:
        text = f"{arrays.attrs['reason']} Raise the budget, or be content with a wider tolerance"
        return [Message(level="caution", code="tolerance_missed", text=text)]
    widest = float(half.max())
    if not np.isfinite(widest) or widest <= 1.1 * _WIDE:
        return []
    name = str(half["input"].values[int(np.nanargmax(half.values))])
    factor = int(np.ceil(round((widest / _WIDE) ** 2, 6)))
    text = (
        f"The interval of the total index of {readable(name)} is ±{widest:.2f}; about {factor} times the evaluations "
        f"(n_base) would bring it to ±{_WIDE:g}"
    )
    return [Message(level="caution", code="wide_interval", text=text)]


def _data_messages(arrays: xr.Dataset, skipped: int) -> list[Message]:
    found = []
    n_images = int(arrays.attrs["n_images"])
    if (only := only_class(arrays)) is not None:
        text = (
            f"Without any shift every image is called {only}, whatever its class: the classifier tells nothing apart, "
            "and its indices and a gauge verdict would mean nothing; check training, class names and preprocessing"
        )
        found.append(Message(level="alarm", code="one_class", text=text))
    n_shifted = int(arrays.attrs.get("n_shifted", n_images))
    accuracy = float(arrays["clean_mean"].sel(quantity="correct"))
    if arrays.attrs["has_part"] and n_images < _FEW_IMAGES:
        text = (
            f"Only {n_images} images stand for all parts: the intervals cover the sampling of shifts, not the choice "
            "of these images; add images before generalising"
        )
        found.append(Message(level="caution", code="few_images", text=text))
    if not arrays.attrs["has_part"] and n_shifted == 1:
        text = (
            "One image alone was shifted: the indices are those of this image, and there is no gauge R&R split, which "
            "needs several"
        )
        found.append(Message(level="info", code="one_image", text=text))
    if accuracy < _LOW_ACCURACY:
        which = "images" if n_shifted == n_images else f"{n_shifted} named image{'s' * (n_shifted > 1)}"
        text = (
            f"Without any shift the model is right on {accuracy:.0%} of the {which}; check that labels, class names "
            "and preprocessing fit the model"
        )
        found.append(Message(level="caution", code="low_accuracy", text=text))
    if arrays.attrs.get("several_labels"):
        text = (
            "Several labels may hold for one image: an image counts as right when every label is, and the probability "
            "of the truth is that of its whole set of labels, taken as independent; probability[NAME] is that of one"
        )
        found.append(Message(level="info", code="several_labels", text=text))
    if skipped:
        text = f"{skipped} image file(s) could not be read and were left out; they are listed under provenance"
        found.append(Message(level="caution", code="skipped_images", text=text))
    return found
