"""The marginal distributions a parameter may have, each as a scipy.stats object with named options.

A distribution is written with the words a user knows (`low`, `high`, `mean`, `std`) and
turned into scipy's location-scale form here, in one table.

Example:
    >>> float(freeze("uniform", {"low": -90, "high": 90}).ppf(0.75))
    45.0

References:
    Virtanen, P. et al. (2020). SciPy 1.0. Nature Methods 17. doi:10.1038/s41592-019-0686-2
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import stats

from shiftgauge.checks import unknown_name
from shiftgauge.errors import SpaceError

Options = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of distribution: its options, which of them may be left out, and its scipy form."""

    required: tuple[str, ...]
    defaults: Mapping[str, float]
    build: Callable[[dict[str, float]], Any]
    positive: tuple[str, ...] = ()
    ordered: tuple[str, ...] = ()


def _truncnorm(o: dict[str, float]) -> Any:
    a, b = (o["low"] - o["mean"]) / o["std"], (o["high"] - o["mean"]) / o["std"]
    return stats.truncnorm(a, b, loc=o["mean"], scale=o["std"])


def _triangular(o: dict[str, float]) -> Any:
    width = o["high"] - o["low"]
    if not o["low"] <= o["mode"] <= o["high"]:
        raise SpaceError(
            f"triangular: `mode` must lie in [low, high] = [{o['low']:g}, {o['high']:g}], got {o['mode']:g}"
        )
    return stats.triang((o["mode"] - o["low"]) / width, loc=o["low"], scale=width)


KINDS: Mapping[str, Kind] = {
    "uniform": Kind(
        required=("low", "high"),
        defaults={},
        ordered=("low", "high"),
        build=lambda o: stats.uniform(o["low"], o["high"] - o["low"]),
    ),
    "loguniform": Kind(
        required=("low", "high"),
        defaults={},
        positive=("low", "high"),
        ordered=("low", "high"),
        build=lambda o: stats.loguniform(o["low"], o["high"]),
    ),
    "normal": Kind(
        required=("mean", "std"), defaults={}, positive=("std",), build=lambda o: stats.norm(o["mean"], o["std"])
    ),
    "truncnormal": Kind(
        required=("mean", "std", "low", "high"),
        defaults={},
        positive=("std",),
        ordered=("low", "high"),
        build=_truncnorm,
    ),
    "lognormal": Kind(
        required=("median", "sigma"),
        defaults={},
        positive=("median", "sigma"),
        build=lambda o: stats.lognorm(o["sigma"], scale=o["median"]),
    ),
    "beta": Kind(
        required=("a", "b"),
        defaults={"low": 0.0, "high": 1.0},
        positive=("a", "b"),
        ordered=("low", "high"),
        build=lambda o: stats.beta(o["a"], o["b"], loc=o["low"], scale=o["high"] - o["low"]),
    ),
    "triangular": Kind(required=("low", "mode", "high"), defaults={}, ordered=("low", "high"), build=_triangular),
    "gamma": Kind(
        required=("shape", "scale"),
        defaults={"low": 0.0},
        positive=("shape", "scale"),
        build=lambda o: stats.gamma(o["shape"], loc=o["low"], scale=o["scale"]),
    ),
    "exponential": Kind(
        required=("scale",),
        defaults={"low": 0.0},
        positive=("scale",),
        build=lambda o: stats.expon(loc=o["low"], scale=o["scale"]),
    ),
}
"""The continuous kinds; `choice` and `fixed` are discrete and handled beside this table."""

DISTRIBUTIONS: tuple[str, ...] = (*KINDS, "choice", "fixed")
"""Every name that `distribution` may have."""


