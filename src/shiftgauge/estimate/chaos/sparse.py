"""Sparse fits: terms taken one after another, and how many of them judged by the points left out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, get_lapack_funcs, solve_triangular

from shiftgauge.types import FloatArray

Solver: TypeAlias = Literal["auto", "least_squares", "omp", "lars"]
SOLVERS: Final[tuple[str, ...]] = get_args(Solver)
Terms: TypeAlias = npt.NDArray[np.int64]
FEW_POINTS: Final = 100
"""Below so many points least-angle regression is tried beside orthogonal matching pursuit."""
_PRICE: Final = 3.0
"""Degrees of freedom that a term costs: one for its coefficient, two for having been picked among many."""
_PATIENCE: Final = 12
_DEPENDENT: Final = 1e-9
_EXACT: Final = 1e-26
_SINGLE: Final = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class SparsePath:
    """Terms in the order in which they were taken, with the triangular factor that gives the fit to any first k.

    Args:
        order: Positions of the terms, the constant first (K,).
        factor: Lower Cholesky factor L of their part of ΦᵀΦ (K, K); the first k rows and columns are that of k terms.
        loading: L⁻¹Φᵀy (K,); its squares are what each term takes off the sum of squared residuals.
        square: Σ y².
    """

    order: Terms
    factor: FloatArray
    loading: FloatArray
    square: float

    def residuals(self) -> FloatArray:
        """Sum of squared residuals with the first 1 … K terms (K,)."""
        return np.maximum(self.square - np.cumsum(self.loading**2), 0.0)

    def traces(self) -> FloatArray:
        """tr((ΦᵀΦ)⁻¹) of the first 1 … K terms (K,)."""
        (invert,) = get_lapack_funcs(("trtri",), (self.factor,))
        return np.cumsum(np.square(invert(self.factor, lower=1)[0]).sum(axis=1))

    def coefficients(self, k: int) -> FloatArray:
        """Least squares coefficients of the first k terms, in their order (k,)."""
        return solve_triangular(self.factor[:k, :k], self.loading[:k], lower=True, trans=1, check_finite=False)


Pursuit: TypeAlias = Callable[[FloatArray, FloatArray, float, int], SparsePath]
"""(ΦᵀΦ, Φᵀy, Σy², n) → path; term 0 is the constant and is taken first."""


def most_terms(n: int) -> int:
    """Most terms that a sparse fit to n points may hold.

    Example:
        >>> most_terms(100)
        33
    """
    return max(1, int((n - 1) // _PRICE))


def matching_pursuit(gram: FloatArray, moment: FloatArray, square: float, n: int) -> SparsePath:
    """Orthogonal matching pursuit: at every step the term that correlates most with what is left, then a refit.

    All steps work on ΦᵀΦ: a pivoted Cholesky factorisation whose pivot is max |φ_jᵀr| / ‖φ_j‖. Step k costs k·P
    operations, whatever the number of points, and ends once the error with a price of three degrees of freedom for
    each term has not fallen for some steps.

    Args:
        gram: ΦᵀΦ of all candidate terms (P, P).
        moment: Φᵀy (P,).
        square: Σ y².
        n: Number of points.

    Returns:
        The path; all of its steps have at most `most_terms(n)` terms.

    Example:
        >>> x = np.linspace(-1, 1, 40)
        >>> phi = np.stack([np.ones(40), x, x**2, x**3])
        >>> y = 2 * x**3 - 1
        >>> path = matching_pursuit(phi @ phi.T, phi @ y, y @ y, 40)
        >>> best = path.order[: int(path.residuals().argmin()) + 1]
        >>> 3 in best
        True

    References:
        Pati, Y., Rezaiifar, R., Krishnaprasad, P. (1993). Orthogonal matching pursuit. doi:10.1109/ACSSC.1993.342465
        Lüthen, N., Marelli, S., Sudret, B. (2021). Sparse polynomial chaos expansions: literature survey and
            benchmark. doi:10.1137/20M1315774
    """
    terms = min(len(gram), most_terms(n))
    size = np.diag(gram).copy()
    left, score, inverse = size.copy(), np.empty(len(gram)), 1 / size
    rows, correlation = np.empty((terms, len(gram))), moment.copy()
    order, loading = np.empty(terms, np.int64), np.empty(terms)
    rest, best, since, pick, count = square, np.inf, 0, 0, 0
    for k in range(terms):
        row = rows[k]
        np.subtract(gram[pick], rows[:k, pick] @ rows[:k], out=row)
        row /= np.sqrt(left[pick])
        order[k], loading[k], count = pick, correlation[pick] / np.sqrt(left[pick]), k + 1
        correlation -= loading[k] * row
        left -= np.square(row, out=score)
        left[pick] = 0.0
        rest -= loading[k] ** 2
        price = max(rest, 0.0) / (1 - _PRICE * count / n) ** 2
        best, since = (price, 0) if price < best else (best, since + 1)
        if rest <= _EXACT * square or since > _PATIENCE + count // 4:
            break
        np.multiply(np.square(correlation, out=score), inverse, out=score)
        score[left <= _DEPENDENT * size] = -1.0
        pick = int(score.argmax())
        if score[pick] <= 0:
            break
    kept = order[:count]
    return SparsePath(
        order=kept,
        factor=np.tril(rows[:count, kept].T),
        loading=loading[:count],
        square=square,
    )


def least_angle(gram: FloatArray, moment: FloatArray, square: float, n: int) -> SparsePath:
    """Least-angle regression for the order of the terms, least squares for their coefficients (hybrid LARS).

    The fit moves along the direction that has the same angle with all terms taken so far, until another term
    correlates as much with what is left. Careful where points are few; slower than matching pursuit.

    Args:
        gram: ΦᵀΦ of all candidate terms (P, P).
        moment: Φᵀy (P,).
        square: Σ y².
        n: Number of points.

    Returns:
        The path; the coefficients at each step are those of least squares.

    References:
        Efron, B. et al. (2004). Least angle regression. doi:10.1214/009053604000000067
        Blatman, G., Sudret, B. (2011). Adaptive sparse polynomial chaos expansion. doi:10.1016/j.jcp.2010.12.021
    """
    order = np.concatenate([[0], 1 + _angle_order(*_standardised(gram, moment), most_terms(n) - 1)])
    factor = cholesky(gram[order[:, None], order], lower=True, check_finite=False)
    loading = solve_triangular(factor, moment[order], lower=True, check_finite=False)
    return SparsePath(order=order.astype(np.int64), factor=factor, loading=loading, square=square)


def _standardised(gram: FloatArray, moment: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Correlation matrix of all terms but the constant, and their correlation with the output (up to a factor)."""
    ones = gram[0, 1:]
    centred = gram[1:, 1:] - np.outer(ones, ones) / gram[0, 0]
    length = np.sqrt(np.maximum(np.diag(centred), 0.0))
    length[length <= _DEPENDENT * np.sqrt(np.diag(gram)[1:])] = np.inf
    return centred / np.outer(length, length), (moment[1:] - ones * moment[0] / gram[0, 0]) / length


