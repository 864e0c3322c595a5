"""A short measured trial that chooses batch size, memory layout and precision.

What the user fixed stays fixed. float32 is kept unless bfloat16 is faster, its probabilities agree with float32 within
the stated tolerance on every row of the sample, and the quantity of interest differs by little against what the shifts
do to it: a difference that is small in itself may still be most of the variance that narrow shifts cause.
"""

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Final

import numpy as np
from scipy.special import softmax

from shiftgauge.errors import ConfigError
from shiftgauge.evaluate.agreement import largest_difference, relative_difference, verdict_on
from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.evaluate.streams import map_streams
from shiftgauge.models.allocation import kept_memory
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
            probability from plain float32, `relative_difference` of the quantity of interest (root mean square, as a
            share of its standard deviation under the shifts), `agrees` and `refused_by` (tolerance or spread).
    """

    execution: Execution
    table: tuple[dict[str, Any], ...]


def choose_execution(
    evaluator: Evaluator,
    sample: Points,
    options: ExecutionOptions,
    n_rows: int,
    seconds: float = 30.0,
    *,
    quantity: str | None = None,
    fixed_images: bool = False,
) -> Trial:
    """Times settings on a sample of shifted images and returns the fastest that agrees with float32.

    Args:
        evaluator: The classifier with its images and shifts.
        sample: Points to try on, about 64.
        options: What is fixed by the user, and the tolerance.
        n_rows: How many evaluations are to come; for a short run a default is taken untried.
        seconds: Time after which no further setting is tried.
        quantity: The quantity of interest; None looks at probabilities alone.
        fixed_images: Whether differences between images are no part of what is measured.
    """
    fixed_batch = options.batch_size
    candidates = _allowed(evaluator.classifier.executions([fixed_batch or BATCH_SIZES[0]]), options)
    if n_rows < MIN_ROWS and options.precision != "bfloat16":
        plain = [c for c in candidates if c.precision == "float32" and not c.compiled]
        return Trial(execution=(plain or candidates)[0], table=())
    run = _Runs(evaluator, sample, options.tolerance, time.perf_counter() + seconds, quantity, fixed_images)
    with kept_memory():
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

    def __init__(
        self,
        evaluator: Evaluator,
        sample: Points,
        tolerance: float,
        deadline: float,
        quantity: str | None,
        fixed_images: bool,
    ) -> None:
        self.evaluator = evaluator
        self.image_n = sample.image_n
        self.quantity, self.fixed_images = quantity, fixed_images
        self.images = evaluator.shifted(sample)
        self.tolerance = tolerance
        self.deadline = deadline
        self.reference: np.ndarray | None = None
        self.table: list[dict[str, Any]] = []
        self.verdicts: dict[Execution, dict[str, Any]] = {}
        self.rates: dict[Execution, float] = {}

    def fastest(self, candidates: Sequence[Execution], best: Execution | None) -> Execution:
        for candidate in candidates:
            if best is not None and time.perf_counter() > self.deadline:
                break
            if self._try(candidate) and (best is None or self.rates[candidate] > _ADVANTAGE * self.rates[best]):
                best = candidate
        return candidates[0] if best is None else best

    def _try(self, execution: Execution) -> bool:
        verdict = self._verdict(execution)
        if verdict["agrees"]:
            self.rates[execution] = self._rate(execution)
        rate = round(self.rates.get(execution, float("nan")), 1)
        self.table.append({**asdict(execution), "images_per_second": rate, **verdict})
        return verdict["agrees"]

    def _verdict(self, execution: Execution) -> dict[str, Any]:
        """How far a setting is from plain float32; batch and streams do not matter for it."""
        alike = replace(execution, streams=1)
        key = replace(alike, batch_size=1)
        if self.reference is None:
            self.reference = self._outputs(Execution(batch_size=execution.batch_size))
            known = 0.0 if self.quantity is not None else float("nan")
            self.verdicts[replace(Execution(), batch_size=1)] = verdict_on(0.0, known, self.tolerance)
        if key not in self.verdicts:
            found, reference = self._outputs(alike), self.reference
            difference = largest_difference(self._probabilities(found), self._probabilities(reference))
            self.verdicts[key] = verdict_on(difference, self._relative(found, reference), self.tolerance)
        return self.verdicts[key]

    def _relative(self, found: np.ndarray, reference: np.ndarray) -> float:
        if self.quantity is None:
            return float("nan")
        evaluator, column = self.evaluator, self.evaluator.quantities.index(self.quantity)
        chosen = tuple(evaluator.classifier.class_names.index(name) for name in evaluator.classes)
        values = [evaluator.truth.measure(raw, self.image_n, chosen)[:, column] for raw in (found, reference)]
        return relative_difference(values[0], values[1], self.image_n if self.fixed_images else None)

    def _outputs(self, execution: Execution) -> np.ndarray:
        """Raw outputs of the sample (n, K); NaN throughout in rows that fail."""
        size = execution.batch_size
        parts = [self.evaluator.classifier.outputs(part, execution).cpu().numpy() for part in self.images.split(size)]
        raw = np.concatenate(parts).astype(np.float64)
        raw[~finite_rows(raw)] = np.nan
        return raw

    def _probabilities(self, raw: np.ndarray) -> np.ndarray:
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
