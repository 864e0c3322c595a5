"""Tables of numbers with a class per row."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.data.arrays import code_labels
from shiftgauge.data.cells import Missing, numeric_columns
from shiftgauge.data.frame import read_frame, require_column, text_column
from shiftgauge.errors import DataError
from shiftgauge.files import hash_array, hash_json


@dataclass(frozen=True, kw_only=True, eq=False)
class TableDataset:
    """Rows of numbers with labels; nothing in it changes after it is made.

    Args:
        values: float64 (n, P).
        feature_names: Names of the P columns.
        labels: int64 (n,), index into `class_names`; all 0 where there are no classes.
        class_names: Names of the classes; empty for a table without them.
        groups: A group per row, or None.
        splits: A split per row, or None.
        n_missing: Rows that were left out because a cell is empty.
    """

    values: npt.NDArray[np.float64]
    feature_names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    groups: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    n_missing: int = 0

    def __post_init__(self) -> None:
        for name, dtype in (("values", np.float64), ("labels", np.int64)):
            array = np.array(getattr(self, name), dtype=dtype)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.values.shape != (len(self.labels), len(self.feature_names)):
            expected = (len(self.labels), len(self.feature_names))
            raise DataError(f"the table must be {expected} numbers, got {self.values.shape}")

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of values, names and labels."""
        facts = [self.feature_names, self.class_names, self.groups, self.splits]
        return hash_json([hash_array(self.values), hash_array(self.labels), facts])

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> "TableDataset":
        """Returns the rows at the indices, in that order."""
        rows = [int(i) for i in indices]
        return TableDataset(
            values=self.values[rows],
            feature_names=self.feature_names,
            labels=self.labels[rows],
            class_names=self.class_names,
            groups=None if self.groups is None else tuple(self.groups[i] for i in rows),
            splits=None if self.splits is None else tuple(self.splits[i] for i in rows),
            n_missing=self.n_missing,
        )


def read_table(
    path: str | Path,
    *,
    label_column: str | None,
    feature_columns: Sequence[str] | None = None,
    group_column: str | None = None,
    split_column: str | None = None,
    class_names: Sequence[str] | None = None,
    missing: Missing = "error",
) -> TableDataset:
    """Reads a CSV or Parquet table of numbers.

    Args:
        path: The file.
        label_column: Column of the classes, or None for a table without them.
        feature_columns: Columns of the inputs; None takes all others that are not group or split.
        group_column: Column of groups, or None.
        split_column: Column of splits, or None.
        class_names: Names of the classes; whole-number labels then index them. None takes the
            sorted labels as names.
        missing: `error`, or `drop`, which leaves out rows with an empty cell in an input or in the label.

    Raises:
        DataError: The table or a column is missing, or a cell is empty or no number.
    """
    frame = read_frame(path, as_text=False)
    if label_column is not None:
        require_column(frame, label_column, path)
    special = {c for c in (label_column, group_column, split_column) if c is not None}
    chosen = list(feature_columns) if feature_columns is not None else [c for c in frame.columns if c not in special]
    if not chosen:
        raise DataError(f"{path}: no feature columns are left beside {', '.join(f'`{c}`' for c in sorted(special))}")
    twice = next((c for c in chosen if chosen.count(c) > 1 or c == label_column), None)
    if twice is not None:
        raise DataError(f"{path}: `{twice}` is named twice among features and label; name each column once")
    columns = frame.loc[:, [require_column(frame, column, path) for column in chosen]]
    values = numeric_columns(columns, path, missing=missing, hint=_hint(label_column))
    n_rows = len(frame)
    if missing == "drop":
        full = ~np.isnan(values).any(axis=1)
        full &= np.ones(n_rows, bool) if label_column is None else frame[label_column].notna().to_numpy()
        if not full.any():
            raise DataError(f"{path}: every row has an empty cell; fill them, or name fewer columns by `features`")
        frame, values = frame.loc[full], values[full]
    labels, known = _classes(frame, label_column, class_names, path)
    return TableDataset(
        values=values,
        feature_names=tuple(chosen),
        labels=labels,
        class_names=known,
        groups=None if group_column is None else tuple(text_column(frame, group_column, path)),
        splits=None if split_column is None else tuple(text_column(frame, split_column, path)),
        n_missing=n_rows - len(frame),
    )


def _hint(label_column: str | None) -> str:
    """What to do about a column that holds texts."""
    code = "code it as 0, 1, 2 … as the model takes it, or leave it out by naming the `features`"
    return (
        code if label_column is not None else f"if {{column}} holds the classes, name it as label_column; else {code}"
    )


def _classes(
    frame: pd.DataFrame, column: str | None, class_names: Sequence[str] | None, path: str | Path
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    if column is None:
        return np.zeros(len(frame), np.int64), ()
    texts = text_column(frame, column, path)
    whole = class_names is not None and all(t.isdigit() for t in texts) and not set(texts) <= set(class_names)
    labels, known, _ = code_labels(np.array(texts, dtype=np.int64) if whole else np.array(texts), class_names)
    return labels, known
