"""Variance components of a polynomial chaos: sums of squared coefficients."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.types import FloatArray

Support = npt.NDArray[np.bool_]
"""Which inputs or groups each term depends on, axes (term, group)."""


def group_support(indices: IndexSet, groups: Sequence[Sequence[int]]) -> Support:
    """Which groups of inputs each term depends on.

    Example:
        >>> group_support(np.array([[0, 2, 1]]), [(0, 1), (2,)]).tolist()
        [[True, True]]
    """
    used = indices > 0
    return np.stack([used[:, list(columns)].any(axis=1) for columns in groups], axis=1)


def component_matrix(support: Support, layout: MomentLayout) -> FloatArray:
    """0/1 matrix (P, K): which squared coefficient enters which column of `MomentLayout`.

    A term counts for first order when it depends on that group alone, for total order when it depends on
    it at all, for a pair's total when on either, for a closed pair when on nothing else. The column of the mean is
    empty; that of the square holds every term but the constant.
    """
    count = support.sum(axis=1)
    out = np.zeros((len(support), layout.n_columns))
    out[:, 1] = count > 0
    out[:, layout.first] = support & (count == 1)[:, None]
    out[:, layout.total] = support
    i, j = layout.pairs
    either = support[:, i] | support[:, j]
    out[:, layout.pair_total] = either
    if layout.second_order:
        inside = support[:, i].astype(int) + support[:, j]
        out[:, layout.pair_closed] = (inside == count[:, None]) & either
    return out


def chaos_columns(coefficients: FloatArray, matrix: FloatArray) -> FloatArray:
    """Columns (K, ...) of `MomentLayout` from coefficients (P, ...), the first of which is the centred mean."""
    squared = (coefficients**2).reshape(len(coefficients), -1)
    out = (matrix.T @ squared).reshape(matrix.shape[1], *coefficients.shape[1:])
    out[0] = coefficients[0]
    out[1] += coefficients[0] ** 2
    return out


def subset_variances(indices: IndexSet, coefficients: FloatArray) -> dict[tuple[int, ...], FloatArray]:
    """Variance of every subset of inputs that has terms: ascending inputs → (Q,)."""
    used = indices > 0
    subsets, which = np.unique(used, axis=0, return_inverse=True)
    squared = coefficients**2
    found: dict[tuple[int, ...], FloatArray] = {}
    for number, row in enumerate(subsets):
        members = tuple(np.flatnonzero(row).tolist())
        if members:
            found[members] = squared[which.ravel() == number].sum(axis=0)
    return dict(sorted(found.items(), key=lambda item: (len(item[0]), item[0])))
