"""Cells of a table as numbers: which is none, and what becomes of empty ones."""

from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.checks import require_in
from shiftgauge.errors import DataError

Missing: TypeAlias = Literal["error", "drop"]
"""What becomes of rows with an empty cell."""


def numeric_columns(
    frame: pd.DataFrame, source: str | Path, *, missing: Missing = "error", hint: str = "{column}"
) -> npt.NDArray[np.float64]:
    """Returns the columns of a frame as float64 (n, P).

    Args:
        frame: Columns of numbers, or of texts that are numbers.
        source: What the messages call the table.
        missing: `error`, or `drop`, which leaves NaN where a cell is empty.
        hint: What to do about a column that holds something else, with its name for {column}.

    Raises:
        DataError: A cell is no number, infinite or, with `error`, empty; the first in the first such column is named.

    Example:
        >>> numeric_columns(pd.DataFrame({"a": [1, None], "b": ["2", "3"]}), "it", missing="drop").tolist()
        [[1.0, 2.0], [nan, 3.0]]
    """
    require_in("missing", missing, get_args(Missing), DataError)
    values = np.empty(frame.shape)
    for k, column in enumerate(frame.columns):
        cells = frame.iloc[:, k]
        try:
            values[:, k] = cells.to_numpy(dtype=float, na_value=np.nan)
        except (TypeError, ValueError) as error:
            raise DataError(_no_number(cells, str(column), source, hint)) from error
        _check_finite(values[:, k], str(column), source, missing)
    return values


def _check_finite(values_n: npt.NDArray[np.float64], column: str, source: str | Path, missing: Missing) -> None:
    infinite, empty = np.isinf(values_n), np.isnan(values_n)
    if infinite.any():
        row = int(infinite.argmax()) + 1
        raise DataError(f"{source}: row {row} has an infinite cell in `{column}`; correct it or remove the row")
    if empty.any() and missing == "error":
        row, count = int(empty.argmax()) + 1, int(empty.sum())
        more = f" ({count} such cells in that column)" if count > 1 else ""
        raise DataError(
            f"{source}: row {row} has an empty cell in `{column}`{more}; fill it, or leave such rows out with "
            "missing: drop"
        )


def _no_number(cells: pd.Series, column: str, source: str | Path, hint: str) -> str:
    listed = cells.tolist()
    row = next((k for k, cell in enumerate(listed) if not _is_number(cell)), 0)
    advice = hint.format(column=f"`{column}`")
    return f"{source}: row {row + 1} has `{listed[row]}` in `{column}`, which is no number; {advice}"


def _is_number(cell: object) -> bool:
    try:
        float(cell)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return bool(pd.isna(cell))  # pyright: ignore[reportArgumentType, reportCallIssue]
    return True
