"""What a training amounts to: the verdict in words, and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.results.status import Gate

_OVERALL_GATES: Final = {"min_macro_f1": "macro_f1", "min_accuracy": "accuracy"}
_CLASS_GATES: Final = {"min_recall": "recall", "min_precision": "precision"}


def train_headline(arrays: xr.Dataset) -> str:
    """The verdict: macro F1 with its interval, and the weakest class with its prevalence.

    Args:
        arrays: What was measured.
    """
    part = str(arrays["part"].values[-1])
    at = {"part": part, "summary": "macro_f1"}
    value, (low, high) = float(arrays["overall"].sel(at)), arrays["overall_interval"].sel(at).values.tolist()
    n, shares = int(arrays["n_images"].sel(part=part)), arrays["prevalence"].sel(part=part).values
    kind = "classes" if arrays.attrs["task"] == "single" else "labels"
    text = (
        f"Macro F1 {value:.3f}{bounds_text(low, high)} on {n} {part} images, {len(shares)} {kind} "
        f"at prevalences from {share_text(shares.min())} to {share_text(shares.max())}."
    )
    f1 = arrays["class_metric"].sel(part=part, measure="f1").values
    if not np.isfinite(f1).any():
        return text
    k = int(np.nanargmin(f1))
    name = str(arrays["class"].values[k])
    bounds = arrays["class_metric_interval"].sel(part=part, measure="f1").values[k].tolist()
    return (
        f"{text} The weakest is “{name}”: F1 {f1[k]:.3f}{bounds_text(*bounds)} at prevalence {share_text(shares[k])}."
    )


def check_train_gates(gates: Mapping[str, Any] | None, classes: Sequence[str]) -> dict[str, float]:
    """Checks the limits and spreads those of all classes over the classes.

    Args:
        gates: `min_macro_f1`, `min_accuracy`, `min_recall`, `min_precision`.
        classes: Names of the classes.

    Returns:
        Gate, such as `min_recall.scratch` → limit.

    Raises:
        ConfigError: An unknown gate or class, or a limit outside [0, 1].
    """
    limits: dict[str, float] = {}
    for name, value in (gates or {}).items():
        require_in("gate", name, (*_OVERALL_GATES, *_CLASS_GATES))
        if name in _OVERALL_GATES:
            limits[name] = require_range(f"gates.{name}", value, 0, 1)
            continue
        each = value if isinstance(value, Mapping) else dict.fromkeys(classes, value)
        for label, limit in each.items():
            require_in(f"class in `gates.{name}`", label, classes)
            limits[f"{name}.{label}"] = require_range(f"gates.{name}.{label}", limit, 0, 1)
    return limits


def judge_train_gates(limits: Mapping[str, float], arrays: xr.Dataset) -> tuple[Gate, ...]:
    """Holds the limits against what was measured on the last part."""
    part, gates = str(arrays["part"].values[-1]), []
    for name, limit in limits.items():
        gate, _, label = name.partition(".")
        if gate in _OVERALL_GATES:
            what, value = _OVERALL_GATES[gate], float(arrays["overall"].sel(part=part, summary=_OVERALL_GATES[gate]))
        else:
            what = f"{_CLASS_GATES[gate]} of “{label}”"
            value = float(arrays["class_metric"].sel({"part": part, "measure": _CLASS_GATES[gate], "class": label}))
        passed = bool(np.isfinite(value) and value >= limit)
        shown = f"{value:.3f}" if np.isfinite(value) else "undefined"
        text = f"{what.replace('_', ' ')} on {part} is {shown}; it must be at least {limit:g}"
        gates.append(Gate(name=name, limit=limit, value=value, passed=passed, text=text))
    return tuple(gates)


def refuse_thresholds(task: str) -> None:
    """Says that thresholds belong to several labels.

    Raises:
        ConfigError: With one class an image.
    """
    if task == "single":
        raise ConfigError(
            "`thresholds` belong to several labels an image; with one class the most probable one is decided: leave "
            "them out"
        )


def bounds_text(low: float, high: float) -> str:
    """An interval behind its value; empty where it is undefined.

    Example:
        >>> bounds_text(0.5, 0.75)
        ' [0.500, 0.750]'
    """
    return f" [{low:.3f}, {high:.3f}]" if np.isfinite([low, high]).all() else ""


def share_text(value: float) -> str:
    """A share in per cent.

    Example:
        >>> share_text(0.025)
        '2.5 %'
    """
    return f"{100 * value:.1f} %"
