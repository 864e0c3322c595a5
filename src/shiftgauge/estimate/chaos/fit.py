"""Least squares for all outputs through one factorisation, with exact leave-one-out errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from scipy.linalg import cho_solve, cholesky, qr, solve_triangular

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import Basis, PolynomialBasis
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.vandermonde import ProductRule, vandermonde
from shiftgauge.estimate.threads import bounded_threads, in_threads
from shiftgauge.types import FloatArray, OutputsNQ

_CONDITION: Final = 1e5
"""Ratio of the Cholesky factor's diagonal beyond which QR takes over."""
_MIXED_FROM: Final = 16
"""From so many outputs on, residuals are formed in single precision where that is exact enough."""
_CHUNK: Final = 256
_PARTS: Final = 4
_LARGE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquares:
    """Coefficients and errors of one fit.

    Args:
        coefficients: (P, Q).
        leave_one_out: Mean squared leave-one-out error, (1/n) Σ (e_i / (1 - h_i))² (Q,).
        corrected: The same times n/(n - P) (1 + tr((ΦᵀΦ/n)⁻¹)/n), for choosing between sets (Q,).
        variance: Variance of the sample (Q,).
        leverages: h_i (n,).
        inverse: (ΦᵀΦ)⁻¹ (P, P).
        terms: Values of the terms at the points (P, n).
    """

    coefficients: FloatArray
    leave_one_out: FloatArray
    corrected: FloatArray
    variance: FloatArray
    leverages: FloatArray
    inverse: FloatArray
    terms: FloatArray

    @property
    def q2(self) -> FloatArray:
        """1 - leave-one-out error / variance (Q,); NaN for a constant output."""
        known = self.variance > 0
        return np.where(known, 1 - self.leave_one_out / np.where(known, self.variance, 1.0), np.nan)


def fit_terms(bases: Sequence[Basis], indices: IndexSet, coordinates: FloatArray, values: OutputsNQ) -> LeastSquares:
    """Fits Σ c_α φ_α(x) to all outputs by least squares.

    c = (ΦᵀΦ)⁻¹ Φᵀ y. The leave-one-out residuals e_i/(1 - h_i) are exact, without fitting again.

    Args:
        bases: One per input (d).
        indices: Multi-indices (P, d).
        coordinates: Points (n, d), n > P.
        values: Outputs at the points (n, Q).

    Returns:
        The fit.

    Raises:
        NumericalError: Not more points than terms, or points that do not determine all terms.

    References:
        Blatman, G., Sudret, B. (2010). An adaptive algorithm to build up sparse polynomial chaos expansions for
            stochastic finite element analysis. doi:10.1016/j.probengmech.2009.10.003
        Chapelle, O., Vapnik, V., Bengio, Y. (2002). Model selection for small sample regression.
            doi:10.1023/A:1013943418833
    """
    n, terms = len(coordinates), len(indices)
    if n <= terms:
        raise NumericalError(f"{terms} terms need more than {terms} points, got {n}; lower the degree or draw more")
    phi = vandermonde(bases, indices, coordinates)
    polynomial = [b for b in bases if isinstance(b, PolynomialBasis)]
    if len(polynomial) == len(bases) and ProductRule.pays(bases, indices, n):
        with bounded_threads(2.0 * phi.size * values.shape[1]):
            found = _by_products(ProductRule(polynomial, indices), phi, coordinates, values)
        if found is not None:
            return found
    return _plain(phi, values)


def _by_products(rule: ProductRule, phi: FloatArray, coordinates: FloatArray, values: OutputsNQ) -> LeastSquares | None:
    with bounded_threads(float(len(phi)) ** 3):
        gram, parts = rule.gram_and_parts(coordinates)
        factor = cholesky_factor(gram)
        if factor is None:
            return None
        inverse = cho_solve((factor, True), np.eye(len(phi)), overwrite_b=True)
        leverages = rule.leverages(inverse, parts)
    coefficients = cho_solve((factor, True), phi @ values)
    return _errors(phi, values, coefficients, inverse, leverages)


