"""A chunk of rows to compute, and what an executor is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.types import Execution, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class Task:
    """Rows of a design that belong to one chunk.

    Args:
        number: Number of the chunk.
        start: First row.
        stop: One past the last row.
    """

    number: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Executor(Protocol):
    """Computes tasks and hands each back as soon as it is done, in any order."""

    def run(
        self,
        evaluator: Evaluator,
        points: Callable[[int, int], Points],
        execution: Execution,
        tasks: Sequence[Task],
        on_batch: Callable[[int], None],
    ) -> Iterator[tuple[Task, OutputsNQ]]:
        """Yields every task with its values.

        Args:
            evaluator: The classifier with its images and shifts.
            points: (start, stop) → points of the design.
            execution: How the classifier is run.
            tasks: What to compute.
            on_batch: Called with the number of rows that were just computed.
        """
        ...
