"""How much a surrogate explains on points it has not seen, when its set of terms was chosen on the same sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.linalg import cho_solve, get_lapack_funcs

from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.fit import cholesky_factor
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.chaos.sparse import PURSUITS, mean_errors
from shiftgauge.estimate.chaos.vandermonde import vandermonde
from shiftgauge.types import FloatArray, OutputsNQ

_MANY: Final = 2000
_MANY_PICKED: Final = 400


@dataclass(frozen=True, kw_only=True, eq=False)
class PickedSet:
    """A set of which a solver (`omp` or `lars`) picks the terms."""

    solver: str
    indices: IndexSet


def cross_fitted_q2(
    bases: Sequence[Basis],
    sets: Sequence[IndexSet],
    coordinates: FloatArray,
    values: OutputsNQ,
    *,
    picked: Sequence[PickedSet] = (),
    n_folds: int | None = None,
) -> FloatArray:
    """Share of the variance explained on folds that neither decided the set of terms nor the coefficients.

    Q² = 1 - Σ_k Σ_{i in k} (y_i - g_k(x_i))² / Σ (y_i - ȳ)², where the set of g_k was chosen and its coefficients were
    fitted without fold k. The leave-one-out error of the set that it chose itself is optimistic; this is not. All fits
    come from one ΦᵀΦ and Φᵀy per fold, of which smaller sets take a part; the choice within the other folds is by the
    corrected error with the mean leverage P/n for each point's own (generalised cross-validation), which needs no more.
    Where terms are picked from a set, they are picked anew without every fold.

    Args:
        bases: One per input (d).
        sets: All sets that were fitted in full, multi-indices (P, d) each.
        coordinates: Points (n, d).
        values: Outputs at the points (n, Q).
        picked: Sets of which terms were picked.
        n_folds: Folds, at most n; point i is in fold i mod n_folds. Default: 10, from 2000 points on 5 (where terms
            are picked from 400 on).

    Returns:
        Q² (Q,); NaN for a constant output, 0 where no set can be fitted without some fold.

    Example:
        >>> from shiftgauge.estimate.chaos.basis import legendre
        >>> x = np.linspace(-1, 1, 50)[:, None]
        >>> sets = [np.arange(k)[:, None] for k in (1, 2, 3)]
        >>> cross_fitted_q2((legendre(-1, 1),), sets, x, x**2).round(6).tolist()
        [1.0]

    References:
        Cawley, G., Talbot, N. (2010). On over-fitting in model selection and subsequent selection bias in performance
            evaluation. Journal of Machine Learning Research 11, 2079-2107. https://jmlr.org/papers/v11/cawley10a.html
    """
    n_folds = min(n_folds or (10 if len(values) < (_MANY_PICKED if picked else _MANY) else 5), len(values))
    union = np.unique(np.concatenate([*sets, *(s.indices for s in picked)]), axis=0)
    place = {tuple(row): k for k, row in enumerate(union.tolist())}
    members = [np.array([place[tuple(row)] for row in indices.tolist()]) for indices in sets]
    lots = [np.array([place[tuple(row)] for row in s.indices.tolist()]) for s in picked]
    centred = values - values.mean(axis=0)
    grams, moments, squares = _fold_sums(bases, union, coordinates, centred, n_folds)
    counts = np.array([len(values[k::n_folds]) for k in range(n_folds)])
    parts = [_fold_errors(rows, grams, moments, squares, counts) for rows in members]
    for lot, rows in zip(picked, lots, strict=True):
        parts.append(_fold_errors_picked(lot.solver, rows, grams, moments, squares, counts))
    error, inside = np.stack([a for a, _ in parts]), np.stack([b for _, b in parts])
    chosen = inside.argmin(axis=0)[None]
    left_out = np.take_along_axis(error, chosen, axis=0)[0].sum(axis=0)
    total = squares.sum(axis=0)
    known = total > 0
    q2 = 1 - left_out / np.where(known, total, 1.0)
    return np.where(known, np.where(np.isfinite(q2), q2, 0.0), np.nan)


def _fold_sums(
    bases: Sequence[Basis], union: IndexSet, coordinates: FloatArray, centred: OutputsNQ, n_folds: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Per fold ΦᵀΦ (K, P, P), Φᵀy (K, P, Q) and Σy² (K, Q)."""
    grams = np.empty((n_folds, len(union), len(union)))
    moments = np.empty((n_folds, len(union), centred.shape[1]))
    for k in range(n_folds):
        phi = vandermonde(bases, union, coordinates[k::n_folds])
        np.matmul(phi, phi.T, out=grams[k])
        np.matmul(phi, centred[k::n_folds], out=moments[k])
    squares = np.stack([np.square(centred[k::n_folds]).sum(axis=0) for k in range(n_folds)])
    return grams, moments, squares


def _fold_errors(
    rows: np.ndarray, grams: FloatArray, moments: FloatArray, squares: FloatArray, counts: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    """Error on each fold of the fit without it, and that fit's corrected error on its own points, both (K, Q)."""
    block, terms = (rows[:, None], rows), len(rows)
    own_grams = np.stack([gram[block] for gram in grams])
    own_moments = moments[:, rows]
    gram, moment, square = own_grams.sum(axis=0), own_moments.sum(axis=0), squares.sum(axis=0)
    (invert,) = get_lapack_funcs(("trtri",), (gram,))
    outside, inside = np.full((2, *squares.shape), np.inf)
    for k, n in enumerate(counts.sum() - counts):
        factor = cholesky_factor(gram - own_grams[k]) if n > terms else None
        if factor is None:
            continue
        c = cho_solve((factor, True), moment - own_moments[k], check_finite=False)
        outside[k] = squares[k] + np.einsum("pq,pq->q", c, own_grams[k] @ c - 2 * own_moments[k])
        root = invert(factor, lower=1)[0]
        residual = square - squares[k] - np.einsum("pq,pq->q", c, moment - own_moments[k])
        inside[k] = residual * (1 + np.square(root).sum()) / (1 - terms / n) ** 3
    return np.maximum(outside, 0.0), inside


def _fold_errors_picked(
    solver: str, rows: np.ndarray, grams: FloatArray, moments: FloatArray, squares: FloatArray, counts: np.ndarray
) -> tuple[FloatArray, FloatArray]:
    """As `_fold_errors`, with the terms picked anew without each fold."""
    block = (rows[:, None], rows)
    gram, moment, square = grams.sum(axis=0)[block], moments.sum(axis=0)[rows], squares.sum(axis=0)
    outside, inside = np.full((2, *squares.shape), np.inf)
    for k, n in enumerate((counts.sum() - counts).tolist()):
        own = grams[k][block]
        kept, target = gram - own, moment - moments[k, rows]
        for q in range(squares.shape[1]):
            path = PURSUITS[solver](kept, target[:, q], float(square[q] - squares[k, q]), n)
            errors = mean_errors(path, n)
            best = int(errors.argmin())
            c, order = path.coefficients(best + 1), path.order[: best + 1]
            inside[k, q] = errors[best] * n  # sums of squares, as of the full sets
            outside[k, q] = squares[k, q] + c @ (own[order[:, None], order] @ c - 2 * moments[k, rows[order], q])
    return np.maximum(outside, 0.0), inside
