"""Whether models keep the accuracies that the configuration asks for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.report.format import number, percent
from shiftgauge.results.attack_tables import accuracy_table
from shiftgauge.results.status import Gate
from shiftgauge.studies.attack_headline import loudness
from shiftgauge.studies.attack_options import AccuracyGate, AttackGates, AttackOptions


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
