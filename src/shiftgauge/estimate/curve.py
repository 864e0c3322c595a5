"""What each size of a growing design gave: one point of the curve that shows whether indices are settled."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np

from shiftgauge.estimate.moments import carriers
from shiftgauge.estimate.result import Indices
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """What one size of the design gave, for Q outputs and d inputs.

    Args:
        n_base: Number of blocks (points, for a surrogate alone).
        evaluations: What they cost.
        defined: Whether each output varied (Q,).
        first_order: (Q, d), with interval (Q, d, 2).
        total_order: (Q, d), with interval (Q, d, 2).
        carriers: How many points carry the variance, (Σ(f - m)²)² / Σ(f - m)⁴ over the rows A and B: for an output
            that is seldom other than 0, how often it was (Q,); infinite where the estimate keeps no sample.
        unexplained: 1 - Q² on points left out, for a surrogate alone (Q,); else None.
    """

    n_base: int
    evaluations: int
    defined: np.ndarray
    first_order: FloatArray
    first_order_interval: FloatArray
    total_order: FloatArray
    total_order_interval: FloatArray
    carriers: FloatArray
    unexplained: FloatArray | None = None

    @classmethod
    def of(cls, indices: Indices, cost: int = 1) -> Self:
        """The point that these indices make.

        Args:
            indices: Of one size of the design.
            cost: Evaluations for each row of the design.
        """
        alone = indices.estimator == "gpc" and indices.surrogate is not None
        return cls(
            n_base=indices.n_base,
            evaluations=indices.n_evaluations * cost,
            defined=np.asarray(indices.defined, bool),
            first_order=indices.first_order,
            first_order_interval=indices.first_order_interval,
            total_order=indices.total_order,
            total_order_interval=indices.total_order_interval,
            carriers=_carriers(indices),
            unexplained=1 - indices.surrogate.q2 if alone and indices.surrogate is not None else None,
        )

    @cached_property
    def half_width(self) -> FloatArray:
        """Half the width of the widest interval of each output (Q,); NaN where an output did not vary."""
        both = np.concatenate([self.first_order_interval, self.total_order_interval], axis=1)
        half = (both[..., 1] - both[..., 0]) / 2
        widest = np.where(np.isnan(half), np.inf, half).max(axis=1, initial=0.0)
        return np.where(self.defined, widest, np.nan)

    @cached_property
    def error(self) -> FloatArray:
        """What is held against the tolerance (Q,): the half-width, or the unexplained share where that is larger."""
        if self.unexplained is None:
            return self.half_width
        return np.where(self.defined, np.fmax(self.half_width, self.unexplained), np.nan)

    @property
    def largest(self) -> float:
        """Largest half-width over all outputs; NaN when none varied."""
        return largest(self.half_width)


def _carriers(indices: Indices) -> FloatArray:
    count = np.full(len(indices.outputs), np.inf)
    if indices.moments is None:
        return count
    for q in np.flatnonzero(indices.defined):
        count[q] = carriers(indices.moments.base_values(int(q)))
    return count


def largest(values: FloatArray) -> float:
    """The largest value that is known; NaN when none is."""
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else float("nan")
