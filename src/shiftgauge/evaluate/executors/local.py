"""Chunks one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.executors.task import Task
from shiftgauge.types import Execution, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class LocalExecutor:
    """Runs every task here; the network itself uses as many threads as torch is allowed."""

    def run(
        self,
        evaluator: Evaluator,
        points: Callable[[int, int], Points],
        execution: Execution,
        tasks: Sequence[Task],
        on_batch: Callable[[int], None],
    ) -> Iterator[tuple[Task, OutputsNQ]]:
        """Yields the tasks in their order; see `Executor.run`."""
        for task in tasks:
            yield task, evaluator.values(points(task.start, task.stop), execution, on_batch)
