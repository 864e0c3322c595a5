"""The one driver of evaluations: chunk by chunk, each committed before the next begins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from shiftgauge.errors import InterruptedRunError, StoreError
from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.executors.local import LocalExecutor
from shiftgauge.evaluate.executors.task import Executor, Task
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.progress import Advance, nothing
from shiftgauge.evaluate.store import Store
from shiftgauge.evaluate.trial import Trial, choose_execution
from shiftgauge.models.allocation import kept_memory
from shiftgauge.types import Execution, OutputsNQ


class Design(Protocol):
    """A sequence of points that can be made piece by piece."""

    @property
    def n_rows(self) -> int:
        """Number of points."""
        ...

    def points(self, start: int, stop: int) -> Points:
        """The points [start, stop), the same however they are cut."""
        ...


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a run is cut and executed; recorded in the store so that a resumed run repeats it to the bit.

    Args:
        execution: Batch size, layout and precision.
        chunk_rows: Rows committed at once.
        table: The trial that chose the execution.
    """

    execution: Execution
    chunk_rows: int
    table: tuple[dict[str, Any], ...] = ()


def make_plan(
    evaluator: Evaluator,
    design: Design,
    options: ExecutionOptions,
    store: Store,
    *,
    quantity: str | None = None,
    fixed_images: bool = False,
) -> Plan:
    """Returns the plan recorded in the store, or chooses one by a trial and records it.

    Args:
        evaluator: The classifier with its images and shifts.
        design: The points.
        options: What the user fixed.
        store: Where the plan is recorded.
        quantity: The quantity of interest, against whose spread the precision is judged.
        fixed_images: Whether differences between images are no part of that spread.

    Raises:
        StoreError: The options insist on something else than what the recorded run was begun with.
        ConfigError: The options insist on something that the model does not offer.
    """
    noted = store.note("plan")
    if noted is not None:
        plan = Plan(
            execution=Execution(**noted["execution"]), chunk_rows=noted["chunk_rows"], table=tuple(noted["table"])
        )
        _require_same(plan, options)
        return plan
    step = max(1, design.n_rows // 64)
    rows = np.arange(0, design.n_rows, step)[:64]
    trial: Trial = choose_execution(
        evaluator, _gather(design, rows), options, design.n_rows, quantity=quantity, fixed_images=fixed_images
    )
    chunk_rows = options.chunk_rows or max(16 * trial.execution.batch_size, 256)
    plan = Plan(execution=trial.execution, chunk_rows=chunk_rows, table=trial.table)
    store.set_note("plan", {"execution": asdict(plan.execution), "chunk_rows": chunk_rows, "table": list(plan.table)})
    return plan


def disagreement(plan: Plan) -> Mapping[str, Any] | None:
    """The row of the trial of a chosen setting that did not agree with float32; None if it did or was not tried."""
    chosen = asdict(plan.execution)
    for row in plan.table:
        if not row["agrees"] and all(row[key] == value for key, value in chosen.items()):
            return row
    return None


def _require_same(plan: Plan, options: ExecutionOptions) -> None:
    wanted = {
        "batch_size": options.batch_size,
        "precision": None if options.precision == "auto" else options.precision,
        "channels_last": options.channels_last,
        "compiled": options.compiled,
        "streams": options.streams,
        "chunk_rows": options.chunk_rows,
    }
    there = {**asdict(plan.execution), "chunk_rows": plan.chunk_rows}
    for name, value in wanted.items():
        if value is not None and value != there[name]:
            raise StoreError(
                f"this run was begun with {name} {there[name]}, now {value} is asked for; leave it open to go on, "
                "or give another output folder"
            )


def evaluate(
    evaluator: Evaluator,
    design: Design,
    plan: Plan,
    store: Store,
    *,
    section: str = "design",
    executor: Executor | None = None,
    advance: Advance = nothing,
    on_chunk: Callable[[int], None] | None = None,
) -> OutputsNQ:
    """Evaluates every point of a design that the store does not hold yet.

    Args:
        evaluator: The classifier with its images and shifts.
        design: The points.
        plan: How to cut and run.
        store: Where finished chunks are committed.
        section: Name of this sequence of points in the store.
        executor: Where chunks are computed; default this process.
        advance: Called with (rows done, rows in all).
        on_chunk: Called with the number of rows that were computed (not read) once their chunk is committed.

    Returns:
        Values (n_rows, Q + 1 + B) in the order of the design: the quantities, the predicted class, then what is kept of
        the network's blocks.

    Raises:
        InterruptedRunError: The user stopped the run; what is finished is kept.
        NumericalError: A NaN or infinite output.
    """
    total = design.n_rows
    values = np.empty((total, evaluator.width))
    tasks = _missing(values, plan, store, section)
    counter = _Counter(advance, total - sum(map(len, tasks)), total)
    runner = executor or LocalExecutor()
    try:
        with kept_memory():
            for task, new in runner.run(evaluator, design.points, plan.execution, tasks, counter.add):
                values[task.start : task.stop] = new
                store.put(section, task.number, values[task.number * plan.chunk_rows : task.stop])
                if on_chunk is not None:
                    on_chunk(len(new))
    except KeyboardInterrupt as error:
        done = store.count(section) * plan.chunk_rows
        raise InterruptedRunError(
            f"interrupted after {min(done, total):,} of {total:,} evaluations; the same command goes on from there"
        ) from error
    return values


class _Counter:
    """Counts rows and tells the progress bar."""

    def __init__(self, advance: Advance, done: int, total: int) -> None:
        self._advance, self._done, self._total = advance, done, total
        self.add(0)

    def add(self, rows: int) -> None:
        self._done += rows
        self._advance(self._done, self._total)


def _missing(values: OutputsNQ, plan: Plan, store: Store, section: str) -> list[Task]:
    """Fills in what the store holds, and returns what is left to compute."""
    tasks = []
    for number, start in enumerate(range(0, len(values), plan.chunk_rows)):
        stop = min(start + plan.chunk_rows, len(values))
        chunk = store.get(section, number, stop - start)
        held = 0
        if chunk is not None:
            held = len(chunk)
            values[start : start + held] = chunk
        if held < stop - start:
            tasks.append(Task(number=number, start=start + held, stop=stop))
    return tasks


def _gather(design: Design, rows: np.ndarray) -> Points:
    parts = [design.points(int(row), int(row) + 1) for row in rows]
    return Points(
        image_n=np.concatenate([p.image_n for p in parts]),
        theta_np=np.concatenate([p.theta_np for p in parts]),
        stream_n=np.concatenate([p.stream_n for p in parts]),
    )
