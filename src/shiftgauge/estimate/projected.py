"""Aggregated indices of a long vector known by its projections on random directions alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.stats import t as student

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import DataError
from shiftgauge.estimate.aggregate import aggregated_indices
from shiftgauge.estimate.result import Indices
from shiftgauge.types import FloatArray

_KINDS: Final = ("first_order", "total_order")


@dataclass(frozen=True, kw_only=True)
class ProjectedIndices:
    """Aggregated Sobol' indices of a vector of D entries, from k of its projections.

    Args:
        names: The d inputs.
        directions: k; 0 where the vector was not projected but kept whole.
        variance: Mean variance of an entry: the sum over the projections, or entries, over their number.
        first_order: (d,), with interval (d, 2).
        total_order: (d,), with interval (d, 2).
        direction_error: Half-width that the choice of directions alone gives the intervals of first and total order
            (2, d); 0 where the vector was kept whole.
    """

    names: tuple[str, ...]
    directions: int
    variance: float
    first_order: FloatArray
    first_order_interval: FloatArray
    total_order: FloatArray
    total_order_interval: FloatArray
    direction_error: FloatArray


def projected_indices(indices: Indices, directions: int = 0) -> ProjectedIndices:
    r"""Aggregated indices of the vector behind its projections.

    With projections $y_j = w_j^\top z$ on independent directions of random signs (or standard normal numbers),
    E[w wᵀ] = I makes every sum over j of variances or of numerators unbiased for k times the trace that it stands for;
    the index is the ratio of the two:

    $$ \hat S_i = \frac{\sum_j \mathrm{Var}\,E[y_j \mid x_i]}{\sum_j \mathrm{Var}\,y_j}
       \;\longrightarrow\; \frac{\mathrm{tr}\,\mathrm{Cov}\,E[z \mid x_i]}{\mathrm{tr}\,\mathrm{Cov}\,z}
       \quad (k \to \infty) $$

    The intervals hold both errors: that of the design, as of `aggregated_indices`, and that of the directions, by
    leaving out one direction at a time (jackknife, Student's t with k - 1 degrees of freedom); their half-widths are
    added as squares. What noise the design brings to a single direction counts in both, so they are a little wide.

    Args:
        indices: Those of all projections, or of the entries themselves. Outputs that belong to the same direction (of
            several images, say) stand at the same place modulo `directions`.
        directions: k ≥ 2; 0 when the outputs are the vector itself.

    Returns:
        Indices of the vector, NaN where nothing varied.

    Raises:
        ConfigError: `directions` is 1 or negative.
        DataError: The outputs are no multiple of `directions`.

    Example:
        >>> from shiftgauge.estimate.designs import PickFreezeDesign
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.pick_freeze import pick_freeze
        >>> from shiftgauge.parameter import Parameter
        >>> from shiftgauge.space import Space
        >>> limits = {"low": -1, "high": 1}
        >>> space = Space([Parameter(name=name, distribution="uniform", options=limits) for name in "ab"])
        >>> design = PickFreezeDesign(inputs=Inputs(space=space), n_base=256)
        >>> z = design.rows(0, design.n_rows).theta * [2.0, 1.0]  # shares 4 : 1
        >>> y = z @ np.random.default_rng(0).choice([-1.0, 1.0], (2, 60))
        >>> projected_indices(pick_freeze(design, y, outputs=[f"y{j}" for j in range(60)]), 60).first_order.round(1)
        array([0.8, 0.2])

    References:
        Gamboa, F. et al. (2014). Sensitivity analysis for multidimensional and functional outputs.
            doi:10.1214/14-EJS895
        Hutchinson, M. F. (1990). A stochastic estimator of the trace of the influence matrix.
            doi:10.1080/03610919008812866
    """
    k = require_positive_int("directions", directions, low=2) if directions else 0
    n_outputs = len(indices.outputs)
    if k and n_outputs % k:
        raise DataError(f"{n_outputs} outputs are no multiple of {k} directions")
    whole = aggregated_indices(indices)
    tables: dict[str, FloatArray] = {kind: getattr(whole, kind)[0] for kind in _KINDS}
    bounds: dict[str, FloatArray] = {kind: getattr(whole, f"{kind}_interval")[0] for kind in _KINDS}
    error = np.stack([_direction_error(indices, kind, k) for kind in _KINDS])
    intervals = {
        f"{kind}_interval": _widened(tables[kind], bounds[kind], extra)
        for kind, extra in zip(_KINDS, error, strict=True)
    }
    return ProjectedIndices(
        names=indices.names,
        directions=k,
        variance=float(indices.variance.mean()),
        direction_error=error,
        **tables,
        **intervals,
    )


def _direction_error(indices: Indices, kind: str, k: int) -> FloatArray:
    """Half-width of the jackknife interval over directions (d,)."""
    d = len(indices.names)
    if not k:
        return np.zeros(d)
    variance = np.where(indices.defined, indices.variance, 0.0)
    numerator = np.where(indices.defined[:, None], getattr(indices, kind), 0.0) * variance[:, None]
    below = variance.reshape(-1, k).sum(axis=0)
    above = numerator.reshape(-1, k, d).sum(axis=0)
    rest = below.sum() - below
    if not (rest > 0).all():
        return np.full(d, np.nan)
    without = (above.sum(axis=0) - above) / rest[:, None]
    away = without - without.mean(axis=0)
    error = np.sqrt((k - 1) / k * (away**2).sum(axis=0))
    return student.ppf((1 + indices.confidence_level) / 2, k - 1) * error


def _widened(value: FloatArray, interval: FloatArray, extra: FloatArray) -> FloatArray:
    low = value - np.hypot(value - interval[:, 0], extra)
    high = value + np.hypot(interval[:, 1] - value, extra)
    return np.stack([low, high], axis=-1)
