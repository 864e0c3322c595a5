"""Intervals of everything that is computed from the coefficients of a polynomial chaos."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt
from typing import Final, Literal, Self, TypeAlias, get_args

import numpy as np
from scipy.stats import norm

from shiftgauge.estimate.chaos.fit import LeastSquares
from shiftgauge.estimate.chaos.indices import chaos_columns
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.estimate.resampling import multinomial_weights, percentile_interval
from shiftgauge.estimate.sobol import ratios, variance_floor
from shiftgauge.types import FloatArray, OutputsNQ

Residual: TypeAlias = Literal["misfit", "noise"]
RESIDUALS: Final[tuple[str, ...]] = get_args(Residual)
_GROUPS: Final = 512
_REPLICATES: Final = 8_000_000
"""Resampled columns held at once."""
_ROUNDING: Final = 1e-15


def chaos_weights(n: int, resamples: int, seed: int) -> FloatArray:
    """How often each of at most 512 runs of neighbouring points counts in each resample (R, G).

    Example:
        >>> chaos_weights(64, 10, 0).shape
        (10, 64)
    """
    return multinomial_weights(min(n, _GROUPS), resamples, seed)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChaosError:
    """What makes an index of a surrogate uncertain, beyond the spread of its coefficients.

    Args:
        weights: How often each run of points counts in each resample (R, G).
        inflation: Factor on the variance of the residuals: the cross-fitted error over the leave-one-out error, because
            the residuals of terms that were chosen on the sample are too small (Q,).
        left_out: Whether residuals are taken as at points left out, e/(1 - h): for noise, and where terms were picked,
            since leverages then understate how far g follows the sample. Else e/√(1 - h), because the unexplained
            share is entered on its own (coverage of 95 % intervals: .96, against .98 to .99 with e/(1 - h)).
        unexplained: Share of the variance that may belong to any input (Q,); 0 where the residual is noise.
        level: Confidence level.
    """

    weights: FloatArray
    inflation: FloatArray
    unexplained: FloatArray
    left_out: bool
    level: float

    @classmethod
    def of(
        cls,
        weights: FloatArray,
        *,
        q2: FloatArray,
        leave_one_out: FloatArray,
        residual: str,
        picked: bool,
        level: float,
    ) -> Self:
        """From what is known of a fit.

        Example:
            >>> error = ChaosError.of(chaos_weights(64, 10, 0), q2=np.array([0.9]), leave_one_out=np.array([0.95]),
            ...                       residual="misfit", picked=False, level=0.95)
            >>> error.inflation.round(6).tolist(), error.unexplained.round(6).tolist()
            ([2.0], [0.1])
        """
        missing = np.clip(np.nan_to_num(1 - q2, nan=0.0), 0.0, 1.0)
        seen = np.maximum(np.nan_to_num(1 - leave_one_out, nan=1.0), _ROUNDING)
        return cls(
            weights=weights,
            inflation=np.maximum(missing / seen, 1.0),
            unexplained=missing if residual == "misfit" else np.zeros_like(missing),
            left_out=picked or residual == "noise",
            level=level,
        )

    def coefficients(self, fit: LeastSquares, y_n: FloatArray, q: int) -> FloatArray:
        """Coefficients of output q in every resample (P, R).

        c* = c + (ΦᵀΦ)⁻¹ Σ_i (w_i - 1) φ(x_i) r_i with the residuals r, scaled by the root of the inflation.
        """
        if not len(self.weights):
            return np.empty((len(fit.coefficients), 0))
        room = 1 - fit.leverages
        error = (y_n - fit.coefficients[:, q] @ fit.terms) / (room if self.left_out else np.sqrt(room))
        error *= sqrt(self.inflation[q])
        starts = np.linspace(0, len(y_n), self.weights.shape[1], endpoint=False).astype(int)
        scores = np.add.reduceat(fit.terms * error, starts, axis=1)
        return fit.coefficients[:, q, None] + fit.inverse @ (scores @ (self.weights.T - 1))

    def share_interval(self, estimate: FloatArray, resampled: FloatArray, outputs: slice) -> FloatArray:
        """Interval (q, ..., 2) of shares of the variance (q, ...) from their resampled values (q, ..., R).

        Squares of resampled coefficients are biased upwards by as much as those of the estimate itself: that is taken
        out. The unexplained share u may belong to any index, evenly from none of it to all of it: it adds a standard
        deviation of u/√12.
        """
        interval = _unbiased_interval(estimate, resampled, self.level)
        slack = norm.ppf((1 + self.level) / 2) * self.unexplained[outputs] / sqrt(12)
        slack = slack.reshape(-1, *(1,) * (estimate.ndim - 1))
        down = np.hypot(np.maximum(estimate - interval[..., 0], 0.0), slack)
        up = np.hypot(np.maximum(interval[..., 1] - estimate, 0.0), slack)
        return np.stack([estimate - down, estimate + up], axis=-1)

    def variance_interval(self, estimate: FloatArray, resampled: FloatArray, outputs: slice) -> FloatArray:
        """Interval (q, 2) of variances (q,): what is unexplained may stand above the surrogate's."""
        interval = _unbiased_interval(estimate, resampled, self.level)
        interval[..., 1] += estimate * self.unexplained[outputs]
        return interval

    def spans(self, n_outputs: int, width: int) -> Iterator[slice]:
        """Runs of outputs whose resampled values, `width` for each, are held at once."""
        step = max(1, _REPLICATES // (width * max(1, len(self.weights))))
        for start in range(0, n_outputs, step):
            yield slice(start, min(start + step, n_outputs))


def chaos_tables(
    fit: LeastSquares, matrix: FloatArray, layout: MomentLayout, sample: OutputsNQ, error: ChaosError
) -> dict[str, FloatArray]:
    """Mean, variance and all indices of the outputs of one fit, with intervals, outputs first.

    Args:
        fit: The fit to all of its outputs.
        matrix: From `component_matrix`.
        layout: Which column holds what.
        sample: Values (n, Q).
        error: Resamples and lack of fit.
    """
    centre = sample.mean(axis=0)
    coefficients = fit.coefficients.copy()
    coefficients[0] -= centre
    columns = chaos_columns(coefficients, matrix)
    floor = variance_floor(centre, columns[1])
    out = dict(ratios(columns, layout, floor))
    parts: dict[str, list[FloatArray]] = {}
    for span in error.spans(sample.shape[1], layout.n_columns):
        replicates = np.empty((layout.n_columns, span.stop - span.start, len(error.weights)))
        for q in range(span.start, span.stop if len(error.weights) else span.start):
            moved = error.coefficients(fit, sample[:, q], q)
            moved[0] -= centre[q]
            replicates[:, q - span.start] = chaos_columns(moved, matrix)
        for key, value in ratios(replicates, layout, floor[span]).items():
            parts.setdefault(key, []).append(_interval_of(key, out[key][span], value, span, error))
    for key, found in parts.items():
        out[f"{key}_interval"] = np.concatenate(found)
    out["mean"] = out["mean"] + centre
    out["mean_interval"] = out["mean_interval"] + centre[:, None]
    return out


def _interval_of(key: str, estimate: FloatArray, resampled: FloatArray, span: slice, error: ChaosError) -> FloatArray:
    if key == "mean":
        return percentile_interval(resampled, error.level)
    kind = error.variance_interval if key == "variance" else error.share_interval
    return kind(estimate, resampled, span)


def _unbiased_interval(estimate: FloatArray, resampled: FloatArray, level: float) -> FloatArray:
    if resampled.shape[-1]:
        resampled = resampled - (resampled.mean(axis=-1) - estimate)[..., None]
    return percentile_interval(resampled, level)