def _angle_order(gram: FloatArray, correlation: FloatArray, most: int) -> Terms:
    """Order in which terms of unit length join the least-angle path (≤ most,)."""
    scale = np.abs(correlation).max(initial=0.0)
    correlation, active = correlation.copy(), np.empty(0, np.int64)
    usable = np.diag(gram) > 0
    factor = np.empty((0, 0))
    while len(active) < most and scale > 0:
        level = np.abs(np.where(usable, correlation, 0.0))
        pick = int(level.argmax())
        if level[pick] <= _SINGLE * scale:
            break
        usable[pick] = False
        grown = _grown(factor, gram[active, pick], gram[pick, pick])
        if grown is None:
            continue
        factor, active = grown, np.append(active, pick)
        sign = np.sign(correlation[active])
        along = solve_triangular(factor, sign, lower=True, check_finite=False)
        pace = 1 / np.sqrt(along @ along)
        weights = pace * solve_triangular(factor, along, lower=True, trans=1, check_finite=False)
        turn, height = gram[:, active] @ weights, level[pick]
        correlation -= _step(height, pace, correlation, turn, usable) * turn
    return active


def _grown(factor: FloatArray, cross: FloatArray, size: float) -> FloatArray | None:
    """Cholesky factor with one more row, or None when the new term depends on the others."""
    k = len(factor)
    row = solve_triangular(factor, cross, lower=True, check_finite=False) if k else cross
    rest = size - row @ row
    if rest <= _DEPENDENT * size:
        return None
    out = np.zeros((k + 1, k + 1))
    out[:k, :k], out[k, :k], out[k, k] = factor, row, np.sqrt(rest)
    return out


