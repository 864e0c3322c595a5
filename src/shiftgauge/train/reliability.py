"""Reliability diagrams: how often what was said with probability p came true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import DataError
from shiftgauge.estimate.proportion import wilson_interval
from shiftgauge.train.decisions import checked_pair, one_versus_rest
from shiftgauge.types import FloatArray

DECIDED: Final = "decided class"
"""Name of the diagram of one class an image."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ReliabilityDiagram:
    """What came true in each bin of probability.

    Args:
        name: The label, or `decided class`.
        edges: Ends of the bins (B + 1,); a bin holds low ≤ p < high, the last one also its high.
        count: Images in each bin (B,).
        confidence: Mean probability in each bin (B,), NaN in an empty one.
        frequency: Share that came true (B,), NaN in an empty one.
        low: Lower ends of Wilson's 95 % interval of the share (B,); images are taken as independent.
        high: Upper ends (B,).
    """

    name: str
    edges: FloatArray
    count: npt.NDArray[np.int64]
    confidence: FloatArray
    frequency: FloatArray
    low: FloatArray
    high: FloatArray

    @property
    def expected_calibration_error(self) -> float:
        """Σ_b n_b / n |frequency - confidence|."""
        gap = np.nan_to_num(np.abs(self.frequency - self.confidence))
        return float((self.count * gap).sum() / self.count.sum())

    @property
    def largest_calibration_error(self) -> float:
        """The largest |frequency - confidence| of a bin that holds an image."""
        return float(np.nanmax(np.abs(self.frequency - self.confidence)))

    def to_dict(self) -> dict[str, Any]:
        """The diagram as plain values."""
        lists = {name: getattr(self, name).tolist() for name in self.__dataclass_fields__ if name != "name"}
        return {"name": self.name, "expected_calibration_error": self.expected_calibration_error, **lists}


def reliability(
    probabilities_nk: npt.ArrayLike,
    targets: npt.ArrayLike,
    task: Literal["single", "multi"],
    *,
    class_names: Sequence[str] | None = None,
    bins: int = 15,
) -> tuple[ReliabilityDiagram, ...]:
    """Sorts images by probability into bins of equal width and counts what came true.

    One class an image: the largest probability, and whether its class is the true one. Several labels: for each label
    its probability, and whether it holds.

    Args:
        probabilities_nk: (N, K) in [0, 1].
        targets: Classes (N,), or 0 and 1 (N, K).
        task: `single` or `multi`.
        class_names: Names of the labels; default their numbers.
        bins: Number of bins, ≥ 1; default 15.

    Returns:
        One diagram, or one for each label.

    Raises:
        DataError: Probabilities and targets that do not go together.

    Example:
        >>> found = reliability([[0.9, 0.1], [0.9, 0.1]], [0, 1], "single", bins=2)[0]
        >>> found.count.tolist(), round(found.expected_calibration_error, 3)
        ([0, 2], 0.4)

    References:
        Naeini, M. P., Cooper, G. F., Hauskrecht, M. (2015). Obtaining well calibrated probabilities using Bayesian
        binning. Proc. AAAI.
    """
    require_in("task", task, ("single", "multi"))
    require_positive_int("bins", bins)
    p = np.asarray(probabilities_nk, np.float64)
    if task == "single":
        if p.ndim != 2 or np.shape(targets) != p.shape[:1]:
            raise DataError(f"classes must have shape ({len(p)},) beside {p.shape}, got {np.shape(targets)}")
        p, truth = checked_pair(p, one_versus_rest(np.asarray(targets), p.shape[1]))
        decided = p.argmax(axis=1)
        rows = np.arange(len(p))
        return (_diagram(DECIDED, p[rows, decided], truth[rows, decided], bins),)
    p, truth = checked_pair(p, targets)
    names = tuple(str(k) for k in range(p.shape[1])) if class_names is None else tuple(class_names)
    if len(names) != p.shape[1]:
        raise DataError(f"{len(names)} names for {p.shape[1]} labels; give one for each")
    return tuple(_diagram(name, p[:, k], truth[:, k], bins) for k, name in enumerate(names))


def _diagram(name: str, p_n: FloatArray, true_n: npt.NDArray[np.bool_], bins: int) -> ReliabilityDiagram:
    edges = np.linspace(0, 1, bins + 1)
    place = (np.searchsorted(edges, p_n, side="right") - 1).clip(0, bins - 1)
    count = np.bincount(place, minlength=bins)
    whole = np.where(count > 0, count, np.nan)
    hits = np.bincount(place, weights=true_n, minlength=bins)
    low, high = wilson_interval(hits, count)
    return ReliabilityDiagram(
        name=name,
        edges=edges,
        count=count,
        confidence=np.bincount(place, weights=p_n, minlength=bins) / whole,
        frequency=hits / whole,
        low=low,
        high=high,
    )
