"""Gates of an audit: limits that a configuration sets, checked before the run and judged after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_range, unknown_name
from shiftgauge.errors import ConfigError
from shiftgauge.results.status import Gate
from shiftgauge.studies.verdict_facts import readable, surrogate_alone

_AT_LEAST: Final = {
    "min_accuracy": "mean accuracy under the shifts",
    "min_clean_accuracy": "accuracy without any shift",
    "min_mean": "mean of the quantity of interest under the shifts",
    "min_surrogate_share": "share of the variance that the surrogate explains",
    "min_categories": "number of distinct categories",
}
_AT_MOST: Final = {
    "max_study_variation": "gauge R&R in % of the study variation",
    "max_variance": "variance of the quantity of interest",
}
_PER_INPUT: Final = {"max_total_order": "total_order", "max_first_order": "first_order"}
GATES: Final = (*_AT_LEAST, *_AT_MOST, *_PER_INPUT)
"""Every gate a configuration may set."""


def check_gates(gates: Mapping[str, Any] | None, inputs: tuple[str, ...]) -> dict[str, float]:
    """Flattens the configured gates to {"max_total_order.rotation": 0.3, …} and checks names and numbers.

    Args:
        gates: Gate name → limit, or → {input: limit} for the two that apply to inputs (one number: every shift).
        inputs: Names of the shifts.

    Raises:
        ConfigError: An unknown gate or input, a limit that is no number.

    Example:
        >>> check_gates({"min_accuracy": 0.9, "max_total_order": 0.5}, ("tilt",))
        {'min_accuracy': 0.9, 'max_total_order.tilt': 0.5}
    """
    flat: dict[str, float] = {}
    for name, limit in (gates or {}).items():
        if limit is None:
            continue
        if name not in GATES:
            raise ConfigError(unknown_name("gate", name, GATES))
        if name not in _PER_INPUT:
            flat[name] = require_range(f"gates.{name}", limit)
            continue
        limits = limit if isinstance(limit, Mapping) else dict.fromkeys(inputs, limit)
        for key, value in limits.items():
            require_in(f"input in gates.{name}", key, inputs)
            flat[f"{name}.{key}"] = require_range(f"gates.{name}.{key}", value, 0)
    return flat


def judge_gates(limits: Mapping[str, float], arrays: xr.Dataset) -> tuple[Gate, ...]:
    """Compares every limit with what was measured; an undefined value does not pass.

    Args:
        limits: What `check_gates` gave.
        arrays: The arrays of the result.
    """
    return tuple(_judge(name, limit, arrays) for name, limit in limits.items())


def _judge(name: str, limit: float, arrays: xr.Dataset) -> Gate:
    kind, _, key = name.partition(".")
    value, label = _measured(kind, key, arrays)
    if kind in _PER_INPUT and surrogate_alone(arrays):
        text = f"{label} cannot be established: the surrogate alone explains too little of the variance"
        return Gate(name=name, limit=limit, value=value, passed=False, text=text)
    floor = kind in _AT_LEAST
    passed = bool(np.isfinite(value) and (value >= limit if floor else value <= limit))
    verb = ("reaches" if passed else "misses") if floor else ("keeps" if passed else "exceeds")
    text = f"{label} is {value:.3g} and {verb} the limit of at {'least' if floor else 'most'} {limit:g}"
    return Gate(name=name, limit=limit, value=value, passed=passed, text=text)


def _measured(kind: str, key: str, arrays: xr.Dataset) -> tuple[float, str]:
    q = str(arrays.attrs["quantity_of_interest"])
    if kind in _PER_INPUT:
        word = _PER_INPUT[kind]
        value = float(arrays[word].sel(quantity=q, input=key))
        return value, f"the {readable(word).replace(' order', '')} index of {readable(key)}"
    label = {**_AT_LEAST, **_AT_MOST}[kind]
    if kind in ("max_study_variation", "min_categories") and "gauge_ndc" not in arrays:
        return float("nan"), f"{label} (no part is drawn in this run)"
    readings = {
        "min_accuracy": lambda: arrays["mean"].sel(quantity="correct"),
        "min_clean_accuracy": lambda: arrays["clean_mean"].sel(quantity="correct"),
        "min_mean": lambda: arrays["mean"].sel(quantity=q),
        "min_surrogate_share": lambda: arrays["surrogate_share"].sel(quantity=q),
        "min_categories": lambda: arrays["gauge_ndc"].sel(quantity=q),
        "max_variance": lambda: arrays["variance"].sel(quantity=q),
        "max_study_variation": lambda: (
            100 * arrays["gauge_study_variation"].sel(quantity=q, component="Total gauge R&R")
        ),
    }
    return float(readings[kind]()), f"the {label}"
