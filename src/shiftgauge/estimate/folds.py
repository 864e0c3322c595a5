"""Which set of terms and which penalty each output takes, from sums over folds alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky

from shiftgauge.errors import NumericalError
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldSums:
    """Per fold: ΦᵀΦ (K, P, P), Φᵀy (K, P, Q), Σy² (K, Q), rows (K,)."""

    gram: FloatArray
    moment: FloatArray
    square: FloatArray
    count: FloatArray


class FoldChoice:
    """The best fit so far of each output."""

    def __init__(self, sums: FoldSums, n_terms: int) -> None:
        self.sums, self.n_terms = sums, n_terms
        self.gram, self.moment = sums.gram.sum(axis=0), sums.moment.sum(axis=0)
        n_folds, n_outputs = sums.square.shape
        self.error = np.full(n_outputs, np.inf)
        self.number = np.zeros(n_outputs, int)
        self.ridge = np.zeros(n_outputs)
        self.folds = np.zeros((n_folds, n_terms, n_outputs))

    def offer(self, number: int, rows: np.ndarray, ridge: float, only: np.ndarray | None = None) -> FloatArray | None:
        """Tries a set of terms, takes it for the outputs whose error falls, and returns the error on folds left out."""
        outputs = np.arange(len(self.error)) if only is None else np.flatnonzero(only)
        fits, error = [], np.zeros(len(outputs))
        for k in range(len(self.folds)):
            own_gram = self.sums.gram[k][rows[:, None], rows]
            own_moment = self.sums.moment[k][rows[:, None], outputs]
            gram = self.gram[rows[:, None], rows] - own_gram
            moment = self.moment[rows[:, None], outputs] - own_moment
            c = solve_terms(gram, moment, ridge * (self.sums.count.sum() - self.sums.count[k]))
            if c is None:
                return None
            fits.append(c)
            error += self.sums.square[k][outputs] + np.einsum("pq,pq->q", c, own_gram @ c - 2 * own_moment)
        better = np.flatnonzero(error < self.error[outputs])
        won = outputs[better]
        self.error[won] = np.maximum(error[better], 0.0)
        self.number[won], self.ridge[won] = number, ridge
        self.folds[:, :, won] = 0.0
        for k, c in enumerate(fits):
            self.folds[k][rows[:, None], won] = c[:, better]
        return error

    def full(self, members: Sequence[np.ndarray]) -> FloatArray:
        """Coefficients from all rows, for the chosen sets and penalties."""
        out = np.zeros((self.n_terms, len(self.error)))
        for number, ridge in {(int(n), float(r)) for n, r in zip(self.number, self.ridge, strict=True)}:
            won = np.flatnonzero((self.number == number) & (self.ridge == ridge))
            rows = members[number]
            c = solve_terms(
                self.gram[rows[:, None], rows], self.moment[rows[:, None], won], ridge * float(self.sums.count.sum())
            )
            if c is None:
                raise NumericalError("the surrogate's equations are singular; use the `pick_freeze` estimator")
            out[rows[:, None], won] = c
        return out


def solve_terms(gram: FloatArray, moment: FloatArray, penalty: float) -> FloatArray | None:
    """Coefficients (P, Q) from ΦᵀΦ and Φᵀy with a penalty on all but the constant; None where nearly singular."""
    gram = gram.copy()
    gram[np.diag_indices(len(gram))] += penalty
    gram[0, 0] -= penalty  # the constant is not shrunk
    try:
        factor = cholesky(gram, lower=True, check_finite=False, overwrite_a=True)
    except np.linalg.LinAlgError:
        return None
    size = np.diag(factor)
    if size.min() < 1e-6 * size.max():
        return None
    return cho_solve((factor, True), moment, check_finite=False)
