"""Surrogates of the weld study's points: every set of terms, and the ways of shifting side by side with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import Basis, legendre
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import IndexSet, tensor, total_degree
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.random import generator
from shiftgauge.studies.setup import as_space
from shiftgauge.studies.weld_points import PLAIN, SHIFTS, Variant
from shiftgauge.types import FloatArray

ORDERS: Final[Mapping[str, IndexSet]] = {
    "order 3, all products": tensor([3, 3, 3]),
    "order 6, all products (published)": tensor([6, 6, 6]),
    "total degree 4": total_degree(3, 4),
    "total degree 6": total_degree(3, 6),
    "total degree 8": total_degree(3, 8),
}
"""Sets of terms whose fit is measured; the second is the published one, with 343 terms."""
PUBLISHED_ORDER: Final = "order 6, all products (published)"
PUBLISHED_POINTS: Final = 10_000
"""Points of the published fit."""
RESAMPLES: Final = 200
_COMPARED: Final = ORDERS["total degree 8"]
_STILL: Final = 1e-7
"""Standard deviation up to which a probability in single precision does not change at all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """What the points decide of the comparison: replicates of totals and correlations.

    Args:
        totals: Total indices (R, V, 3).
        correlations: Correlation of each variant with the one it is compared with (R, V).
    """

    totals: FloatArray
    correlations: FloatArray


def surrogate_of(theta_n3: FloatArray, values_n: FloatArray, terms: IndexSet) -> ChaosSurrogate:
    """Least squares in orthonormal Legendre polynomials over the ranges of the preset, with exact leave-one-out Q²."""
    bases = _bases()
    found = fit_terms(bases, terms, theta_n3, values_n[:, None])
    return ChaosSurrogate(
        names=SHIFTS,
        outputs=("probability",),
        bases=bases,
        indices=terms,
        coefficients=found.coefficients,
        q2=found.q2,
        n_points=len(values_n),
    )


def moves(values_n: FloatArray) -> bool:
    """Whether an output has indices at all: finite, and not the same everywhere.

    Example:
        >>> moves(np.ones(8)), moves(np.array([0.0, np.nan])), moves(np.array([0.0, 0.5]))
        (False, False, True)
    """
    return bool(np.isfinite(values_n).all() and values_n.std() > _STILL)


