"""One call from a function to its indices, as sure as wanted: the design doubles until the intervals are narrow."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.analysis import ESTIMATORS, Estimator, analyse
from shiftgauge.estimate.chaos.candidates import ChaosOptions, check_chaos
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.stopping import Convergence, Stopping, grow, look_back
from shiftgauge.estimate.values import OnFailure, call_function, require_names
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, OutputsNQ, ThetaNP

Function: TypeAlias = Callable[[ThetaNP], FloatArray]
"""Physical values (n, P) → values (n,) or (n, Q)."""
Progress: TypeAlias = Callable[[int, int, int], None]
"""Called with the number of the round (from 1), the evaluations done, and those that the round ends with."""
FIRST_BASE: Final = 64
"""Blocks (points, for a surrogate alone) of the first round of a design that grows."""
_FIXED_BASE: Final = 1024
_NUMBERS: Final = 4_000_000


def sensitivity(
    function: Function,
    space: Space | Inputs | Mapping[str, Any],
    *,
    estimator: Estimator = "assisted",
    tolerance: float | None = None,
    budget: int | None = None,
    n_base: int | None = None,
    second_order: bool = False,
    method: str = "sobol",
    replicates: int = REPLICATES,
    groups: Mapping[str, Sequence[str]] | None = None,
    outputs: Sequence[str] | None = None,
    chaos: ChaosOptions | None = None,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
    chunk: int | None = None,
    progress: Progress | None = None,
) -> Convergence:
    """Sobol' indices of a function, with intervals as narrow as asked for.

    S_i = Var E[f | x_i] / Var f,  S_Ti = E Var[f | all but x_i] / Var f. With a tolerance or a budget the design is
    doubled, keeping what was evaluated, until every interval of first and total order of every output that varies has
    a half-width within the tolerance (see `Stopping`), or until the next doubling would exceed the budget. For `gpc`
    the surrogate must besides leave no more than the tolerance of the variance unexplained, on points that had no part
    in it. Intervals of pairs are given, but do not decide: they belong to many more numbers, and what pairs add to an
    input is in its total index.

    Args:
        function: Physical values of all parameters (n, P) → values (n,) or (n, Q). It must treat each row by itself.
        space: What varies: a `Space`, its plain form {name: distribution}, or `Inputs` without image and noise.
        estimator: `assisted` (pick-freeze sharpened by a surrogate), `pick_freeze`, or `gpc` (the surrogate alone).
        tolerance: Half-width in (0, 1). Default: the size is given by `n_base`, or by the budget alone.
        budget: Most evaluations. Default with a tolerance: six doublings of the first round.
        n_base: Blocks of the design, or points for `gpc`; of the first round where the design grows. Default 1024,
            or 64 where it grows. The cost is n_base · (d + 2) evaluations, n_base · (2d + 2) with second order,
            n_base for `gpc`.
        second_order: Estimate the share of each pair as well.
        method: `sobol`, `halton`, `random` or, where the design does not grow, `lhs`.
        replicates: Independent scramblings behind the intervals, 1 or ≥ 4.
        groups: Group name → names of inputs that are taken as one.
        outputs: Names of the Q outputs. Default `y`, or `y1` … `yQ`.
        chaos: Terms of the surrogate. Default: chosen.
        resamples: Bootstrap resamples, where the design has no replicates; ≥ 100 where a tolerance rests on them.
        confidence_level: Of every interval, in [0.5, 0.999].
        seed: Decides the design and the bootstrap.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their whole blocks, with a
            count and a warning.
        chunk: Most rows that the function is given at once. Default: what four million numbers hold.
        progress: Called after every chunk with (round, evaluations done, evaluations the round ends with).

    Returns:
        The indices with the curve of all sizes (of nested parts, where the size was given), and why it ended.

    Raises:
        SpaceError: A malformed space, or one in which nothing varies.
        ConfigError: An option outside its range, a Latin hypercube that should grow, a budget below the first round.
        DataError: The function failed (the cause is chained), or returned no real numbers or another shape.
        NumericalError: It returned NaN or infinite values and `on_failure` is `raise`; the message names the row.

    Example:
        >>> import numpy as np
        >>> limits = {"low": -np.pi, "high": np.pi}
        >>> def ishigami(x): return np.sin(x[:, 0]) * (1 + 0.1 * x[:, 2] ** 4) + 7 * np.sin(x[:, 1]) ** 2
        >>> found = sensitivity(ishigami, {"x1": limits, "x2": limits, "x3": limits}, tolerance=0.02, budget=20_000)
        >>> found.reason, bool(found.curve[-1].largest <= 0.02)
        ('tolerance', True)
        >>> found.indices.total_order[0].round(1).tolist()
        [0.6, 0.4, 0.2]

    References:
        Saltelli, A. et al. (2010). Variance based sensitivity analysis of model output. doi:10.1016/j.cpc.2009.09.018
    """
    require_in("estimator", estimator, ESTIMATORS)
    check_resampling(resamples, confidence_level)
    stopping = Stopping(tolerance=tolerance, budget=budget)
    inputs = _inputs(space)
    n_base = (FIRST_BASE if stopping.wanted else _FIXED_BASE) if n_base is None else n_base
    start = require_positive_int("n_base", n_base, low=2)
    _check_growth(stopping, method)
    design = _design(estimator, inputs, start, second_order, method, seed, groups, replicates)
    check_chaos(inputs, chaos, n_rows=design.n_rows, estimator=estimator)
    stopping.check_resamples(resamples, bootstrap=isinstance(design, PlainDesign) or design.grouping.replicates == 1)
    sample = _Sample(function, outputs, chunk, progress)

    def measure(n: int) -> Indices:
        sized = resized(design, n)
        values = sample.values(sized)
        return analyse(
            sized,
            values,
            outputs=sample.names,
            estimator=estimator,
            chaos=chaos,
            resamples=resamples,
            confidence_level=confidence_level,
            seed=seed,
            on_failure=on_failure,
        )

    if stopping.wanted:
        return grow(measure, stopping, start=start, cost_of_base=design.rows_per_block)
    return look_back(measure, start, nested=method != "lhs")


def resized(design: PickFreezeDesign | PlainDesign, n_base: int) -> PickFreezeDesign | PlainDesign:
    """The same design with another number of blocks (points of a plain design)."""
    if isinstance(design, PlainDesign):
        return replace(design, n=n_base)
    return replace(design, n_base=n_base)


class _Sample:
    """Values of the function at the rows of a nested design, each computed once."""

    def __init__(
        self, function: Function, names: Sequence[str] | None, chunk: int | None, progress: Progress | None
    ) -> None:
        self._function, self._progress = function, progress
        self._chunk = None if chunk is None else require_positive_int("chunk", chunk)
        self._wanted = None if names is None else require_names("outputs", names)
        self._parts: list[OutputsNQ] = []
        self._round = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, once something was evaluated."""
        width = self._parts[0].shape[1]
        if self._wanted is None:
            return ("y",) if width == 1 else tuple(f"y{q + 1}" for q in range(width))
        return self._wanted

    def values(self, design: PickFreezeDesign | PlainDesign) -> OutputsNQ:
        """Values at all rows of the design (n_rows, Q)."""
        done, total = sum(map(len, self._parts)), design.n_rows
        step = self._chunk or max(1, _NUMBERS // design.inputs.n_inputs)
        self._round += done < total
        for start in range(done, total, step):
            stop = min(start + step, total)
            self._parts.append(self._call(design.rows(start, stop).theta, start))
            if self._progress is not None:
                self._progress(self._round, stop, total)
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts)]
        return self._parts[0][:total]

    def _call(self, theta: ThetaNP, start: int) -> OutputsNQ:
        found = call_function(self._function, theta, f"rows {start} to {start + len(theta) - 1} of the design")
        found = found[:, None] if found.ndim == 1 else found
        width = self._parts[0].shape[1] if self._parts else found.shape[-1] if found.ndim else 0
        if found.ndim != 2 or found.shape != (len(theta), width) or not width:
            raise DataError(
                f"the function was given {theta.shape[0]} rows of {theta.shape[1]} values and must return "
                f"{theta.shape[0]} values, or as many rows of {width or 'several'} outputs; got the shape {found.shape}"
            )
        if self._wanted is not None and len(self._wanted) != width:
            raise DataError(f"`outputs` names {len(self._wanted)} outputs, but the function returned {width}")
        return found


