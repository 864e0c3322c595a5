"""What the weld publication states or takes for granted, beside what was measured; every verdict follows from numbers.

The publication prints few numbers. Most rows are therefore about what its procedure takes for granted, and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import TRUSTED_SHARE, Message
from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.weld_points import PLAIN, PUBLISHED_ORDER
from shiftgauge.studies.weld_published import BOX, fold_row
from shiftgauge.train.schedules import ScheduleOptions, multiplier

PUBLISHED_WEIGHTS: Final = (0.50745985, 2.49261544, 0.7026614, 1.10335981, 1.50502314, 1.57656379)
"""Class weights of the published code."""
PUBLISHED_EPOCHS: Final = 2
_SMALL, _LARGE = 0.05, 0.15
"""Differences of a total index that are called small, and from which on it is another result."""
_USABLE: Final = 0.5
_ALIKE: Final = 0.9
"""Correlation from which on two ways of shifting answer alike."""


def find(arrays: xr.Dataset) -> tuple[Finding, ...]:
    """All findings that the arrays allow; what watching costs needs its own training."""
    found = [class_weights(arrays), schedule(arrays), terms(arrays), surrogate_fit(arrays), surrogate_indices(arrays)]
    found += [one_image(arrays), input_size(arrays), perspective(arrays), fold(arrays), order_of_shifts(arrays)]
    if "watch_chosen" in arrays:
        found.append(watching(arrays))
    return tuple(found)


def class_weights(a: xr.Dataset) -> Finding:
    """Agrees if the printed weights are n / (K n_c) of some counts: the shares 1 / (K w_c) must sum to 1."""
    shares = 1 / (len(PUBLISHED_WEIGHTS) * np.array(PUBLISHED_WEIGHTS))
    total = float(shares.sum())
    own = ", ".join(f"{w:.3f}" for w in a["class_weight"].values)
    return Finding(
        topic="Class weights",
        published="six printed weights of the loss, with the balanced weights n / (K n_c) as their rule",
        measured=f"the shares of the classes that they imply sum to {total:.6f}; the rule gives {own} for these data",
        agreement="agrees" if abs(total - 1) < 1e-6 else "differs",
    )


def schedule(a: xr.Dataset) -> Finding:
    """Differs if the rate never changes within the published number of epochs."""
    rates = [multiplier(ScheduleOptions(kind="weld"), e, 13) for e in range(13)]
    fall = next(e for e, rate in enumerate(rates) if rate < 1)
    reached = fall < PUBLISHED_EPOCHS
    return Finding(
        topic="Learning rate",
        published="flat for three epochs, half a cosine down to a tenth, then flat",
        measured=f"{', '.join(f'{r:.4g}' for r in rates)} for thirteen epochs; it first falls in epoch {fall + 1}",
        agreement="agrees" if reached else "partly",
        why=""
        if reached
        else f"The published code stops after {PUBLISHED_EPOCHS} epochs, so that its rate never "
        "changes, and then loads the checkpoint of a third one, which it never writes.",
    )


def terms(a: xr.Dataset) -> Finding:
    """Agrees if the published options give the number of terms that its fit prints."""
    n = int(a["order_terms"].sel(order=PUBLISHED_ORDER))
    alike = int(a["order_terms"].sel(order="total degree 6"))
    return Finding(
        topic="Size of the surrogate",
        published="order 6 in each of three inputs, interactions of three: 343 terms",
        measured=f"{n} terms; order 6 as a total degree would be {alike}",
        agreement="agrees" if n == 343 else "differs",
    )


def surrogate_fit(a: xr.Dataset) -> Finding:
    """Agrees from Q² 0.9 on (leave-one-out), in part from 0.5 on, differs below."""
    q2 = {str(n): float(v) for n, v in zip(a["order"].values, a["order_q2"].values, strict=True)}
    own, best = q2[PUBLISHED_ORDER], max(q2, key=lambda n: q2[n])
    agreement: Agreement = "agrees" if own >= TRUSTED_SHARE else "partly" if own >= _USABLE else "differs"
    low = "order 3, all products"
    outside = f"{1 - own:.0%} of the variance of the probability is outside the polynomial"
    outside = outside if own > 0 else "Between its points the polynomial is worse than the mean"
    return Finding(
        topic="Does the surrogate fit?",
        published="order 6, with no test on points that it was not fitted to",
        measured=f"Q² {own:.3f} by leave-one-out at {int(a.attrs['points']):,} points; order 3 gives {q2[low]:.3f}, "
        f"the best of the sets tried is {best} with {q2[best]:.3f}",
        agreement=agreement,
        why=""
        if agreement == "agrees"
        else f"{outside}: rotation resamples the picture, and the network answers "
        "roughly. Indices read from the coefficients alone are indices of the polynomial.",
    )


def surrogate_indices(a: xr.Dataset) -> Finding:
    """Agrees if each total index of the surrogate lies within the classifier's own interval, widened by 0.02.

    In part where one lies outside by less than 0.05, or where the intervals are too wide to tell.
    """
    said = a["order_total_order"].sel(order=PUBLISHED_ORDER)
    quantity = a.attrs["quantity_of_interest"]
    own, bounds = (a[n].sel(quantity=quantity) for n in ("total_order", "total_order_interval"))
    names = [str(n) for n in a["shift"].values]
    gaps, widest = {}, 0.0
    for name in names:
        low, high = (float(v) for v in bounds.sel(input=name).values)
        value = float(said.sel(shift=name))
        gaps[name], widest = max(low - 0.02 - value, value - high - 0.02, 0.0), max(widest, (high - low) / 2)
    worst = max(gaps, key=lambda n: gaps[n])
    pairs = ", ".join(f"{n} {float(said.sel(shift=n)):.2f} against {float(own.sel(input=n)):.2f}" for n in names)
    clear = widest <= _LARGE
    agreement: Agreement = "agrees" if gaps[worst] == 0 and clear else "partly" if gaps[worst] < _SMALL else "differs"
    outside = f"That of {worst} lies outside the interval of the classifier's own."
    wide = f"The classifier's own are known to ±{widest:.2f} alone, too roughly to tell."
    return Finding(
        topic="Surrogate's indices for the classifier's",
        published="total indices from the coefficients, without intervals",
        measured=f"total indices, surrogate against classifier: {pairs}",
        agreement=agreement,
        why="" if agreement == "agrees" else outside if gaps[worst] else wide,
    )


def one_image(a: xr.Dataset) -> Finding:
    """Agrees if the picture's total index over all test images is below 0.1, in part below 0.5, differs else."""
    total = a["all_total_order"]
    share = float(total.sel(all_input="image"))
    low, high = a["all_total_order_interval"].sel(all_input="image").values
    lead = _leader(total.drop_sel(all_input="image"), "all_input")
    alone = _leader(a["total_order"].sel(quantity=a.attrs["quantity_of_interest"]), "input")
    agreement: Agreement = "agrees" if share < 0.1 else "partly" if share < 0.5 else "differs"
    same = f"{lead} leads in both" if lead == alone else f"{alone} leads for the one image, {lead} over all"
    return Finding(
        topic="One image for the model",
        published="one test image, the first, stands for the model",
        measured=f"over {int(a.attrs['n_test'])} test images the picture itself has a total index of {share:.2f} "
        f"({low:.2f} to {high:.2f}); {same}",
        agreement=agreement,
        why="" if agreement == "agrees" else "Which picture is shifted decides that much of what a shift does.",
    )


