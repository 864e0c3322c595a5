"""What a training amounts to: the verdict in words, what to know before relying on it, and the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.results.status import LEVELS, Gate, Message

_FEW: Final = 20
"""Images of a class below which its recall is hardly known."""
_SHOWN: Final = 4
_OVERALL_GATES: Final = {"min_macro_f1": "macro_f1", "min_accuracy": "accuracy"}
_CLASS_GATES: Final = {"min_recall": "recall", "min_precision": "precision"}
_WIDE: Final = 0.1
"""Calibration error from which probabilities should not be taken at their word."""


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
        f"Macro F1 {value:.3f}{_bounds(low, high)} on {n} {part} images, {len(shares)} {kind} "
        f"at prevalences from {_share(shares.min())} to {_share(shares.max())}."
    )
    f1 = arrays["class_metric"].sel(part=part, measure="f1").values
    if not np.isfinite(f1).any():
        return text
    k = int(np.nanargmin(f1))
    name = str(arrays["class"].values[k])
    bounds = arrays["class_metric_interval"].sel(part=part, measure="f1").values[k].tolist()
    return f"{text} The weakest is “{name}”: F1 {f1[k]:.3f}{_bounds(*bounds)} at prevalence {_share(shares[k])}."


def find_train_messages(
    arrays: xr.Dataset,
    *,
    notes: Sequence[str],
    kept: Sequence[str],
    facts: Mapping[str, int],
    stopped: str,
    skipped: int,
) -> tuple[Message, ...]:
    """Findings about trust, most serious first.

    Args:
        arrays: What was measured.
        notes: What the split, the temperature or the thresholds could not do.
        kept: Sentences on what was kept together.
        facts: Images that are alike, see `Divided.facts`.
        stopped: Why the training ended.
        skipped: Files left out because they cannot be read.
    """
    found = [*_about_score(arrays), *_about_support(arrays), *_about_calibration(arrays)]
    found += [Message(level="caution", code="note", text=_sentence(note)) for note in notes]
    found += [Message(level="info", code="kept_together", text=_sentence(note)) for note in kept]
    if skipped:
        text = f"{skipped} file(s) could not be read and were left out; they are listed under Provenance."
        found.append(Message(level="caution", code="skipped_files", text=text))
    if facts["torn_by_a_plain_split"]:
        text = (
            f"A split image by image would have put {facts['torn_by_a_plain_split']} images in another part than "
            "their like, and flattered every number."
        )
        found.append(Message(level="info", code="plain_split", text=text))
    found += _about_epochs(arrays, stopped)
    return tuple(sorted(found, key=lambda m: -LEVELS.index(m.level)))


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


def _about_score(arrays: xr.Dataset) -> list[Message]:
    part = str(arrays["part"].values[-1])
    found = []
    if part != "test":
        text = (
            "There is no test part: every number is of the validation images, on which the epoch and any thresholds "
            "were chosen, and so better than on new images. Give `split.parts` a test."
        )
        found.append(Message(level="caution", code="no_test_part", text=text))
    accuracy = float(arrays["overall"].sel(part=part, summary="accuracy"))
    commonest = float(arrays["prevalence"].sel(part=part).max())
    if arrays.attrs["task"] == "single" and accuracy <= commonest:
        text = (
            f"The accuracy, {accuracy:.3f}, is not above {commonest:.3f}, that of always naming the commonest class: "
            "nothing was learnt. Train longer, or with another learning rate."
        )
        found.append(Message(level="alarm", code="nothing_learnt", text=text))
    return found


def _about_support(arrays: xr.Dataset) -> list[Message]:
    part = str(arrays["part"].values[-1])
    support = arrays["support"].sel(part=part).values
    few = [f"{name} ({int(n)})" for name, n in zip(arrays["class"].values, support, strict=True) if n < _FEW]
    if not few:
        return []
    more = f" and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
    text = f"Few {part} images of {', '.join(few[:_SHOWN])}{more}: what is said of them is hardly known."
    return [Message(level="caution", code="few_images", text=text)]


def _about_calibration(arrays: xr.Dataset) -> list[Message]:
    part = str(arrays["part"].values[-1])
    error = float(arrays["calibration_error"].sel(part=part).values[-1])
    if not error > _WIDE:
        return []
    text = f"Probabilities are off by {error:.2f} on average (calibration error on {part}): rank by them, no more."
    return [Message(level="caution", code="poor_calibration", text=text)]


def _about_epochs(arrays: xr.Dataset, stopped: str) -> list[Message]:
    best, done = int(arrays.attrs["best_epoch"]), arrays.sizes["epoch"]
    if stopped == "patience":
        text = f"Stopped after epoch {done}, because nothing improved after epoch {best}."
        return [Message(level="info", code="stopped_early", text=text)]
    if best == done and done > 1:
        text = f"The last epoch, {done}, was the best on validation: more epochs may give more."
        return [Message(level="info", code="still_improving", text=text)]
    return []


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:].rstrip('.')}."


def _bounds(low: float, high: float) -> str:
    return f" [{low:.3f}, {high:.3f}]" if np.isfinite([low, high]).all() else ""


def _share(value: float) -> str:
    return f"{100 * value:.1f} %"
