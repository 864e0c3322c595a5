"""Sets of terms: which products of one-dimensional functions a polynomial chaos holds."""

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError

IndexSet: TypeAlias = npt.NDArray[np.int64]
"""Multi-indices, axes (term, input), by ascending total degree; the first is the constant."""

MAX_TERMS: Final = 20_000


def tensor(degrees: Sequence[int]) -> IndexSet:
    """All products with degree ≤ degrees[i] in input i.

    Example:
        >>> len(tensor([6, 6, 6]))
        343
    """
    sizes = [require_positive_int("degree", p, low=0) + 1 for p in degrees]
    if np.prod(sizes, dtype=float) > MAX_TERMS:
        raise ConfigError(f"a tensor set of degrees {list(degrees)} has more than {MAX_TERMS} terms; lower a degree")
    return _graded(np.stack([g.ravel() for g in np.indices(sizes)], axis=1))


def total_degree(
    d: int,
    degree: int,
    *,
    q_norm: float = 1.0,
    interaction_order: int | None = None,
    limits: Sequence[int] | None = None,
    most: int = MAX_TERMS,
) -> IndexSet:
    """All products with (Σ α_i^q)^(1/q) ≤ degree: total degree for q = 1, hyperbolic for q < 1.

    Args:
        d: Number of inputs.
        degree: Largest degree p ≥ 0.
        q_norm: q in (0, 1]; smaller keeps fewer interactions.
        interaction_order: Most inputs that may meet in one term. Default: any number.
        limits: Highest degree of each input (d,). Default: p everywhere.
        most: Terms at which the enumeration gives up.

    Returns:
        Multi-indices (terms, d).

    Raises:
        ConfigError: A value outside its range, or more than `most` terms.

    Example:
        >>> len(total_degree(3, 6))
        84
        >>> len(total_degree(3, 6, q_norm=0.5)), len(total_degree(3, 6, interaction_order=1))
        (28, 19)

    References:
        Blatman, G., Sudret, B. (2011). Adaptive sparse polynomial chaos expansion. doi:10.1016/j.jcp.2010.12.021
    """
    require_positive_int("d", d)
    require_positive_int("degree", degree, low=0)
    require_range("q_norm", q_norm, 0.05, 1.0, hint="1 is total degree")
    meet = d if interaction_order is None else require_positive_int("interaction_order", interaction_order)
    limit = (degree,) * d if limits is None else tuple(min(int(v), degree) for v in limits)
    found = _enumerated(degree, float(q_norm), min(meet, d), limit, min(most, MAX_TERMS))
    if found is None:
        raise ConfigError(
            f"degree {degree} in {d} inputs has more than {min(most, MAX_TERMS)} terms; lower the degree or `q_norm`"
        )
    return found


@lru_cache(maxsize=64)
def _enumerated(degree: int, q: float, meet: int, limit: tuple[int, ...], most: int) -> IndexSet | None:
    """The set, read-only, or None when it has more than `most` terms.

    Terms are built input by input over the inputs that they hold: the work grows with their number alone.
    """
    d, budget = len(limit), float(degree) ** q * (1 + 1e-12)
    cost = [v**q for v in range(degree + 1)]
    free = [i for i in range(d) if limit[i]]
    terms: list[tuple[tuple[int, int], ...]] = [()]
    stack: list[tuple[tuple[tuple[int, int], ...], int, float]] = [((), 0, 0.0)]
    while stack:
        head, start, spent = stack.pop()
        if len(head) == meet or (degree and spent + cost[1] > budget) or not degree:
            continue
        for place in range(start, len(free)):
            column = free[place]
            for v in range(1, limit[column] + 1):
                if spent + cost[v] > budget:
                    break
                term = (*head, (column, v))
                terms.append(term)
                stack.append((term, place + 1, spent + cost[v]))
            if len(terms) > most:
                return None
    out = np.zeros((len(terms), d), np.int64)
    for row, term in enumerate(terms):
        for column, v in term:
            out[row, column] = v
    graded = _graded(out)
    graded.setflags(write=False)
    return graded


def total_degree_size(d: int, degree: int) -> int:
    """Number of terms of a full total-degree set.

    Example:
        >>> total_degree_size(3, 6)
        84
    """
    return comb(d + degree, d)


def with_levels(shift_set: IndexSet, column: int, n_levels: int, degree: int) -> IndexSet:
    """Adds a categorical input: each of its functions times every shift term up to a total degree.

    Args:
        shift_set: Multi-indices in which `column` is zero.
        column: Position of the categorical input.
        n_levels: Number of its functions besides the constant.
        degree: Highest total degree of the shift terms that meet it; -1 leaves it out.
    """
    low = shift_set[shift_set.sum(axis=1) <= degree]
    parts = [shift_set]
    for level in range(1, n_levels + 1):
        part = low.copy()
        part[:, column] = level
        parts.append(part)
    return np.concatenate(parts)


def _graded(indices: npt.NDArray[np.int64]) -> IndexSet:
    total = indices.sum(axis=1, keepdims=True)
    keys = np.hstack([total, indices.max(initial=0) - indices]).astype(">u4")
    rows = np.ascontiguousarray(keys).view(np.dtype((np.void, keys.itemsize * keys.shape[1]))).ravel()
    return np.ascontiguousarray(indices[np.argsort(rows, kind="stable")], np.int64)
