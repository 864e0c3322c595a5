"""Groups of inputs: which columns of a design are picked, frozen or redrawn as one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.inputs import Inputs

Columns: TypeAlias = slice | list[int]
"""Some columns of an array."""


def group_columns(inputs: Inputs, groups: Mapping[str, Sequence[str]] | None) -> dict[str, tuple[int, ...]]:
    """Name → input columns of everything that is picked as one, in the order of the inputs.

    Args:
        inputs: What is drawn.
        groups: Group name → names of its inputs; an input in no group is one of its own, fixed members have no part.

    Returns:
        The groups, each with its columns in rising order.

    Raises:
        ConfigError: An unknown input, an input in two groups, or a group that bears the name of an input outside it.

    Example:
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> group_columns(Inputs(space=ISHIGAMI.space), {"set": ["x1", "x3"]})
        {'set': (0, 2), 'x2': (1,)}
    """
    names = inputs.names
    owner: dict[str, str] = {}
    for group, members in (groups or {}).items():
        if isinstance(members, str) or not len(members):
            raise ConfigError(
                f"group `{group}` must be a list of names of inputs, such as [{names[0]}], got {members!r}"
            )
        for member in members:
            if member in inputs.space.names and member not in names:
                continue  # fixed
            require_in("input", member, names)
            if member in owner:
                raise ConfigError(f"input `{member}` stands in two groups, `{owner[member]}` and `{group}`")
            owner[member] = group
    clash = [g for g in (groups or {}) if g in names and owner.get(g) != g]
    if clash:
        raise ConfigError(f"group `{clash[0]}` bears the name of an input outside it; give it another name")
    found: dict[str, tuple[int, ...]] = {}
    for column, name in enumerate(names):
        key = owner.get(name, name)
        found[key] = (*found.get(key, ()), column)
    return found


def unit_columns(inputs: Inputs, groups: Iterable[Sequence[int]]) -> list[Columns]:
    """Columns of the unit cube that belong to each group: all but that of `repeat`.

    Args:
        inputs: What is drawn.
        groups: Input columns of each group.
    """
    return [_as_slice([c for c in columns if c < inputs.n_unit]) for columns in groups]


def theta_columns(inputs: Inputs, groups: Iterable[Sequence[int]]) -> list[Columns]:
    """Columns of the physical values that belong to each group.

    Args:
        inputs: What is drawn.
        groups: Input columns of each group.
    """
    shift, varying = inputs.shift_columns, inputs.space.varying
    return [
        _as_slice([varying[c - shift.start] for c in columns if shift.start <= c < shift.stop]) for columns in groups
    ]


def _as_slice(columns: Sequence[int]) -> Columns:
    """Columns as a slice where they are neighbours, which copies faster than a list."""
    first = columns[0] if columns else 0
    together = list(columns) == list(range(first, first + len(columns)))
    return slice(first, first + len(columns)) if together else list(columns)
