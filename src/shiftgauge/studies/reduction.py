"""Feature reduction: the same model trained again on the leading inputs alone, and on the trailing ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.data.table import TableDataset
from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.random import generator

TRAIN: Final = ("train", "training", "fit")


@dataclass(frozen=True, kw_only=True)
class Reduction:
    """How the inputs are split and how often the model is trained again.

    Args:
        leading: Number of inputs with the largest total index that form the leading set; None takes half of them.
        repeats: Random splits into training and test rows, ≥ 1. A table with a split column has one split, its own.
        test_share: Share of the rows that is tested on.

    Raises:
        ConfigError: A number outside its range.
    """

    leading: int | None = None
    repeats: int = 10
    test_share: float = 0.3

    def __post_init__(self) -> None:
        if self.leading is not None:
            require_positive_int("leading", self.leading)
        require_positive_int("repeats", self.repeats)
        require_range("test_share", self.test_share, 0.05, 0.95)

    def sets(self, ranked: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Name of each set of inputs → its members, from all inputs ranked by falling total index.

        Raises:
            ConfigError: Nothing would be left out.

        Example:
            >>> Reduction(leading=1).sets(["a", "b"])
            {'all': ('a', 'b'), 'leading': ('a',), 'trailing': ('b',)}
        """
        count = self.leading if self.leading is not None else max(len(ranked) // 2, 1)
        if count >= len(ranked):
            raise ConfigError(f"`leading` must be below {len(ranked)}, the number of inputs that vary, got {count}")
        return {"all": tuple(ranked), "leading": tuple(ranked[:count]), "trailing": tuple(ranked[count:])}


def retrain(estimator: Any, table: TableDataset, ranked: Sequence[str], options: Reduction, *, seed: int) -> xr.Dataset:
    """Accuracy on test rows of the estimator trained again on all, leading and trailing inputs.

    Beside it stands the majority rule, which always names the commonest class of the training rows: a set of
    inputs that does no better holds nothing that the model can use.

    Args:
        estimator: A scikit-learn classifier; it is cloned, not changed.
        table: Rows with classes.
        ranked: Names of the inputs that vary, by falling total index.
        options: Sets and splits.
        seed: Decides the splits; a `random_state` of the estimator stays as it is.

    Returns:
        `reduction_accuracy` (set, repeat), `reduction_majority` (repeat), `reduction_features` (set).

    Raises:
        DataError: The table has no classes.
        ModelError: The estimator cannot be trained on fewer columns.
    """
    from sklearn.base import clone

    if len(table.class_names) < 2:
        raise DataError("retraining needs a column of classes; name it as `label_column`")
    sets = options.sets(ranked)
    truth = np.array(table.class_names)[table.labels]
    splits = _splits(table, options, seed)
    found = np.empty((len(sets), len(splits)))
    for s, names in enumerate(sets.values()):
        columns = [table.feature_names.index(n) for n in table.feature_names if n in names]
        rows = _rows(estimator, table, columns)
        for r, (train, test) in enumerate(splits):
            try:
                fitted: Any = clone(estimator)
                fitted.fit(rows[train], truth[train])
                found[s, r] = float((fitted.predict(rows[test]).astype(str) == truth[test]).mean())
            except FORWARD_ERRORS as error:
                raise ModelError(f"the model cannot be trained on {len(columns)} columns: {one_line(error)}") from error
    majority = [float((truth[test] == _commonest(truth[train])).mean()) for train, test in splits]
    return reduction_arrays(sets, found, np.array(majority))


def reduction_arrays(sets: Mapping[str, Sequence[str]], accuracy_sr: np.ndarray, majority_r: np.ndarray) -> xr.Dataset:
    """The arrays of a reduction: accuracies (set, repeat) and those of the majority rule (repeat)."""
    return xr.Dataset(
        {
            "reduction_accuracy": (("set", "repeat"), accuracy_sr),
            "reduction_majority": ("repeat", majority_r),
            "reduction_features": ("set", [", ".join(names) for names in sets.values()]),
        },
        {"set": list(sets)},
    )


def _splits(table: TableDataset, options: Reduction, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    if table.splits is not None:
        train = np.array([s.lower() in TRAIN for s in table.splits])
        if train.all() or not train.any():
            raise DataError("the split column names no row `train`, or all of them; retraining needs both kinds")
        return [(np.flatnonzero(train), np.flatnonzero(~train))]
    from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit

    state = int(generator(seed, "reduction").integers(2**31))
    kind = StratifiedShuffleSplit if table.groups is None else GroupShuffleSplit
    maker: Any = kind(n_splits=options.repeats, test_size=options.test_share, random_state=state)
    try:
        return list(maker.split(table.values, table.labels, table.groups))
    except ValueError as error:
        raise DataError(f"the rows cannot be split for retraining: {one_line(error)}") from error


def _rows(estimator: Any, table: TableDataset, columns: list[int]) -> Any:
    """The columns in the form that the estimator was fitted in."""
    values = table.values[:, columns]
    if getattr(estimator, "feature_names_in_", None) is None:
        return values
    return _Frame(pd.DataFrame(values, columns=[table.feature_names[c] for c in columns]))


class _Frame:
    """A frame whose rows are taken by position."""

    def __init__(self, frame: pd.DataFrame) -> None:
        self._frame = frame

    def __getitem__(self, rows: np.ndarray) -> pd.DataFrame:
        return self._frame.iloc[rows]


def _commonest(labels: np.ndarray) -> str:
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()])
