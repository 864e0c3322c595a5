"""Intervals of everything that is computed from the coefficients of a polynomial chaos."""

from typing import Final

import numpy as np

from shiftgauge.estimate.chaos.fit import LeastSquares
from shiftgauge.estimate.chaos.indices import chaos_columns
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.estimate.resampling import multinomial_weights, percentile_interval
from shiftgauge.estimate.sobol import ratios, variance_floor
from shiftgauge.types import FloatArray, OutputsNQ

_GROUPS: Final = 512
_REPLICATES: Final = 8_000_000
"""Resampled columns held at once."""


def chaos_weights(n: int, resamples: int, seed: int) -> FloatArray:
    """How often each run of points counts in each resample (R, G)."""
    return multinomial_weights(min(n, _GROUPS), resamples, seed)


def resampled_coefficients(fit: LeastSquares, y_n: FloatArray, q: int, weights_rg: FloatArray) -> FloatArray:
    """Coefficients of one output in every resample (P, R).

    c* = c + (ΦᵀΦ)⁻¹ Σ_i (w_i - 1) φ(x_i) e_i / (1 - h_i): one Newton step, with residuals of points left out.

    Args:
        fit: All outputs' fit.
        y_n: Values of the output (n,).
        q: Its position in the fit.
        weights_rg: From `chaos_weights`.
    """
    error = (y_n - fit.coefficients[:, q] @ fit.terms) / (1 - fit.leverages)
    starts = np.linspace(0, len(y_n), weights_rg.shape[1], endpoint=False).astype(int)
    scores = np.add.reduceat(fit.terms * error, starts, axis=1)
    return fit.coefficients[:, q, None] + fit.inverse @ (scores @ (weights_rg.T - 1))


def chaos_tables(
    fit: LeastSquares,
    matrix: FloatArray,
    layout: MomentLayout,
    sample: OutputsNQ,
    weights_rg: FloatArray,
    confidence_level: float,
) -> dict[str, FloatArray]:
    """Mean, variance and all indices of the outputs of one fit, with intervals, outputs first.

    Args:
        fit: The fit to all of its outputs.
        matrix: From `component_matrix`.
        layout: Which column holds what.
        sample: Values (n, Q).
        weights_rg: From `chaos_weights`.
        confidence_level: Of the intervals.
    """
    centre = sample.mean(axis=0)
    coefficients = fit.coefficients.copy()
    coefficients[0] -= centre
    columns = chaos_columns(coefficients, matrix)
    floor = variance_floor(centre, columns[1])
    out = dict(ratios(columns, layout, floor))
    step = max(1, _REPLICATES // (layout.n_columns * max(1, len(weights_rg))))
    parts: list[dict[str, FloatArray]] = []
    for start in range(0, sample.shape[1], step):
        some = range(start, min(start + step, sample.shape[1]))
        replicates = np.empty((layout.n_columns, len(some), len(weights_rg)))
        for position, q in enumerate(some if len(weights_rg) else ()):
            moved = resampled_coefficients(fit, sample[:, q], q, weights_rg)
            moved[0] -= centre[q]
            replicates[:, position] = chaos_columns(moved, matrix)
        resampled = ratios(replicates, layout, floor[list(some)])
        parts.append(
            {
                key: honest_interval(out[key][list(some)], value, confidence_level, biased=key != "mean")
                for key, value in resampled.items()
            }
        )
    for key in parts[0]:
        out[f"{key}_interval"] = np.concatenate([part[key] for part in parts])
    out["mean"] = out["mean"] + centre
    out["mean_interval"] = out["mean_interval"] + centre[:, None]
    return out


def honest_interval(
    estimate: FloatArray, replicates: FloatArray, confidence_level: float, *, biased: bool = True
) -> FloatArray:
    """Percentile interval (..., 2) around an estimate (...) from its resampled values (..., R).

    Squares of resampled coefficients are biased upwards by as much as those of the estimate itself: `biased` takes
    that out.
    """
    if biased and replicates.shape[-1]:
        replicates = replicates - (replicates.mean(axis=-1) - estimate)[..., None]
    return percentile_interval(replicates, confidence_level)
