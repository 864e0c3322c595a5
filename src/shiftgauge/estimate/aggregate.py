"""Indices of a vector of outputs taken as one: aggregated (generalised) Sobol' indices."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.moments import MomentSource, mean_error, variance_components
from shiftgauge.estimate.resampling import Resampling
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.sobol import SQUARES, constant_messages, index_tables, variance_floor
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray

AGGREGATED: Final = "aggregated"
"""Name of the one output of aggregated indices."""
_NUMBERS: Final = 8_000_000


def aggregated_indices(
    indices: Indices,
    *,
    outputs: Sequence[str] | None = None,
    weights: Sequence[float] | FloatArray | None = None,
) -> Indices:
    """Indices of several outputs together: each part of the variance summed over outputs, over the summed variances.

    S_u = Σ_q w_q V_u(f_q) / Σ_q w_q V(f_q): the share of the trace of the covariance matrix that the inputs u explain,
    the same after any rotation of the outputs when all weights are 1. An output counts by its variance: outputs in
    different units need weights, for example the reciprocals of their variances, which make of S_u the mean of the
    outputs' own indices.

    Args:
        indices: From `pick_freeze`, `assisted` or `stream_pick_freeze`.
        outputs: Those to be aggregated; by default all. Constant ones have no part.
        weights: w_q ≥ 0, one for each of these outputs. Default: 1.

    Returns:
        Indices of one output, `aggregated`, with intervals from the same replicates or resamples. Its variance is
        Σ w_q V(f_q); its mean is NaN, since a vector has none that is one number.

    Raises:
        ConfigError: An unknown output or none, or indices of a surrogate alone, which keep no moments.
        DataError: Weights that do not match the outputs, are negative, not finite or all zero.

    Example:
        >>> from shiftgauge.estimate.designs import PickFreezeDesign
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.pick_freeze import pick_freeze
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=512)
        >>> x = design.rows(0, design.n_rows).theta
        >>> found = pick_freeze(design, np.column_stack([x[:, 0], 2 * x[:, 1]]), outputs=["a", "b"])
        >>> aggregated_indices(found).first_order[0].round(1).tolist()
        [0.2, 0.8, 0.0]

    References:
        Lamboni, M., Monod, H., Makowski, D. (2011). Multivariate sensitivity analysis to measure global contribution
            of input factors in dynamic models. doi:10.1016/j.ress.2010.12.002
        Gamboa, F., Janon, A., Klein, T., Lagnoux, A. (2014). Sensitivity analysis for multidimensional and functional
            outputs. doi:10.1214/14-EJS895
    """
    source = indices.moments
    if source is None:
        raise ConfigError(
            f"aggregated indices need the moments of `pick_freeze` or `assisted`; `{indices.estimator}` has none"
        )
    chosen = [indices.output(name) for name in (indices.outputs if outputs is None else outputs)]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError("`outputs` must name at least one output, and none twice")
    weight = _checked_weights(weights, len(chosen))
    grouping = source.design.grouping
    resampling = Resampling.of(grouping, indices.resamples, indices.seed).among(grouping.kept_counts(source.kept))
    point, resampled, floor = _summed(source, chosen, weight, resampling)
    tables = index_tables(_shares(point, resampled, floor, resampling, indices.confidence_level), source.layout)
    tables["mean"] = np.full(1, np.nan)
    tables["mean_interval"] = np.full((1, 2), np.nan)
    kept = [s for s in indices.status if s.code not in ("constant_output", "wide_intervals", "surrogate_poor")]
    if not tables["defined"][0]:
        kept += constant_messages(tables["defined"], tables["variance"], [AGGREGATED])
    return replace(
        indices,
        outputs=(AGGREGATED,),
        surrogate=None,
        moments=None,
        status=tuple(kept),
        **tables,
    )


def _checked_weights(weights: Sequence[float] | FloatArray | None, n: int) -> FloatArray:
    weight = np.ones(n) if weights is None else np.asarray(weights, float)
    if weight.shape != (n,):
        raise DataError(f"`weights` must hold one number for each of {n} outputs, got shape {weight.shape}")
    if not np.isfinite(weight).all() or weight.min() < 0 or weight.max() == 0:
        raise DataError("`weights` must be finite, ≥ 0 and not all 0")
    return weight


def _summed(
    source: MomentSource, chosen: Sequence[int], weight: FloatArray, resampling: Resampling
) -> tuple[dict[str, FloatArray], dict[str, FloatArray], float]:
    """Weighted sums over outputs of all variance components, of their resampled values, and of rounding's share."""
    point: dict[str, FloatArray] = {}
    resampled: dict[str, FloatArray] = {}
    floor, layout = 0.0, source.layout
    width = layout.n_columns * max(len(resampling.weights), source.design.grouping.n_groups)
    with bounded_threads(2.0 * resampling.weights.size * layout.n_columns * len(chosen)):
        for block, w in _runs(chosen, weight, max(1, _NUMBERS // width)):
            sums = source.sums(block)
            columns, error = sums.values.sum(axis=-1) / sums.counts.sum(), mean_error(sums)
            parts = variance_components(columns, layout, error)
            again = resampling.means(sums.values, sums.counts)
            _add(point, parts, w)
            _add(resampled, variance_components(again, layout, error[:, None]), w)
            floor += float(w @ variance_floor(source.centre[block], columns[1]))
    return point, resampled, floor


def _runs(chosen: Sequence[int], weight: FloatArray, longest: int) -> list[tuple[slice, FloatArray]]:
    """Cuts outputs into runs of neighbours, each with its weights."""
    order = np.argsort(chosen)
    place, w = np.asarray(chosen)[order], weight[order]
    cuts = [0]
    for k in range(1, len(place)):
        if place[k] != place[k - 1] + 1 or k - cuts[-1] >= longest:
            cuts.append(k)
    ends = [*cuts[1:], len(place)]
    return [(slice(int(place[a]), int(place[b - 1]) + 1), w[a:b]) for a, b in zip(cuts, ends, strict=True)]


def _add(total: dict[str, FloatArray], parts: Mapping[str, FloatArray], w: FloatArray) -> None:
    """Adds Σ_q w_q of each component; `mean` and `variance` have the outputs first, the others second."""
    for key, value in parts.items():
        if key != "mean":
            axis = 0 if key == "variance" else 1
            summed = np.tensordot(value, w, axes=([axis], [0]))
            total[key] = total[key] + summed if key in total else summed


def _shares(
    point: Mapping[str, FloatArray],
    resampled: Mapping[str, FloatArray],
    floor: float,
    resampling: Resampling,
    level: float,
) -> dict[str, FloatArray]:
    """Ratios to the variance with their intervals, with an axis of one output in front."""
    known = float(point["variance"]) > floor
    found = {}
    for key, value in point.items():
        again = np.asarray(resampled[key])
        if key != "variance":
            with np.errstate(invalid="ignore", divide="ignore"):
                value = np.where(known, value / point["variance"], np.nan)
                again = np.where(resampled["variance"] > floor, again / resampled["variance"], np.nan)
        elif not known:
            value = np.zeros(())
        found[key] = np.asarray(value)[None]
        found[f"{key}_interval"] = resampling.interval(np.asarray(value), again, level, squares=key in SQUARES)[None]
    found["mean"] = np.full(1, np.nan)
    found["mean_interval"] = np.full((1, 2), np.nan)
    return found
