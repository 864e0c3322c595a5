"""When a growing design is large enough, and the driver that doubles it until then."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.estimate.curve import CurvePoint, largest
from shiftgauge.estimate.moments import CARRIERS
from shiftgauge.estimate.result import Indices, Status

if TYPE_CHECKING:
    import pandas as pd

Reason: TypeAlias = Literal["tolerance", "budget", "constant", "fixed"]
REASONS: Final[tuple[str, ...]] = get_args(Reason)
DOUBLINGS: Final = 6
"""Doublings of the first round that a tolerance without a budget allows: intervals at least eight times narrower."""
FEWEST_BASE: Final = 32
"""Smallest number of blocks (or points) that a curve shows: two for each of 16 replicates."""
FEWEST_BLOCKS: Final = 128
"""Blocks below which narrow intervals are not believed: eight for each of 16 replicates."""
FEWEST_POINTS: Final = 64
"""The same in points, for a surrogate alone."""
FEWEST_CONSTANT: Final = 1000
"""Evaluations after which an output that never changed is taken for constant."""
FEWEST_RESAMPLES: Final = 100
"""Bootstrap resamples whose percentiles may decide: the ends of a 95 % interval are then the third of each side."""


@dataclass(frozen=True, kw_only=True)
class Stopping:
    """When to stop doubling a design.

    To look at intervals again and again and stop when they are narrow favours the looks at which they came out too
    narrow. With intervals from independent replicates, the widest of which must be narrow, this cost nothing that could
    be measured on Ishigami, the g-function and a linear function (coverage at the stop 93 % to 96 %, as at any fixed
    size; for indices that few points carry, see the theory of indices) once the variance rests on enough points: hence
    at least 128 blocks (64 points for a surrogate alone), and at least 32 points that carry it. Without the latter a
    rare event that was met only two or three times looks sure: all its resamples agree.

    Args:
        tolerance: Half-width that the interval of every first and total index must reach, in (0, 1); for a surrogate
            alone also the share 1 - Q² that it may leave unexplained. None: the budget alone ends the growth.
        budget: Most evaluations, ≥ 1; None allows six doublings of the first round.

    Example:
        >>> Stopping(tolerance=0.02, budget=5000).limit(320)
        5000
        >>> Stopping(tolerance=0.02).limit(320)
        20480
    """

    tolerance: float | None = None
    budget: int | None = None

    def __post_init__(self) -> None:
        if self.tolerance is not None:
            require_range("tolerance", self.tolerance, hint="0.02 is a sharp wish, 0.05 an easy one")
            if not 0 < self.tolerance < 1:
                raise ConfigError(
                    f"`tolerance` must lie between 0 and 1, got {self.tolerance:g}; it is the half-width of the "
                    "interval of an index, such as 0.02"
                )
        if self.budget is not None:
            require_positive_int("budget", self.budget)

    @property
    def wanted(self) -> bool:
        """Whether the design is to grow at all."""
        return self.tolerance is not None or self.budget is not None

    def limit(self, first: int) -> int:
        """Most evaluations.

        Args:
            first: Evaluations of the first round.

        Raises:
            ConfigError: The budget does not reach for the first round.
        """
        if self.budget is None:
            return first << DOUBLINGS
        if self.budget < first:
            raise ConfigError(
                f"`budget` must be at least {first:,} evaluations, those of the first round, got {self.budget:,}; "
                "raise it or lower `n_base`"
            )
        return self.budget

    def spare(self, first: int, wanted: int) -> int:
        """How many of some extra evaluations the budget leaves beside those of the first round."""
        return wanted if self.budget is None else min(wanted, max(self.budget - first, 0))

    def check_resamples(self, resamples: int, *, bootstrap: bool) -> None:
        """Refuses a tolerance of intervals that there are none of, or that rest on a handful of resamples.

        Args:
            resamples: Bootstrap resamples.
            bootstrap: Whether the intervals come from these, and not from replicates of the design.

        Raises:
            ConfigError: A tolerance with fewer than 100 resamples, or with none where there are replicates.
        """
        fewest = FEWEST_RESAMPLES if bootstrap else 1
        if self.tolerance is not None and resamples < fewest:
            raise ConfigError(
                f"`resamples` must be at least {fewest} where a tolerance is asked of intervals, got {resamples}"
            )

    def hopeless(self, curve: Sequence[CurvePoint], deciding: Sequence[int]) -> bool:
        """Whether no deciding output changed in at least 1,000 evaluations, so that there is nothing to wait for.

        Args:
            curve: All points so far.
            deciding: Positions of the outputs that decide.
        """
        last = curve[-1]
        return self.tolerance is not None and last.evaluations >= FEWEST_CONSTANT and not last.defined[deciding].any()

    def satisfied(self, curve: Sequence[CurvePoint], deciding: Sequence[int] | None = None) -> bool:
        """Whether every deciding output that varies keeps the tolerance; False when none varies.

        Args:
            curve: All points so far.
            deciding: Positions of the outputs that decide; default all.
        """
        if self.tolerance is None or not curve:
            return False
        last = curve[-1]
        if last.n_base < (FEWEST_BLOCKS if last.unexplained is None else FEWEST_POINTS):
            return False
        some = np.arange(len(last.error)) if deciding is None else np.asarray(deciding, int)
        some = some[last.defined[some]]
        narrow = (last.error[some] <= self.tolerance) & (last.carriers[some] >= CARRIERS)
        return bool(len(some)) and bool(narrow.all())


@dataclass(frozen=True, kw_only=True, repr=False)
class Convergence:
    """Indices, how they came about while the design grew, and why it stopped growing.

    Args:
        indices: Of the last, largest design.
        curve: One point for each size of the design, smallest first.
        reason: `tolerance` (reached), `budget` (the next doubling would have exceeded it), `constant` (no deciding
            output ever changed) or `fixed` (a size was given).
        tolerance: The half-width that was asked for; None without one.
        budget: Most evaluations that were allowed; None where a size was given.
        deciding: Names of the outputs whose intervals decided.
        repeated: Evaluations beside those of the design, at rows that were evaluated a second time.
    """

    indices: Indices
    curve: tuple[CurvePoint, ...]
    reason: Reason
    tolerance: float | None = None
    budget: int | None = None
    deciding: tuple[str, ...] = ()
    repeated: int = 0

    @property
    def status(self) -> tuple[Status, ...]:
        """What to know about the indices."""
        return self.indices.status

    def to_dataframe(self) -> "pd.DataFrame":
        """First and total order with their intervals, as `Indices.to_dataframe` gives them."""
        return self.indices.to_dataframe()

    def __repr__(self) -> str:
        """Why it ended, and the indices."""
        return f"{self.text}\n{self.indices!r}"

    @property
    def rounds(self) -> int:
        """Sizes at which the indices were looked at."""
        return len(self.curve)

    @property
    def text(self) -> str:
        """Why the run ended and how sure the indices of the deciding outputs are, in one sentence."""
        last = self.curve[-1]
        spent = f"{self.rounds} round{'s' if self.rounds > 1 else ''} and {last.evaluations:,} evaluations"
        chosen = [self.indices.outputs.index(name) for name in self.deciding]
        half, error = largest(last.half_width[chosen]), largest(last.error[chosen])
        found = "no interval is known"
        if np.isfinite(half):
            found = f"the widest {self.indices.confidence_level:.0%} interval is {plus_minus(half)}"
        if chosen and not last.defined[chosen].any():
            names = ", ".join(f"`{name}`" for name in self.deciding)
            spent = f"{last.evaluations:,} evaluations"
            return f"{names} never changed measurably in {spent}, so there are no indices to wait for."
        if self.reason == "tolerance":
            return f"The tolerance of ±{self.tolerance:g} was reached after {spent}: {found}."
        if self.reason == "fixed":
            return f"The size was given: {found} after {last.evaluations:,} evaluations."
        if self.tolerance is not None and np.isfinite(half):
            if half > self.tolerance:
                found += f", more than the tolerance of ±{self.tolerance:g}"
            elif error > self.tolerance:
                found += f", but the surrogate leaves {error:.1%} of the variance unexplained"
            else:
                found += ", but rests on too few points to be relied on"
        return f"The budget of {self.budget:,} evaluations ended the run after {spent}: {found}."


def grow(
    measure: Callable[[int], Indices],
    stopping: Stopping,
    *,
    start: int,
    cost_of_base: int,
    cost_of_row: int = 1,
    deciding: Sequence[str] | None = None,
    spent: int = 0,
) -> Convergence:
    """Doubles a design until its intervals are narrow enough or the budget ends.

    What is decided follows from the values alone, so that a run that was stopped and goes on ends in the same place.

    Args:
        measure: Number of blocks → the indices of a design of that size; what was evaluated before should be kept.
        stopping: Tolerance and budget.
        start: Blocks of the first round, ≥ 1.
        cost_of_base: Evaluations for each block.
        cost_of_row: Evaluations for each row of the design.
        deciding: Names of the outputs whose intervals decide; default all.
        spent: Evaluations beside those of the design, which the budget pays for as well.

    Returns:
        The last indices with the curve and the reason.

    References:
        Hickernell, F. J. et al. (2013). Guaranteed conservative fixed width confidence intervals via Monte Carlo
            sampling. doi:10.1007/978-3-642-41095-6_5

    Raises:
        ConfigError: The budget does not reach for the first round.
    """
    limit = stopping.limit(start * cost_of_base)
    curve: list[CurvePoint] = []
    n = start
    while True:
        indices = measure(n)
        names = tuple(indices.outputs if deciding is None else deciding)
        curve.append(CurvePoint.of(indices, cost_of_row))
        places = [indices.output(name) for name in names]
        done, constant = stopping.satisfied(curve, places), stopping.hopeless(curve, places)
        if done or constant or 2 * n * cost_of_base + (spent if stopping.budget is not None else 0) > limit:
            return Convergence(
                indices=indices,
                curve=tuple(curve),
                reason="tolerance" if done else "constant" if constant else "budget",
                tolerance=stopping.tolerance,
                budget=limit,
                deciding=names,
            )
        n *= 2


def look_back(
    measure: Callable[[int], Indices], n_base: int, *, points: int = 5, cost_of_row: int = 1, nested: bool = True
) -> Convergence:
    """The curve of a design of given size, from its first half, quarter, … : are the indices settled?

    Args:
        measure: Number of blocks → the indices of the first so many blocks; only n_base may cost evaluations.
        n_base: Blocks of the whole design.
        points: Most points of the curve.
        cost_of_row: Evaluations for each row of the design.
        nested: Whether the first half of the design is a design of its own; False gives a curve of one point.

    Returns:
        The indices of the whole design, with the curve.
    """
    indices = measure(n_base)
    curve = [CurvePoint.of(indices, cost_of_row)]
    for k in range(1, points if nested else 1):
        n = n_base >> k
        if n < FEWEST_BASE:
            break
        try:
            curve.insert(0, CurvePoint.of(measure(n), cost_of_row))
        except (ConfigError, NumericalError):  # a part too small for the estimator and its terms
            break
    return Convergence(indices=indices, curve=tuple(curve), reason="fixed", deciding=indices.outputs)


def plus_minus(half_width: float) -> str:
    """A half-width for running text.

    Example:
        >>> plus_minus(0.0123), plus_minus(1e-9)
        ('±0.012', 'below ±0.001')
    """
    return "below ±0.001" if half_width < 5e-4 else f"±{half_width:.3f}"
