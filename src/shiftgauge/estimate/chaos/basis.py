"""Functions of one input that are orthonormal under its distribution, the first of them constant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from scipy.linalg import eigh_tridiagonal

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.parameter import Parameter
from shiftgauge.types import FloatArray

MAX_DEGREE: Final = 60
"""Recurrences are made up to this degree; products of two functions of degree 30 are exact."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PolynomialBasis:
    """Orthonormal polynomials by their three-term recurrence.

    √β_{k+1} φ_{k+1}(s) = (s - α_k) φ_k(s) - √β_k φ_{k-1}(s),  φ_0 = 1,  s = (x - loc)/scale or (ln x - loc)/scale.

    Args:
        alpha: Recurrence coefficients α_0 … (m,).
        beta: Recurrence coefficients β_0 … (m,); β_0 is not used.
        loc: Shift of the standard variable.
        scale: Scale of the standard variable.
        log: Whether the standard variable is that of ln x.

    Example:
        >>> basis = legendre(low=-1, high=1)
        >>> basis.evaluate(np.array([1.0]), 2).ravel().round(4).tolist()
        [1.0, 1.7321, 2.2361]
    """

    alpha: FloatArray
    beta: FloatArray
    loc: float = 0.0
    scale: float = 1.0
    log: bool = False

    @property
    def n_functions(self) -> int:
        """Number of functions that exist, the constant included."""
        return len(self.alpha)

    @property
    def is_polynomial(self) -> bool:
        """Whether products of functions are sums of functions of higher degree."""
        return True

    def evaluate(self, values_n: FloatArray, degree: int) -> FloatArray:
        """Functions 0 … degree at the values, contiguous by function (degree + 1, n)."""
        x = np.log(values_n) if self.log else values_n
        s = (x - self.loc) / self.scale
        out = np.empty((degree + 1, len(s)))
        out[0] = 1.0
        root = np.sqrt(self.beta)
        for k in range(degree):
            np.subtract(s, self.alpha[k], out=out[k + 1])
            out[k + 1] *= out[k]
            if k:
                out[k + 1] -= root[k] * out[k - 1]
            out[k + 1] /= root[k + 1]
        return out

    def quadrature(self, n: int) -> tuple[FloatArray, FloatArray]:
        """Gauss nodes (as values of x) and weights, exact for polynomials of degree 2n - 1."""
        nodes, vectors = eigh_tridiagonal(self.alpha[:n], np.sqrt(self.beta[1:n]))
        s = self.loc + self.scale * nodes
        return (np.exp(s) if self.log else s), vectors[0] ** 2


@dataclass(frozen=True, kw_only=True, eq=False)
class TableBasis:
    """Orthonormal functions of a categorical input, as a table (level, function); column 0 is 1."""

    table: FloatArray

    @property
    def n_functions(self) -> int:
        """Number of functions, the constant included."""
        return self.table.shape[1]

    @property
    def is_polynomial(self) -> bool:
        """No: products of table functions are not in the table."""
        return False

    def evaluate(self, values_n: FloatArray, degree: int) -> FloatArray:
        """Functions 0 … degree at the levels given as numbers (degree + 1, n)."""
        return np.ascontiguousarray(self.table[:, : degree + 1].T)[:, np.asarray(values_n).astype(np.int64)]


Basis: TypeAlias = PolynomialBasis | TableBasis


def legendre(low: float, high: float, *, log: bool = False) -> PolynomialBasis:
    """Legendre polynomials on [low, high], orthonormal under the uniform distribution."""
    k = np.arange(MAX_DEGREE + 1, dtype=float)
    edges = np.log([low, high]) if log else np.array([low, high], float)
    return PolynomialBasis(
        alpha=np.zeros(len(k)),
        beta=np.where(k > 0, k**2 / np.maximum(4 * k**2 - 1, 1), 1.0),
        loc=float(edges.mean()),
        scale=float(edges[1] - edges[0]) / 2,
        log=log,
    )


def hermite(mean: float, std: float, *, log: bool = False) -> PolynomialBasis:
    """Hermite polynomials, orthonormal under the normal distribution of x (or of ln x)."""
    k = np.arange(MAX_DEGREE + 1, dtype=float)
    return PolynomialBasis(alpha=np.zeros(len(k)), beta=np.maximum(k, 1), loc=mean, scale=std, log=log)


