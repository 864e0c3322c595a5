"""Values of all terms at all points, and the short cuts that products of polynomials allow."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from shiftgauge.estimate.chaos.basis import Basis, PolynomialBasis
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.types import FloatArray


def one_dimensional(bases: Sequence[Basis], coordinates: FloatArray, degrees: Sequence[int]) -> list[FloatArray]:
    """Functions of each input at the points: one (degree + 1, n) array per input."""
    return [basis.evaluate(coordinates[:, i], degrees[i]) for i, basis in enumerate(bases)]


def vandermonde(bases: Sequence[Basis], indices: IndexSet, coordinates: FloatArray) -> FloatArray:
    """Values of the terms at the points, contiguous by term.

    Args:
        bases: One per input (d).
        indices: Multi-indices (terms, d).
        coordinates: Points (n, d).

    Returns:
        (terms, n): row p holds ∏_i φ_{α_pi}(x_i).
    """
    degrees = indices.max(axis=0)
    parts = one_dimensional(bases, coordinates, [int(v) for v in degrees])
    out = np.empty((len(indices), len(coordinates)))
    for row, alpha in zip(out, indices.tolist(), strict=True):
        factors = [parts[i][k] for i, k in enumerate(alpha) if k]
        if not factors:
            row[:] = 1.0
        elif len(factors) == 1:
            row[:] = factors[0]
        else:
            np.multiply(factors[0], factors[1], out=row)
            for factor in factors[2:]:
                row *= factor
    return out


class ProductRule:
    """Gram matrix and leverages through the products' own expansion.

    φ_a φ_b = Σ_c L_abc φ_c in each input, so ΦᵀΦ is a linear map of the ∏(2p_i + 1) moments Σ φ_c(x), and the leverage,
    a quadratic form in φ(x), is one polynomial of degree 2p_i. Both cost a small part of the plain n·P² operations.

    Args:
        bases: Polynomial bases.
        indices: Multi-indices (P, d).
    """

    def __init__(self, bases: Sequence[PolynomialBasis], indices: IndexSet) -> None:
        self.bases, self.indices = bases, indices
        self.degrees = [int(v) for v in indices.max(axis=0)]
        self.expansion = [_expansion(b, p) for b, p in zip(bases, self.degrees, strict=True)]
        self.where = np.asarray(np.ravel_multi_index(tuple(indices.T), [p + 1 for p in self.degrees]))

    @staticmethod
    def pays(bases: Sequence[Basis], indices: IndexSet, n: int) -> bool:
        """Whether the rule applies and is cheaper than the plain products."""
        p = indices.max(axis=0).astype(float)
        for basis, degree in zip(bases, p, strict=True):
            if not basis.is_polynomial or basis.n_functions < 2 * degree + 2:
                return False
        box, moments = np.prod(p + 1) ** 2, np.prod(2 * p + 1)
        return bool(box <= 4e6 and 4 * moments * n + 20 * box * len(p) < 0.5 * n * float(len(indices)) ** 2)

    def gram_and_parts(self, coordinates: FloatArray) -> tuple[FloatArray, list[FloatArray]]:
        """ΦᵀΦ (P, P), and the one-dimensional functions up to degree 2p_i that `leverages` takes."""
        parts = one_dimensional(self.bases, coordinates, [2 * p for p in self.degrees])
        shape = [len(part) for part in parts]
        moments = np.zeros((int(np.prod(shape[:-1])), shape[-1]))
        for span in _spans(len(coordinates)):
            moments += (
                _khatri_rao([part[:, span] for part in parts[:-1]], span.stop - span.start) @ parts[-1][:, span].T
            )
        box = moments.reshape(shape)
        for axis, expansion in enumerate(self.expansion):
            flat = expansion.reshape(-1, expansion.shape[2])
            box = np.moveaxis(np.tensordot(flat, box, axes=(1, axis)), 0, axis)
        return self._unfold(box)[self.where[:, None], self.where], parts

    def leverages(self, inverse: FloatArray, parts: Sequence[FloatArray]) -> FloatArray:
        """diag(Φ G⁻¹ Φᵀ) (n,) from G⁻¹ (P, P)."""
        sizes = [p + 1 for p in self.degrees]
        full = np.zeros((int(np.prod(sizes)),) * 2)
        full[self.where[:, None], self.where] = inverse
        d = len(sizes)
        order = [axis for i in range(d) for axis in (i, d + i)]
        box = full.reshape(*sizes, *sizes).transpose(order).reshape([s * s for s in sizes])
        for axis, expansion in enumerate(self.expansion):
            flat = expansion.reshape(-1, expansion.shape[2])
            box = np.moveaxis(np.tensordot(flat, box, axes=(0, axis)), 0, axis)
        kernel = np.ascontiguousarray(box.reshape(-1, box.shape[-1]))
        out = np.empty(parts[0].shape[1])
        for span in _spans(len(out)):
            left = _khatri_rao([part[:, span] for part in parts[:-1]], span.stop - span.start)
            out[span] = np.einsum("kn,kn->n", left, kernel @ parts[-1][:, span])
        return out

    def _unfold(self, box: FloatArray) -> FloatArray:
        sizes = [p + 1 for p in self.degrees]
        d = len(sizes)
        split = box.reshape([s for size in sizes for s in (size, size)])
        order = [*range(0, 2 * d, 2), *range(1, 2 * d, 2)]
        side = int(np.prod(sizes))
        return split.transpose(order).reshape(side, side)


def _expansion(basis: PolynomialBasis, degree: int) -> FloatArray:
    x, weights = basis.quadrature(2 * degree + 1)
    values = basis.evaluate(x, 2 * degree)
    low = values[: degree + 1]
    return np.einsum("an,bn,cn,n->abc", low, low, values, weights, optimize=True)


def _khatri_rao(parts: Sequence[FloatArray], n: int) -> FloatArray:
    out = np.ones((1, n))
    for part in parts:
        out = (out[:, None, :] * part[None, :, :]).reshape(-1, out.shape[1])
    return out


def _spans(n: int, size: int = 1024) -> list[slice]:
    edges = [*range(0, n, size), n]
    return [slice(a, b) for a, b in pairwise(edges)]