def input_size(a: xr.Dataset) -> Finding:
    """Agrees with total indices within 0.05 and a correlation from 0.9 on; differs from 0.15 on, or below 0.5."""
    return _against(
        a,
        "larger input",
        topic="Input size",
        published="224 × 224 in training, 244 × 244 in the audit, taken for the same",
        why="The network sees everything larger by a tenth than it was trained on.",
    )


def perspective(a: xr.Dataset) -> Finding:
    """Judged as `input_size`, of the published drag on the picture as stored."""
    return _against(
        a,
        "as published",
        topic="Tilt by dragged corners",
        published=f"corners of a box of {BOX} pixels dragged on the stored picture, resized afterwards, called a tilt",
        why="The drag moves the upper edge alone, magnifies on one side of 0 and shrinks on the other, and depends "
        "on the stored size.",
    )


def fold(a: xr.Dataset) -> Finding:
    """As `perspective`, for a picture larger than the box; besides, whether the horizon lies within it."""
    box, row = int(a.attrs["other_size"]), fold_row(20, float(a.attrs["other_size"]))
    return _against(
        a,
        "as published, large picture",
        topic="The same on a large picture",
        published="the same code for pictures of any size",
        why=f"At a tilt of 20° row {row:.0f} of the picture goes to infinity (box {box}), and what lies below it folds "
        "back into view.",
    )


def order_of_shifts(a: xr.Dataset) -> Finding:
    """Judged as `input_size`."""
    return _against(
        a,
        "other order",
        topic="Order of the shifts",
        published="brightness, rotation, perspective; taken for one of several equal orders",
        why="Turning a tilted plane is not tilting a turned one.",
    )


