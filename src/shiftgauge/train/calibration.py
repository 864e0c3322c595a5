"""Whether probabilities mean what they say: one temperature learned on validation images, and how they fare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import root_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from shiftgauge.checks import require_finite, require_in, require_range, shortened
from shiftgauge.errors import DataError
from shiftgauge.train.images import Task
from shiftgauge.train.predict import probabilities
from shiftgauge.train.reliability import ReliabilityDiagram, reliability
from shiftgauge.types import FloatArray

_REACH: Final = 1e4
"""Temperatures are looked for from 1/10,000 to 10,000."""


@dataclass(frozen=True, kw_only=True)
class Temperature:
    """The number that logits are divided by before they become probabilities.

    Args:
        value: T > 0; above 1 it makes probabilities milder, below 1 surer.
        note: Why T stayed at 1; empty when it was learned.
    """

    value: float
    note: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """How well probabilities agree with frequencies, before and after the temperature.

    Args:
        temperature: T.
        n_images: Images that it is measured on.
        nll_before: Mean negative log-likelihood of an image (with several labels: of a label), in nats, at T = 1.
        nll_after: The same at T.
        ece_before: Expected calibration error at T = 1; with several labels the mean over them.
        ece_after: The same at T.
        before: Reliability diagrams at T = 1: one of the decided class, or one for each label.
        after: The same at T.
    """

    temperature: float
    n_images: int
    nll_before: float
    nll_after: float
    ece_before: float
    ece_after: float
    before: tuple[ReliabilityDiagram, ...]
    after: tuple[ReliabilityDiagram, ...]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return {**values, **{name: [d.to_dict() for d in getattr(self, name)] for name in ("before", "after")}}


def negative_log_likelihood(
    logits_nk: npt.ArrayLike, targets: npt.ArrayLike, task: Task, temperature: float = 1.0
) -> float:
    """Mean of -log p of the true class; with several labels, of what holds of each label, over images and labels.

    Example:
        >>> round(negative_log_likelihood([[0.0, 0.0]], [1], "single"), 4)
        0.6931
    """
    z, truth = _checked(logits_nk, targets, task)
    scaled = z / require_range("temperature", temperature, 1e-6, 1e6)
    if task == "single":
        return float(-log_softmax(scaled, axis=1)[np.arange(len(z)), truth].mean())
    return float(-log_expit(np.where(truth > 0, scaled, -scaled)).mean())


def fit_temperature(logits_nk: npt.ArrayLike, targets: npt.ArrayLike, task: Task) -> Temperature:
    """Learns T that makes the negative log-likelihood least: one number, so that no decision at one half changes.

    In b = 1 / T the mean is convex, with the slope E[Σ_k p_k z_k - z_y], for several labels E[(p_k - y_k) z_k], which
    rises with b: its only zero is found by Brent's method on log b, in float64. Where no image is wrong the slope stays
    below 0, and where the logits say nothing of the truth it starts above 0: then T stays 1, and the note says so.

    The images must be those of the validation part.

    Args:
        logits_nk: Logits (N, K).
        targets: Classes (N,), or 0 and 1 (N, K).
        task: `single` or `multi`.

    Returns:
        The temperature, within 1/10,000 … 10,000.

    Raises:
        DataError: Logits and targets that do not go together.

    Example:
        >>> z, y = np.tile([[2.0, 0.0]], (10, 1)), np.array([0] * 8 + [1] * 2)
        >>> round(2 / fit_temperature(z, y, "single").value, 4) == round(float(np.log(8 / 2)), 4)
        True

    References:
        Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural networks.
        arXiv:1706.04599
    """
    z, truth = _checked(logits_nk, targets, task)

    def slope(log_b: float) -> float:
        b = float(np.exp(log_b))
        if task == "multi":
            return float(((expit(b * z) - truth) * z).mean())
        return float((softmax(b * z, axis=1) * z).sum(axis=1).mean() - z[np.arange(len(z)), truth].mean())

    reach = float(np.log(_REACH))
    if slope(-reach) >= 0:
        return Temperature(value=1.0, note="the logits say nothing of the truth, so the temperature stays 1")
    if slope(reach) <= 0:
        return Temperature(value=1.0, note="no image is wrong, so no temperature can be learned; it stays 1")
    found = root_scalar(slope, bracket=(-reach, reach), method="brentq", xtol=1e-12)
    return Temperature(value=float(np.exp(-found.root)))


def calibration(
    logits_nk: npt.ArrayLike,
    targets: npt.ArrayLike,
    task: Task,
    temperature: float,
    *,
    class_names: Sequence[str] | None = None,
    bins: int = 15,
) -> Calibration:
    """Measures what a temperature does: likelihood, expected calibration error and reliability diagrams, both ways.

    On the images that the temperature was learned on this flatters it a little; on test images it does not.

    Args:
        logits_nk: Logits (N, K).
        targets: Classes (N,), or 0 and 1 (N, K).
        task: `single` or `multi`.
        temperature: T, from `fit_temperature`.
        class_names: Names of the labels for their diagrams; default their numbers.
        bins: Bins of equal width, ≥ 1.

    Example:
        >>> z, y = np.tile([[2.0, 0.0]], (10, 1)), np.array([0] * 8 + [1] * 2)
        >>> found = calibration(z, y, "single", fit_temperature(z, y, "single").value)
        >>> round(found.ece_before, 4), round(found.ece_after, 4)
        (0.0808, 0.0)
    """
    z, _ = _checked(logits_nk, targets, task)
    drawn = [
        reliability(probabilities(z, task, t), targets, task, class_names=class_names, bins=bins)
        for t in (1.0, temperature)
    ]
    ece = [float(np.mean([diagram.expected_calibration_error for diagram in diagrams])) for diagrams in drawn]
    return Calibration(
        temperature=float(temperature),
        n_images=len(z),
        nll_before=negative_log_likelihood(z, targets, task),
        nll_after=negative_log_likelihood(z, targets, task, temperature),
        ece_before=ece[0],
        ece_after=ece[1],
        before=drawn[0],
        after=drawn[1],
    )


def _checked(logits_nk: npt.ArrayLike, targets: npt.ArrayLike, task: Task) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    require_in("task", task, ("single", "multi"))
    z, truth = np.asarray(logits_nk, np.float64), np.asarray(targets)
    wanted = z.shape[:1] if task == "single" else z.shape
    if z.ndim != 2 or not z.size or truth.shape != wanted:
        raise DataError(f"logits must have shape (N ≥ 1, K) and targets {wanted}, got {z.shape} and {truth.shape}")
    require_finite("logits", z, error=DataError)
    allowed = range(z.shape[1]) if task == "single" else (0, 1)
    if not np.isin(truth, list(allowed)).all():
        strange = [f"{value:g}" for value in np.unique(truth.astype(float)) if value not in allowed]
        raise DataError(f"targets must lie in 0 … {allowed[-1]}, got {shortened(strange)}")
    return z, truth.astype(np.int64)