def resampled(
    theta_n3: FloatArray,
    values_nv: FloatArray,
    references: Sequence[int],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Spread:
    """Draws the points anew, the same rows for every variant, and fits each variant to them again.

    Args:
        theta_n3: The points.
        values_nv: Outputs of the variants; one that does not move gets NaN.
        references: Position of the variant that each is compared with.
        resamples: Replicates R.
        seed: Of the draws.
    """
    rng, n = generator(seed, "weld", "points"), len(theta_n3)
    there = np.array([moves(v) for v in values_nv.T])
    known = np.where(there, values_nv, 0.0)
    phi = vandermonde(_bases(), _COMPARED, theta_n3)
    acts = (np.asarray(_COMPARED) > 0).astype(float).T
    totals, correlations = np.empty((resamples, known.shape[1], len(SHIFTS))), np.empty((resamples, known.shape[1]))
    for r in range(resamples):
        weight = np.bincount(rng.integers(0, n, n), minlength=n).astype(float)
        weighted = phi * weight
        squares = np.linalg.lstsq(weighted @ phi.T, weighted @ known, rcond=None)[0] ** 2
        with np.errstate(invalid="ignore", divide="ignore"):
            totals[r] = np.where(there[:, None], (acts @ squares / squares[1:].sum(axis=0)).T, np.nan)
            correlations[r] = _correlations(known, references, weight)
    return Spread(totals=totals, correlations=correlations)


def point_arrays(
    theta_n3: FloatArray,
    values: Mapping[str, FloatArray],
    shown: tuple[Variant, ...],
    *,
    level: float = 0.95,
    seed: int = 0,
) -> xr.Dataset:
    """Indices of each variant and, for the variant of the audits, of each set of terms.

    Intervals of the variants are normal ones, as wide as the estimates spread when the points are drawn anew. They are
    on the safe side, because the points fill the space more evenly than random ones.

    Args:
        theta_n3: The points.
        values: Variant → probability of the true class (n,).
        shown: The variants.
        level: Of the intervals.
        seed: Of the draws behind them.

    Raises:
        NumericalError: Too few points for the published 343 terms.
    """
    most = len(ORDERS[PUBLISHED_ORDER])
    if len(theta_n3) <= most:
        raise NumericalError(f"the published {most} terms need more points, got {len(theta_n3)}; try 10000")
    names, plain = [v.name for v in shown], values[PLAIN]
    variables: dict[str, object] = {
        "variant_text": ("variant", np.array([v.text for v in shown], object)),
        "variant_size": ("variant", [v.size for v in shown]),
        "variant_mean": ("variant", [float(values[n].mean()) for n in names]),
        "variant_std": ("variant", [float(values[n].std()) for n in names]),
        "order_terms": ("order", [len(terms) for terms in ORDERS.values()]),
    }
    variables |= _fits("variant", [(values[n], _COMPARED) for n in names], theta_n3)
    variables |= _fits("order", [(plain, terms) for terms in ORDERS.values()], theta_n3)
    found = xr.Dataset(variables, coords={"variant": names, "order": list(ORDERS), "shift": list(SHIFTS)})
    columns = np.stack([values[n] for n in names], axis=1)
    return _compared(found, theta_n3, columns, [v.reference for v in shown], level, seed)


def _compared(
    found: xr.Dataset, theta_n3: FloatArray, values_nv: FloatArray, references: list[str], level: float, seed: int
) -> xr.Dataset:
    """Adds how each variant differs from the one that it is compared with."""
    names = found["variant"].values.tolist()
    against = [names.index(name) for name in references]
    totals = found["variant_total_order"].values
    together = _correlations(values_nv, against, np.ones(len(values_nv)))
    spread = resampled(theta_n3, values_nv, against, seed=seed)
    gaps = spread.totals - spread.totals[:, against]
    return found.assign(
        variant_reference=("variant", np.array(references, object)),
        variant_difference=("variant", np.abs(values_nv - values_nv[:, against]).mean(axis=0)),
        variant_correlation=("variant", together),
        variant_correlation_interval=(
            ("variant", "bound"),
            _around(together, spread.correlations, level).clip(-1, 1),
        ),
        variant_total_order_interval=(("variant", "shift", "bound"), _around(totals, spread.totals, level)),
        variant_gap=(("variant", "shift"), totals - totals[against]),
        variant_gap_interval=(("variant", "shift", "bound"), _around(totals - totals[against], gaps, level)),
    )


def _fits(axis: str, cases: Sequence[tuple[FloatArray, IndexSet]], theta_n3: FloatArray) -> dict[str, object]:
    """Q² and indices of each case; NaN where the output does not move."""
    nothing = np.full(len(SHIFTS), np.nan)
    fits = [surrogate_of(theta_n3, values, terms) if moves(values) else None for values, terms in cases]
    return {
        f"{axis}_q2": (axis, [np.nan if f is None else float(f.q2[0]) for f in fits]),
        f"{axis}_first_order": ((axis, "shift"), [nothing if f is None else f.first_order()[0] for f in fits]),
        f"{axis}_total_order": ((axis, "shift"), [nothing if f is None else f.total_order()[0] for f in fits]),
    }


def _correlations(values_nv: FloatArray, references: Sequence[int], weight_n: FloatArray) -> FloatArray:
    """Weighted correlation of each column with its reference; NaN where one of the two does not move."""
    away = values_nv - weight_n @ values_nv / weight_n.sum()
    square = weight_n @ away**2
    other = away[:, list(references)]
    still = np.array([not moves(v) for v in values_nv.T])
    with np.errstate(invalid="ignore", divide="ignore"):
        found = weight_n @ (away * other) / np.sqrt(square * square[list(references)])
    return np.where(still | still[list(references)], np.nan, found)


def _around(estimate: FloatArray, replicates: FloatArray, level: float) -> FloatArray:
    """Normal interval about an estimate, (…, 2)."""
    half = NormalDist().inv_cdf(0.5 + level / 2) * replicates.std(axis=0, ddof=1)
    return np.stack([estimate - half, estimate + half], axis=-1)


def _bases() -> tuple[Basis, ...]:
    space = as_space("weld")
    return tuple(legendre(*(float(p.ppf(np.array([q]))[0]) for q in (0, 1))) for p in space.parameters)
