"""What the estimators for dependent inputs share: their result's common part, its estimation and its messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shiftgauge.estimate.conditional import ConditionalDesign
from shiftgauge.estimate.moments import require_blocks
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.shares import Shares, shares
from shiftgauge.estimate.sobol import balance_messages, constant_messages, dropped_message
from shiftgauge.estimate.values import OnFailure, finite_rows
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class ConditionalEstimate:
    """What is known of Q outputs under dependent inputs, whichever shares of the variance are asked for.

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
        status: What to know about the result.
        n_dropped: Blocks left out because a run in them failed.
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
    status: tuple[Status, ...] = ()
    n_dropped: int = 0


def conditional_shares(
    design: ConditionalDesign,
    values: OutputsNQ,
    columns: Callable[[FloatArray, int], FloatArray],
    *,
    outputs: Sequence[str],
    n_columns: int,
    n_base: int,
    confidence_level: float,
    n_products: int = 0,
    on_failure: OnFailure = "raise",
) -> tuple[Shares, dict[str, Any]]:
    """Checks the values, and estimates mean, variance and shares of it.

    Args:
        design: What was evaluated.
        values: Outputs at its rows, in order (n_rows, Q).
        columns: As in `shares`.
        outputs: Their names.
        n_columns: As in `shares`.
        n_base: As in `shares`.
        confidence_level: Of the intervals (Student's t over the replicates).
        n_products: As in `shares`.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their whole blocks.

    Returns:
        The shares, and the arguments of `ConditionalEstimate`.

    Raises:
        NumericalError: A value is NaN or infinite (the message names the row), or too few blocks are left.
        DataError: The number of rows or columns does not match.
    """
    check_resampling(0, confidence_level)
    checked, finite = finite_rows(design, values, outputs, on_failure)
    kept = np.asarray(finite.reshape(design.n_base, -1).all(axis=1))
    require_blocks(kept, design.grouping)
    n_dropped = int((~kept).sum())
    found = shares(
        checked.reshape(design.n_base, design.rows_per_block, -1),
        design.grouping,
        columns,
        n_columns=n_columns,
        n_base=n_base,
        confidence_level=confidence_level,
        seed=design.seed,
        n_products=n_products,
        kept=kept,
    )
    return found, {
        "names": design.names,
        "outputs": tuple(outputs),
        "n_base": design.n_base,
        "n_evaluations": design.n_rows,
        "replicates": design.replicates,
        "confidence_level": confidence_level,
        "defined": found.defined,
        "mean": found.mean,
        "mean_interval": found.mean_interval,
        "variance": found.variance,
        "variance_interval": found.variance_interval,
        "n_dropped": n_dropped,
        "status": (
            *constant_messages(found.defined, found.mean, outputs),
            *([dropped_message(n_dropped, design.n_base, "blocks")] if n_dropped else []),
            *balance_messages(design.method, design.n_base, "blocks"),
            *_latent_messages(design),
        ),
    }


def _latent_messages(design: ConditionalDesign) -> list[Status]:
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
