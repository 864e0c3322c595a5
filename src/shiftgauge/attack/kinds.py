"""All attacks by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, Final, TypeAlias

from shiftgauge.attack.apgd import APGD
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.noise import GaussianNoise, UniformNoise
from shiftgauge.attack.pgd import BIM, PGD, MomentumFGSM
from shiftgauge.attack.square import Square
from shiftgauge.checks import unknown_name
from shiftgauge.errors import ConfigError

Attack: TypeAlias = FGSM | BIM | PGD | MomentumFGSM | APGD | Square | UniformNoise | GaussianNoise
"""Any attack or noise; a frozen object that holds its options."""

ATTACKS: Final[Mapping[str, type[Attack]]] = {
    kind.name: kind for kind in (FGSM, BIM, PGD, MomentumFGSM, APGD, Square, UniformNoise, GaussianNoise)
}


def attack_to_dict(attack: Attack) -> dict[str, Any]:
    """Name and options of an attack as plain values.

    Example:
        >>> attack_to_dict(BIM(steps=5))
        {'name': 'bim', 'steps': 5, 'relative_step': None, 'loss': 'ce'}
    """
    return {"name": attack.name, **asdict(attack)}


def attack_from_dict(values: Mapping[str, Any]) -> Attack:
    """The attack of a name and options.

    Args:
        values: `name`, and options of that attack; those left out have their defaults.

    Raises:
        ConfigError: An unknown name or option, or a value outside its range.

    Example:
        >>> attack_from_dict({"name": "pgd", "steps": 20}).steps
        20
    """
    given = dict(values)
    name = str(given.pop("name", ""))
    if name not in ATTACKS:
        raise ConfigError(unknown_name("attack", name, ATTACKS))
    kind = ATTACKS[name]
    allowed = [field.name for field in fields(kind)]
    for option in given:
        if option not in allowed:
            raise ConfigError(unknown_name(f"option of the attack `{name}`", option, allowed or ["none"]))
    return kind(**given)