def normalise(name: str, distribution: str, options: Options) -> dict[str, Any]:
    """Returns the options complete, as plain numbers, in the order of the table.

    Args:
        name: The parameter's name, for messages.
        distribution: One of `DISTRIBUTIONS`.
        options: What the user wrote.

    Raises:
        SpaceError: An unknown kind or option, a missing option, an inverted or empty range,
            a value that is not a finite number, probabilities that do not sum to 1.
    """
    if distribution not in DISTRIBUTIONS:
        raise SpaceError(f"`{name}`: {unknown_name('distribution', distribution, DISTRIBUTIONS)}")
    if distribution == "choice":
        return _normalise_choice(name, options)
    kind = KINDS.get(distribution, Kind(required=("value",), defaults={}, build=stats.norm))
    allowed = (*kind.required, *kind.defaults)
    for key in options:
        if key not in allowed:
            raise SpaceError(f"`{name}`: {unknown_name(f'option of {distribution}', key, allowed)}")
    missing = [key for key in kind.required if key not in options]
    if missing:
        raise SpaceError(
            f"`{name}`: {distribution} needs {', '.join(missing)}; given are {', '.join(options) or 'none'}"
        )
    values = {key: _number(name, key, options.get(key, kind.defaults.get(key))) for key in allowed}
    for key in kind.positive:
        if values[key] <= 0:
            raise SpaceError(f"`{name}`: `{key}` of {distribution} must be > 0, got {values[key]:g}")
    if kind.ordered:
        _check_order(name, distribution, *(values[key] for key in kind.ordered))
    return values


def freeze(distribution: str, options: Options) -> Any:
    """Returns the scipy.stats frozen distribution of a continuous kind, from normalised options."""
    return _frozen(distribution, tuple(options.items()))


@lru_cache(maxsize=4096)
def _frozen(distribution: str, items: tuple[tuple[str, float], ...]) -> Any:
    options = dict(items)
    frozen = KINDS[distribution].build(options)
    variance = float(frozen.var())
    if not math.isfinite(variance) or variance <= 0:
        raise SpaceError(f"{distribution} with {options} has no finite, positive variance; choose other options")
    return frozen


def _check_order(name: str, distribution: str, low: float, high: float) -> None:
    if low > high:
        raise SpaceError(f"`{name}`: limits of {distribution} are inverted, low {low:g} > high {high:g}; swap them")
    if low == high:
        raise SpaceError(
            f"`{name}`: limits of {distribution} are equal ({low:g}), so it has zero variance; "
            f"widen them or write distribution: fixed, value: {low:g}"
        )


def _number(name: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise SpaceError(f"`{name}`: `{key}` must be a number, got {value!r}")
    if not math.isfinite(value):
        raise SpaceError(f"`{name}`: `{key}` must be finite, got {value}")
    return float(value)


def _normalise_choice(name: str, options: Options) -> dict[str, Any]:
    for key in options:
        if key not in ("values", "probabilities"):
            raise SpaceError(f"`{name}`: {unknown_name('option of choice', key, ('values', 'probabilities'))}")
    raw = options.get("values")
    if not isinstance(raw, (list, tuple)) or len(raw) < 2:
        raise SpaceError(
            f"`{name}`: choice needs `values`, a list of at least two numbers; for one write distribution: fixed"
        )
    values = [_number(name, "values", v) for v in raw]
    if len(set(values)) != len(values):
        raise SpaceError(f"`{name}`: `values` of choice holds a value twice: {values}")
    given = options.get("probabilities")
    if given is None:
        probabilities = [1 / len(values)] * len(values)
    else:
        if not isinstance(given, (list, tuple)) or len(given) != len(values):
            raise SpaceError(f"`{name}`: `probabilities` must be a list of {len(values)} numbers, got {given!r}")
        probabilities = [_number(name, "probabilities", p) for p in given]
        if min(probabilities) <= 0 or not math.isclose(sum(probabilities), 1, abs_tol=1e-9):
            raise SpaceError(f"`{name}`: `probabilities` must be > 0 and sum to 1, got sum {sum(probabilities):g}")
    order = sorted(range(len(values)), key=values.__getitem__)
    return {"values": [values[i] for i in order], "probabilities": [probabilities[i] for i in order]}
