"""From names of shifts, or a preset, to the space of an audit: units, identity values and valid ranges filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.parameter import Parameter
from shiftgauge.shifts.catalog import CATALOG, Preset, check_names, get, get_preset
from shiftgauge.space import Space

Entry: TypeAlias = Mapping[str, Any] | Sequence[float] | float | None
"""A distribution with its options; (low, high) for uniform; a number for a fixed value; None to leave it out."""


def shift_space(
    parameters: Mapping[str, Entry] | None = None,
    *,
    preset: str | None = None,
    correlation: Mapping[str, Mapping[str, float]] | None = None,
) -> Space:
    """Builds the space of the shifts of an audit.

    Args:
        parameters: Shift name → distribution, such as `{"distribution": "uniform", "low": -10, "high": 10}`;
            `(low, high)` for a uniform one; a number keeps the shift fixed; None takes it out of the preset.
            They are laid over the preset, one shift at a time.
        preset: Name of a preset of the catalogue: `weld`, `inspection`, `demo`.
        correlation: Spearman rank correlations between varying shifts, such as `{"rotation": {"tilt": 0.5}}`.

    Returns:
        A space whose parameters have the catalogue's unit, and as nominal value its identity.

    Raises:
        ConfigError: An unknown shift or preset, a companion without its main shift, or values outside the valid range.
        SpaceError: A distribution that is malformed, inverted or without spread.

    Example:
        >>> space = shift_space({"tilt": (-5, 5), "gaussian_blur": (0, 2)}, preset="weld")
        >>> space.names
        ('brightness', 'rotation', 'tilt', 'gaussian_blur')
        >>> space["tilt"].describe(), space["brightness"].nominal
        ('uniform on [-5, 5] °', 1.0)
    """
    entries: dict[str, Entry] = dict(get_preset(preset).distributions) if preset is not None else {}
    for name, entry in (parameters or {}).items():
        get(name)
        if entry is None:
            entries.pop(name, None)
        else:
            entries[name] = entry
    check_names(tuple(entries))
    chosen = [shift_parameter(name, entry) for name, entry in entries.items()]
    return Space(chosen, _matrix(chosen, correlation or {}))


def shift_parameter(name: str, entry: Entry) -> Parameter:
    """Builds the parameter of one shift and checks it against the catalogue.

    Args:
        name: A shift of the catalogue.
        entry: Its distribution, in one of the forms of `shift_space`.

    Raises:
        ConfigError: An unknown shift, or a distribution that reaches outside the shift's valid range.
        SpaceError: A malformed distribution.

    Example:
        >>> shift_parameter("rotation", 15).is_fixed
        True
    """
    shift = get(name)
    options = _options(name, entry)
    parameter = Parameter.from_dict(name, {"unit": shift.unit, **options})
    nominal = options.get("nominal", shift.identity)
    if not parameter.is_fixed and nominal != parameter.nominal:
        parameter = Parameter.from_dict(name, {"unit": shift.unit, **options, "nominal": nominal})
    for value in (*parameter.ppf(np.array([0.0, 1.0])), shift.identity if parameter.is_fixed else nominal):
        shift.check(float(value))
    return parameter


def preset_order(preset: Preset | str, names: Sequence[str]) -> tuple[str, ...] | None:
    """The order in which shifts act when a preset was widened or narrowed.

    The preset's own order is kept; a shift that it does not have goes where the camera's order puts it: before
    the first shift of the preset's order that the catalogue lists later.

    Args:
        preset: The preset or its name.
        names: The shifts of the audit.

    Returns:
        The main shifts in order, or None where the preset has no order of its own.

    Example:
        >>> preset_order("weld", ["brightness", "rotation", "gaussian_blur", "exposure"])
        ('exposure', 'brightness', 'rotation', 'gaussian_blur')
    """
    own = (get_preset(preset) if isinstance(preset, str) else preset).order
    if not own:
        return None
    catalogue = list(CATALOG)
    order = [name for name in own if name in names]
    for name in catalogue:
        if name in names and name not in order and not get(name).companion_of:
            rank = catalogue.index(name)
            later = (i for i, other in enumerate(order) if catalogue.index(other) > rank)
            order.insert(next(later, len(order)), name)
    return tuple(order)


def _options(name: str, entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Mapping):
        return dict(entry)
    if isinstance(entry, (int, float)) and not isinstance(entry, bool):
        return {"distribution": "fixed", "value": entry}
    if isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 2:
        return {"distribution": "uniform", "low": entry[0], "high": entry[1]}
    raise ConfigError(f"`{name}` takes a distribution, [low, high] or a number, got {entry!r}")


def _matrix(parameters: Sequence[Parameter], correlation: Mapping[str, Mapping[str, float]]) -> np.ndarray | None:
    if not correlation:
        return None
    varying = [p.name for p in parameters if not p.is_fixed]
    matrix = np.eye(len(varying))
    for first, others in correlation.items():
        for second, value in others.items():
            i, j = (varying.index(require_in("varying shift in `correlation`", n, varying)) for n in (first, second))
            if i == j:
                raise ConfigError(f"`correlation`: `{first}` is tied to itself; name two different shifts")
            if matrix[i, j] not in (0.0, value):
                raise ConfigError(f"`correlation` of `{first}` and `{second}` is given twice, with different values")
            matrix[i, j] = matrix[j, i] = value
    return matrix
