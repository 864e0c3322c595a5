"""Evaluates a tabular model on a design of its inputs and estimates all indices, with their curve over N."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import Estimator, analyse, check_choices
from shiftgauge.estimate.assisted import MIN_BASE
from shiftgauge.estimate.chaos.candidates import ChaosOptions, check_chaos
from shiftgauge.estimate.chaos.intervals import Residual
from shiftgauge.estimate.convergence import FIRST_BASE, resized
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.rough.search import Surrogate
from shiftgauge.estimate.stopping import Convergence, Stopping, grow, look_back
from shiftgauge.estimate.values import OnFailure
from shiftgauge.evaluate.progress import Advance
from shiftgauge.models.table_model import TableModel
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.studies import arrays
from shiftgauge.studies.growth import curve_arrays
from shiftgauge.types import OutputsNQ

_CHUNK: Final = 1 << 17
"""Rows of the design that are made and evaluated at a time."""
_FIXED_BASE: Final = 4096
_FIRST_POINT: Final = 128
"""Smallest number of base samples on the curve of convergence."""


@dataclass(frozen=True, kw_only=True)
class TableEstimate:
    """How the indices of a table audit are estimated.

    Args:
        estimator: `pick_freeze`, `assisted` (sharpened by a surrogate) or `gpc` (the surrogate alone).
        n_base: Base samples, best a power of two; the cost is n_base · (2d + 2) evaluations, n_base · (d + 2) without
            second order, n_base for `gpc`. Of the first round where the design grows. Default 4,096, or 64 where it
            grows.
        second_order: Estimate the share of every pair as well.
        method: `sobol`, `halton` or `random`: designs whose first part is a design of its own.
        replicates: Independent scramblings behind the intervals, 1 (bootstrap) or ≥ 4.
        tolerance: Double the design until every interval's half-width, of first and total index of every output, is
            within this; None: the size is given.
        budget: Most evaluations while doubling.
        resamples: Bootstrap resamples where there are no replicates; ≥ 100 where a tolerance rests on them.
        confidence_level: Of every interval.
        chaos: Terms of the surrogate, and for `gpc` the solver that picks them. Default: chosen.
        surrogate: What `assisted` may add to its polynomial: `auto`, `chaos` for nothing, `gp` or `trees`.
        residual: What the surrogate of `gpc` leaves over: `misfit` or `noise`.
        on_failure: What to do where the model gives NaN or infinity: `raise`, or `drop` the blocks that hold a case.
        seed: Decides the design, the bootstrap, the rows differentiated and the splits of retraining.

    Raises:
        ConfigError: A value outside its range.
    """

    estimator: Estimator = "pick_freeze"
    n_base: int | None = None
    second_order: bool = True
    method: str = "sobol"
    replicates: int = REPLICATES
    tolerance: float | None = None
    budget: int | None = None
    resamples: int = 1000
    confidence_level: float = 0.95
    chaos: ChaosOptions | None = None
    surrogate: Surrogate = "auto"
    residual: Residual = "misfit"
    on_failure: OnFailure = "raise"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choices(
            self.estimator,
            surrogate=self.surrogate,
            solver=(self.chaos or ChaosOptions()).solver,
            residual=self.residual,
            on_failure=self.on_failure,
        )
        start = require_positive_int("n_base", self.start, low=2)
        if self.estimator == "assisted" and start < MIN_BASE:
            raise ConfigError(f"`n_base` must be at least {MIN_BASE} for the assisted estimator, got {start}")
        if self.estimator == "gpc" and self.replicates != REPLICATES:
            raise ConfigError(f"`replicates` belongs to the estimators assisted and pick_freeze, got {self.replicates}")
        require_in("design", self.method, ("sobol", "halton", "random"))
        check_resampling(self.resamples, self.confidence_level)
        check_seed(self.seed)
        bootstrap = self.estimator == "gpc" or self.method == "random" or self.replicates == 1
        self.stopping.check_resamples(self.resamples, bootstrap=bootstrap)

    @property
    def stopping(self) -> Stopping:
        """Tolerance and budget."""
        return Stopping(tolerance=self.tolerance, budget=self.budget)

    @property
    def start(self) -> int:
        """Base samples of the whole design, or of the first round where it grows."""
        if self.n_base is not None:
            return self.n_base
        return FIRST_BASE if self.stopping.wanted else _FIXED_BASE


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the evaluation of a design gave.

    Args:
        design: The largest design.
        values: Outputs at its rows (n_rows, Q).
        convergence: Indices and the curve over nested parts of the design.
        seconds: Time of design, evaluation and estimates.
    """

    design: PickFreezeDesign | PlainDesign
    values: OutputsNQ
    convergence: Convergence
    seconds: float

    @property
    def indices(self) -> Indices:
        """The indices of the largest design."""
        return self.convergence.indices


