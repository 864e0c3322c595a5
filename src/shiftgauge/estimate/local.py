"""Local relative sensitivity of a vector function: how far its output moves when one input grows by a few per cent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from shiftgauge.checks import require_finite, require_range
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.types import FloatArray

_NUMBERS: Final = 1 << 24


def relative_sensitivity(
    function: Callable[[FloatArray], Any], rows: FloatArray, relative_step: float = 0.01
) -> FloatArray:
    r"""Mean distance by which a vector output moves when one input is raised by a share of itself.

    $$ r_i = \frac1n \sum_m \lVert f(x^{(m)} \text{ with } x_i (1+h)) - f(x^{(m)}) \rVert_2 $$

    This is no Sobol' index, though it has been published as "S1 of the first hidden layer": it is local (at each row,
    not over a distribution), it is not a share (it bears the unit of the output and does not add up to 1), an input of
    value 0 does not move at all, and it depends on where the zero of an input lies.

    Args:
        function: Rows (n, D) → outputs (n, M) or (n,); a hidden layer, say. It is called with chunks of rows.
        rows: The points at which it is looked at (n, D), usually all rows of a data set.
        relative_step: h, not 0; 0.01 raises by one per cent.

    Returns:
        One number for each input (D,), ≥ 0, in the unit of the output.

    Raises:
        ConfigError: `relative_step` is 0 or not finite.
        DataError: `rows` is no table, or the function does not give one row for each row.
        NumericalError: NaN or infinity in rows or outputs.

    Example:
        >>> layer = np.array([[3.0, 0.0], [4.0, 1.0]])  # two neurons
        >>> relative_sensitivity(lambda x: x @ layer.T, np.array([[1.0, 2.0], [3.0, -2.0]])).round(6).tolist()
        [0.1, 0.02]

    References:
        Saltelli, A. et al. (2008). Global sensitivity analysis: the primer. doi:10.1002/9780470725184
    """
    step = _checked_step(relative_step)
    table = _checked_rows(rows)
    n, d = table.shape
    total = np.zeros(d)
    size = max(1, _NUMBERS // max(d, _width(function, table[:1])))
    for start in range(0, n, size):
        part = table[start : start + size]
        base = _outputs(function, part)
        for i in range(d):
            moved = part.copy()
            moved[:, i] *= 1 + step
            total[i] += np.linalg.norm(_outputs(function, moved) - base, axis=1).sum()
    return total / n


def linear_relative_sensitivity(weight: FloatArray, rows: FloatArray, relative_step: float = 0.01) -> FloatArray:
    r"""`relative_sensitivity` of a linear layer W x + b in closed form.

    $$ r_i = |h| \, \lVert W_{\cdot i} \rVert_2 \, \frac1n \sum_m |x_i^{(m)}| $$

    Args:
        weight: W, one row for each neuron (M, D), as `torch.nn.Linear` keeps it.
        rows: Points (n, D).
        relative_step: h, not 0.

    Returns:
        One number for each input (D,).

    Raises:
        ConfigError: `relative_step` is 0 or not finite.
        DataError: The shapes do not fit.

    Example:
        >>> layer = np.array([[3.0, 0.0], [4.0, 1.0]])
        >>> linear_relative_sensitivity(layer, np.array([[1.0, 2.0], [3.0, -2.0]])).tolist()
        [0.1, 0.02]
    """
    step = _checked_step(relative_step)
    table = _checked_rows(rows)
    matrix = require_finite("weight", np.asarray(weight, float))
    if matrix.ndim != 2 or matrix.shape[1] != table.shape[1]:
        raise DataError(f"`weight` must be (M, {table.shape[1]}), one column for each input, got {matrix.shape}")
    return abs(step) * np.abs(table).mean(axis=0) * np.linalg.norm(matrix, axis=0)


def _checked_step(relative_step: float) -> float:
    if require_range("relative_step", relative_step) == 0:
        raise ConfigError("`relative_step` must not be 0; 0.01 raises each input by one per cent")
    return float(relative_step)


def _checked_rows(rows: FloatArray) -> FloatArray:
    table = np.asarray(rows, float)
    if table.ndim != 2 or not table.size:
        raise DataError(f"`rows` must be a table (n, D) with at least one row, got the shape {table.shape}")
    return require_finite("rows", table)


def _width(function: Callable[[FloatArray], Any], row: FloatArray) -> int:
    return _outputs(function, row).shape[1]


def _outputs(function: Callable[[FloatArray], Any], rows: FloatArray) -> FloatArray:
    found = np.asarray(function(rows), float)
    if found.ndim not in (1, 2) or len(found) != len(rows):
        raise DataError(f"the function must give one row for each of {len(rows)} rows, got the shape {found.shape}")
    return require_finite("function(rows)", found[:, None] if found.ndim == 1 else found)
