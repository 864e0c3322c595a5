"""The evaluation of an audit in rounds: its design doubles until the intervals are narrow or the budget ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.convergence import resized
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.rough.search import Surrogate
from shiftgauge.estimate.stopping import Convergence, Stopping, grow, look_back
from shiftgauge.evaluate.executors.task import Executor
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.evaluate.run import Plan, evaluate, make_plan
from shiftgauge.evaluate.store import Store
from shiftgauge.studies.estimates import Estimates
from shiftgauge.studies.rows import AtRest
from shiftgauge.studies.setup import Setup
from shiftgauge.types import OutputsNQ

_POINTS: Final = 4
"""Sizes at which indices of a given design are looked at: each costs an estimate, none an evaluation."""


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What the evaluation of an audit gave.

    Args:
        setup: The audit with its last, largest design.
        convergence: The indices, how they came about, and why the run ended.
        plan: How rows were cut and run.
        values: Values of every row (N, columns).
        clean: Values of every image at rest (n_images, columns).
        seconds: Time of the evaluations, without that of the estimates.
        rows_computed: Rows that were not in the store.
    """

    setup: Setup
    convergence: Convergence
    plan: Plan
    values: OutputsNQ
    clean: OutputsNQ
    seconds: float
    rows_computed: int


class Rounds:
    """Evaluates a design at growing sizes; what the store holds, or an earlier round gave, is not computed again.

    Args:
        setup: The audit, with the design of the first round.
        plan: How rows are cut and run.
        store: Where they are committed.
        estimates: How indices are estimated.
        clean: Values of every image at rest (n_images, columns).
        executor: Where chunks are computed.
        progress: Show a progress bar; None only on a terminal.
    """

    def __init__(
        self,
        setup: Setup,
        plan: Plan,
        store: Store,
        estimates: Estimates,
        clean: OutputsNQ,
        executor: Executor,
        progress: bool | None,
    ) -> None:
        self.setup = setup
        self.values: OutputsNQ = np.empty((0, 0))
        self.rows_computed, self.seconds = 0, 0.0
        self._plan, self._store, self._estimates, self._clean = plan, store, estimates, clean
        self._executor, self._progress = executor, progress
        self._round = 0

    def run(self, stopping: Stopping, quantity: str) -> Convergence:
        """Evaluates until the stopping rule is satisfied by one quantity; without a rule, the given size.

        Args:
            stopping: Tolerance and budget.
            quantity: The quantity of interest, whose intervals decide.

        Returns:
            The indices of the last round, with the curve. The last setup and values stay in `setup` and `values`.
        """
        design, each = self.setup.rows.design, len(self.setup.rows.chosen or (0,))
        start = design.n_rows // design.rows_per_block
        if not stopping.wanted:
            found = look_back(lambda n: self._part(n, start), start, points=_POINTS, cost_of_row=each)
            return replace(found, deciding=(quantity,))
        return grow(
            self._next_round,
            stopping,
            start=start,
            cost_of_base=design.rows_per_block * each,
            cost_of_row=each,
            deciding=(quantity,),
        )

    def _part(self, n_base: int, whole: int) -> Indices:
        """Of the first blocks of a given design; parts do without trees and Gaussian processes, for the time's sake."""
        return self._indices(n_base, "", None if n_base == whole else "chaos")

    def _next_round(self, n_base: int) -> Indices:
        self._round += 1
        return self._indices(n_base, f", round {self._round} (n_base {n_base:,})")

    def _indices(self, n_base: int, label: str, surrogate: Surrogate | None = None) -> Indices:
        rows = replace(self.setup.rows, design=resized(self.setup.rows.design, n_base))
        setup = replace(self.setup, rows=rows)
        if rows.n_rows > len(self.values):
            started = time.perf_counter()
            with progress_bar(f"shifted images{label}", wanted=self._progress) as advance:
                self.values = evaluate(
                    setup.evaluator,
                    rows,
                    self._plan,
                    self._store,
                    executor=self._executor,
                    advance=advance,
                    on_chunk=self._count,
                )
            self.seconds += time.perf_counter() - started
            self.setup = setup
        return self._estimates.indices(setup, self.values[: rows.n_rows], self._clean, surrogate)

    def _count(self, rows: int) -> None:
        self.rows_computed += rows


