"""Reads a result's arrays by name; what is absent or undefined stays NaN, nothing is computed anew."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.report.format import clean, number, quantity_label
from shiftgauge.results.audit import is_factual
from shiftgauge.results.status import TRUSTED_SHARE

QUANTITY_LIMIT: Final = 12
"""Most quantities shown on one page; the files hold all of them."""
_ROUNDING: Final = 1e-9


class Shown(Protocol):
    """A result of any kind with named arrays: what pages, figures and summaries are made from."""

    @property
    def arrays(self) -> xr.Dataset:
        """Named arrays with the axes `quantity` and `input`."""
        ...

    @property
    def quantity_of_interest(self) -> str:
        """The quantity that the verdict is about."""
        ...

    @property
    def confidence_level(self) -> float:
        """Level of every interval."""
        ...

    @property
    def config(self) -> Mapping[str, Any]:
        """What was asked."""
        ...

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What it was made from."""
        ...


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; NaN where undefined or absent."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def defined(self) -> bool:
        """Whether there is a value at all."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class Quantity:
    """A quantity of interest as the page names it.

    Args:
        name: Its name in the result.
        label: Its name for people.
        key: A short safe identifier for the page, such as `q0`.
        share: Share of the variance that the smooth surrogate explains (Q²); NaN when there is none.
        trusted: Whether drawings of the surrogate may be read as the classifier's behaviour.
        factual: Whether the indices are the classifier's: false for `gpc` with Q² < 0.9.
    """

    name: str
    label: str
    key: str
    share: float
    trusted: bool
    factual: bool


def estimate(data: xr.Dataset, name: str, **where: Any) -> Estimate:
    """Returns a variable's value at named coordinates (or integer positions) with its interval, if there is one."""
    value = float(pick(data, name, **where)) if name in data else math.nan
    if f"{name}_interval" not in data:
        return Estimate(value)
    low, high = np.asarray(pick(data, f"{name}_interval", **where), dtype=float)
    return Estimate(value, float(low), float(high))


def pick(data: xr.Dataset, name: str, **where: Any) -> np.ndarray:
    """Returns a variable's array at the given places: strings select by coordinate, whole numbers by position."""
    variable = data.variables[name]
    places: list[int | slice] = []
    for dim in variable.dims:
        at = where.get(str(dim))
        if at is None:
            places.append(slice(None))
        else:
            places.append(int(at) if isinstance(at, (int, np.integer)) else strings(data, str(dim)).index(str(at)))
    return np.asarray(variable.values[tuple(places)])


def strings(data: xr.Dataset, name: str) -> list[str]:
    """Returns a variable or coordinate of text as a list, empty when absent."""
    return [str(v) for v in data.variables[name].values.tolist()] if name in data.variables else []


def components(data: xr.Dataset) -> list[tuple[str, int]]:
    """Returns the rows of the gauge table: label without underscores or indent, and level (1 for a sub-row)."""
    names = strings(data, "component")
    found = np.zeros(len(names), dtype=int)
    if "component_level" in data.variables:
        found = np.asarray(data.variables["component_level"].values, dtype=int)
    levels = [max(int(v), int(n.startswith(" "))) for v, n in zip(found, names, strict=True)]
    return [(clean(n).strip().replace("_", " "), v) for n, v in zip(names, levels, strict=True)]


def shift_units(data: xr.Dataset) -> dict[str, str]:
    """Returns the unit of each varying shift."""
    names = strings(data, "shift")
    return dict(zip(names, strings(data, "shift_unit") or [""] * len(names), strict=True))


def quantities(result: Shown) -> list[Quantity]:
    """Returns the quantities to show, the one of interest first, at most `QUANTITY_LIMIT`."""
    data = result.arrays
    names = strings(data, "quantity")
    main = result.quantity_of_interest
    names = [*(n for n in names if n == main), *(n for n in names if n != main)][:QUANTITY_LIMIT]
    return [_quantity(result, name, i) for i, name in enumerate(names)]


def main_quantity(result: Shown) -> Quantity:
    """Returns the quantity that the verdict is about."""
    return quantities(result)[0]


def named_quantity(result: Shown, name: str | None) -> Quantity:
    """Returns any quantity of the result by name, shown on the page or not; None means the one of interest.

    Raises:
        ConfigError: No such quantity.
    """
    main = main_quantity(result)
    found = require_in("quantity", name or main.name, strings(result.arrays, "quantity"))
    return main if found == main.name else _quantity(result, found, -1)


def ranked(data: xr.Dataset, quantity: str, names: Sequence[str], kind: str = "total_order") -> list[str]:
    """Returns the inputs by falling index, undefined ones last in their own order."""
    value = {n: float(pick(data, kind, quantity=quantity, input=n)) for n in names}
    return sorted(names, key=lambda n: -value[n] if math.isfinite(value[n]) else math.inf)


def is_constant(data: xr.Dataset, quantity: str) -> bool:
    """Whether no index of the quantity is defined: the output never changed."""
    return not np.isfinite(pick(data, "total_order", quantity=quantity)).any()


def is_unmoved(data: xr.Dataset, quantity: str) -> bool:
    """Whether no shift has a total index beyond rounding: nothing that was varied moved the output."""
    total = [float(pick(data, "total_order", quantity=quantity, input=n)) for n in strings(data, "shift")]
    return not any(math.isfinite(t) and t > _ROUNDING for t in total) and not any(t < -_ROUNDING for t in total)


def gauge_words(data: xr.Dataset, quantity: str) -> tuple[str, str]:
    """Returns the number of distinct categories and the gauge verdict in words; empty where the result has none."""
    count, verdict = "", ""
    if "gauge_ndc" in data:
        value = float(pick(data, "gauge_ndc", quantity=quantity))
        count = "unlimited" if value == math.inf else number(value) if math.isfinite(value) else "not defined"
    if "gauge_verdict" in data:
        verdict = clean(pick(data, "gauge_verdict", quantity=quantity))
    if verdict == "undefined":
        constant, unmoved = is_constant(data, quantity), is_unmoved(data, quantity)
        why = "the output never changed" if constant else "no shift moved the output" if unmoved else ""
        verdict = f"none, because {why}" if why else "none"
    return count, verdict


def _quantity(result: Shown, name: str, position: int) -> Quantity:
    data = result.arrays
    share = float(pick(data, "surrogate_share", quantity=name)) if "surrogate_share" in data else math.nan
    flag = bool(pick(data, "surrogate_trusted", quantity=name)) if "surrogate_trusted" in data else True
    trusted = flag and not share < TRUSTED_SHARE
    return Quantity(name, quantity_label(name), f"q{position}", share, trusted, is_factual(data, name))