def watching(a: xr.Dataset) -> Finding:
    """Agrees if the optimism is at most half a point of macro F1, in part up to two points, differs beyond."""
    gap = 100 * (a["watch_chosen"].values - a["watch_fresh"].values)
    mean, low, high = float(gap.mean()), *(float(v) for v in np.quantile(gap, [0.05, 0.95]))
    kept = 100 * float((a["watch_fresh"] - a["watch_last"]).mean())
    agreement: Agreement = "agrees" if mean <= 0.5 else "partly" if mean <= 2 else "differs"
    return Finding(
        topic="Test images watched",
        published="the epoch is chosen by the scores on the test images that are then reported",
        measured=f"macro F1 of the chosen epoch is {mean:.2f} points higher on the images it was chosen on than on "
        f"others (90 % of divisions: {low:.2f} to {high:.2f}); choosing gains {kept:.2f} points over the last epoch",
        agreement=agreement,
        why="Half the images that were not trained on choose, the other half judge, divided a thousand times at random "
        f"({int(a.attrs['watch_images'])} images, {a.sizes['watch_epoch']} epochs).",
    )


def headline(arrays: xr.Dataset, findings: Sequence[Finding]) -> str:
    """The outcome in three sentences."""
    counts = {kind: sum(f.agreement == kind for f in findings) for kind in ("agrees", "partly", "differs")}
    total = arrays["total_order"].sel(quantity=arrays.attrs["quantity_of_interest"])
    first = _leader(total, "input")
    clean, moved = float(arrays["all_clean_accuracy"]), float(arrays["all_shifted_accuracy"])
    value, every = float(total.sel(input=first)), arrays["all_total_order"]
    lead = _leader(every, "all_input")
    most = "the picture itself" if lead == "image" else lead
    return (
        f"Under the published shifts accuracy on the test images goes from {clean:.1%} to {moved:.1%}. For the one "
        f"image {first} matters most (total index {value:.2f}), over all test images {most} "
        f"({float(every.sel(all_input=lead)):.2f}). Of {len(findings)} statements and habits of the publication "
        f"looked at, {counts['agrees']} hold, {counts['partly']} hold in part and {counts['differs']} do not."
    )


def messages(arrays: xr.Dataset) -> tuple[Message, ...]:
    """What to know before relying on the study."""
    at, found = arrays.attrs, []
    if at["quick"]:
        text = "A quick run: a few small images and two epochs. It shows that everything runs; its numbers mean nothing"
        found.append(Message(level="alarm", code="quick", text=text))
    if not at["weld_data"]:
        text = (
            f"These are not the images of TIG Aluminium 5083 but {at['data_name']}, {arrays.sizes['class']} classes: "
            "what is measured here says what the procedure is worth, not what the publication's numbers are"
        )
        found.append(Message(level="caution", code="other_data", text=text))
    if at["weights"] == "none":
        text = (
            "The network began at random, where the publication began with ImageNet weights of ResNet-18; give them as "
            "--weights FILE, or take --weights packaged for EfficientNet-Lite0 with its own"
        )
        found.append(Message(level="caution", code="random_start", text=text))
    if at["weights"] == "packaged":
        text = (
            "EfficientNet-Lite0 with ImageNet weights and a recipe of its own stands in for the published ResNet-18, "
            f"at {at['size']} × {at['size']} pixels; input sizes and box are in the published ratio, {at['other_size']}"
        )
        found.append(Message(level="caution", code="other_network", text=text))
    right = float(arrays["image_clean"].sel(quantity="correct", image=at["image_name"]))
    if not right:
        text = f"The one image, {at['image_name']}, is named wrongly without any shift: the surface is that of an error"
        found.append(Message(level="caution", code="wrong_image", text=text))
    text = (
        "What a new first convolution costs, beside the summed one, needs ImageNet weights of ResNet-18 and is not "
        "measured"
    )
    return (*found, Message(level="info", code="not_measured", text=text))


def _against(a: xr.Dataset, name: str, *, topic: str, published: str, why: str) -> Finding:
    totals = a["variant_total_order"]
    gap = totals.sel(variant=name) - totals.sel(variant=PLAIN)
    worst = str(a["shift"].values[int(np.abs(gap.values).argmax())])
    size = abs(float(gap.sel(shift=worst)))
    mean, together = (float(a[f"variant_{k}"].sel(variant=name)) for k in ("difference", "correlation"))
    agreement: Agreement = "partly"
    if size <= _SMALL and together >= _ALIKE:
        agreement = "agrees"
    elif size >= _LARGE or together < _USABLE:
        agreement = "differs"
    before, after = (float(totals.sel(variant=v, shift=worst)) for v in (PLAIN, name))
    return Finding(
        topic=topic,
        published=published,
        measured=f"at the same points the probability differs by {mean:.3f} on average (correlation {together:.2f}); "
        f"the total index of {worst} is {after:.2f} where ours is {before:.2f}",
        agreement=agreement,
        why="" if agreement == "agrees" else why,
    )


def _leader(total: xr.DataArray, axis: str) -> str:
    return str(total[axis].values[int(np.nanargmax(total.values))])
