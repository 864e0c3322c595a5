"""A space read off a table: each column's spread becomes a uniform distribution."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from shiftgauge.errors import SpaceError
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

Rule = Literal["range", "quantiles", "nonzero"]


def space_from_table(
    columns: Mapping[str, np.ndarray],
    *,
    rule: Rule = "range",
    quantiles: tuple[float, float] = (0.05, 0.95),
    units: Mapping[str, str] | None = None,
) -> Space:
    """Infers one parameter for each column of a table.

    Args:
        columns: Column name → values (n,). NaN are left out.
        rule: `range`: uniform between the smallest and largest value. `quantiles`: uniform between two
            quantiles. `nonzero`: like `range`, but the lower limit is the smallest value that is not zero
            (in many tables a zero stands for "missing").
        quantiles: Lower and upper quantile for that rule, 0 ≤ lower < upper ≤ 1.
        units: Column name → unit.

    Returns:
        A space with the columns' names; a column with one value only becomes `fixed`. The nominal value is
        the median of the values that count.

    Raises:
        SpaceError: An unknown rule, a column without a number, wrong quantiles, or nothing that varies.

    Example:
        >>> space_from_table({"age": np.array([20.0, 30.0, 60.0])})["age"].describe()
        'uniform on [20, 60]'
    """
    if rule not in ("range", "quantiles", "nonzero"):
        raise SpaceError(f"`rule` must be range, quantiles or nonzero, got {rule!r}")
    if not 0 <= quantiles[0] < quantiles[1] <= 1:
        raise SpaceError(f"`quantiles` must satisfy 0 ≤ lower < upper ≤ 1, got {quantiles}")
    return Space(
        [_column(name, values, rule, quantiles, (units or {}).get(name, "")) for name, values in columns.items()]
    )


def _column(name: str, values: np.ndarray, rule: Rule, quantiles: tuple[float, float], unit: str) -> Parameter:
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise SpaceError(f"column `{name}` holds values that are no numbers") from error
    numbers = numbers[np.isfinite(numbers)]
    if rule == "nonzero":
        numbers = numbers[numbers != 0] if (numbers != 0).any() else numbers
    if not numbers.size:
        raise SpaceError(f"column `{name}` holds no finite number")
    low, high = np.quantile(numbers, quantiles) if rule == "quantiles" else (numbers.min(), numbers.max())
    median = float(np.median(numbers))
    if low == high:
        return Parameter(name=name, distribution="fixed", options={"value": float(low)}, unit=unit)
    options = {"low": float(low), "high": float(high)}
    return Parameter(name=name, distribution="uniform", options=options, unit=unit, nominal=median)
