"""A sample that is given, not designed: rows of inputs with their outputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.values import ON_FAILURE, OnFailure, number_array, require_magnitude, require_names
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of inputs and outputs that are finite and fit together.

    Args:
        inputs: Values of the d inputs (n, d).
        values: Values of the Q outputs (n, Q).
        names: Of the inputs.
        outputs: Of the outputs.
        categorical: Positions of the inputs whose values are mere labels.
        status: What was dropped.
    """

    inputs: FloatArray
    values: OutputsNQ
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    categorical: frozenset[int]
    status: tuple[Status, ...]

    def __len__(self) -> int:
        return len(self.values)


def check_sample(
    inputs: FloatArray,
    values: OutputsNQ,
    *,
    names: Sequence[str],
    outputs: Sequence[str],
    categorical: Sequence[str] = (),
    categorical_outputs: Sequence[str] = (),
    on_failure: OnFailure = "raise",
    least: int = 16,
) -> Sample:
    """Checks a given sample.

    Args:
        inputs: (n, d), numbers; those of categorical inputs may be text.
        values: (n, Q) or (n,); the same.
        names: Of the d inputs.
        outputs: Of the Q outputs.
        categorical: Names of inputs whose values are labels without an order.
        categorical_outputs: The same of outputs.
        on_failure: What becomes of rows that hold NaN or infinity: `raise` an error, or `drop` them with a warning.
        least: Fewest rows.

    Raises:
        DataError: Shapes that do not match, text or complex numbers, or fewer rows than `least`.
        NumericalError: NaN or infinity, with `on_failure="raise"`.
        ConfigError: An unknown name or option, no name at all, or a name given twice.

    Example:
        >>> sample = check_sample(np.zeros((20, 2)), np.ones(20), names=["a", "b"], outputs=["y"], categorical=["b"])
        >>> len(sample), sorted(sample.categorical)
        (20, [1])
    """
    require_in("on_failure", on_failure, ON_FAILURE)
    require_names("names", names)
    require_names("outputs", outputs)
    x = number_array(_coded(inputs, names, categorical), "`inputs`")
    y = number_array(_coded(values, outputs, categorical_outputs), "`values`")
    y = y[:, None] if y.ndim == 1 else y
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise DataError(f"a sample needs inputs (n, d) and values (n, Q) with equal n, got {x.shape} and {y.shape}")
    if x.shape[1] != len(names) or y.shape[1] != len(outputs):
        raise DataError(
            f"{len(names)} inputs and {len(outputs)} outputs are named, but there are {x.shape[1]} and {y.shape[1]}"
        )
    require_magnitude(x, names)
    require_magnitude(y, outputs)
    good = np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1)
    bad, status = int((~good).sum()), ()
    if bad and on_failure == "raise":
        row = int(np.flatnonzero(~good)[0])
        raise NumericalError(
            f'{bad} row(s) hold NaN or infinity, the first is row {row}; on_failure="drop" leaves them out'
        )
    if bad:
        text = (
            f"{bad} of {len(x)} rows hold NaN or infinity and were left out; the rest describes them only "
            "if they are missing by chance"
        )
        status = (Status(level="warning", code="rows_dropped", message=text),)
        x, y = x[good], y[good]
    if len(x) < least:
        raise DataError(f"a sample of at least {least} rows is needed, got {len(x)}")
    labels = frozenset(list(names).index(require_in("input", name, names)) for name in categorical)
    return Sample(inputs=x, values=y, names=tuple(names), outputs=tuple(outputs), categorical=labels, status=status)


def _coded(table: Any, names: Sequence[str], labels: Sequence[str]) -> Any:
    """The table with the values of labelled columns that are text replaced by their numbers in sorted order."""
    places = [list(names).index(require_in("input or output", name, names)) for name in labels]
    raw = np.asarray(table)
    if raw.dtype.kind not in "OSU" or not places or raw.ndim > 2:
        return table
    out = (raw[:, None] if raw.ndim == 1 else raw).astype(object)
    for place in (k for k in places if k < out.shape[1]):
        known = [value for value in out[:, place] if value is not None and value == value]  # NaN is not equal to itself
        codes = {value: code for code, value in enumerate(sorted(set(known), key=str))}
        out[:, place] = [codes.get(value, value) for value in out[:, place]]
    return out
