"""Functions that are linear in every input taken alone: their variance components are exact sums."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import log, prod
from typing import Final

import numpy as np

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.reference.function import ReferenceFunction, uniform_space
from shiftgauge.types import FloatArray, ThetaNP

_MOST: Final = 16


def multilinear_components(
    terms: Mapping[tuple[int, ...], float], means: Sequence[float], variances: Sequence[float]
) -> tuple[float, dict[tuple[int, ...], float]]:
    """Mean and exact variance components of Σ_v b_v ∏_{i∈v} w_i for independent w.

    With w_i = m_i + e_i the coefficient of ∏_{i∈u} e_i is c_u = Σ_{v⊇u} b_v ∏_{i∈v\\u} m_i, and the component of the
    set u is c_u² ∏_{i∈u} Var w_i.

    Args:
        terms: Set of inputs, ascending → coefficient b.
        means: m_i.
        variances: Var w_i.

    Returns:
        The mean, and set of inputs → variance of its term.

    Example:
        >>> multilinear_components({(0,): 1.0, (0, 1): 2.0}, [0.0, 3.0], [1.0, 0.25])
        (0.0, {(0,): 49.0, (0, 1): 1.0})
    """
    coefficients: dict[tuple[int, ...], float] = {}
    for v, b in terms.items():
        for size in range(len(v) + 1):
            for u in combinations(v, size):
                rest = prod(means[i] for i in v if i not in u)
                coefficients[u] = coefficients.get(u, 0.0) + b * rest
    mean = coefficients.pop((), 0.0)
    found = {u: c**2 * prod(variances[i] for i in u) for u, c in coefficients.items()}
    return mean, {u: found[u] for u in sorted(found, key=lambda u: (len(u), u)) if found[u] > 0}


def bratley(d: int = 8) -> ReferenceFunction:
    """Σ_{i=1}^d (-1)^i ∏_{j≤i} x_j on [0, 1]^d: importance falls with the position of the input.

    Args:
        d: Number of inputs, 1 to 16.

    Raises:
        ConfigError: `d` outside its range.

    Example:
        >>> bratley(2).first_order.round(4).tolist()
        [0.4286, 0.4286]

    References:
        Bratley, P., Fox, B. L., Niederreiter, H. (1992). Implementation and tests of low-discrepancy sequences.
            doi:10.1145/146382.146385
    """
    if require_positive_int("d", d) > _MOST:
        raise ConfigError(f"`d` must be at most {_MOST}, as there are 2^d components, got {d}")
    mean, components = multilinear_components(
        {tuple(range(i)): (-1.0) ** i for i in range(1, d + 1)}, [0.5] * d, [1 / 12] * d
    )
    signs = (-1.0) ** np.arange(1, d + 1)
    return ReferenceFunction(
        name="bratley",
        space=uniform_space(" ".join(f"x{i + 1}" for i in range(d)), 0, 1),
        function=lambda x: np.cumprod(x, axis=1) @ signs,
        mean=mean,
        components=components,
    )


def _morris_terms() -> dict[tuple[int, ...], float]:
    terms: dict[tuple[int, ...], float] = {(i,): 20.0 if i < 10 else (-1.0) ** (i + 1) for i in range(20)}
    for i, j in combinations(range(20), 2):
        terms[(i, j)] = -15.0 if j < 6 else (-1.0) ** (i + j)
    terms |= dict.fromkeys(combinations(range(5), 3), -10.0)
    terms |= dict.fromkeys(combinations(range(4), 4), 5.0)
    return terms


def _morris_scaled(x: ThetaNP) -> FloatArray:
    w = 2 * (x - 0.5)
    for i in (2, 4, 6):
        w[:, i] = 2 * (1.1 * x[:, i] / (x[:, i] + 0.1) - 0.5)
    return w


def morris() -> ReferenceFunction:
    """Morris's function of 20 inputs on [0, 1]²⁰: 10 matter, 10 hardly, with interactions of up to four inputs.

    With w_i = 2 (x_i - ½), and 2 (1.1 x_i / (x_i + 0.1) - ½) for i = 3, 5, 7,
    f = Σ b_i w_i + Σ b_ij w_i w_j + Σ b_ijk w_i w_j w_k + b_1234 w_1 w_2 w_3 w_4, where b_i = 20 for i ≤ 10,
    b_ij = -15 for i, j ≤ 6, b_ijk = -10 for i, j, k ≤ 5, b_1234 = 5, and the other b_i = (-1)^i, b_ij = (-1)^{i+j}.
    Morris drew those last ones at random; the signs are what later work uses. The function is linear in every w_i and
    the moments of w_i are known in closed form, so that all components are exact.

    Example:
        >>> bool(morris().total_order[:10].min() > 10 * morris().total_order[10:].max())
        True

    References:
        Morris, M. D. (1991). Factorial sampling plans for preliminary computational experiments.
            doi:10.1080/00401706.1991.10484804
    """
    terms = _morris_terms()
    ratio, ratio_squared = 1 - 0.1 * log(11), 1 - 0.2 * log(11) + 0.01 * (10 - 1 / 1.1)
    means, variances = [0.0] * 20, [1 / 3] * 20
    for i in (2, 4, 6):
        means[i] = 2 * (1.1 * ratio - 0.5)
        variances[i] = 4 * 1.21 * (ratio_squared - ratio**2)
    mean, components = multilinear_components(terms, means, variances)
    linear = np.array([terms[(i,)] for i in range(20)])
    pairs = np.array([[terms.get((i, j), 0.0) for j in range(20)] for i in range(20)])

    def function(x: ThetaNP) -> FloatArray:
        w = _morris_scaled(np.asarray(x, float))
        third = sum(w[:, list(v)].prod(axis=1) for v in combinations(range(5), 3))
        return w @ linear + np.einsum("ni,ij,nj->n", w, pairs, w, optimize=True) - 10 * third + 5 * w[:, :4].prod(1)

    return ReferenceFunction(
        name="morris",
        space=uniform_space(" ".join(f"x{i + 1}" for i in range(20)), 0, 1),
        function=function,
        mean=mean,
        components=components,
    )
