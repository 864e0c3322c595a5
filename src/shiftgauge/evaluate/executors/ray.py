"""Chunks spread over the workers of a Ray cluster, or of this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import MissingExtraError, ModelError
from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.executors.task import Task
from shiftgauge.types import Execution, OutputsNQ


class Worker:
    """Holds the classifier on a worker and computes one chunk at a time."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator

    def values(self, points: Points, execution: Execution) -> OutputsNQ:
        """Returns the measured values of the points."""
        return self._evaluator.values(points, execution)


@dataclass(frozen=True, kw_only=True)
class RayExecutor:
    """Gives each worker a chunk, and the next when it is done; the store stays with the caller.

    A chunk's values are those that one process computes, since batches never cross chunks.

    Args:
        workers: Number of workers, ≥ 1; each gets one processor core.

    Raises:
        MissingExtraError: Ray is not installed.
    """

    workers: int

    def __post_init__(self) -> None:
        require_positive_int("workers", self.workers)
        _ray()

    def run(
        self,
        evaluator: Evaluator,
        points: Callable[[int, int], Points],
        execution: Execution,
        tasks: Sequence[Task],
        on_batch: Callable[[int], None],
    ) -> Iterator[tuple[Task, OutputsNQ]]:
        """Yields the tasks as they are done; see `Executor.run`."""
        ray = _ray()
        started = not ray.is_initialized()
        if started:
            ray.init(num_cpus=self.workers, include_dashboard=False, log_to_driver=False)
        try:
            shared = ray.put(evaluator)
            make = ray.remote(num_cpus=1)(Worker)
            idle = [make.remote(shared) for _ in range(min(self.workers, len(tasks)))]
            waiting, busy = list(reversed(tasks)), {}
            while waiting or busy:
                while waiting and idle:
                    worker, task = idle.pop(), waiting.pop()
                    call = worker.values.remote(points(task.start, task.stop), execution)
                    busy[call] = (worker, task)
                (done,), _ = ray.wait(list(busy), num_returns=1)
                worker, task = busy.pop(done)
                idle.append(worker)
                values = _result(ray, done)
                on_batch(len(task))
                yield task, values
        finally:
            if started:
                ray.shutdown()


def _result(ray: Any, call: Any) -> OutputsNQ:
    try:
        return ray.get(call)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        raise ModelError(f"a Ray worker failed: {' '.join(str(error).split())[:400]}") from error


def _ray() -> Any:
    try:
        return import_module("ray")
    except ImportError as error:
        raise MissingExtraError("ray", "ray", "evaluating on several workers") from error
