"""What the audit of a tabular model knows of its table: rows, columns and classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.data.load import load_data
from shiftgauge.data.table import TableDataset, read_table
from shiftgauge.errors import DataError
from shiftgauge.infer import MOST_LEVELS, Rule, parameters_from_table
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

RULES: Final = {
    "range": "between the smallest and the largest value of its column",
    "quantiles": "between two quantiles of its column",
    "nonzero": "between the smallest value that is not zero and the largest value of its column",
}


def as_table(data: Any) -> TableDataset:
    """Returns a table of numbers.

    Args:
        data: A `TableDataset`; a pandas frame of feature columns; an array (n, P); (features, labels); a mapping of
            `read_table`'s arguments; or the path of a CSV or Parquet file of feature columns alone.

    Raises:
        DataError: It is none of these, or cannot be read.

    Example:
        >>> as_table(np.ones((3, 2))).feature_names
        ('x1', 'x2')
    """
    if isinstance(data, TableDataset):
        return _unique(data)
    if isinstance(data, tuple):
        if len(data) != 2:
            raise DataError(f"data as a tuple is (features, labels), got {len(data)} entries")
        return _labelled(as_table(data[0]), data[1])
    if isinstance(data, Mapping):
        found = load_data({"kind": "table", **data})
        if not isinstance(found, TableDataset):
            raise DataError(f"the audit of a table needs data of the kind `table`, got {type(found).__name__}")
        return found
    if isinstance(data, (str, Path)):
        return read_table(data, label_column=None)
    if isinstance(data, pd.DataFrame):
        _refuse_text(data)
        return _unlabelled(data.to_numpy(), tuple(str(c) for c in data.columns))
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return _unlabelled(data, tuple(f"x{k + 1}" for k in range(data.shape[1])))
    raise DataError(f"data must be a table of numbers (n, P), got {type(data).__name__}")


def _unlabelled(values: np.ndarray, names: tuple[str, ...]) -> TableDataset:
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise DataError("the table holds cells that are no numbers; leave those columns out or code them") from error
    if not numbers.size or not np.isfinite(numbers).all():
        raise DataError("the table is empty, or holds NaN or infinity; fill or remove those rows")
    labels = np.zeros(len(numbers), np.int64)
    return _unique(TableDataset(values=numbers, feature_names=names, labels=labels, class_names=()))


def _unique(table: TableDataset) -> TableDataset:
    name, count = Counter(table.feature_names).most_common(1)[0] if table.feature_names else ("", 0)
    if count > 1:
        raise DataError(f"column `{name}` stands {count} times in the table; leave one, or give each its own name")
    return table


def _refuse_text(frame: pd.DataFrame) -> None:
    """Refuses a column of text, whose codes only the owner of the model knows."""
    for place, name in enumerate(frame.columns):
        cells = frame.iloc[:, place].to_numpy()
        try:
            cells.astype(float)
        except (TypeError, ValueError) as error:
            text = next((c for c in cells if isinstance(c, str)), cells[0])
            raise DataError(
                f"column `{name}` holds cells such as `{text}`, which are no numbers; code it as 0, 1, 2 … as the "
                "model takes it (pandas: `.astype('category').cat.codes`) or leave it out"
            ) from error


def _labelled(table: TableDataset, labels: Any) -> TableDataset:
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    if codes.shape != (len(table),):
        raise DataError(f"there must be one label for each of the {len(table)} rows, got {codes.shape}")
    return TableDataset(
        values=table.values,
        feature_names=table.feature_names,
        labels=codes,
        class_names=tuple(str(n) for n in names),
    )


def infer_parameters(
    table: TableDataset, rule: Rule, quantiles: tuple[float, float], *, given: Sequence[str] = ()
) -> dict[str, Parameter]:
    """The parameters that the columns of a table span under a rule, by name; given columns are left out.

    Raises:
        SpaceError: An unknown rule or wrong quantiles.
    """
    columns = {name: table.values[:, k] for k, name in enumerate(table.feature_names) if name not in given}
    return {p.name: p for p in parameters_from_table(columns, rule=rule, quantiles=quantiles)}


def rule_text(rule: str | None, quantiles: tuple[float, float], discrete: Sequence[str] = ()) -> str:
    """Says in one or two sentences where the space is from.

    Args:
        rule: The rule, or None where everything was given.
        quantiles: The two quantiles of that rule.
        discrete: Columns that the rule took for discrete.

    Example:
        >>> rule_text("range", (0.05, 0.95), ["sex"]).split(". ")[0][:60]
        'Every input is uniform between the smallest and the largest '
    """
    if rule is None:
        return "The ranges and distributions were given."
    text = f"Every input is uniform {RULES[rule]}, independently of the others"
    text = f"{text} ({quantiles[0]:g} and {quantiles[1]:g})" if rule == "quantiles" else text
    if not discrete:
        return f"{text}."
    names = f"{', '.join(discrete[:8])}{f' and {len(discrete) - 8} more' if len(discrete) > 8 else ''}"
    return (
        f"{text}; but columns of two values, or of at most {MOST_LEVELS} whole ones, take these values as often as "
        f"the table does: {names}."
    )


def feature_arrays(table: TableDataset, space: Space) -> xr.Dataset:
    """What is known of every column: its distribution in words, and mean, spread, extremes and zeros of the data."""
    values = table.values
    return xr.Dataset(
        {
            "feature_text": ("feature", [space[n].describe() for n in table.feature_names]),
            "feature_levels": ("feature", [_count_levels(space[n]) for n in table.feature_names]),
            "feature_varies": ("feature", [int(not space[n].is_fixed) for n in table.feature_names]),
            "feature_mean": ("feature", values.mean(axis=0)),
            "feature_std": ("feature", values.std(axis=0)),
            "feature_low": ("feature", values.min(axis=0)),
            "feature_low_nonzero": ("feature", [float(c[c != 0].min()) if (c != 0).any() else 0.0 for c in values.T]),
            "feature_high": ("feature", values.max(axis=0)),
            "feature_zeros": ("feature", (values == 0).mean(axis=0)),
        },
        {"feature": list(table.feature_names)},
    )


def _count_levels(parameter: Parameter) -> int:
    """Number of values of a discrete input; 0 for a continuous or fixed one."""
    return 0 if parameter.levels is None else len(parameter.levels[0])


def strongest_correlation(table: TableDataset) -> tuple[float, str, str]:
    """The largest Spearman correlation between two columns in magnitude, with their names; NaN below two columns."""
    moving = np.flatnonzero(table.values.std(axis=0) > 0)
    if len(moving) < 2 or len(table) < 3:
        return float("nan"), "", ""
    ranks = pd.DataFrame(table.values[:, moving]).rank().to_numpy()
    matrix = np.corrcoef(ranks.T)
    np.fill_diagonal(matrix, 0.0)
    i, j = np.unravel_index(int(np.abs(matrix).argmax()), matrix.shape)
    return float(matrix[i, j]), table.feature_names[moving[i]], table.feature_names[moving[j]]
