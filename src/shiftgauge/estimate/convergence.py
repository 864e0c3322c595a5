"""One call from a function to its indices, as sure as wanted: the design doubles until the intervals are narrow."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import ESTIMATORS, Estimator, analyse, check_choices
from shiftgauge.estimate.chaos.candidates import ChaosOptions, check_chaos
from shiftgauge.estimate.chaos.intervals import Residual
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign, PlainDesign
from shiftgauge.estimate.function_sample import REPEATED, Function, FunctionSample, Progress
from shiftgauge.estimate.inputs import Inputs, as_inputs
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.rough.search import Surrogate
from shiftgauge.estimate.stopping import Convergence, Stopping, grow, look_back
from shiftgauge.estimate.values import OnFailure
from shiftgauge.random import check_seed
from shiftgauge.space import Space

FIRST_BASE: Final = 64
"""Blocks (points, for a surrogate alone) of the first round of a design that grows."""
_FIXED_BASE: Final = 1024


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
    surrogate: Surrogate = "auto",
    residual: Residual = "misfit",
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
        function: Physical values of all parameters (n, P) → values (n,) or (n, Q). It must treat each row by itself
            and give the same again: 8 rows are evaluated twice where the budget allows, with a status if they differ.
        space: What varies: a `Space`, its plain form {name: distribution}, or `Inputs` without image and noise.
            [low, high] is a uniform distribution, a number a fixed value.
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
        surrogate: What `assisted` may add to its polynomial: `auto`, `chaos` for nothing, `gp` or `trees`.
        residual: What the surrogate of `gpc` leaves over: `misfit`, or `noise` that no input causes.
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
        >>> limits = [-np.pi, np.pi]
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
    check_choices(estimator, surrogate=surrogate, residual=residual, on_failure=on_failure)
    repeats = stopping.spare(design.n_rows, REPEATED)
    sample = FunctionSample(function, outputs, chunk, progress, repeats)

    def measure(n: int) -> Indices:
        sized = resized(design, n)
        values = sample.values(sized)
        found = analyse(
            sized,
            values,
            outputs=sample.names,
            estimator=estimator,
            chaos=chaos,
            resamples=resamples,
            confidence_level=confidence_level,
            seed=seed,
            on_failure=on_failure,
            surrogate=surrogate,
            residual=residual,
        )
        return replace(found, status=(*found.status, *sample.status))

    if stopping.wanted:
        found = grow(measure, stopping, start=start, cost_of_base=design.rows_per_block, spent=repeats)
    else:
        found = look_back(measure, start, nested=method != "lhs")
    return replace(found, repeated=sample.repeated)


def resized(design: PickFreezeDesign | PlainDesign, n_base: int) -> PickFreezeDesign | PlainDesign:
    """The same design with another number of blocks (points of a plain design)."""
    if isinstance(design, PlainDesign):
        return replace(design, n=n_base)
    return replace(design, n_base=n_base)


def _inputs(space: Space | Inputs | Mapping[str, Any]) -> Inputs:
    if isinstance(space, Inputs):
        if space.has_image or space.repeat:
            raise ConfigError(
                "a function of parameters has neither an image nor noise as an input; give a Space, or use "
                "`shiftgauge.audit` for a classifier of images"
            )
        return space
    return as_inputs(space)


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
