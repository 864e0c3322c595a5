"""Holds the labels of a table against the classes of a model, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import nearest, shortened
from shiftgauge.data.labels import plain_name
from shiftgauge.data.table import TableDataset
from shiftgauge.errors import DataError
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.models.table_model import TableModel
from shiftgauge.types import OutputsNQ

_SHOWN: Final = 4


def true_classes(model: TableModel, table: TableDataset) -> npt.NDArray[np.int64] | None:
    """Number of the true class of each row among the model's classes (n,); None where there is nothing to compare.

    A label is matched by the same name, else by the name without regard to case, spaces, underscores and hyphens, else
    as the same number (1.0 is 1). Where the model's classes have no names, labels 0 … K - 1 are numbers of its outputs,
    and of two labels the second in sorted order is the positive one of a single probability.

    Raises:
        DataError: A label has no counterpart among the model's classes, or fits two.

    Example:
        >>> rows = TableDataset(values=np.ones((2, 1)), feature_names=("a",), labels=np.array([1, 0]),
        ...                     class_names=("Good part", "bad"))
        >>> model = TableModel(predict=lambda x: x, n_features=1, outputs=("probability[good_part]",), fingerprint="",
        ...                    form="probabilities", classes=("bad", "good_part"))
        >>> true_classes(model, rows).tolist()
        [0, 1]
    """
    labels = table.class_names
    if len(labels) < 2:
        return None
    if not model.classes:
        return _by_number(model, table)
    if len(model.classes) == 1 and len(labels) == 2:
        return _of_one(model.classes[0], table)
    used = {labels[k] for k in np.unique(table.labels)}
    place = {name: _place(name, model.classes) for name in labels}
    missing = [name for name in labels if name in used and place[name] is None]
    if missing:
        raise DataError(_missing_text(missing, model.classes))
    return np.array([-1 if place[name] is None else place[name] for name in labels], np.int64)[table.labels]


def accuracy(model: TableModel, table: TableDataset, values_nq: OutputsNQ) -> float:
    """Share of the rows whose class the model names; NaN where outputs and classes cannot be compared.

    A row at which the model gives NaN is not named rightly.

    Args:
        model: The model.
        table: Its rows, with labels.
        values_nq: The model's outputs at these rows (n, Q).

    Raises:
        DataError: As `true_classes`.
    """
    truth, ran = true_classes(model, table), finite_rows(values_nq)
    known = values_nq[ran]
    if truth is None or not len(known):
        return float("nan")
    if values_nq.shape[1] > 1:
        return float(((values_nq.argmax(axis=1) == truth) & ran).mean())
    if known.min() < 0 or known.max() > 1:
        return float("nan")
    return float((((values_nq[:, 0] >= 0.5) == (truth == 1)) & ran).mean())


def _by_number(model: TableModel, table: TableDataset) -> npt.NDArray[np.int64] | None:
    labels, n = table.class_names, len(model.outputs)
    if n == 1:
        positive = labels.index(model.outputs[0]) if model.outputs[0] in labels else 1
        return (table.labels == positive).astype(np.int64) if len(labels) == 2 else None
    if set(labels) == set(model.outputs):
        return np.array([model.outputs.index(name) for name in labels], np.int64)[table.labels]
    if not all(name.isdigit() and int(name) < n for name in labels):
        return None
    return np.array([int(name) for name in labels], np.int64)[table.labels]


def _of_one(name: str, table: TableDataset) -> npt.NDArray[np.int64]:
    """1 where the only class that the model names holds."""
    place = _place(name, table.class_names)
    if place is None and table.class_names == ("0", "1"):
        place = 1
    if place is None:
        raise DataError(_missing_text(table.class_names, (name,)))
    return (table.labels == place).astype(np.int64)


def _place(name: str, names: Sequence[str]) -> int | None:
    if name in names:
        return names.index(name)
    alike = [k for k, other in enumerate(names) if plain_name(other) == plain_name(name)]
    alike = alike or [k for k, other in enumerate(names) if _number(other) == _number(name)]
    if len(alike) > 1:
        both = " and ".join(f"`{names[k]}`" for k in alike[:2])
        raise DataError(f"the label `{name}` of the table fits {both} of the model; write it as one of them")
    return alike[0] if alike else None


def _number(name: str) -> float | str:
    try:
        return float(name)
    except ValueError:
        return name


def _missing_text(missing: Sequence[str], classes: Sequence[str]) -> str:
    guess = nearest(missing[0], classes)
    hint = f" (did you mean `{guess}`?)" if guess else ""
    advice = "name them alike in the table, or name the model's outputs by `classes`"
    if len(missing) > len(classes) and all(isinstance(_number(name), float) for name in missing):
        advice = "a label of continuous values needs a regressor"
    return (
        f"labels of the table are no classes of the model: {shortened(list(missing), _SHOWN)}{hint}; the model has "
        f"{shortened(list(classes), _SHOWN)}; {advice}"
    )
