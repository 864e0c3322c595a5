"""Verdicts on the ways of shifting: each beside the one that it differs from in one thing, with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import xarray as xr

from shiftgauge.results.study import Agreement, Finding
from shiftgauge.studies.weld_points import LARGER, PLAIN
from shiftgauge.studies.weld_published import BOX, fold_row

SMALL: Final = 0.05
"""Difference of a total index that is called small."""
LARGE: Final = 0.15
"""Difference of a total index from which on it is another result."""
USABLE: Final = 0.5
"""Q² below which indices of a surrogate decide nothing; correlation below which two ways answer unlike."""
ALIKE: Final = 0.9
"""Correlation from which on two ways of shifting answer alike."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """By how much a total index differs from that of the way compared with."""

    shift: str
    value: float
    low: float
    high: float

    @property
    def least(self) -> float:
        """The smallest size that the interval allows."""
        return 0.0 if self.low <= 0 <= self.high else min(abs(self.low), abs(self.high))

    @property
    def most(self) -> float:
        """The largest size that the interval allows."""
        return max(abs(self.low), abs(self.high))


def ways(arrays: xr.Dataset) -> list[Finding]:
    """All findings on ways of shifting."""
    rules = (input_size, drag, perspective, fold, order_of_shifts)
    return [rule(arrays) for rule in rules]


def input_size(a: xr.Dataset) -> Finding:
    """Agrees with all total indices within 0.05 and a correlation from 0.9 on, intervals included.

    Differs where an interval lies beyond 0.15 as a whole, or where the correlation lies below 0.5.
    """
    return _against(
        a,
        LARGER,
        topic="Input size",
        published=f"224 × 224 in training, {BOX} × {BOX} in the audit, taken for the same",
        why="The network sees everything larger by a tenth than it was trained on.",
    )


def drag(a: xr.Dataset) -> Finding:
    """Judged as `input_size`, of the published drag on the resized picture, where nothing else differs."""
    return _against(
        a,
        "corners after resizing",
        topic="Tilt by dragged corners",
        published="upper corners of the picture dragged inwards, called a tilt",
        why="The drag moves the upper edge alone, and magnifies on one side of 0 and shrinks on the other.",
    )


def perspective(a: xr.Dataset) -> Finding:
    """Judged as `input_size`, of the published code on the picture as stored, beside ours at the same input size."""
    return _against(
        a,
        "as published",
        topic="The same on the stored picture",
        published=f"corners of a box of {BOX} pixels dragged on the stored picture, resized afterwards",
        why="What the drag does depends on the stored size. Rotation takes the nearest pixel there and interpolates "
        "here, which is part of the difference.",
    )


def fold(a: xr.Dataset) -> Finding:
    """As `perspective`, for a picture larger than the box."""
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


def _against(a: xr.Dataset, name: str, *, topic: str, published: str, why: str) -> Finding:
    at = a.sel(variant=name)
    reference = str(at["variant_reference"].item())
    ours = "ours" if reference == PLAIN else "ours at the same input size"
    together = float(at["variant_correlation"])
    if not math.isfinite(together):
        text = f"{_still(a, name) or _still(a, reference)}; nothing can be compared"
        return Finding(topic=topic, published=published, measured=text, agreement="unclear")
    low, high = (float(v) for v in at["variant_correlation_interval"].values)
    gaps = _gaps(a, name)
    q2 = min(float(a["variant_q2"].sel(variant=v)) for v in (name, reference))
    agreement, doubt = judged(gaps, (low, high), together, q2)
    worst = max(gaps, key=lambda g: abs(g.value))
    before, after = (float(a["variant_total_order"].sel(variant=v, shift=worst.shift)) for v in (reference, name))
    return Finding(
        topic=topic,
        published=published,
        measured=f"beside {ours}, at the same points, the probability differs by {float(at['variant_difference']):.3f} "
        f"on average (correlation {together:.2f}, {low:.2f} to {high:.2f}); the total index of {worst.shift} is "
        f"{after:.2f} where ours is {before:.2f} (difference {worst.value:+.2f}, {worst.low:+.2f} to {worst.high:+.2f}"
        f"; Q² {q2:.2f})",
        agreement=agreement,
        why=doubt or ("" if agreement == "agrees" else why),
    )


def judged(gaps: list[Gap], correlation: tuple[float, float], together: float, q2: float) -> tuple[Agreement, str]:
    """The verdict, and the doubt behind it where there is one.

    Args:
        gaps: Of every shift.
        correlation: Its interval.
        together: Its value.
        q2: The lower of the two surrogates' Q².

    Returns:
        `differs` where the answers are unlike (correlation below 0.5 as a whole), whatever the surrogate holds, or
        where a gap lies beyond 0.15 as a whole; `unclear` where the surrogate holds less than half of the variance or
        the intervals are too wide; else `agrees` or `partly`.

    Example:
        >>> judged([Gap(shift="tilt", value=0.2, low=0.1, high=0.3)], (0.95, 0.97), 0.96, 0.8)[0]
        'partly'
    """
    if correlation[1] < USABLE:
        return "differs", ""
    if not q2 >= USABLE:
        held = f"The polynomial behind the indices holds {max(q2, 0.0):.0%} of the variance"
        return "unclear", f"{held}: too little for its indices to tell."
    if max(g.least for g in gaps) >= LARGE:
        return "differs", ""
    if max(g.most for g in gaps) <= SMALL and together >= ALIKE:
        return "agrees", ""
    if max(g.least for g in gaps) > SMALL or correlation[1] < ALIKE:
        return "partly", ""
    return "unclear", "The intervals hold small differences as well as others; more points would tell."


def _gaps(a: xr.Dataset, name: str) -> list[Gap]:
    found, bounds = a["variant_gap"].sel(variant=name), a["variant_gap_interval"].sel(variant=name)
    return [
        Gap(shift=str(s), value=float(found.sel(shift=s)), low=float(low), high=float(high))
        for s, (low, high) in ((s, bounds.sel(shift=s).values) for s in a["shift"].values)
    ]


def _still(a: xr.Dataset, name: str) -> str:
    """In words, why a variant has no indices; empty where it has."""
    if math.isfinite(float(a["variant_q2"].sel(variant=name))):
        return ""
    mean = float(a["variant_mean"].sel(variant=name))
    way = "our way of shifting" if name == PLAIN else f"“{name}”"
    if not math.isfinite(mean):
        return f"the network gives no number for some points under {way}"
    return f"the probability is {mean:.3f} at every point under {way}"
