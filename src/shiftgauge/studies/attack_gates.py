"""Whether models keep the accuracies that the configuration asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import xarray as xr

from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.report.format import number, percent
from shiftgauge.results.attack_tables import accuracy_table
from shiftgauge.results.status import Gate
from shiftgauge.studies.attack_headline import loudness
from shiftgauge.studies.attack_options import AttackOptions


@dataclass(frozen=True, kw_only=True)
class AccuracyGate:
    """The least accuracy that a model must keep.

    Args:
        accuracy: In [0, 1].
        at: Ratio in dB, or ε where budgets are asked for in ε, or level of a shift; one of those asked for.
        way: Name of an attack, noise or shift; None for every attack.
        model: Name of a model; None for each.
        lower_end: Judge the lower end of the interval instead of the accuracy itself.

    Raises:
        ConfigError: An accuracy that is no share, or a place that is no number.
    """

    accuracy: float
    at: float
    way: str | None = None
    model: str | None = None
    lower_end: bool = False

    def __post_init__(self) -> None:
        require_range("accuracy", self.accuracy, 0, 1)
        require_range("at", self.at)


@dataclass(frozen=True, kw_only=True)
class AttackGates:
    """Limits that a run must keep.

    Args:
        min_clean_accuracy: Least accuracy on images as given, or None.
        min_accuracy: Least accuracies under attacks, noise and shifts.
    """

    min_clean_accuracy: float | None = None
    min_accuracy: tuple[AccuracyGate, ...] = ()

    def __post_init__(self) -> None:
        if self.min_clean_accuracy is not None:
            require_range("min_clean_accuracy", self.min_clean_accuracy, 0, 1)


def check_gates(gates: AttackGates, options: AttackOptions, models: Sequence[str]) -> None:
    """Refuses limits on what is not measured, before anything is done.

    Raises:
        ConfigError: An unknown model or way, or a place that was not asked for.
    """
    shifts = {shift.name: shift.levels for shift in options.shifts}
    for gate in gates.min_accuracy:
        if gate.model is not None:
            require_in("model of a gate", gate.model, tuple(models))
        ways = _ways(gate, options)
        if not ways:
            raise ConfigError("a gate without `way` is about every attack, and there is none; name a noise or shift")
        for way in ways:
            require_in("way of a gate", way, (*options.attacks, *shifts))
            known = shifts.get(way, options.asked)
            if gate.at not in known:
                shown = ", ".join(f"{value:g}" for value in known)
                raise ConfigError(f"a gate on `{way}` must be `at` one of {shown}, which are measured, got {gate.at:g}")


def judge(gates: AttackGates, options: AttackOptions, arrays: xr.Dataset) -> tuple[Gate, ...]:
    """Judges every limit.

    Args:
        gates: The limits.
        options: What was asked.
        arrays: What was found.
    """
    found = []
    if gates.min_clean_accuracy is not None:
        table = accuracy_table(arrays)
        for row in table.loc[table["kind"] == "clean"].to_dict("records"):
            text = f"“{row['model']}” must be right about at least {percent(gates.min_clean_accuracy)} of the images"
            found.append(
                _gate(
                    f"min_clean_accuracy.{row['model']}",
                    gates.min_clean_accuracy,
                    float(row["accuracy"]),
                    f"{text} as given",
                )
            )
    for gate in gates.min_accuracy:
        found += _judged(gate, options, arrays)
    return tuple(found)


def _judged(gate: AccuracyGate, options: AttackOptions, arrays: xr.Dataset) -> Iterator[Gate]:
    table = accuracy_table(arrays)
    for way in _ways(gate, options):
        place = "level" if way in {shift.name for shift in options.shifts} else "asked"
        rows = table.loc[(table["way"] == way) & (table[place] == gate.at)]
        for row in rows.to_dict("records"):
            if gate.model in (None, row["model"]):
                value = float(row["low" if gate.lower_end else "accuracy"])
                at = number(gate.at) if place == "level" else loudness(arrays, gate.at)
                what = "the lower end of the interval of " if gate.lower_end else ""
                text = f"{what}the accuracy of “{row['model']}” under “{way}” at {at} must be at least "
                text = f"{text[:1].upper()}{text[1:]}{percent(gate.accuracy)}"
                yield _gate(f"min_accuracy.{row['model']}.{way}@{gate.at:g}", gate.accuracy, value, text)


def _gate(name: str, limit: float, value: float, text: str) -> Gate:
    passed = math.isfinite(value) and value >= limit
    return Gate(name=name, limit=limit, value=value, passed=passed, text=f"{text}, and is {percent(value)}.")


def _ways(gate: AccuracyGate, options: AttackOptions) -> tuple[str, ...]:
    return options.adversarial if gate.way is None else (gate.way,)
