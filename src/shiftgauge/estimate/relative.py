"""Local relative sensitivity: how far outputs move when one input of each row grows by a small share of itself."""

from collections.abc import Callable

import numpy as np

from shiftgauge.checks import require_range
from shiftgauge.types import FloatArray


def relative_sensitivity(
    function: Callable[[FloatArray], FloatArray], rows_np: FloatArray, *, push: float = 0.01
) -> FloatArray:
    """Mean length of the change of all outputs when input i grows by a share of its own value.

    r_i = mean over rows of ‖f(x with x_i·(1 + push)) - f(x)‖₂

    It is no Sobol' index: it looks at each row's neighbourhood alone, it depends on the units and the zero point of
    every input (a value of zero does not move at all, and degrees Celsius give another number than kelvin), and
    it is not a share of anything. For a linear layer W it equals push · mean|x_i| · ‖W_·i‖₂.

    Args:
        function: Rows (n, P) → outputs (n, K).
        rows_np: The data (n, P).
        push: Relative change, > 0 and at most 1; 0.01 is 1 %.

    Returns:
        r (P,), in units of the outputs.

    Example:
        >>> w = np.array([[3.0, 0.0], [4.0, 1.0]])
        >>> relative_sensitivity(lambda x: x @ w.T, np.array([[2.0, 1.0], [4.0, 0.0]])).round(4).tolist()
        [0.15, 0.005]
    """
    require_range("push", push, 1e-12, 1)
    rows = np.asarray(rows_np, float)
    still = np.asarray(function(rows), float)
    out = np.empty(rows.shape[1])
    for i in range(rows.shape[1]):
        moved = rows.copy()
        moved[:, i] *= 1 + push
        out[i] = np.linalg.norm(np.asarray(function(moved), float) - still, axis=1).mean()
    return out


def relative_sensitivity_of_layer(weight_kp: FloatArray, rows_np: FloatArray, *, push: float = 0.01) -> FloatArray:
    """The local relative sensitivity of a linear layer in closed form: push · mean|x_i| · ‖W_·i‖₂.

    Args:
        weight_kp: The layer's weights (K, P).
        rows_np: The data (n, P).
        push: As in `relative_sensitivity`.

    Returns:
        r (P,).

    Example:
        >>> w = np.array([[3.0, 0.0], [4.0, 1.0]])
        >>> relative_sensitivity_of_layer(w, np.array([[2.0, 1.0], [4.0, 0.0]])).round(4).tolist()
        [0.15, 0.005]
    """
    require_range("push", push, 1e-12, 1)
    return push * np.abs(rows_np).mean(axis=0) * np.linalg.norm(weight_kp, axis=0)
