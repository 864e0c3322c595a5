"""Polynomials with curbed tails: without them, moments hang on far points that no sample holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from shiftgauge.estimate.chaos.basis import Basis, PolynomialBasis
from shiftgauge.estimate.chaos.index_set import IndexSet
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.moments import MomentLayout
from shiftgauge.parameter import Parameter
from shiftgauge.types import FloatArray

_NODES: Final = 24
_HEAVY: Final = ("exponential", "gamma")
_FLAT_FROM: Final = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class TailBasis(PolynomialBasis):
    """Polynomials that go on as straight lines, or those of higher degree as constants, beyond two points.

    Args:
        low: Where the tail to the left begins, in the standard variable; -inf for none.
        high: Where the tail to the right begins; inf for none.
        flat_from: Functions of this degree and above stay constant beyond these points, the others are polynomials
            throughout. Default: all functions go on as straight lines.

    Example:
        >>> from shiftgauge.estimate.chaos.basis import laguerre
        >>> plain = laguerre(1.0, 1.0, 0.0)
        >>> bent = TailBasis(alpha=plain.alpha, beta=plain.beta, low=-np.inf, high=3.0)
        >>> bent.evaluate(np.array([1.0, 4.0, 5.0]), 2)[2].tolist()  # φ₂ = (s² - 4s + 2) / 2, of slope 1 at 3
        [-0.5, 0.5, 1.5]
    """

    low: float
    high: float
    flat_from: int | None = None

    def evaluate(self, values_n: FloatArray, degree: int) -> FloatArray:
        """Functions 0 … degree at the values, contiguous by function (degree + 1, n)."""
        s = ((np.log(values_n) if self.log else values_n) - self.loc) / self.scale
        inner = np.clip(s, self.low, self.high)
        plain = PolynomialBasis(alpha=self.alpha, beta=self.beta)
        out = plain.evaluate(inner, degree)
        if self.flat_from is not None:
            low = min(self.flat_from - 1, degree)
            out[: low + 1] = plain.evaluate(s, low)
            return out
        for end, far in ((self.low, s < self.low), (self.high, s > self.high)):
            if far.any():
                out[:, far] += self._slopes(end, degree)[:, None] * (s[far] - end)
        return out

    def _slopes(self, s: float, degree: int) -> FloatArray:
        """dφ_k/ds at one point (degree + 1,)."""
        root, values, slopes = np.sqrt(self.beta), np.ones(degree + 1), np.zeros(degree + 1)
        for k in range(degree):
            before = (values[k - 1], slopes[k - 1]) if k else (0.0, 0.0)
            from_middle = s - self.alpha[k]
            values[k + 1] = (from_middle * values[k] - root[k] * before[0]) / root[k + 1]
            slopes[k + 1] = (values[k] + from_middle * slopes[k] - root[k] * before[1]) / root[k + 1]
        return slopes


@dataclass(frozen=True, kw_only=True, eq=False)
class Tails:
    """Bases with curbed tails beyond the quantiles ε and 1 - ε, on the sides where an input is unbounded.

    A polynomial that fits f wherever there are points may be huge beyond the last of them, and its variance then hangs
    on rare cases that the sample does not hold: a control variate made of it would trade the error of the sample for
    that of the tail. As in natural splines, simple tails end this. Functions of normal and lognormal inputs stay
    constant there from degree 3 on, while those of degree 1 and 2 go on as they are. Under exponential and gamma
    inputs, where even a square may run away, all go on as straight lines. The moments stay exact: all that changes is
    the Gram matrix M_jk = E φ_j φ_k and the mean v_j = E φ_j of each input.

    Args:
        inputs: Of the design.
        plain: The polynomial bases, one per input.
        edge: ε, in (0, 1/2).

    Example:
        >>> from shiftgauge.estimate.chaos.basis import input_bases
        >>> from shiftgauge.parameter import Parameter
        >>> from shiftgauge.space import Space
        >>> inputs = Inputs(space=Space([Parameter(name="x", distribution="exponential", options={"scale": 2})]))
        >>> tails = Tails(inputs=inputs, plain=input_bases(inputs, None, 0), edge=0.01)
        >>> tails.gram(0, 3).round(3)[3].tolist()  # far from 0 0 0 1
        [-0.026, -0.182, -0.455, 0.503]

    References:
        Stone, C. J., Koo, C.-Y. (1985). Additive splines in statistics. Proc. Stat. Comp. Section, ASA, 45-48.
    """

    inputs: Inputs
    plain: Sequence[Basis]
    edge: float

    @cached_property
    def bent(self) -> np.ndarray:
        """Which inputs have such tails, bool (d,)."""
        return np.array([isinstance(basis, TailBasis) for basis in self.bases])

    @cached_property
    def bases(self) -> tuple[Basis, ...]:
        """The bases with such tails, one per input."""
        found: list[Basis] = []
        for parameter, basis in zip(self.inputs.parameters, self.plain, strict=True):
            if parameter is None or not isinstance(basis, PolynomialBasis):
                found.append(basis)
            else:
                found.append(self._bent(parameter, basis))
        return tuple(found)

    def _bent(self, parameter: Parameter, basis: PolynomialBasis) -> PolynomialBasis:
        with np.errstate(divide="ignore"):
            support = np.log(parameter.support) if basis.log else np.array(parameter.support)
        x = parameter.ppf(np.array([self.edge, 1 - self.edge]))
        ends = ((np.log(x) if basis.log else x) - basis.loc) / basis.scale
        low, high = np.where(np.isinf(support), ends, [-np.inf, np.inf])
        if np.isinf(low) and np.isinf(high):
            return basis
        options = {"alpha": basis.alpha, "beta": basis.beta, "loc": basis.loc, "scale": basis.scale, "log": basis.log}
        flat_from = None if parameter.distribution in _HEAVY else _FLAT_FROM
        return TailBasis(**options, low=float(low), high=float(high), flat_from=flat_from)

    def gram(self, column: int, degree: int) -> FloatArray:
        """M (degree + 1, degree + 1) of one input; its row 0 is v."""
        parameter = self.inputs.parameters[column]
        if parameter is None or not self.bent[column]:
            return np.eye(degree + 1)
        unit, weights = _quadrature(self.edge)
        values = self.bases[column].evaluate(parameter.ppf(unit), degree)
        return (values * weights) @ values.T

    def columns(
        self, indices: IndexSet, coefficients: FloatArray, groups: Sequence[Sequence[int]], layout: MomentLayout
    ) -> FloatArray:
        """Expected columns of `MomentLayout` from coefficients (P, ...), as `chaos_columns` for orthonormal functions.

        Each is a difference of E[E[g | x_u]²] = Σ c_α c_β ∏_{i in u} M_αβ ∏_{i not in u} v_α v_β.
        """
        flat = coefficients.reshape(len(coefficients), -1)
        grams = [self.gram(i, int(indices[:, i].max())) for i in range(indices.shape[1])]
        products = [_product([grams[i][indices[:, i][:, None], indices[:, i]] for i in g]) for g in groups]
        means = [_product([grams[i][0, indices[:, i]] for i in g]) for g in groups]
        everything = [*range(len(groups))]

        def square(inside: Sequence[int], gram: FloatArray | None) -> FloatArray:
            weighted = flat * _product([means[k] for k in everything if k not in inside], len(flat))[:, None]
            known = weighted.sum(axis=0) ** 2 if gram is None else np.einsum("pm,pm->m", weighted, gram @ weighted)
            return np.asarray(known)

        out = np.zeros((layout.n_columns, flat.shape[1]))
        whole = square(everything, _product(products))
        nothing = square([], None)
        out[0] = (flat * _product(means)[:, None]).sum(axis=0)
        out[1] = whole
        for k, gram in enumerate(_all_but_one(products)):
            out[layout.first.start + k] = square([k], products[k]) - nothing
            out[layout.total.start + k] = whole - square([i for i in everything if i != k], gram)
        for place, (i, j) in enumerate(zip(*(v.tolist() for v in layout.pairs), strict=True)):
            rest = [k for k in everything if k not in (i, j)]
            gram = _product([products[k] for k in rest]) if rest else None
            out[layout.pair_total.start + place] = whole - square(rest, gram)
            if layout.second_order:
                out[layout.pair_closed.start + place] = square([i, j], products[i] * products[j]) - nothing
        return out.reshape(-1, *coefficients.shape[1:])


def _product(factors: Sequence[FloatArray], n: int = 1) -> FloatArray:
    out = np.ones(n)
    for factor in factors:
        out = out * factor
    return out


def _all_but_one(factors: Sequence[FloatArray]) -> list[FloatArray | None]:
    """Product of all factors but one, for each; None where there is no other."""
    if len(factors) == 1:
        return [None]
    return [_product([f for i, f in enumerate(factors) if i != k]) for k in range(len(factors))]


def _quadrature(edge: float) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights on [0, 1] for functions with kinks at ε and 1 - ε that may be steep near 0 and 1."""
    half = 0.5 ** np.arange(1, 48)
    edges = np.unique(np.concatenate([[0.0, edge, 1 - edge, 1.0], half, 1 - half[1:]]))
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    width, middle = np.diff(edges) / 2, (edges[:-1] + edges[1:]) / 2
    return (middle[:, None] + width[:, None] * nodes).ravel(), (width[:, None] * weights).ravel()
