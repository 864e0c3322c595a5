"""What every estimator returns: indices with intervals, and how far to trust them."""

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
    from shiftgauge.estimate.moments import MomentSource

Level: TypeAlias = Literal["info", "warning", "error"]
_SHOWN: Final = 12
"""Lines of indices that a printed result shows."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """One thing to know about a result.

    Args:
        level: `info`, `warning` (read before use) or `error` (the number asked for does not exist).
        code: Short name for programs, such as `constant_output`.
        message: One sentence a person can act on.
    """

    level: Level
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class SurrogateInfo:
    """The polynomial surrogate behind an estimate and the indices that it alone would give.

    Args:
        q2: Share of the variance of f that the surrogate predicts on points it was not fitted to (Q,); where its set of
            terms was chosen on the sample, on folds that had no part in the choice.
        terms: Number of terms of the chosen set, int (Q,).
        label: Name of the chosen set (Q,).
        n_points: Number of rows that it was fitted to.
        first_order: Indices of the surrogate alone (Q, d); not those of f unless q2 is near 1.
        total_order: As above (Q, d).
        second_order: As above (Q, d, d), zero on the diagonal.
        model: The surrogate fitted to all rows.
        leave_one_out: The same share by leaving out one point at a time, with the set of terms chosen on all points, so
            a little optimistic (Q,); None where it was not computed.
        residual: What was added to the polynomial of each output to sharpen its indices: `none`, `gp` (Gaussian
            process) or `trees` (boosted trees); empty where nothing could be. It is in none of the numbers above.
        assisted_q2: Share that polynomial and addition explain together, on folds left out (Q,); None where there is
            no addition to speak of.
    """

    q2: FloatArray
    terms: FloatArray
    label: tuple[str, ...]
    n_points: int
    first_order: FloatArray
    total_order: FloatArray
    second_order: FloatArray
    model: "ChaosSurrogate" = field(repr=False, compare=False)
    leave_one_out: FloatArray | None = None
    residual: tuple[str, ...] = ()
    assisted_q2: FloatArray | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class Indices:
    """Sobol' indices of Q outputs for d inputs (or groups), each with its interval.

    S_i = Var E[f | x_i] / Var f,  S_Ti = E Var[f | all but x_i] / Var f. Indices of outputs whose
    `defined` is False are NaN, and a status says why. Estimates are not clipped: one below zero
    is a small index with a wide interval. Pairs are symmetric, NaN on the diagonal.

    Args:
        estimator: `assisted`, `pick_freeze` or `gpc`.
        names: The d inputs or groups.
        outputs: The Q outputs.
        n_base: Number of independent blocks (rows of a plain design).
        n_evaluations: Number of rows.
        resamples: Bootstrap resamples; with 0 all intervals are NaN.
        replicates: Independent replicates of the design; from 2 on, the intervals come from these by Student's t,
            and not from the bootstrap.
        confidence_level: Of every interval.
        seed: Of the bootstrap.
        defined: Whether the output varies, so that its indices exist (Q,).
        mean: (Q,), with interval (Q, 2).
        variance: (Q,), with interval (Q, 2).
        first_order: (Q, d), with interval (Q, d, 2).
        total_order: (Q, d), with interval (Q, d, 2).
        second_order: Share of the interaction of exactly two inputs (Q, d, d); None when the design lacks BA rows.
        closed: Share of two inputs together, S_i + S_j + S_ij (Q, d, d); None as above.
        total_interaction: Share of all terms that hold both inputs (Q, d, d); None where pairs were left out.
        surrogate: The surrogate behind the estimate, if any.
        status: What to know about the result.
        n_dropped: Blocks (rows of a plain design) left out because a run in them failed.
        moments: The sample moments behind the estimate, for tables that need more than indices.
    """

    estimator: str
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    n_base: int
    n_evaluations: int
    resamples: int
    replicates: int
    confidence_level: float
    seed: int
    defined: np.ndarray
    mean: FloatArray
    mean_interval: FloatArray
    variance: FloatArray
    variance_interval: FloatArray
    first_order: FloatArray
    first_order_interval: FloatArray
    total_order: FloatArray
    total_order_interval: FloatArray
    second_order: FloatArray | None
    second_order_interval: FloatArray | None
    closed: FloatArray | None
    closed_interval: FloatArray | None
    total_interaction: FloatArray | None
    total_interaction_interval: FloatArray | None
    surrogate: SurrogateInfo | None = None
    status: tuple[Status, ...] = ()
    n_dropped: int = 0
    moments: "MomentSource | None" = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        """Estimator, size, and the first lines of a table of indices."""
        q, d = len(self.outputs), len(self.names)
        lines = [f"Indices by {self.estimator}: {q} output(s), {d} input(s), {self.n_evaluations:,} evaluations"]
        for k, i in list(product(range(q), range(d)))[:_SHOWN]:
            first, total = (
                f"{value[k, i]:.3f} [{low:.3f}, {high:.3f}]"
                for value, (low, high) in (
                    (self.first_order, self.first_order_interval[k, i]),
                    (self.total_order, self.total_order_interval[k, i]),
                )
            )
            lines.append(f"  {self.outputs[k]}, {self.names[i]}: first {first}, total {total}")
        if q * d > _SHOWN:
            lines.append(f"  and {q * d - _SHOWN} more; see `to_dataframe()`")
        return "\n".join([*lines, *(f"  {s.level}: {s.message}" for s in self.status)])

    def to_dataframe(self) -> "pd.DataFrame":
        """First and total order with their intervals, one row for each output and input.

        Returns:
            Columns output, input, first_order, first_low, first_high, total_order, total_low, total_high.
        """
        columns: dict[str, Any] = {
            "output": np.repeat(np.array(self.outputs, object), len(self.names)),
            "input": np.tile(np.array(self.names, object), len(self.outputs)),
        }
        for key in ("first", "total"):
            interval = getattr(self, f"{key}_order_interval").reshape(-1, 2)
            columns[f"{key}_order"] = getattr(self, f"{key}_order").ravel()
            columns[f"{key}_low"], columns[f"{key}_high"] = interval.T
        import pandas as pd  # 60 MB that estimates alone do not need

        return pd.DataFrame(columns)

    def output(self, name: str) -> int:
        """Position of an output.

        Raises:
            ConfigError: No output bears the name.
        """
        return self.outputs.index(require_in("output", name, self.outputs))