def _plain(phi: FloatArray, values: OutputsNQ) -> LeastSquares:
    factor = cholesky_factor(phi @ phi.T)
    if factor is not None:
        inverse = cho_solve((factor, True), np.eye(len(phi)), overwrite_b=True)
        coefficients = cho_solve((factor, True), phi @ values)
        whitened = solve_triangular(factor, phi, lower=True)
        return _errors(phi, values, coefficients, inverse, np.einsum("pn,pn->n", whitened, whitened))
    decomposition: Any = qr(phi.T, mode="economic", pivoting=True)
    basis, upper, pivot = decomposition
    size = np.abs(np.diag(upper))
    rank = int((size > 1e-11 * size[0]).sum())
    if rank < len(phi):
        raise NumericalError(
            f"the {phi.shape[1]} points determine only {rank} of {len(phi)} terms; lower the degree or draw more"
        )
    root = solve_triangular(upper, np.eye(len(phi)))
    coefficients = np.empty((len(phi), values.shape[1]))
    coefficients[pivot] = root @ (basis.T @ values)
    inverse = np.empty((len(phi), len(phi)))
    inverse[np.ix_(pivot, pivot)] = root @ root.T
    return _errors(phi, values, coefficients, inverse, np.einsum("np,np->n", basis, basis))


def cholesky_factor(gram: FloatArray) -> FloatArray | None:
    """Lower Cholesky factor (P, P), or None when the matrix is too near to singular for it."""
    try:
        factor = cholesky(gram, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    size = np.diag(factor)
    return factor if size.max() < _CONDITION * size.min() else None


def _errors(
    phi: FloatArray, values: OutputsNQ, coefficients: FloatArray, inverse: FloatArray, leverages: FloatArray
) -> LeastSquares:
    n, terms = phi.shape[1], len(phi)
    room = 1 - leverages
    if room.min() < 1e-9:
        raise NumericalError(
            f"point {int(room.argmin())} alone decides a term, so it cannot be left out; lower the degree or draw more"
        )
    variance, loo = _squares(phi, values, coefficients, 1 / room)
    correction = n / (n - terms) * (1 + float(np.trace(inverse)))
    return LeastSquares(
        coefficients=coefficients,
        leave_one_out=loo,
        corrected=loo * correction,
        variance=variance,
        leverages=leverages,
        inverse=inverse,
        terms=phi,
    )


def _squares(
    phi: FloatArray, values: OutputsNQ, coefficients: FloatArray, weight_n: FloatArray
) -> tuple[FloatArray, FloatArray]:
    n, q = values.shape
    mean = values.mean(axis=0)
    mixed = q >= _MIXED_FROM
    kind = np.float32 if mixed else np.float64
    centred = coefficients.copy()
    centred[0] -= mean  # the first term is the constant
    coarse, squared_weight = centred.astype(kind), (weight_n**2).astype(kind)

    def part(start: int, stop: int) -> tuple[FloatArray, FloatArray]:
        away, model = np.empty((2, _CHUNK, q), kind)
        ones, variance, loo = np.ones(_CHUNK, kind), np.zeros(q), np.zeros(q)
        for first in range(start, stop, _CHUNK):
            span = slice(first, min(first + _CHUNK, stop))
            size = span.stop - first
            y, m = away[:size], model[:size]
            np.subtract(values[span], mean, out=y, casting="same_kind")
            np.matmul(phi[:, span].astype(kind).T, coarse, out=m)
            np.subtract(y, m, out=m)
            variance += ones[:size] @ np.square(y, out=y)
            loo += squared_weight[span] @ np.square(m, out=m)
        return variance, loo

    edges = np.linspace(0, n, (_PARTS if n * q > _LARGE else 1) + 1).astype(int).tolist()
    sums = in_threads(part, list(pairwise(edges)))
    variance, loo = (np.sum([s[k] for s in sums], axis=0) for k in range(2))
    sharp = np.flatnonzero(loo < 1e-8 * variance) if mixed else np.empty(0, int)
    for q_start in range(0, len(sharp), 64):
        some = sharp[q_start : q_start + 64]
        residual = (values[:, some] - phi.T @ coefficients[:, some]) * weight_n[:, None]
        loo[some] = np.einsum("nq,nq->q", residual, residual)
    return variance / n, loo / n
