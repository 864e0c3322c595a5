"""First and total indices of dependent inputs, after Kucherenko."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftgauge.estimate.conditional import ConditionalDesign, KucherenkoDesign
from shiftgauge.estimate.moments import check_values
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.shares import shares
from shiftgauge.estimate.sobol import constant_messages
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class DependentIndices:
    """First and total indices of d dependent inputs (or groups) on Q outputs.

    S_i = Var E[f | x_i] / Var f counts what x_i carries of the others too; S_Ti = E Var[f | all but x_i] / Var f only
    what the others leave to x_i. With dependence S_Ti may lie below S_i, and neither sums to anything.

    Args:
        names: The inputs or groups.
        outputs: The outputs.
        n_base: Number of blocks.
        n_evaluations: Number of rows.
        replicates: Independent replicates behind the intervals.
        confidence_level: Of every interval.
        defined: Whether the output varies (Q,).
        mean: (Q,), with interval (Q, 2).
        variance: (Q,), with interval (Q, 2).
        first_order: (Q, d), unclipped, with interval (Q, d, 2).
        total_order: (Q, d), with interval (Q, d, 2).
        status: What to know about the result.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    n_base: int
    n_evaluations: int
    replicates: int
    confidence_level: float
    defined: np.ndarray
    mean: FloatArray
    mean_interval: FloatArray
    variance: FloatArray
    variance_interval: FloatArray
    first_order: FloatArray
    first_order_interval: FloatArray
    total_order: FloatArray
    total_order_interval: FloatArray
    status: tuple[Status, ...] = ()


def kucherenko(
    design: KucherenkoDesign,
    values: OutputsNQ,
    *,
    outputs: Sequence[str],
    confidence_level: float = 0.95,
) -> DependentIndices:
    """First and total indices when the inputs are tied by a Gaussian copula.

    With A' = (x_i of A, the others drawn given x_i) and A'' = (x_i drawn given the others, the others of A):

        S_i = E[f(A) (f(A') - f(B))] / V        S_Ti = E[(f(A) - f(A''))²] / 2V

    Independent inputs give Saltelli's and Jansen's estimators. The cost is N (2d + 2) evaluations.

    Args:
        design: What was evaluated.
        values: Outputs at its rows, in order (n_rows, Q).
        outputs: Their names.
        confidence_level: Of the intervals (Student's t over the replicates).

    Returns:
        Indices, unclipped.

    Raises:
        NumericalError: A value is NaN or infinite; the message names the row.
        DataError: The number of rows or columns does not match.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import DependentLinear
        >>> pair = DependentLinear(weights=(1.0, 1.0), covariance=[[1.0, 0.5], [0.5, 1.0]])
        >>> design = KucherenkoDesign(inputs=Inputs(space=pair.space), n_base=4096)
        >>> found = kucherenko(design, pair.function(design.rows(0, design.n_rows).theta), outputs=["y"])
        >>> found.first_order.round(2).tolist(), found.total_order.round(2).tolist()
        ([[0.75, 0.75]], [[0.25, 0.25]])

    References:
        Kucherenko, S., Tarantola, S., Annoni, P. (2012). Estimation of global sensitivity indices for models with
            dependent variables. doi:10.1016/j.cpc.2011.12.020
    """
    check_resampling(0, confidence_level)
    checked = check_values(design, values, outputs)
    d = design.n_groups
    found = shares(
        checked.reshape(design.n_base, design.rows_per_block, -1),
        design.grouping,
        _columns,
        n_columns=2 + 2 * d,
        n_base=2,
        confidence_level=confidence_level,
        seed=design.seed,
    )
    return DependentIndices(
        names=design.names,
        outputs=tuple(outputs),
        n_base=design.n_base,
        n_evaluations=design.n_rows,
        replicates=design.replicates,
        confidence_level=confidence_level,
        defined=found.defined,
        mean=found.mean,
        mean_interval=found.mean_interval,
        variance=found.variance,
        variance_interval=found.variance_interval,
        first_order=found.share[:, :d],
        first_order_interval=found.share_interval[:, :d],
        total_order=found.share[:, d:],
        total_order_interval=found.share_interval[:, d:],
        status=(*constant_messages(found.defined, found.mean, outputs), *latent_messages(design)),
    )


def _columns(f_rqn: FloatArray, _: int) -> FloatArray:
    a, b = f_rqn[0], f_rqn[1]
    d = (len(f_rqn) - 2) // 2
    out = np.empty((2 + 2 * d, *a.shape))
    out[0], out[1] = (a + b) / 2, (a * a + b * b) / 2
    np.multiply(a, f_rqn[2 : 2 + d] - b, out=out[2 : 2 + d])
    np.square(a - f_rqn[2 + d :], out=out[2 + d :])
    out[2 + d :] *= 0.5
    return out


def latent_messages(design: ConditionalDesign) -> list[Status]:
    """The message that goes with discrete inputs that are tied to others."""
    found = []
    for column, parameter in enumerate(design.inputs.parameters):
        if parameter is None or parameter.levels is None:
            continue
        if np.abs(np.delete(design.correlation[column], column)).max(initial=0.0) > 0:
            found.append(f"`{design.inputs.names[column]}`")
    if not found:
        return []
    text = (
        f"{', '.join(found)}: discrete and tied to other inputs, so what is known or redrawn is the normal score "
        "behind the value, which tells more about the others than the value itself does"
    )
    return [Status(level="warning", code="latent_score", message=text)]
