"""The space of a table's columns: what was given, and a rule of the data for the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shiftgauge.checks import require_in
from shiftgauge.data.table import TableDataset
from shiftgauge.errors import SpaceError
from shiftgauge.infer import CORRELATED, Rule
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.studies.table_data import infer_parameters, rule_text


def full_space(
    table: TableDataset, space: Space | Mapping[str, Any] | None, rule: Rule, quantiles: tuple[float, float]
) -> Space:
    """The space of all columns in the table's order: what was given, and the rule for the rest.

    Args:
        table: The table.
        space: A space or {column: distribution} of some or all columns; None for none.
        rule: For columns that are left out.
        quantiles: Of the rule `quantiles`.

    Raises:
        SpaceError: A name that is no column, or a correlated space.
    """
    if space is None:
        return Space(list(infer_parameters(table, rule, quantiles).values()))
    given = {p.name: p for p in (space.parameters if isinstance(space, Space) else parameters_of(space))}
    for name in given:
        require_in("column", name, table.feature_names, SpaceError)
    if isinstance(space, Space) and space.correlation is not None:
        raise SpaceError(CORRELATED)
    if isinstance(space, Space) and tuple(given) == table.feature_names:
        return space
    found = infer_parameters(table, rule, quantiles, given=tuple(given)) | given
    return Space([found[n] for n in table.feature_names])


def rule_facts(
    space: Space | Mapping[str, Any] | None, full: Space, rule: Rule, quantiles: tuple[float, float]
) -> dict[str, str]:
    """Where the ranges are from: `rule`, `given` where none follows a rule, and `rule_text`, the same in a sentence.

    Args:
        space: What was given.
        full: The space of all columns.
        rule: For columns that were not given.
        quantiles: Of the rule `quantiles`.
    """
    given = space is not None and set(full.names) <= set(_given(space))
    return {"rule": "given" if given else rule, "rule_text": _rule_text(space, full, rule, quantiles)}


def parameters_of(entries: Mapping[str, Any]) -> list[Parameter]:
    """Parameters from {column: distribution}; [low, high] is uniform, a number is fixed.

    Raises:
        SpaceError: An entry that is no distribution.

    Example:
        >>> [p.describe() for p in parameters_of({"age": [20, 60], "sex": 1.0})]
        ['uniform on [20, 60]', 'fixed at 1']
    """
    found = []
    for name, entry in entries.items():
        plain: Any = entry
        if isinstance(entry, (list, tuple)) and len(entry) == 2:
            plain = {"distribution": "uniform", "low": entry[0], "high": entry[1]}
        elif isinstance(entry, (int, float)) and not isinstance(entry, bool):
            plain = {"distribution": "fixed", "value": entry}
        found.append(Parameter.from_dict(str(name), plain))
    return found


def _given(space: Space | Mapping[str, Any]) -> Sequence[str]:
    return space.names if isinstance(space, Space) else [str(k) for k in space]


def _rule_text(space: Space | Mapping[str, Any] | None, full: Space, rule: str, quantiles: tuple[float, float]) -> str:
    rest = [n for n in full.names if space is None or n not in _given(space)]
    if not rest:
        return rule_text(None, quantiles)
    text = rule_text(rule, quantiles, [n for n in rest if full[n].levels is not None])
    if len(rest) == len(full.names):
        return text
    start = f"{len(full.names) - len(rest)} of {len(full.names)} ranges were given"
    return f"{start}. Of the others: {text[0].lower()}{text[1:]}"
