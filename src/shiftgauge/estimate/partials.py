"""Partial derivatives over the rows of a table, and their statistics: mean, standard deviation, mean square.

Unlike a Sobol' index, a derivative is local: its statistics say how steeply the output moves where the data are,
with its sign, in the units of output per unit of input.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from shiftgauge.checks import require_range
from shiftgauge.errors import DataError
from shiftgauge.estimate.values import call_function
from shiftgauge.types import FloatArray, OutputsNQ

RowFunction = Callable[[FloatArray], OutputsNQ]
"""Rows (n, P) → outputs (n, Q)."""
_CHUNK: Final = 4096


@dataclass(frozen=True, kw_only=True)
class PartialStatistics:
    """Statistics of first and second partial derivatives over n rows.

    Args:
        n_rows: Rows that were differentiated.
        way: How the derivatives were found: `autograd` or `central differences`.
        mean: E[∂f/∂x_i], (Q, P): the direction of the effect.
        std: Standard deviation of ∂f/∂x_i, (Q, P): 0 for a linear effect without interactions.
        mean_square: E[(∂f/∂x_i)²], (Q, P): strength whatever the sign.
        second_mean: E[∂²f/∂x_i∂x_j], (Q, P, P), symmetric.
        second_std: (Q, P, P).
        second_mean_square: (Q, P, P).
    """

    n_rows: int
    way: str
    mean: FloatArray
    std: FloatArray
    mean_square: FloatArray
    second_mean: FloatArray
    second_std: FloatArray
    second_mean_square: FloatArray


def partial_statistics(first_nqp: FloatArray, second_nqpp: FloatArray, *, way: str) -> PartialStatistics:
    """Statistics over the rows of first (n, Q, P) and second (n, Q, P, P) partial derivatives.

    mean = E[g], std = √(E[g²] - E[g]²), mean square = E[g²], of g = ∂f/∂x_i and of g = ∂²f/∂x_i∂x_j.

    Args:
        first_nqp: First derivatives, one row of the table each.
        second_nqpp: Second derivatives, or an array of no rows to leave them NaN.
        way: How they were found, for the result.

    Raises:
        DataError: No rows.

    Example:
        >>> found = partial_statistics(np.array([[[1.0]], [[3.0]]]), np.zeros((2, 1, 1, 1)), way="autograd")
        >>> found.mean.item(), found.std.item(), found.mean_square.item()
        (2.0, 1.0, 5.0)

    References:
        Pizarroso, J., Portela, J., Muñoz, A. (2022). NeuralSens: sensitivity analysis of neural networks.
            Journal of Statistical Software 102(7). doi:10.18637/jss.v102.i07
    """
    if not len(first_nqp):
        raise DataError("derivative statistics need at least one row")
    mean, std, square = _moments(first_nqp)
    if len(second_nqpp):
        second = _moments(second_nqpp)
    else:
        second = (np.full((*mean.shape, mean.shape[-1]), np.nan),) * 3
    return PartialStatistics(
        n_rows=len(first_nqp),
        way=way,
        mean=mean,
        std=std,
        mean_square=square,
        second_mean=second[0],
        second_std=second[1],
        second_mean_square=second[2],
    )


def central_differences(
    function: RowFunction,
    rows_np: FloatArray,
    scale_p: FloatArray,
    *,
    step: float = 0.01,
    second_step: float = 0.03,
    second: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """First and second partial derivatives by central differences.

    ∂f/∂x_i ≈ (f(x + h_i) - f(x - h_i)) / 2h_i and ∂²f/∂x_i∂x_j ≈ (f(+,+) - f(+,-) - f(-,+) + f(-,-)) / 4h_i h_j, with
    h_i = step · scale_i. The error of the formula falls as step²; the rounding of a float32 function grows as
    1e-7/step for first and 1e-7/step² for second derivatives, which is why these take a longer step.

    Args:
        function: Rows (n, P) → outputs (n, Q) or (n,).
        rows_np: Where to differentiate (n, P).
        scale_p: Scale of each input (P,), such as its standard deviation; 0 leaves its derivatives 0.
        step: Step of first derivatives as a share of the scale, in [1e-8, 1].
        second_step: Step of second derivatives, likewise.
        second: Form second derivatives too; else an array of no rows is returned for them.

    Raises:
        DataError: The function failed, or its values are no real numbers or have another shape.

    Returns:
        First (n, Q, P) and second derivatives (n, Q, P, P).

    Example:
        >>> f = lambda x: x[:, :1] ** 2 * x[:, 1:]
        >>> first, second = central_differences(f, np.array([[1.0, 2.0]]), np.ones(2))
        >>> bool(np.allclose(first, [[[4, 1]]])), bool(np.allclose(second, [[[[4, 2], [2, 0]]]]))
        (True, True)

    References:
        Abramowitz, M. and Stegun, I. A. (1964). Handbook of Mathematical Functions, 25.3.
    """
    scale = np.asarray(scale_p, float)
    h = require_range("step", step, 1e-8, 1) * scale
    wide = require_range("second_step", second_step, 1e-8, 1) * scale
    middle = _values(function, rows_np)
    q, p = middle.shape[1], len(h)
    first = np.zeros((len(rows_np), q, p))
    for i in np.flatnonzero(h).tolist():
        up, down = (_values(function, _moved(rows_np, h, {i: sign})) for sign in (1, -1))
        first[..., i] = (up - down) / (2 * h[i])
    if not second:
        return first, np.empty((0, q, p, p))
    out = np.zeros((len(rows_np), q, p, p))
    for i in np.flatnonzero(h).tolist():
        up, down = (_values(function, _moved(rows_np, wide, {i: sign})) for sign in (1, -1))
        out[..., i, i] = (up - 2 * middle + down) / wide[i] ** 2
        for j in np.flatnonzero(h[:i]).tolist():
            corners = [_values(function, _moved(rows_np, wide, {i: a, j: b})) * a * b for a in (1, -1) for b in (1, -1)]
            out[..., i, j] = out[..., j, i] = sum(corners) / (4 * wide[i] * wide[j])
    return first, out


def _moved(rows_np: FloatArray, h: FloatArray, signs: dict[int, int]) -> FloatArray:
    moved = rows_np.copy()
    for column, sign in signs.items():
        moved[:, column] += sign * h[column]
    return moved


def _values(function: RowFunction, rows_np: FloatArray) -> OutputsNQ:
    parts = []
    for start in range(0, len(rows_np), _CHUNK):
        rows = rows_np[start : start + _CHUNK]
        found = call_function(function, rows, f"rows {start} to {start + len(rows) - 1}")
        found = found[:, None] if found.ndim == 1 else found
        if found.ndim != 2 or len(found) != len(rows):
            raise DataError(f"the function must return one row of outputs for each of {len(rows)}, got {found.shape}")
        parts.append(found)
    return np.concatenate(parts)


def _moments(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    return values.mean(axis=0), values.std(axis=0), (values**2).mean(axis=0)
