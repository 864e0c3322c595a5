"""What a function or a run returned, checked before anything is estimated from it."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate.inputs import NamedRows
from shiftgauge.types import FloatArray, OutputsNQ

OnFailure: TypeAlias = Literal["raise", "drop"]
ON_FAILURE: Final[tuple[str, ...]] = get_args(OnFailure)
"""What becomes of a run whose value is NaN or infinite: an error, or its whole block left out."""
LARGEST: Final = 1e70
"""Largest magnitude of a value: fourth powers of it, summed over a billion rows, are still floats."""
SMALLEST: Final = 1e-140
"""Magnitude below which squares, and what rounding leaves of them, are no floats any more."""
_FAILURES: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
_ROWS: Final = 65_536


def number_array(values: Any, what: str) -> FloatArray:
    """Returns real numbers as float64.

    Args:
        values: An array, or whatever can be made one.
        what: What they are, for the message.

    Raises:
        DataError: Text, complex numbers, dates, rows of unequal lengths, or anything else that is no real number.

    Example:
        >>> number_array([[1, True]], "values").tolist()
        [[1.0, 1.0]]
        >>> number_array([1j], "values")
        Traceback (most recent call last):
        ...
        shiftgauge.errors.DataError: values must be real numbers, got complex128; take the real part or the magnitude
    """
    try:
        raw = np.asarray(values)
        if raw.dtype.kind == "O":
            raw = raw.astype(float)
    except (RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{what} must be real numbers in rows of equal length: {one_line(error)}") from error
    if raw.dtype.kind == "c":
        raise DataError(f"{what} must be real numbers, got {raw.dtype}; take the real part or the magnitude")
    if raw.dtype.kind not in "fiub":
        raise DataError(f"{what} must be real numbers, got {raw.dtype}; code labels as numbers")
    return raw.astype(float, copy=False)


def require_names(kind: str, names: Sequence[str]) -> tuple[str, ...]:
    """Returns names that are there and differ from one another.

    Raises:
        ConfigError: No name, one text instead of several names, or a name given twice.

    Example:
        >>> require_names("outputs", ["y", "y"])
        Traceback (most recent call last):
        ...
        shiftgauge.errors.ConfigError: `outputs` names `y` twice; give every column a name of its own
    """
    if isinstance(names, str):
        raise ConfigError(f"`{kind}` must be a list of names, got the text {names!r}; write [{names!r}]")
    found = tuple(names)
    if not found:
        raise ConfigError(f"`{kind}` must hold at least one name")
    twice = next((name for k, name in enumerate(found) if name in found[:k]), None)
    if twice is not None:
        raise ConfigError(f"`{kind}` names `{twice}` twice; give every column a name of its own")
    return found


def require_magnitude(values_nq: FloatArray, names: Sequence[str]) -> None:
    """Refuses numbers whose fourth powers would overflow; what is NaN or infinite is judged elsewhere.

    Args:
        values_nq: Values (..., Q).
        names: Of the Q columns.

    Raises:
        NumericalError: A finite value beyond ±1e70; the message names its column.
    """
    for start in range(0, len(values_nq), _ROWS):
        part = np.abs(values_nq[start : start + _ROWS])
        if (part <= LARGEST).all():
            continue
        large = (part > LARGEST) & np.isfinite(part)
        if large.any():
            q = int(np.flatnonzero(large.any(axis=tuple(range(part.ndim - 1))))[0])
            reached = part[..., q][large[..., q]].max()
            raise NumericalError(
                f"`{names[q]}` reaches {reached:.3g}, of which squares and fourth powers are no floats any more (at "
                f"most {LARGEST:g}); divide it by a constant, which changes no index"
            )


def call_function(function: Callable[[Any], Any], argument: Any, rows: str) -> FloatArray:
    """Calls the user's function and returns its numbers.

    Args:
        function: What is studied.
        argument: What it is given.
        rows: Which rows these are, for the message.

    Raises:
        DataError: The function failed, or did not return real numbers; the cause is chained.
    """
    try:
        found = function(argument)
    except _FAILURES as error:
        name = getattr(function, "__name__", type(function).__name__)
        raise DataError(
            f"the function `{name}` failed on {rows} with {type(error).__name__}: {one_line(error)}"
        ) from error
    if found is None:
        raise DataError("the function returned nothing (None); end it with `return` and one value for each row")
    return number_array(found, f"what the function returns on {rows}")


def one_line(error: BaseException) -> str:
    """The text of an error without line breaks."""
    return " ".join(str(error).split())


def finite_rows(
    design: NamedRows, values: OutputsNQ, outputs: Sequence[str], on_failure: OnFailure
) -> tuple[OutputsNQ, np.ndarray]:
    """The values as float64 (n_rows, Q) when they fit the design, and which rows are finite, bool (n_rows,).

    Raises:
        ConfigError: `on_failure` is neither `raise` nor `drop`, or the outputs have no names or one twice.
        DataError: Shapes that do not match, or no real numbers.
        NumericalError: With `raise`, a value that is NaN or infinite; a value whose powers would overflow.
    """
    require_in("on_failure", on_failure, ON_FAILURE)
    require_names("outputs", outputs)
    array = number_array(values, "`values`")
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != design.n_rows:
        raise DataError(f"`values` must have one row for each of the design's {design.n_rows} rows, got {array.shape}")
    if array.shape[1] != len(outputs):
        raise DataError(f"`values` has {array.shape[1]} columns, but {len(outputs)} outputs are named")
    finite = np.empty(len(array), bool)
    for start in range(0, len(array), _ROWS):
        finite[start : start + _ROWS] = np.isfinite(array[start : start + _ROWS]).all(axis=1)
    if on_failure == "raise" and not finite.all():
        row = int(finite.argmin())
        output = int(np.isfinite(array[row]).argmin())
        raise NumericalError(
            f"output `{outputs[output]}` is {array[row, output]} at {design.row_name(row)}; indices need finite "
            'values: mend the run, or give on_failure="drop"'
        )
    require_magnitude(array, outputs)
    return array, finite
