"""First and total indices of dependent inputs, after Kucherenko."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftgauge.estimate.conditional import KucherenkoDesign
from shiftgauge.estimate.conditional_shares import ConditionalEstimate, conditional_shares
from shiftgauge.estimate.values import OnFailure
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class DependentIndices(ConditionalEstimate):
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
        n_dropped: Blocks left out because a run in them failed.
    """

    first_order: FloatArray
    first_order_interval: FloatArray
    total_order: FloatArray
    total_order_interval: FloatArray


def kucherenko(
    design: KucherenkoDesign,
    values: OutputsNQ,
    *,
    outputs: Sequence[str],
    confidence_level: float = 0.95,
    on_failure: OnFailure = "raise",
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
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their whole blocks, with a
            count and a warning.

    Returns:
        Indices, unclipped.

    Raises:
        NumericalError: A value is NaN or infinite (the message names the row), or too few blocks are left.
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
    d = design.n_groups
    found, facts = conditional_shares(
        design,
        values,
        _columns,
        outputs=outputs,
        n_columns=2 + 2 * d,
        n_base=2,
        confidence_level=confidence_level,
        n_products=d,
        on_failure=on_failure,
    )
    return DependentIndices(
        first_order=found.share[:, :d],
        first_order_interval=found.share_interval[:, :d],
        total_order=found.share[:, d:],
        total_order_interval=found.share_interval[:, d:],
        **facts,
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
