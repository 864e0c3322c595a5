"""Feature reduction: the same model trained again on the leading inputs alone, and on the trailing ones."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

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
Score = Literal["accuracy", "R2"]
"""What a model trained again is judged by: a classifier by its accuracy, a regressor by its R²."""


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
    """Score on test rows of the estimator trained again on all, leading and trailing inputs.

    A classifier is judged by its accuracy, a regressor by R² = 1 - Σ(y - ŷ)² / Σ(y - ȳ)² over the test rows. Beside it
    stands a rule without inputs, which always names the commonest class of the training rows, or their mean: a set of
    inputs that does no better holds nothing that the model can use.

    Args:
        estimator: A scikit-learn classifier or regressor; it is cloned, not changed.
        table: Rows with classes, or with numbers as labels.
        ranked: Names of the inputs that vary, by falling total index.
        options: Sets and splits.
        seed: Decides the splits, and every `random_state` that the estimator leaves at None.

    Returns:
        `reduction_accuracy` (set, repeat), `reduction_majority` (repeat), both R² for a regressor, and
        `reduction_features` (set).

    Raises:
        ConfigError: The model is no scikit-learn classifier or regressor, or `leading` leaves nothing out.
        DataError: The table has no labels, or no numbers for a regressor.
        ModelError: The estimator cannot be trained on fewer columns.
    """
    kind = check_retraining(estimator, table)
    truth = np.array(table.class_names)[table.labels].astype(float if kind == "R2" else str)
    sets, splits = options.sets(ranked), _splits(table, options, seed, kind)
    found = np.empty((len(sets), len(splits)))
    for s, names in enumerate(sets.values()):
        columns = [table.feature_names.index(n) for n in table.feature_names if n in names]
        rows = _rows(estimator, table, columns)
        for r, (train, test) in enumerate(splits):
            try:
                fitted = _seeded(estimator, seed, r)
                fitted.fit(rows[train], truth[train])
                found[s, r] = _score(kind, truth[test], np.asarray(fitted.predict(rows[test])))
            except FORWARD_ERRORS as error:
                raise ModelError(f"the model cannot be trained on {len(columns)} columns: {one_line(error)}") from error
    rule = [_score(kind, truth[test], _without_inputs(kind, truth[train], len(test))) for train, test in splits]
    return reduction_arrays(sets, found, np.array(rule))


def check_retraining(estimator: Any, table: TableDataset) -> Score:
    """Returns the score of a model that can be trained again on the table.

    Raises:
        ConfigError: The model is no scikit-learn classifier or regressor.
        DataError: The table has no labels, or no numbers for a regressor.
    """
    kind = _kind(estimator)
    if len(table.class_names) < 2:
        raise DataError("retraining needs labels that differ; name their column as `label_column`")
    if kind == "accuracy":
        return "accuracy"
    try:
        finite = np.isfinite(np.array(table.class_names).astype(float)).all()
    except ValueError as error:
        raise DataError(f"a regressor needs numbers as labels, got `{table.class_names[0]}`") from error
    if not finite:
        raise DataError("the labels hold NaN or infinity; fill or remove those rows")
    return "R2"


def _kind(estimator: Any) -> Score:
    from sklearn.base import is_classifier, is_regressor

    if estimator is None:
        raise ConfigError(
            "`reduction` needs a scikit-learn classifier or regressor; networks, ONNX files and functions carry no "
            "recipe of their training: leave it out"
        )
    if callable(getattr(estimator, "get_params", None)) and callable(getattr(estimator, "fit", None)):
        with contextlib.suppress(AttributeError):  # an estimator that does not say what it is
            if is_classifier(estimator):
                return "accuracy"
            if is_regressor(estimator):
                return "R2"
    raise ConfigError(f"`reduction` needs a scikit-learn classifier or regressor, got {type(estimator).__name__}")


def _seeded(estimator: Any, seed: int, repeat: int) -> Any:
    """A clone in which every open `random_state`, nested ones and those of splitters too, follows from the seed."""
    from sklearn.base import clone

    fresh: Any = clone(estimator)
    for name, value in sorted(fresh.get_params(deep=True).items()):
        state = int(generator(seed, "retrain", repeat, name).integers(2**31))
        if name.split("__")[-1] == "random_state" and value is None:
            fresh.set_params(**{name: state})
        elif not hasattr(value, "get_params") and getattr(value, "random_state", state) is None:
            value.random_state = state
    return fresh


def _score(kind: Score, truth: np.ndarray, named: np.ndarray) -> float:
    if kind == "accuracy":
        return float((named.astype(str) == truth).mean())
    spread = float(((truth - truth.mean()) ** 2).sum())
    if not spread > 0:
        raise DataError("the label does not vary over the test rows, so R² is undefined; give more rows")
    return 1 - float(((truth - named.reshape(len(truth))) ** 2).sum()) / spread


def _without_inputs(kind: Score, labels: np.ndarray, n: int) -> np.ndarray:
    """What is said of n rows without any input: the commonest class of the training rows, or their mean."""
    return np.full(n, _commonest(labels) if kind == "accuracy" else labels.mean())


def reduction_arrays(sets: Mapping[str, Sequence[str]], accuracy_sr: np.ndarray, majority_r: np.ndarray) -> xr.Dataset:
    """The arrays of a reduction: scores (set, repeat) and those of the rule without inputs (repeat)."""
    return xr.Dataset(
        {
            "reduction_accuracy": (("set", "repeat"), accuracy_sr),
            "reduction_majority": ("repeat", majority_r),
            "reduction_features": ("set", [", ".join(names) for names in sets.values()]),
        },
        {"set": list(sets)},
    )


def _splits(table: TableDataset, options: Reduction, seed: int, score: Score) -> list[tuple[np.ndarray, np.ndarray]]:
    if table.splits is not None:
        train = np.array([s.lower() in TRAIN for s in table.splits])
        if train.all() or not train.any():
            raise DataError("the split column names no row `train`, or all of them; retraining needs both kinds")
        return [(np.flatnonzero(train), np.flatnonzero(~train))]
    from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit, StratifiedShuffleSplit

    state = int(generator(seed, "reduction").integers(2**31))
    plain = ShuffleSplit if score == "R2" else StratifiedShuffleSplit
    kind = plain if table.groups is None else GroupShuffleSplit
    rare = int(np.bincount(table.labels).argmin())
    if kind is StratifiedShuffleSplit and np.bincount(table.labels)[rare] < 2:
        raise DataError(
            f"retraining a classifier needs two rows of each class, but `{table.class_names[rare]}` has one; a label "
            "of continuous values needs a regressor"
        )
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
