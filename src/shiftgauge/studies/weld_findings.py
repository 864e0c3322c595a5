"""What the weld publication states or takes for granted, beside what was measured; every verdict follows from numbers.

The publication prints few numbers. Most rows are therefore about what its procedure takes for granted, and say so.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.results.status import TRUSTED_SHARE
from shiftgauge.results.study import Agreement, Finding, without_verdicts
from shiftgauge.studies.weld_compare import PUBLISHED_ORDER, PUBLISHED_POINTS
from shiftgauge.studies.weld_ways import LARGE, SMALL, USABLE, ways
from shiftgauge.train.schedules import ScheduleOptions, multiplier

PUBLISHED_WEIGHTS: Final = (0.50745985, 2.49261544, 0.7026614, 1.10335981, 1.50502314, 1.57656379)
"""Class weights of the published code."""
PUBLISHED_EPOCHS: Final = 2
_STILL: Final = "The probability is the same at every point, or no number: there are no indices."


def find(arrays: xr.Dataset) -> tuple[Finding, ...]:
    """All findings that the arrays allow; what watching costs needs its own training.

    A quick run has no verdicts: whatever it measured is `unclear`.
    """
    found = [class_weights(arrays), schedule(arrays), terms(arrays), surrogate_fit(arrays), surrogate_indices(arrays)]
    found += [one_image(arrays), *ways(arrays)]
    if "watch_chosen" in arrays:
        found.append(watching(arrays))
    return without_verdicts(found) if arrays.attrs["quick"] else tuple(found)


def class_weights(a: xr.Dataset) -> Finding:
    """A fact: printed weights n / (K n_c) imply shares 1 / (K w_c) that sum to 1, whatever the data."""
    shares = 1 / (len(PUBLISHED_WEIGHTS) * np.array(PUBLISHED_WEIGHTS))
    total = float(shares.sum())
    own = ", ".join(f"{w:.3f}" for w in a["class_weight"].values)
    return Finding(
        topic="Class weights",
        published="six printed weights of the loss, with the balanced weights n / (K n_c) as their rule",
        measured=f"the shares of the classes that they imply sum to {total:.6f}; the rule gives {own} for these data",
        agreement="fact",
    )


def schedule(a: xr.Dataset) -> Finding:
    """A fact: in which epoch the published rate first falls, and whether the published code gets there."""
    rates = [multiplier(ScheduleOptions(kind="weld"), e, 13) for e in range(13)]
    fall = next(e for e, rate in enumerate(rates) if rate < 1)
    reached = fall < PUBLISHED_EPOCHS
    return Finding(
        topic="Learning rate",
        published="flat for three epochs, half a cosine down to a tenth, then flat",
        measured=f"{', '.join(f'{r:.4g}' for r in rates)} for thirteen epochs; it first falls in epoch {fall + 1}",
        agreement="fact",
        why=""
        if reached
        else f"The published code stops after {PUBLISHED_EPOCHS} epochs, so that its rate never "
        "changes, and then loads the checkpoint of a third one, which it never writes.",
    )


def terms(a: xr.Dataset) -> Finding:
    """A fact: how many terms the published options give."""
    n = int(a["order_terms"].sel(order=PUBLISHED_ORDER))
    alike = int(a["order_terms"].sel(order="total degree 6"))
    return Finding(
        topic="Size of the surrogate",
        published="order 6 in each of three inputs, interactions of three: 343 terms",
        measured=f"{n} terms; order 6 as a total degree would be {alike}",
        agreement="fact",
    )


def surrogate_fit(a: xr.Dataset) -> Finding:
    """Agrees from Q² 0.9 on (leave-one-out), in part from 0.5 on, differs below.

    With fewer points than published a low Q² may be overfitting, and nothing can be told.
    """
    q2 = {str(n): float(v) for n, v in zip(a["order"].values, a["order_q2"].values, strict=True)}
    own, points = q2[PUBLISHED_ORDER], int(a.attrs["points"])
    topic, published = (
        "Does the surrogate fit?",
        f"order 6 at {PUBLISHED_POINTS:,} points, with no test on points that it was not fitted to",
    )
    if not math.isfinite(own):
        return Finding(topic=topic, published=published, measured="no Q²", agreement="unclear", why=_STILL)
    best = max(q2, key=lambda n: q2[n])
    agreement: Agreement = "agrees" if own >= TRUSTED_SHARE else "partly" if own >= USABLE else "differs"
    few = points < PUBLISHED_POINTS and agreement != "agrees"
    outside = f"{1 - own:.0%} of the variance of the probability is outside the polynomial"
    outside = outside if own > 0 else "Between its points the polynomial is worse than the mean"
    rough = (
        f"{outside}: rotation resamples the picture, and the network answers roughly. Indices read from the "
        "coefficients alone are indices of the polynomial."
    )
    scarce = (
        f"The {points:,} points are fewer than published: what is missing may be overfitting of as many terms to too "
        "few points."
    )
    return Finding(
        topic=topic,
        published=published,
        measured=f"Q² {own:.3f} by leave-one-out at {points:,} points; order 3 gives "
        f"{q2['order 3, all products']:.3f}, the best of the sets tried is {best} with {q2[best]:.3f}",
        agreement="unclear" if few else agreement,
        why=scarce if few else "" if agreement == "agrees" else rough,
    )


def surrogate_indices(a: xr.Dataset) -> Finding:
    """Agrees if each total index of the surrogate lies within the classifier's own interval, widened by 0.02.

    In part where one lies outside by less than 0.05. It cannot be told where the surrogate holds less than half of the
    variance or the intervals are too wide, unless an index lies further outside.
    """
    q2, points = float(a["order_q2"].sel(order=PUBLISHED_ORDER)), int(a.attrs["points"])
    gaps, pairs, widest = _outside(a)
    worst, beyond = max(gaps.values()), [name for name, gap in gaps.items() if gap > 0]
    agreement: Agreement = "agrees" if worst == 0 else "partly" if worst < SMALL else "differs"
    why = "" if worst == 0 else f"Outside the interval of the classifier's own: {', '.join(beyond)}."
    if not math.isfinite(widest + q2):
        agreement, why = "unclear", _STILL
    elif q2 < USABLE:
        held = f"Q² {q2:.2f}: a polynomial that holds so little of the variance"
        agreement, why = "unclear", f"{held} has such indices by chance, near or far."
    elif widest > LARGE and agreement != "differs":
        agreement, why = "unclear", f"The classifier's own are known to ±{widest:.2f} alone, too roughly to tell."
    return Finding(
        topic="Surrogate's indices for the classifier's",
        published=f"total indices from the coefficients of a fit to {PUBLISHED_POINTS:,} points, without intervals",
        measured=f"total indices, surrogate of {points:,} points against classifier: {pairs}",
        agreement=agreement,
        why=why,
    )


def _outside(a: xr.Dataset) -> tuple[dict[str, float], str, float]:
    """How far outside each index of the surrogate lies, both in words, and the widest half of an interval."""
    said = a["order_total_order"].sel(order=PUBLISHED_ORDER)
    quantity = a.attrs["quantity_of_interest"]
    own, bounds = (a[n].sel(quantity=quantity) for n in ("total_order", "total_order_interval"))
    names = [str(n) for n in a["shift"].values]
    gaps, halves = {}, []
    for name in names:
        low, high = (float(v) for v in bounds.sel(input=name).values)
        value = float(said.sel(shift=name))
        gaps[name] = max(low - 0.02 - value, value - high - 0.02, 0.0)
        halves.append((high - low) / 2)
    pairs = ", ".join(f"{n} {float(said.sel(shift=n)):.2f} against {float(own.sel(input=n)):.2f}" for n in names)
    return gaps, pairs, float(np.max(halves))


def one_image(a: xr.Dataset) -> Finding:
    """Agrees if the picture's total index over all test images is below 0.1, in part below 0.5, differs else."""
    total = a["all_total_order"]
    share = float(total.sel(all_input="image"))
    topic, published = "One image for the model", "one test image, the first, stands for the model"
    if not math.isfinite(share):
        return Finding(topic=topic, published=published, measured="no indices", agreement="unclear", why=_STILL)
    low, high = a["all_total_order_interval"].sel(all_input="image").values
    lead = leader(total.drop_sel(all_input="image"), "all_input")
    alone = leader(a["total_order"].sel(quantity=a.attrs["quantity_of_interest"]), "input")
    agreement: Agreement = "agrees" if share < 0.1 else "partly" if share < 0.5 else "differs"
    leads = f"{alone} leads for the one image, {lead} over all"
    if alone is None:
        leads = "the one image's probability never changes"
    elif lead == alone:
        leads = f"{lead} leads in both"
    return Finding(
        topic=topic,
        published=published,
        measured=f"over {int(a.attrs['n_test'])} test images the picture itself has a total index of {share:.2f} "
        f"({low:.2f} to {high:.2f}); {leads}",
        agreement=agreement,
        why="" if agreement == "agrees" else "Which picture is shifted decides that much of what a shift does.",
    )


