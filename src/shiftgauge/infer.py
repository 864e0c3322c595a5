"""A space read off a table: a column's spread becomes a uniform distribution, a column of few codes a choice."""

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np

from shiftgauge.errors import SpaceError
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray

Rule = Literal["range", "quantiles", "nonzero"]
CORRELATED: Final = (
    "the audit of a table splits the variance between independent inputs, and the space has a `correlation`; leave it "
    "out, or give space and model to shiftgauge.estimate.kucherenko.kucherenko or "
    "shiftgauge.estimate.shapley.shapley_effects, whose indices are for inputs that hang together"
)
"""What a correlated space is told where only independent inputs can be served."""
MOST_LEVELS: Final = 10
"""Most distinct whole values of a column that is taken for discrete."""


def space_from_table(
    columns: Mapping[str, np.ndarray],
    *,
    rule: Rule = "range",
    quantiles: tuple[float, float] = (0.05, 0.95),
    units: Mapping[str, str] | None = None,
    most_levels: int = MOST_LEVELS,
) -> Space:
    """Infers one parameter for each column of a table.

    A discrete column becomes a `choice` of its values, P(v) = share of the rows that hold v, whatever the rule: a
    column is discrete if it holds at most `most_levels` distinct values, all of them whole numbers or just two
    of any kind (so bool as well), in at least twice as many rows. Every other column is uniform by the rule.

    Args:
        columns: Column name → values (n,). NaN are left out.
        rule: `range`: uniform between the smallest and largest value. `quantiles`: uniform between two
            quantiles. `nonzero`: like `range`, but the lower limit is the smallest value that is not zero
            (in many tables a zero stands for "missing").
        quantiles: Lower and upper quantile for that rule, 0 ≤ lower < upper ≤ 1.
        units: Column name → unit.
        most_levels: Most distinct values of a discrete column, ≥ 0; 0: every column is uniform by the rule.

    Returns:
        A space with the columns' names; a column with one value only becomes `fixed`. The nominal value is
        the median of the values that count, of a discrete column the lower one of the two in the middle.

    Raises:
        SpaceError: An unknown rule, a column without a number, wrong quantiles, or nothing that varies.

    Example:
        >>> space_from_table({"age": np.array([20.0, 30.0, 60.0])})["age"].describe()
        'uniform on [20, 60]'
        >>> space_from_table({"smokes": np.array([0, 1, 0, 0])})["smokes"].options["probabilities"]
        [0.75, 0.25]
    """
    found = parameters_from_table(columns, rule=rule, quantiles=quantiles, units=units, most_levels=most_levels)
    return Space(found)


def parameters_from_table(
    columns: Mapping[str, np.ndarray],
    *,
    rule: Rule = "range",
    quantiles: tuple[float, float] = (0.05, 0.95),
    units: Mapping[str, str] | None = None,
    most_levels: int = MOST_LEVELS,
) -> list[Parameter]:
    """Returns the parameters of `space_from_table` alone, which may all be fixed.

    Args:
        columns: As there.
        rule: As there.
        quantiles: As there.
        units: As there.
        most_levels: As there.

    Returns:
        One parameter for each column, in their order.

    Raises:
        SpaceError: An unknown rule, a column without a number, or wrong quantiles.

    Example:
        >>> [p.distribution for p in parameters_from_table({"a": np.arange(9.0), "b": np.ones(9)})]
        ['uniform', 'fixed']
    """
    if rule not in ("range", "quantiles", "nonzero"):
        raise SpaceError(f"`rule` must be range, quantiles or nonzero, got {rule!r}")
    if not 0 <= quantiles[0] < quantiles[1] <= 1:
        raise SpaceError(f"`quantiles` must satisfy 0 ≤ lower < upper ≤ 1, got {quantiles}")
    if isinstance(most_levels, bool) or not isinstance(most_levels, (int, np.integer)) or most_levels < 0:
        raise SpaceError(f"`most_levels` must be a whole number ≥ 0, got {most_levels!r}")
    found = []
    for name, values in columns.items():
        numbers, unit = _numbers(name, values), (units or {}).get(name, "")
        levels = _levels(name, numbers, unit, most_levels)
        found.append(levels if levels is not None else _spread(name, numbers, rule, quantiles, unit))
    return found


def _numbers(name: str, values: np.ndarray) -> FloatArray:
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise SpaceError(f"column `{name}` holds values that are no numbers; code them as 0, 1, 2 …") from error
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        raise SpaceError(f"column `{name}` holds no finite number")
    return numbers


def _levels(name: str, numbers: FloatArray, unit: str, most: int) -> Parameter | None:
    """The choice of a discrete column; None for any other."""
    values, counts = np.unique(numbers, return_counts=True)
    coded = len(values) == 2 or bool((values == np.round(values)).all())
    if not coded or not 2 <= len(values) <= most or len(numbers) < 2 * len(values):
        return None
    options = {"values": values.tolist(), "probabilities": (counts / len(numbers)).tolist()}
    return Parameter(name=name, distribution="choice", options=options, unit=unit)


def _spread(name: str, numbers: FloatArray, rule: Rule, quantiles: tuple[float, float], unit: str) -> Parameter:
    if rule == "nonzero":
        numbers = numbers[numbers != 0] if (numbers != 0).any() else numbers
    low, high = np.quantile(numbers, quantiles) if rule == "quantiles" else (numbers.min(), numbers.max())
    median = float(np.median(numbers))
    if low == high:
        return Parameter(name=name, distribution="fixed", options={"value": float(low)}, unit=unit)
    options = {"low": float(low), "high": float(high)}
    return Parameter(name=name, distribution="uniform", options=options, unit=unit, nominal=median)
