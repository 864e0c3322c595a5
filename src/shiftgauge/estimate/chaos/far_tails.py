"""Whether a surrogate's moments hang on far tails of unbounded inputs, of which the sample holds nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import solve_triangular

from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.tails import Tails
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray, OutputsNQ, UnitNP

_EDGE: Final = 0.03
"""ε of the tails; only which inputs have any is asked of them."""
_OUTER: Final = 0.25
"""Share of the points that are left out, those that lie furthest out in any unbounded input."""
_SINGULAR: Final = 1e-10
_SMALL: Final = 1e-7
"""Share of the variance below which an error at the outermost points is passed over."""
_EXCESS: Final = 4.0
"""Times that the squared error may exceed what the residuals within let expect."""
_LEVERAGE: Final = 30.0
"""Mean leverage of the outermost points beyond which the others say nothing of them."""
_CONTINUED: Final = 3e-4
"""Share of the curbed polynomials' squared error below which the trial only warns."""
_TINY: Final = 1e-300


@dataclass(frozen=True, kw_only=True)
class TailTrial:
    """How well polynomials predict the outermost points of a sample from the others.

    Args:
        error: Σ (f - g)² over the outermost points, as a share of Σ (f - mean)² over all (Q,); inf where the others
            cannot carry the terms.
        excess: The same sum over what it would be if the residuals within were noise, σ² Σ (1 + h_i) (Q,).
        ratio: The same sum over that of polynomials with curbed tails (Q,).
        leverage: Mean of h_i, the leverage of an outermost point in the fit to the others.
    """

    error: FloatArray
    excess: FloatArray
    ratio: FloatArray
    leverage: float

    @property
    def failed(self) -> np.ndarray:
        """Outputs whose indices rest on tails that no point supports, bool (Q,)."""
        return np.asarray((self.error > _SMALL) & ((self.excess > _EXCESS) | (self.leverage > _LEVERAGE)))


def tail_trial(
    inputs: Inputs, bases: Sequence[Basis], indices: IndexSet, unit: UnitNP, sample: OutputsNQ
) -> TailTrial | None:
    """Fits the terms without the outermost points and predicts these.

    A polynomial that follows f wherever there are points may run away beyond the last of them. Q² does not see it, as
    no point left out lies there, but the variance of the polynomial does: it is an integral over all of the tail.

    Args:
        inputs: Of the design.
        bases: One per input.
        indices: Terms (P, d).
        unit: Points of the unit cube (n, d).
        sample: Outputs there (n, Q).

    Returns:
        The trial; None where no input is unbounded.

    Example:
        >>> from shiftgauge.estimate.chaos.basis import input_bases
        >>> from shiftgauge.space import Space
        >>> inputs = Inputs(space=Space.from_dict({"x": {"distribution": "normal", "mean": 0, "std": 1}}))
        >>> unit = (np.arange(64) + 0.5)[:, None] / 64
        >>> x, terms = inputs.coordinates(unit), np.arange(8)[:, None]
        >>> trial = tail_trial(inputs, input_bases(inputs, None, 0), terms, unit, np.hstack([x**3 - x, np.sin(2 * x)]))
        >>> trial.failed.tolist()
        [False, True]

    References:
        Roberts, D. R. et al. (2017). Cross-validation strategies for data with temporal, spatial, hierarchical, or
            phylogenetic structure. doi:10.1111/ecog.02881
    """
    bent = Tails(inputs=inputs, plain=bases, edge=_EDGE).bent & (indices > 0).any(axis=0)
    if not bent.any():
        return None
    spread = np.abs(unit[:, bent] - 0.5).max(axis=1)
    limit = float(np.quantile(spread, 1 - _OUTER))
    inner, n_terms, centred = spread <= limit, len(indices), sample - sample.mean(axis=0)
    coordinates = inputs.coordinates(unit)
    phi = vandermonde(bases, indices, coordinates).T
    left = int(inner.sum()) - n_terms
    with bounded_threads(2.0 * len(phi) * n_terms**2):
        q, r = np.linalg.qr(phi[inner])
        size = np.abs(np.diag(r))
        if left <= 0 or size.min() <= _SINGULAR * size.max():
            unknown = np.full(sample.shape[1], np.inf)
            return TailTrial(error=unknown, excess=unknown, ratio=unknown, leverage=np.inf)
        c = solve_triangular(r, q.T @ centred[inner])
        leverage = np.square(solve_triangular(r.T, phi[~inner].T, lower=True)).sum(axis=0)
    curbed = Tails(inputs=inputs, plain=bases, edge=0.5 - limit).bases
    bent_phi = vandermonde(curbed, indices, coordinates[~inner]).T
    error, other = (np.square(p @ c - centred[~inner]).sum(axis=0) for p in (phi[~inner], bent_phi))
    noise = np.square(phi[inner] @ c - centred[inner]).sum(axis=0) / left
    return TailTrial(
        error=error / np.maximum(np.square(centred).sum(axis=0), _TINY),
        excess=error / np.maximum(noise * (1 + leverage).sum(), _TINY),
        ratio=error / np.maximum(other, _TINY),
        leverage=float(leverage.mean()),
    )


def tail_messages(trial: TailTrial | None, names: Sequence[str]) -> dict[int, Status]:
    """Position of each output for which the trial failed, with the message that goes with it."""
    return {} if trial is None else {q: _message(trial, q, names[q]) for q in np.flatnonzero(trial.failed).tolist()}


def _message(trial: TailTrial, q: int, name: str) -> Status:
    known = bool(np.isfinite(trial.error[q]))
    text = f"the surrogate of `{name}` has too many terms to be tried without the outermost points"
    if known:
        share = f"{trial.error[q]:.1g} of the variance"
        text = f"without the outermost points the surrogate of `{name}` misses them by {share}"
    return Status(
        level="error" if known and trial.ratio[q] > _CONTINUED else "warning",
        code="far_tails",
        message=(
            f"{text}: under unbounded inputs its indices hang on points that no sample holds, and their intervals do "
            "not show it; use `assisted` or `pick_freeze`"
        ),
    )