def watching(a: xr.Dataset) -> Finding:
    """Agrees if the optimism is at most half a point of macro F1, in part up to two points, differs beyond.

    It cannot be told where of nine divisions in ten some are at most half a point and others beyond.
    """
    gap = 100 * (a["watch_chosen"].values - a["watch_fresh"].values)
    mean, low, high = float(gap.mean()), *(float(v) for v in np.quantile(gap, [0.05, 0.95]))
    kept = 100 * float((a["watch_fresh"] - a["watch_last"]).mean())
    agreement: Agreement = "agrees" if mean <= 0.5 else "partly" if mean <= 2 else "differs"
    return Finding(
        topic="Test images watched",
        published="the epoch is chosen by the scores on the test images that are then reported",
        measured=f"macro F1 of the chosen epoch is {mean:.2f} points higher on the images it was chosen on than on "
        f"others (90 % of divisions: {low:.2f} to {high:.2f}); choosing gains {kept:.2f} points over the last epoch",
        agreement="unclear" if low <= 0.5 < high else agreement,
        why="Half the images that were not trained on choose, the other half judge, divided a thousand times at random "
        f"({int(a.attrs['watch_images'])} images, {a.sizes['watch_epoch']} epochs).",
    )


def leader(total: xr.DataArray, axis: str) -> str | None:
    """The input with the largest index; None where no index is defined.

    Example:
        >>> leader(xr.DataArray([0.1, 0.7], {"input": ["a", "b"]}), "input")
        'b'
    """
    values = total.values
    return str(total[axis].values[int(np.nanargmax(values))]) if np.isfinite(values).any() else None
