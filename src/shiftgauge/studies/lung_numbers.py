"""Numbers of the lung study with the bounds of their intervals, and how a sentence gives them."""

from __future__ import annotations

from collections.abc import Sequence

import xarray as xr

from shiftgauge.results.study import Agreement
from shiftgauge.studies.claims import Bounds, signed
from shiftgauge.studies.lung_folds import WHOLE
from shiftgauge.studies.lung_scores import BALANCED


def score_of(a: xr.Dataset, way: str, figure: str = BALANCED, *, table: str = "way") -> Bounds:
    """A score with the bounds of its interval."""
    return _bounds(a, f"{table}_score", **{table: way, "figure": figure})


def difference_of(a: xr.Dataset, way: str, figure: str = BALANCED) -> Bounds:
    """The difference of a way from whole frames, with bounds."""
    return _bounds(a, "way_difference", way=way, figure=figure)


def look_of(a: xr.Dataset, method: str, measure: str, way: str = WHOLE) -> Bounds:
    """A measure of a method's maps, with bounds."""
    return _bounds(a, "look_value", look_way=way, method=method, measure=measure)


def gap_of(a: xr.Dataset, other: str, measure: str, way: str = WHOLE) -> Bounds:
    """By how much activation maximisation is above another method on the same frames, with bounds."""
    return _bounds(a, "look_gap", look_way=way, other=other, measure=measure)


def change_of(a: xr.Dataset, other: str, way: str) -> Bounds:
    """By how much that gap on the border is larger than by the networks of whole frames, with bounds."""
    return _bounds(a, "look_change", look_way=way, other=other)


def repeat_of(a: xr.Dataset, repeat: str, grain: str) -> Bounds:
    """Correlation of the maps of a frame with those of another call, with bounds."""
    return _bounds(a, "look_repeat", look_way=WHOLE, repeat=repeat, grain=grain)


def repeat_gap_of(a: xr.Dataset, reference: str, grain: str) -> Bounds:
    """By how much maps are more alike with another seed alone than with a reference, on the same frames."""
    return _bounds(a, "look_repeat_gap", look_way=WHOLE, reference=reference, grain=grain)


def compared(gap: Bounds) -> str:
    """By how much a network is better or worse, or that it cannot be told.

    Example:
        >>> compared((0.1, 0.05, 0.15))
        'is better by +0.100 [+0.050, +0.150]'
    """
    word = "is better by" if gap[1] > 0 else "is worse by" if gap[2] < 0 else "is neither surely better nor worse:"
    return f"{word} {signed(gap)}"


def against(a: xr.Dataset, way: str) -> Bounds:
    """By how much whole frames are better than a way."""
    value, low, high = difference_of(a, way)
    return 0.0 - value, 0.0 - high, 0.0 - low


def judged(gaps: Sequence[Bounds]) -> Agreement:
    """Agrees if all are surely above 0, differs if all are surely below.

    Example:
        >>> judged([(0.2, 0.1, 0.3)]), judged([(0.2, 0.1, 0.3), (0.0, -0.1, 0.1)])
        ('agrees', 'unclear')
    """
    if all(low > 0 for _, low, _ in gaps):
        return "agrees"
    return "differs" if all(high < 0 for _, _, high in gaps) else "unclear"


def _bounds(a: xr.Dataset, name: str, **where: str) -> Bounds:
    low, high = a[f"{name}_interval"].sel(where).values.tolist()
    return float(a[name].sel(where)), low, high