def _inputs(space: Space | Inputs | Mapping[str, Any]) -> Inputs:
    if isinstance(space, Inputs):
        if space.has_image or space.repeat:
            raise ConfigError(
                "a function of parameters has neither an image nor noise as an input; give a Space, or use "
                "`shiftgauge.audit` for a classifier of images"
            )
        return space
    return Inputs(space=space if isinstance(space, Space) else Space.from_dict(space))


def _check_growth(stopping: Stopping, method: str) -> None:
    if stopping.wanted and method == "lhs":
        raise ConfigError(
            "a Latin hypercube cannot grow, since a larger one shares no point with a smaller; use `sobol`, `halton` "
            "or `random`, or give `n_base` without tolerance and budget"
        )


def _design(
    estimator: str,
    inputs: Inputs,
    n_base: int,
    second_order: bool,
    method: str,
    seed: int,
    groups: Mapping[str, Sequence[str]] | None,
    replicates: int,
) -> PickFreezeDesign | PlainDesign:
    if estimator != "gpc":
        return PickFreezeDesign(
            inputs=inputs,
            n_base=n_base,
            second_order=second_order,
            method=method,
            seed=check_seed(seed),
            groups=groups,
            replicates=replicates,
        )
    if groups is not None:
        raise ConfigError("`groups` belong to a pick-freeze design; use the estimator `assisted` or `pick_freeze`")
    return PlainDesign(inputs=inputs, n=n_base, method=method, seed=check_seed(seed))
