"""Evaluates a tabular model on a design of its inputs and estimates all indices, with their curve over N."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.estimate.designs import REPLICATES, PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.stopping import Convergence, Stopping, grow, look_back
from shiftgauge.evaluate.progress import Advance
from shiftgauge.models.table_model import TableModel
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.types import OutputsNQ

_CHUNK: Final = 1 << 17
"""Rows of the design that are made and evaluated at a time."""
_FIRST_POINT: Final = 128
"""Smallest number of base samples on the curve of convergence."""


@dataclass(frozen=True, kw_only=True)
class TableEstimate:
    """How the indices of a table audit are estimated.

    Args:
        n_base: Base samples, best a power of two; the cost is n_base · (2d + 2) evaluations, or n_base · (d + 2)
            without second order. The first round where the design grows.
        second_order: Estimate the share of every pair as well.
        method: `sobol`, `halton` or `random`: designs whose first part is a design of its own.
        replicates: Independent scramblings behind the intervals, 1 (bootstrap) or ≥ 4.
        tolerance: Double the design until every interval's half-width is within this; None: the size is given.
        budget: Most evaluations while doubling.
        resamples: Bootstrap resamples where there are no replicates.
        confidence_level: Of every interval.
        seed: Decides the design, the bootstrap, the rows differentiated and the splits of retraining.

    Raises:
        ConfigError: A value outside its range.
    """

    n_base: int = 4096
    second_order: bool = True
    method: str = "sobol"
    replicates: int = REPLICATES
    tolerance: float | None = None
    budget: int | None = None
    resamples: int = 1000
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_int("n_base", self.n_base, low=2)
        require_in("design", self.method, ("sobol", "halton", "random"))
        check_resampling(self.resamples, self.confidence_level)
        check_seed(self.seed)
        _ = self.stopping

    @property
    def stopping(self) -> Stopping:
        """Tolerance and budget."""
        return Stopping(tolerance=self.tolerance, budget=self.budget)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What the evaluation of a design gave.

    Args:
        design: The largest design.
        values: Outputs at its rows (n_rows, Q).
        convergence: Indices and the curve over nested parts of the design.
        seconds: Time of design, evaluation and estimates.
    """

    design: PickFreezeDesign
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
    design = PickFreezeDesign(
        inputs=Inputs(space=space),
        n_base=options.n_base,
        second_order=options.second_order,
        method=options.method,
        seed=options.seed,
        replicates=options.replicates,
    )
    held = np.empty((0, len(model.outputs)))

    def measure(n: int) -> Indices:
        nonlocal held
        part = replace(design, n_base=n)
        held = grown(model, part, held, advance)
        return pick_freeze(
            part,
            held[: part.n_rows],
            outputs=model.outputs,
            resamples=options.resamples,
            confidence_level=options.confidence_level,
            seed=options.seed,
        )

    if options.stopping.wanted:
        found = grow(measure, options.stopping, start=options.n_base, cost_of_base=design.rows_per_block)
    else:
        points = max((options.n_base // _FIRST_POINT).bit_length(), 1)
        found = look_back(measure, options.n_base, points=points)
    final = replace(design, n_base=found.indices.n_base)
    return Measured(design=final, values=held, convergence=found, seconds=time.perf_counter() - start)


def grown(model: TableModel, design: PickFreezeDesign, held: OutputsNQ, advance: Advance) -> OutputsNQ:
    """Values of a design of which the first rows are known; the design is never held as a whole."""
    if len(held) >= design.n_rows:
        return held
    out = np.empty((design.n_rows, len(model.outputs)))
    out[: len(held)] = held
    step = max(_CHUNK // design.rows_per_block, 1) * design.rows_per_block
    for start in range(len(held), design.n_rows, step):
        stop = min(start + step, design.n_rows)
        out[start:stop] = model.values(design.rows(start, stop).theta)
        advance(stop, design.n_rows)
    return out


def index_arrays(convergence: Convergence) -> xr.Dataset:
    """The arrays of indices and of their curve."""
    indices, curve = convergence.indices, convergence.curve
    both = ("bound", ["low", "high"])
    index, pair = ("quantity", "input"), ("quantity", "input", "input_2")
    found: dict[str, Any] = {
        "mean": ("quantity", indices.mean),
        "mean_interval": (("quantity", "bound"), indices.mean_interval),
        "variance": ("quantity", indices.variance),
        "variance_interval": (("quantity", "bound"), indices.variance_interval),
    }
    for name, axes in (
        ("first_order", index),
        ("total_order", index),
        ("second_order", pair),
        ("total_interaction", pair),
    ):
        if getattr(indices, name) is not None:
            found[name] = (axes, getattr(indices, name))
            found[f"{name}_interval"] = ((*axes, "bound"), getattr(indices, f"{name}_interval"))
    for name in ("first_order", "total_order"):
        for suffix, axes in (("", index), ("_interval", (*index, "bound"))):
            stacked = np.stack([getattr(point, name + suffix) for point in curve])
            found[f"curve_{name}{suffix}"] = (("n_base", *axes), stacked)
    names = list(indices.names)
    coordinates = {"quantity": list(indices.outputs), "input": names, "input_2": names, both[0]: both[1]}
    return xr.Dataset(found, {**coordinates, "n_base": [point.n_base for point in curve]})


def ranked_inputs(indices: Indices, quantity: str) -> list[str]:
    """Inputs by falling total index of one output; undefined ones last."""
    total = indices.total_order[indices.output(quantity)]
    order = np.argsort(-np.where(np.isfinite(total), total, -np.inf), kind="stable")
    return [indices.names[i] for i in order]