def evaluate_rounds(
    setup: Setup,
    store: Store,
    options: ExecutionOptions,
    executor: Executor,
    progress: bool | None,
    estimates: Estimates,
    *,
    stopping: Stopping,
    quantity: str,
) -> Evaluated:
    """Evaluates every image at rest and the design, in as many rounds as the stopping rule takes.

    Args:
        setup: The audit, with the design of the first round.
        store: The run's store.
        options: How the classifier may be run.
        executor: Where chunks are computed.
        progress: Show a progress bar; None only on a terminal.
        estimates: How indices are estimated.
        stopping: Tolerance and budget.
        quantity: The quantity of interest, whose intervals decide.

    Raises:
        NumericalError: The model gives NaN or infinity where it may not.
    """
    fixed = setup.rows.chosen is not None
    plan = make_plan(setup.evaluator, setup.rows, options, store, quantity=quantity, fixed_images=fixed)
    start = time.perf_counter()
    with progress_bar("images at rest", wanted=progress) as advance:
        clean = evaluate(
            setup.evaluator, AtRest(evaluator=setup.evaluator), plan, store, section="rest", advance=advance
        )
    _require_rest(clean, setup)
    at_rest = time.perf_counter() - start
    rounds = Rounds(setup, plan, store, estimates, clean, executor, progress)
    convergence = rounds.run(stopping, quantity)
    return Evaluated(
        setup=rounds.setup,
        convergence=convergence,
        plan=plan,
        values=rounds.values,
        clean=clean,
        seconds=at_rest + rounds.seconds,
        rows_computed=rounds.rows_computed,
    )


def _require_rest(clean_ic: OutputsNQ, setup: Setup) -> None:
    """An image at which the model fails by itself tells nothing of the shifts, so it is never left out unasked."""
    failed = np.flatnonzero(~finite_rows(clean_ic))
    if len(failed):
        first = ", ".join(f"`{setup.source.names[i]}`" for i in failed[:3])
        more = f" and {len(failed) - 3} more" if len(failed) > 3 else ""
        raise NumericalError(
            f"the model gives NaN or infinity without any shift for {len(failed)} of {len(clean_ic)} images: {first}"
            f"{more}; mend the model or leave these images out, since on_failure: drop leaves out shifted cases alone"
        )


def curve_arrays(found: Convergence) -> xr.Dataset:
    """The curve as arrays, one entry of the axis `n_base` for each size of the design."""
    points, index = found.curve, ("n_base", "quantity", "input")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "curve_evaluations": (("n_base",), np.array([p.evaluations for p in points])),
        "curve_half_width": (("n_base", "quantity"), np.stack([p.half_width for p in points])),
    }
    for kind in ("first_order", "total_order"):
        variables[f"curve_{kind}"] = (index, np.stack([getattr(p, kind) for p in points]))
        intervals = np.stack([getattr(p, f"{kind}_interval") for p in points])
        variables[f"curve_{kind}_interval"] = ((*index, "bound"), intervals)
    unexplained = [p.unexplained for p in points if p.unexplained is not None]
    if len(unexplained) == len(points):
        variables["curve_unexplained"] = (("n_base", "quantity"), np.stack(unexplained))
    coords = {"quantity": list(found.indices.outputs), "input": list(found.indices.names), "bound": ["low", "high"]}
    return xr.Dataset(variables, coords=coords | {"n_base": [p.n_base for p in points]})


def ending_facts(found: Convergence) -> dict[str, str | float | int]:
    """Why the run ended, as attributes of the arrays: `ending`, `reason` in words and, where given, the limits."""
    limits = {"tolerance": found.tolerance, "budget": found.budget}
    known = {name: limit for name, limit in limits.items() if limit is not None}
    return {"ending": found.reason, "reason": found.text, **known}