def measure_table(model: TableModel, space: Space, options: TableEstimate, advance: Advance) -> Measured:
    """Evaluates a design of the space on a model, growing it where that is asked for, and estimates all indices."""
    start = time.perf_counter()
    design = _design(space, options)
    check_chaos(design.inputs, options.chaos, n_rows=design.n_rows, estimator=options.estimator)
    held = np.empty((0, len(model.outputs)))

    def measure(n: int) -> Indices:
        nonlocal held
        part, whole = resized(design, n), options.stopping.wanted or n == options.start
        held = grown(model, part, held, advance, require_finite=options.on_failure == "raise")
        return analyse(
            part,
            held[: part.n_rows],
            outputs=model.outputs,
            estimator=options.estimator,
            chaos=options.chaos,
            resamples=options.resamples,
            confidence_level=options.confidence_level,
            seed=options.seed,
            on_failure=options.on_failure,
            surrogate=options.surrogate if whole else "chaos",
            residual=options.residual,
        )

    if options.stopping.wanted:
        found = grow(measure, options.stopping, start=options.start, cost_of_base=design.rows_per_block)
    else:
        points = max((options.start // _FIRST_POINT).bit_length(), 1)
        found = look_back(measure, options.start, points=points)
    final = resized(design, len(held) // design.rows_per_block)
    return Measured(design=final, values=held, convergence=found, seconds=time.perf_counter() - start)


def _design(space: Space, options: TableEstimate) -> PickFreezeDesign | PlainDesign:
    inputs = Inputs(space=space)
    if options.estimator == "gpc":
        return PlainDesign(inputs=inputs, n=options.start, method=options.method, seed=options.seed)
    return PickFreezeDesign(
        inputs=inputs,
        n_base=options.start,
        second_order=options.second_order,
        method=options.method,
        seed=options.seed,
        replicates=options.replicates,
    )


def grown(
    model: TableModel,
    design: PickFreezeDesign | PlainDesign,
    held: OutputsNQ,
    advance: Advance,
    *,
    require_finite: bool = True,
) -> OutputsNQ:
    """Values of a design of which the first rows are known; the design is never held as a whole."""
    if len(held) >= design.n_rows:
        return held
    out = np.empty((design.n_rows, len(model.outputs)))
    out[: len(held)] = held
    step = max(_CHUNK // design.rows_per_block, 1) * design.rows_per_block
    for start in range(len(held), design.n_rows, step):
        stop = min(start + step, design.n_rows)
        out[start:stop] = model.values(design.rows(start, stop).theta, require_finite=require_finite)
        advance(stop, design.n_rows)
    return out


def index_arrays(convergence: Convergence) -> xr.Dataset:
    """The arrays of indices, of their surrogate where there is one, and of their curve."""
    return xr.merge([arrays.index_arrays(convergence.indices), curve_arrays(convergence)], join="outer")


def ranked_inputs(indices: Indices, quantity: str) -> list[str]:
    """Inputs by falling total index of one output; undefined ones last."""
    total = indices.total_order[indices.output(quantity)]
    order = np.argsort(-np.where(np.isfinite(total), total, -np.inf), kind="stable")
    return [indices.names[i] for i in order]