def _step(
    height: float, pace: float, correlation: FloatArray, turn: FloatArray, usable: npt.NDArray[np.bool_]
) -> float:
    """How far to go until a term outside correlates as much as those inside."""
    with np.errstate(divide="ignore", invalid="ignore"):
        both = np.stack([(height - correlation) / (pace - turn), (height + correlation) / (pace + turn)])
    both = both[:, usable]
    both = both[np.isfinite(both) & (both > _SINGLE * height / pace)]
    return float(min(both.min(initial=height / pace), height / pace))


PURSUITS: Final[dict[str, Pursuit]] = {"omp": matching_pursuit, "lars": least_angle}


def mean_errors(path: SparsePath, n: int) -> FloatArray:
    """Corrected error of each step with the mean leverage k/n for each point's own, for the choice within folds (K,).

    n⁻¹ RSS_k (1 + tr G_k⁻¹) / ((1 - k/n) (1 - 3k/n)²), infinite where the price exceeds the points.
    """
    k = np.arange(1, len(path.order) + 1)
    room = np.maximum(1 - _PRICE * k / n, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = path.residuals() / n * (1 + path.traces()) / ((1 - k / n) * room**2)
    return np.where(room > 0, error, np.inf)


def corrected_errors(path: SparsePath, phi: FloatArray, values: FloatArray) -> FloatArray:
    """Corrected leave-one-out error of every step, from leverages that each term adds to (K,).

    ε_k = n⁻¹ Σ_i (e_ik / (1 - h_ik))² · n/(n - k) · (1 + tr G_k⁻¹) · ((1 - k/n) / (1 - 3k/n))². With q_k the k-th row
    of L⁻¹Φ, h_ik = h_i,k-1 + q_ik² and e_ik = e_i,k-1 - q_ik β_k. The last factor is the price of picking a term among
    many (Friedman's three degrees of freedom); without it the error of the best of many terms falls for ever.

    Args:
        path: Terms and factor.
        phi: Values of all candidate terms (P, n).
        values: Output (n,).

    References:
        Friedman, J. (1991). Multivariate adaptive regression splines. doi:10.1214/aos/1176347963
    """
    n = len(values)
    k = np.arange(1, len(path.order) + 1)
    whitened = solve_triangular(path.factor, phi[path.order], lower=True, check_finite=False)
    error = values - np.cumsum(path.loading[:, None] * whitened, axis=0)
    room = 1 - np.cumsum(np.square(whitened, out=whitened), axis=0)
    bad = room.min(axis=1) < _SINGLE
    loo = np.square(error / np.maximum(room, _SINGLE)).mean(axis=1)
    price = price_of_choice(k, n)
    out = loo * n / np.maximum(n - k, 1) * (1 + path.traces()) * price
    return np.where(bad, np.inf, out)


def price_of_choice(terms: npt.NDArray[np.int64] | int, n: int) -> FloatArray:
    """((1 - k/n) / (1 - 3k/n))², by which the error of k picked terms is raised; infinite from k = n/3 on.

    Example:
        >>> price_of_choice(np.array([1, 40]), 100).round(3).tolist()
        [1.042, inf]
    """
    k = np.asarray(terms, float)
    room = np.maximum(1 - _PRICE * k / n, 0.0)
    with np.errstate(divide="ignore"):
        return np.square((1 - k / n) / room)


@dataclass(frozen=True, kw_only=True, eq=False)
class SparseFit:
    """The best step of a path: its terms, ascending, and its corrected leave-one-out error."""

    terms: Terms
    corrected: float


def sparse_fit(solver: str, phi: FloatArray, gram: FloatArray, values: FloatArray) -> SparseFit:
    """The sparse fit of least corrected leave-one-out error among all steps of one path.

    Args:
        solver: `omp` or `lars`.
        phi: Values of the candidate terms, the constant first (P, n).
        gram: ΦᵀΦ (P, P), which all outputs share.
        values: One output (n,).

    Returns:
        Terms and error.

    Example:
        >>> x = np.linspace(-1, 1, 40)
        >>> phi = np.stack([np.ones(40), x, x**2, x**3])
        >>> sparse_fit("omp", phi, phi @ phi.T, 1 - 3 * x**2).terms.tolist()
        [0, 2]
    """
    path = PURSUITS[solver](gram, phi @ values, float(values @ values), len(values))
    error = corrected_errors(path, phi, values)
    k = int(error.argmin())
    return SparseFit(terms=np.sort(path.order[: k + 1]), corrected=float(error[k]))
