"""Numbers of the lung study with the bounds of their intervals, and how a sentence gives them."""

from __future__ import annotations

import xarray as xr

from shiftgauge.studies.lung_folds import WHOLE
from shiftgauge.studies.lung_scores import BALANCED

Bounds = tuple[float, float, float]
"""A number, and the lower and upper bound of its interval."""


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


def repeat_of(a: xr.Dataset, grain: str) -> Bounds:
    """Correlation of the maps of two seeds, with bounds."""
    return _bounds(a, "look_repeat", look_way=WHOLE, grain=grain)


def shown(value: Bounds) -> str:
    """A number with its interval.

    Example:
        >>> shown((0.5, 0.4, 0.6))
        '0.500 [0.400, 0.600]'
    """
    return f"{value[0]:.3f} [{value[1]:.3f}, {value[2]:.3f}]"


def signed(value: Bounds) -> str:
    """A difference with its interval.

    Example:
        >>> signed((0.5, -0.4, 0.6))
        '+0.500 [-0.400, +0.600]'
    """
    return f"{value[0]:+.3f} [{value[1]:+.3f}, {value[2]:+.3f}]"


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


def _bounds(a: xr.Dataset, name: str, **where: str) -> Bounds:
    low, high = a[f"{name}_interval"].sel(where).values.tolist()
    return float(a[name].sel(where)), low, high
