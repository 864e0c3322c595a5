"""What the audit of a tabular model knows of its table: rows, columns and classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.data.cells import Missing, numeric_columns
from shiftgauge.data.load import load_data
from shiftgauge.data.table import TableDataset, read_table
from shiftgauge.errors import DataError
from shiftgauge.infer import MOST_LEVELS, Rule, parameters_from_table
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space

_HINT: Final = (
    "code {column} as 0, 1, 2 … as the model takes it (pandas: `.astype('category').cat.codes`), leave it out, or, if "
    "it holds the classes, give (features, labels)"
)
RULES: Final = {
    "range": "between the smallest and the largest value of its column",
    "quantiles": "between two quantiles of its column",
    "nonzero": "between the smallest value that is not zero and the largest value of its column",
}


def as_table(data: Any, *, missing: Missing = "error") -> TableDataset:
    """Returns a table of numbers.

    Args:
        data: A `TableDataset`; a pandas frame of feature columns; an array (n, P); (features, labels); a mapping of
            `read_table`'s arguments; or the path of a CSV or Parquet file of feature columns alone.
        missing: `error`, or `drop`, which leaves out rows with an empty cell; `read_table`'s arguments may say so too.

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
        return _labelled(data[0], data[1], missing)
    if isinstance(data, Mapping):
        found = load_data({"kind": "table", "missing": missing, **data})
        if not isinstance(found, TableDataset):
            raise DataError(f"the audit of a table needs data of the kind `table`, got {type(found).__name__}")
        return found
    if isinstance(data, (str, Path)):
        return read_table(data, label_column=None, missing=missing)
    if isinstance(data, pd.DataFrame):
        return _unlabelled(data, missing)
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return _unlabelled(pd.DataFrame(data, columns=[f"x{k + 1}" for k in range(data.shape[1])]), missing)
    raise DataError(f"data must be a table of numbers (n, P), got {type(data).__name__}")


def _unlabelled(frame: pd.DataFrame, missing: Missing) -> TableDataset:
    names = tuple(str(c) for c in frame.columns)
    values = numeric_columns(_some(frame), "the table", missing=missing, hint=_HINT)
    full = ~np.isnan(values).any(axis=1)
    if not full.any():
        raise DataError("every row of the table has an empty cell; fill them, or leave columns out")
    labels = np.zeros(int(full.sum()), np.int64)
    left_out = len(values) - len(labels)
    return _unique(
        TableDataset(values=values[full], feature_names=names, labels=labels, class_names=(), n_missing=left_out)
    )


def _some(frame: pd.DataFrame) -> pd.DataFrame:
    if not frame.size:
        raise DataError("the table is empty; give rows and columns of numbers")
    return frame


def _unique(table: TableDataset) -> TableDataset:
    name, count = Counter(table.feature_names).most_common(1)[0] if table.feature_names else ("", 0)
    if count > 1:
        raise DataError(f"column `{name}` stands {count} times in the table; leave one, or give each its own name")
    return table


def _labelled(features: Any, labels: Any, missing: Missing) -> TableDataset:
    """A table with labels; a row without a label counts as one with an empty cell."""
    given = np.asarray(labels)
    if isinstance(features, np.ndarray) and features.ndim == 2:
        features = pd.DataFrame(features, columns=[f"x{k + 1}" for k in range(features.shape[1])])
    keep = np.ones(len(given), bool)
    if isinstance(features, pd.DataFrame) and given.shape == (len(features),) and missing == "drop":
        values = numeric_columns(_some(features), "the table", missing=missing, hint=_HINT)
        keep = ~(np.isnan(values).any(axis=1) | pd.isna(given))
        features = features[keep]
    table = as_table(features, missing=missing)
    given = given[keep] if given.ndim else given
    if given.shape != (len(table),):
        raise DataError(f"there must be one label for each of the {len(table)} rows, got {given.shape}")
    if pd.isna(given).any():
        row = int(pd.isna(given).argmax()) + 1
        raise DataError(f"row {row} has no label; give it one, or leave such rows out with missing: drop")
    names, codes = np.unique(given, return_inverse=True)
    return TableDataset(
        values=table.values,
        feature_names=table.feature_names,
        labels=codes,
        class_names=tuple(str(n) for n in names),
        n_missing=table.n_missing + int((~keep).sum()),
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