def jacobi(a: float, b: float, low: float, high: float) -> PolynomialBasis:
    """Jacobi polynomials, orthonormal under the beta(a, b) distribution on [low, high]."""
    n = np.arange(MAX_DEGREE + 1, dtype=float)
    p, q = b - 1, a - 1
    total = 2 * n + p + q
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha = (q**2 - p**2) / (total * (total + 2))
        beta = 4 * n * (n + p) * (n + q) * (n + p + q) / (total**2 * (total + 1) * (total - 1))
    alpha[0] = (q - p) / (p + q + 2)
    beta[0] = 1.0
    beta[1] = 4 * (1 + p) * (1 + q) / ((2 + p + q) ** 2 * (3 + p + q))
    return PolynomialBasis(alpha=alpha, beta=beta, loc=(low + high) / 2, scale=(high - low) / 2)


def laguerre(shape: float, scale: float, low: float) -> PolynomialBasis:
    """Generalised Laguerre polynomials, orthonormal under the gamma distribution."""
    n = np.arange(MAX_DEGREE + 1, dtype=float)
    return PolynomialBasis(
        alpha=2 * n + shape, beta=np.where(n > 0, n * (n + shape - 1), 1.0), loc=low, scale=float(scale)
    )


def discrete(values: FloatArray, weights: FloatArray, n_functions: int) -> PolynomialBasis:
    """Polynomials orthonormal under point masses, by the Stieltjes procedure.

    Args:
        values: Distinct points (m,).
        weights: Their masses, sum 1 (m,).
        n_functions: How many to make, ≤ m.

    References:
        Gautschi, W. (2004). Orthogonal Polynomials: Computation and Approximation. ISBN 978-0-19-850672-0
    """
    loc, scale = float(values.min() + values.max()) / 2, float(np.ptp(values)) / 2
    s = (values - loc) / scale
    alpha, beta = np.zeros(n_functions), np.ones(n_functions)
    known = np.ones((1, len(s)))
    for k in range(n_functions):
        alpha[k] = weights @ (s * known[k] ** 2)
        if k + 1 == n_functions:
            break
        following = s * known[k]
        for _ in range(2):  # twice, so that rounding leaves nothing of the earlier functions
            following = following - (known @ (weights * following)) @ known
        beta[k + 1] = weights @ following**2
        known = np.vstack([known, following / np.sqrt(beta[k + 1])])
    return PolynomialBasis(alpha=alpha, beta=beta, loc=loc, scale=scale)


def parameter_basis(parameter: Parameter) -> PolynomialBasis:
    """The polynomials that are orthonormal under a parameter's distribution.

    Uniform: Legendre; normal: Hermite; beta: Jacobi; gamma and exponential: Laguerre; loguniform and lognormal:
    Legendre and Hermite of ln x; choice: discrete (as many functions as values); truncated normal and
    triangular: by discretised Stieltjes on Gauss-Legendre panels.

    Example:
        >>> basis = parameter_basis(Parameter(name="x", distribution="exponential", options={"scale": 2}))
        >>> x, weights = basis.quadrature(8)
        >>> bool(abs(weights @ x - 2) < 1e-12)
        True

    References:
        Xiu, D., Karniadakis, G. (2002). The Wiener-Askey polynomial chaos. doi:10.1137/S1064827501387826
    """
    o, kind = parameter.options, parameter.distribution
    levels = parameter.levels
    if levels is not None:
        return discrete(levels[0], levels[1], min(len(levels[0]), MAX_DEGREE + 1))
    if kind in ("uniform", "loguniform"):
        return legendre(o["low"], o["high"], log=kind == "loguniform")
    if kind == "normal":
        return hermite(o["mean"], o["std"])
    if kind == "lognormal":
        return hermite(float(np.log(o["median"])), o["sigma"], log=True)
    if kind == "beta":
        return jacobi(o["a"], o["b"], o["low"], o["high"])
    if kind in ("gamma", "exponential"):
        return laguerre(o.get("shape", 1.0), o["scale"], o["low"])
    return discrete(*_panels(parameter), MAX_DEGREE + 1)


