"""The catalogue of shifts and the presets, by name.

Nothing here needs torch, so that the command line can list the catalogue at once. What a shift does to
pixels stands in `photometric`, `geometric`, `optical` and `sensor`; `pipeline` puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.shifts.entries import ENTRIES, Shift

CATALOG: Final[Mapping[str, Shift]] = MappingProxyType({shift.name: shift for shift in ENTRIES})
"""Every shift by name, in the default order of application."""


def get(name: str) -> Shift:
    """Returns the shift of that name.

    Raises:
        ConfigError: No such shift; the message suggests the nearest name.

    Example:
        >>> get("tilt").summary.split(";")[0]
        'Pictured plane turned about its horizontal centre line before the camera'
    """
    return CATALOG[require_in("shift", name, CATALOG)]


def _uniform(low: float, high: float) -> dict[str, Any]:
    return {"distribution": "uniform", "low": low, "high": high}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A named set of shifts with their distributions and the order in which they act.

    Args:
        name: Name in configurations.
        summary: What it is for, in one sentence.
        distributions: Shift name → distribution in the form that `Parameter` takes.
        order: Order of application; empty for the camera's order.
        fill: What lies outside the picture: constant, edge or reflect.
        fill_value: The constant, in [0, 1].

    Raises:
        ConfigError: A shift is unknown.

    Example:
        >>> PRESETS["weld"].names
        ('brightness', 'rotation', 'tilt')
    """

    name: str
    summary: str
    distributions: Mapping[str, Mapping[str, Any]]
    order: tuple[str, ...] = ()
    fill: str = "constant"
    fill_value: float = 0.0

    def __post_init__(self) -> None:
        for name in (*self.distributions, *self.order):
            get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the shifts, in the order of the distributions."""
        return tuple(self.distributions)


_WELD: Final[dict[str, dict[str, Any]]] = {
    "brightness": _uniform(0, 2),
    "rotation": _uniform(-90, 90),
    "tilt": _uniform(-20, 20),
}

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset(
                name="weld",
                summary="The ranges and the order of the weld study: brightness, then rotation, then tilt.",
                distributions=_WELD,
                order=("brightness", "rotation", "tilt"),
            ),
            Preset(
                name="inspection",
                summary="Moderate changes that a fixed inspection camera meets over months.",
                distributions={
                    "uneven_illumination": _uniform(0, 0.3),
                    "exposure": _uniform(-0.7, 0.7),
                    "rotation": _uniform(-10, 10),
                    "translate_x": _uniform(-0.05, 0.05),
                    "gaussian_blur": _uniform(0, 1.5),
                    "gaussian_noise": _uniform(0, 0.04),
                },
                fill="edge",
            ),
            Preset(
                name="demo",
                summary="The weld study's three shifts, with blur and noise.",
                distributions={**_WELD, "gaussian_blur": _uniform(0, 2), "gaussian_noise": _uniform(0, 0.1)},
                order=("brightness", "rotation", "tilt", "gaussian_blur", "gaussian_noise"),
            ),
        )
    }
)
"""Ready-made sets of shifts by name."""


def get_preset(name: str) -> Preset:
    """Returns the preset of that name.

    Raises:
        ConfigError: No such preset; the message suggests the nearest name.

    Example:
        >>> get_preset("demo").names[-1]
        'gaussian_noise'
    """
    return PRESETS[require_in("preset", name, PRESETS)]


def check_names(names: tuple[str, ...]) -> None:
    """Checks that the names are known, distinct and complete (no companion without its main shift).

    Raises:
        ConfigError: No name, an unknown or repeated one, or a companion alone.

    Example:
        >>> check_names(("motion_blur", "motion_blur_angle"))
    """
    if not names:
        raise ConfigError("no shift is named; name at least one shift of the catalogue")
    for name in names:
        shift = get(name)
        if names.count(name) > 1:
            raise ConfigError(f"shift `{name}` is named {names.count(name)} times; name it once")
        if shift.companion_of and shift.companion_of not in names:
            raise ConfigError(
                f"`{name}` only qualifies `{shift.companion_of}`, which is missing; add it or leave `{name}` out"
            )
