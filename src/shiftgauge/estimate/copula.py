"""A Gaussian copula: correlation of normal scores, and draws of some of them given the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftgauge.estimate.inputs import Inputs
from shiftgauge.types import FloatArray


def normal_correlation(inputs: Inputs) -> FloatArray:
    """Correlation of the normal scores of all inputs drawn from the unit cube, 2 sin(π ρ/6), (n_unit, n_unit)."""
    out = np.eye(inputs.n_unit)
    rank = inputs.space.correlation
    if rank is not None:
        part = inputs.shift_columns
        out[part, part] = 2 * np.sin(np.pi * rank / 6)
        np.fill_diagonal(out, 1.0)
    return out


@dataclass(frozen=True, kw_only=True, eq=False)
class Redraw:
    """Draws some normal scores anew given the others.

    z_u | z_rest is normal with mean R_ur R_rr⁻¹ z_rest and covariance R_uu - R_ur R_rr⁻¹ R_ru.

    Args:
        drawn: Positions u.
        kept: The other positions.
        slope: R_ur R_rr⁻¹ (|u|, |rest|).
        factor: Cholesky factor of the conditional covariance (|u|, |u|).
    """

    drawn: tuple[int, ...]
    kept: tuple[int, ...]
    slope: FloatArray
    factor: FloatArray

    @classmethod
    def of(cls, correlation: FloatArray, drawn: Sequence[int]) -> "Redraw":
        """Prepares the draw of the positions `drawn` under a correlation of normal scores (m, m).

        Example:
            >>> draw = Redraw.of(np.array([[1.0, 0.6], [0.6, 1.0]]), [1])
            >>> draw.slope.tolist(), draw.factor.round(6).tolist()
            ([[0.6]], [[0.8]])
        """
        u = tuple(sorted(drawn))
        rest = tuple(i for i in range(len(correlation)) if i not in set(u))
        across = correlation[np.ix_(u, rest)]
        slope = np.linalg.solve(correlation[np.ix_(rest, rest)], across.T).T if rest else np.zeros((len(u), 0))
        factor = np.linalg.cholesky(correlation[np.ix_(u, u)] - slope @ across.T) if u else np.zeros((0, 0))
        return cls(drawn=u, kept=rest, slope=np.asarray(slope, float), factor=np.asarray(factor, float))

    def __call__(self, score_nm: FloatArray, noise_nm: FloatArray) -> FloatArray:
        """Scores with the positions `drawn` replaced, from independent normal noise (n, m)."""
        out = score_nm.copy()
        mean = stable_product(score_nm[:, self.kept], self.slope)
        out[:, self.drawn] = mean + stable_product(noise_nm[:, self.drawn], self.factor)
        return out


def stable_product(rows: FloatArray, matrix: FloatArray) -> FloatArray:
    """Σ_j rows[…, j] matrix[…, i, j], summed in the order of j, so that a row's bits do not depend on its company.

    Args:
        rows: (..., j).
        matrix: (i, j), or with leading axes that broadcast against those of `rows`.

    Returns:
        (..., i).
    """
    out = np.zeros((*rows.shape[:-1], matrix.shape[-2]))
    for j in range(matrix.shape[-1]):
        if matrix[..., j].any():
            out += rows[..., j, None] * matrix[..., j]
    return out