def _panels(parameter: Parameter) -> tuple[FloatArray, FloatArray]:
    low, high = (float(v) for v in parameter.ppf(np.array([0.0, 1.0])))
    edges = np.linspace(low, high, 9)
    mode = parameter.options.get("mode")
    if mode is not None:
        edges = np.unique(np.append(edges, mode))
    nodes, weights = np.polynomial.legendre.leggauss(48)
    half, middle = np.diff(edges) / 2, (edges[:-1] + edges[1:]) / 2
    x = (middle[:, None] + half[:, None] * nodes).ravel()
    w = (half[:, None] * weights).ravel() * parameter.frozen.pdf(x)
    return x, w / w.sum()


def table_basis(features: FloatArray | None, n_levels: int, most: int) -> TableBasis:
    """Functions of a categorical input whose levels are equally likely, from features of the levels.

    Args:
        features: Any numbers per level (n_levels, k); None for none, so that only the constant is left.
        n_levels: Number of levels L.
        most: At most so many functions besides the constant; the leading principal components are kept.

    Returns:
        A table T with TᵀT/L = 1; features that are constant or repeat others are dropped.

    Raises:
        DataError: Wrong shape.
        NumericalError: NaN or infinity.

    Example:
        >>> table = table_basis(np.eye(3), 3, most=5).table
        >>> table.shape, bool(np.allclose(table.T @ table / 3, np.eye(3)))
        ((3, 3), True)
    """
    constant = np.ones((n_levels, 1))
    if features is None:
        return TableBasis(table=constant)
    array = np.asarray(features, float)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != n_levels:
        raise DataError(f"`image_features` must have one row for each of {n_levels} images, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise NumericalError("`image_features` holds NaN or infinite values")
    centred = array - array.mean(axis=0)
    spread = centred.std(axis=0)
    centred = centred[:, spread > 1e-12 * (1 + np.abs(array).max(initial=0.0))]
    if not centred.shape[1]:
        return TableBasis(table=constant)
    left, singular, _ = np.linalg.svd(centred / centred.std(axis=0), full_matrices=False)
    kept = left[:, singular > 1e-9 * singular[0]][:, :most]
    return TableBasis(table=np.hstack([constant, kept * np.sqrt(n_levels)]))


def input_bases(inputs: Inputs, image_features: FloatArray | None, most: int) -> tuple[Basis, ...]:
    """One basis for each input; the realisation of noise has the constant alone."""
    bases: list[Basis] = []
    for column, parameter in enumerate(inputs.parameters):
        if parameter is not None:
            bases.append(parameter_basis(parameter))
        elif column == 0 and inputs.has_image:
            bases.append(table_basis(image_features, inputs.n_images, most))
        else:
            bases.append(TableBasis(table=np.ones((1, 1))))
    return tuple(bases)


def bases_to_arrays(bases: Sequence[Basis]) -> dict[str, Any]:
    """The bases as plain arrays, for files."""
    out: dict[str, Any] = {}
    for i, basis in enumerate(bases):
        if isinstance(basis, TableBasis):
            out[f"basis{i}_table"] = basis.table
        else:
            out[f"basis{i}_recurrence"] = np.vstack([basis.alpha, basis.beta])
            out[f"basis{i}_standard"] = np.array([basis.loc, basis.scale, float(basis.log)])
    return out


def bases_from_arrays(arrays: Mapping[str, FloatArray], d: int) -> tuple[Basis, ...]:
    """The bases from what `bases_to_arrays` gave."""
    bases: list[Basis] = []
    for i in range(d):
        if f"basis{i}_table" in arrays:
            bases.append(TableBasis(table=np.asarray(arrays[f"basis{i}_table"], float)))
            continue
        alpha, beta = np.asarray(arrays[f"basis{i}_recurrence"], float)
        loc, scale, log = (float(v) for v in arrays[f"basis{i}_standard"])
        bases.append(PolynomialBasis(alpha=alpha, beta=beta, loc=loc, scale=scale, log=bool(log)))
    return tuple(bases)
