"""A short measured trial that chooses batch size, memory layout and precision.

What the user fixed stays fixed. float32 is kept unless bfloat16 is faster and its probabilities agree with float32
within the stated tolerance on every row of the sample.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from scipy.special import softmax

from shiftgauge.errors import ConfigError
from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.evaluate.streams import map_streams
from shiftgauge.types import Execution

BATCH_SIZES: Final = (32, 8, 16, 4, 64)
"""Tried in this order; the first serves to compare layouts and precisions."""
MIN_ROWS: Final = 512
"""Below this many evaluations a trial costs more than it saves."""
_ADVANTAGE: Final = 1.03
"""A setting must be this much faster to replace the one before it: differences below are noise."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was chosen and why.

    Args:
        execution: The chosen setting.
        table: One plain record for each setting tried: the setting, `images_per_second`, `max_difference` of any
            probability from plain float32, `agrees`.
    """

    execution: Execution
    table: tuple[dict[str, Any], ...]


def choose_execution(
    evaluator: Evaluator, sample: Points, options: ExecutionOptions, n_rows: int, seconds: float = 30.0
) -> Trial:
    """Times settings on a sample of shifted images and returns the fastest that agrees with float32.

    Args:
        evaluator: The classifier with its images and shifts.
        sample: Points to try on, about 64.
        options: What is fixed by the user, and the tolerance.
        n_rows: How many evaluations are to come; for a short run a default is taken untried.
        seconds: Time after which no further setting is tried.
    """
    fixed_batch = options.batch_size
    candidates = _allowed(evaluator.classifier.executions([fixed_batch or BATCH_SIZES[0]]), options)
    if n_rows < MIN_ROWS and options.precision != "bfloat16":
        plain = [c for c in candidates if c.precision == "float32" and not c.compiled]
        return Trial(execution=(plain or candidates)[0], table=())
    run = _Runs(evaluator, sample, options.tolerance, time.perf_counter() + seconds)
    best = run.fastest(candidates, None)
    if fixed_batch is None:
        others = [replace(best, batch_size=size) for size in BATCH_SIZES[1:]]
        best = run.fastest(others, best)
    return Trial(execution=best, table=tuple(run.table))


def _allowed(candidates: Sequence[Execution], options: ExecutionOptions) -> list[Execution]:
    """Keeps the candidates that agree with what the user fixed."""
    kept = [
        c
        for c in candidates
        if (options.precision in ("auto", c.precision))
        and (options.channels_last in (None, c.channels_last))
        and (options.compiled in (None, c.compiled))
        and (options.streams in (None, c.streams))
    ]
    if not kept:
        asked = {
            "precision": None if options.precision == "auto" else options.precision,
            "channels_last": options.channels_last,
            "compiled": options.compiled,
            "streams": options.streams,
        }
        text = ", ".join(f"{name} {value}" for name, value in asked.items() if value is not None)
        raise ConfigError(f"this model cannot be run with {text}; leave these open, or give it another form")
    return kept


class _Runs:
    """The trial's clock and its table."""

    def __init__(self, evaluator: Evaluator, sample: Points, tolerance: float, deadline: float) -> None:
        self.evaluator = evaluator
        self.images = evaluator.shifted(sample)
        self.tolerance = tolerance
        self.deadline = deadline
        self.reference: np.ndarray | None = None
        self.table: list[dict[str, Any]] = []
        self.differences: dict[Execution, float] = {}
        self.rates: dict[Execution, float] = {}

    def fastest(self, candidates: Sequence[Execution], best: Execution | None) -> Execution:
        for candidate in candidates:
            if best is not None and time.perf_counter() > self.deadline:
                break
            if self._try(candidate) and (best is None or self.rates[candidate] > _ADVANTAGE * self.rates[best]):
                best = candidate
        return candidates[0] if best is None else best

    def _try(self, execution: Execution) -> bool:
        difference = self._difference(execution)
        agrees = difference <= self.tolerance
        if agrees:
            self.rates[execution] = self._rate(execution)
        rate = round(self.rates.get(execution, float("nan")), 1)
        self.table.append(
            {**asdict(execution), "images_per_second": rate, "max_difference": difference, "agrees": agrees}
        )
        return agrees

    def _difference(self, execution: Execution) -> float:
        """Largest difference of any probability from plain float32; batch and streams do not matter for it."""
        alike = replace(execution, streams=1)
        key = replace(alike, batch_size=1)
        if self.reference is None:
            self.reference = self._probabilities(Execution(batch_size=execution.batch_size))
            self.differences[replace(Execution(), batch_size=1)] = 0.0
        if key not in self.differences:
            self.differences[key] = _largest_difference(self._probabilities(alike), self.reference)
        return self.differences[key]

    def _probabilities(self, execution: Execution) -> np.ndarray:
        size = execution.batch_size
        parts = [self.evaluator.classifier.outputs(part, execution).cpu().numpy() for part in self.images.split(size)]
        raw = np.concatenate(parts).astype(np.float64)
        raw[~finite_rows(raw)] = np.nan
        return softmax(raw, axis=1) if self.evaluator.classifier.output_kind == "logits" else raw

    def _rate(self, execution: Execution) -> float:
        batch = self.images[: execution.batch_size]
        batches = [batch] * execution.streams
        classifier = self.evaluator.classifier
        times = []
        for _ in range(3):
            start = time.perf_counter()
            for raw in map_streams(partial(classifier.outputs, execution=execution), batches, execution.streams):
                raw.cpu()
            times.append(time.perf_counter() - start)
        return len(batch) * len(batches) / min(times)


def _largest_difference(found_nk: np.ndarray, reference_nk: np.ndarray) -> float:
    """Largest difference of a probability; 1 where other rows fail than in the reference, which is no agreement."""
    failed = np.isnan(reference_nk)
    if (np.isnan(found_nk) != failed).any():
        return 1.0
    return float(np.abs(found_nk - reference_nk)[~failed].max(initial=0.0))
