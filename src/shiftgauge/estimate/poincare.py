"""Constants and weights of Poincaré inequalities: how far the variance of a function is bounded by its derivative."""

from collections.abc import Callable, Mapping
from math import inf, pi
from typing import Any, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import j0, j1, ndtr, y0
from scipy.stats import norm

from shiftgauge.errors import SpaceError
from shiftgauge.estimate.chaos.basis import PolynomialBasis, parameter_basis
from shiftgauge.parameter import Parameter
from shiftgauge.types import FloatArray

_DEGREE: Final = 58
_SINES: Final = 128
_DECAY: Final = 14.0
"""So many widths beyond its peak a solution is below 1e-15."""
_J0: Final = 2.404825557695773
"""First zero of the Bessel function J0."""


def poincare_constant(parameter: Parameter) -> float:
    """The smallest C with Var g(x) ≤ C E[g'(x)²] for every smooth g of one input.

    1/C is the first eigenvalue λ > 0 of -(p g')' = λ p g with g' = 0 at the ends, where p is the density:

    * uniform: (b - a)²/π²; normal: σ²; exponential: 4 scale²
    * gamma: (k + 1)²/k scale² for a shape k ≥ 1, 4 scale² below (the eigenproblem is that of a hydrogen atom)
    * triangular and loguniform: from the first root of a sum of Bessel functions
    * truncated normal: by Galerkin's method in sines for u = √p g', which solves -u'' + (z²/4 + 1/2) u = λσ² u in
      z = (x - mean)/σ with u = 0 at the ends, however far in the tail these lie
    * beta: by Galerkin's method in the polynomials that are orthonormal under p
    * lognormal: infinite, because its tail is too heavy; `stein_kernel` still gives a bound

    Args:
        parameter: A continuous marginal.

    Returns:
        C, in the square of the parameter's unit.

    Raises:
        SpaceError: A discrete or fixed parameter, which has no derivative.

    Example:
        >>> tilt = Parameter(name="tilt", distribution="uniform", options={"low": 0, "high": pi})
        >>> round(poincare_constant(tilt), 12)
        1.0

    References:
        Roustant, O., Barthe, F., Iooss, B. (2017). Poincaré inequalities on intervals: application to sensitivity
            analysis. doi:10.1214/17-EJS1310
    """
    o = continuous(parameter).options
    simple: Mapping[str, Callable[[], float]] = {
        "uniform": lambda: ((o["high"] - o["low"]) / pi) ** 2,
        "normal": lambda: o["std"] ** 2,
        "exponential": lambda: 4 * o["scale"] ** 2,
        "gamma": lambda: o["scale"] ** 2 * ((o["shape"] + 1) ** 2 / o["shape"] if o["shape"] >= 1 else 4.0),
        "lognormal": lambda: inf,
        "triangular": lambda: _triangular(o["mode"] - o["low"], o["high"] - o["mode"]),
        "loguniform": lambda: _loguniform(o["low"], o["high"]),
        "truncnormal": lambda: o["std"] ** 2 * _truncated(*((o[k] - o["mean"]) / o["std"] for k in ("low", "high"))),
    }
    if parameter.distribution in simple:
        return float(simple[parameter.distribution]())
    return _galerkin(parameter)


def stein_kernel(parameter: Parameter, value_n: FloatArray) -> FloatArray:
    """The weight τ with Var g(x) ≤ E[τ(x) g'(x)²], an equality for linear g.

    τ(x) = ∫_x^b (t - μ) p(t) dt / p(x), the Stein kernel, makes the constant of the weighted inequality 1 for every
    density: x - μ is an eigenfunction with one zero, hence the first. It is finite where no plain constant
    exists (lognormal), and sharp for functions that are nearly linear; the plain one is sharp for others.

    Args:
        parameter: A continuous marginal.
        value_n: Values inside its support, any shape.

    Returns:
        τ ≥ 0, the same shape, in the square of the parameter's unit.

    Raises:
        SpaceError: A discrete or fixed parameter.

    Example:
        >>> unit = Parameter(name="x", distribution="uniform", options={"low": 0, "high": 1})
        >>> stein_kernel(unit, np.array([0.0, 0.5])).tolist()
        [0.0, 0.125]

    References:
        Saumard, A. (2019). Weighted Poincaré inequalities, concentration inequalities and tail bounds related to Stein
            kernels in dimension one. Bernoulli 25. arXiv:1804.03926
        Song, S., Zhou, T., Wang, L., Kucherenko, S., Lu, Z. (2019). Derivative-based new upper bound of Sobol'
            sensitivity measure. Reliability Engineering & System Safety 187.
    """
    o, x = continuous(parameter).options, np.asarray(value_n, float)
    weights: Mapping[str, Callable[[], FloatArray]] = {
        "uniform": lambda: (x - o["low"]) * (o["high"] - x) / 2,
        "normal": lambda: np.full(x.shape, o["std"] ** 2),
        "exponential": lambda: o["scale"] * (x - o["low"]),
        "gamma": lambda: o["scale"] * (x - o["low"]),
        "beta": lambda: (x - o["low"]) * (o["high"] - x) / (o["a"] + o["b"]),
        "lognormal": lambda: _lognormal_kernel(parameter, x),
        "loguniform": lambda: x * (o["high"] - x - parameter.mean * np.log(o["high"] / x)),
        "triangular": lambda: _triangular_kernel(parameter, x),
        "truncnormal": lambda: _truncnormal_kernel(parameter, x),
    }
    return np.maximum(weights[parameter.distribution](), 0.0)


def continuous(parameter: Parameter) -> Parameter:
    """Returns the parameter when it has a density."""
    if parameter.is_fixed or parameter.levels is not None:
        raise SpaceError(
            f"`{parameter.name}` is {parameter.describe()}: it has no derivative, so no derivative-based bound; "
            "use pick-freeze for it"
        )
    return parameter


def _first_root(function: Callable[[float], float], step: float) -> float:
    low = step
    while function(low) * function(low + step) > 0:
        low += step
    root: Any = brentq(function, low, low + step, xtol=1e-14 * step)
    return float(root)


def _triangular(rise: float, fall: float) -> float:
    # J0(s t) solves the problem on each side; value and slope agree at the mode
    if rise == fall:
        return (rise / _J0) ** 2
    width = rise + fall
    left, right = rise / width, fall / width
    root = _first_root(lambda s: j1(s * left) * j0(s * right) + j1(s * right) * j0(s * left), 0.05)
    return (width / root) ** 2


def _loguniform(low: float, high: float) -> float:
    # g = x Z1(s x), so that g' = s x Z0(s x) vanishes at both ends
    ratio = low / high
    if ratio > 1 - 1e-6:
        return ((high - low) / pi) ** 2
    step = 0.05 if ratio < 0.5 else 0.05 / (1 - ratio)
    root = _first_root(lambda s: j0(s * ratio) * y0(s) - j0(s) * y0(s * ratio), step)
    return (high / root) ** 2


def _truncated(low: float, high: float) -> float:
    """Constant of the standard normal between two points: 1 over the first eigenvalue of the equation for u."""
    if high < 0:
        low, high = -high, -low
    steep = max(low / 2, 1.0)  # u falls like an Airy function of this slope, and is nothing beyond
    low = max(low, -_DECAY)
    high = min(high, max(low, 0.0) + _DECAY / steep ** (1 / 3))
    width = high - low
    nodes, weights = np.polynomial.legendre.leggauss(3 * _SINES)
    t = (nodes + 1) / 2
    sines = np.sqrt(2) * np.sin(pi * np.outer(np.arange(1, _SINES + 1), t))
    potential = (low + width * t) ** 2 / 4 + 0.5
    stiffness = (sines * (weights / 2 * potential)) @ sines.T
    stiffness[np.diag_indices(_SINES)] += (pi * np.arange(1, _SINES + 1) / width) ** 2
    return float(1 / np.linalg.eigvalsh(stiffness)[0])


def _galerkin(parameter: Parameter) -> float:
    basis = parameter_basis(parameter)
    if not isinstance(basis, PolynomialBasis):  # a continuous marginal always has polynomials
        raise SpaceError(f"`{parameter.name}` has no polynomial basis")
    nodes, weights = basis.quadrature(_DEGREE + 1)
    slopes = _slopes(basis, nodes, _DEGREE)[1:]
    stiffness = (slopes * weights) @ slopes.T
    return float(1 / np.linalg.eigvalsh(stiffness)[0])


def _slopes(basis: PolynomialBasis, x: FloatArray, degree: int) -> FloatArray:
    """Derivatives with respect to x of the functions 0 … degree (degree + 1, n)."""
    s, values, root = (x - basis.loc) / basis.scale, basis.evaluate(x, degree), np.sqrt(basis.beta)
    out = np.zeros((degree + 1, len(x)))
    for k in range(degree):
        out[k + 1] = values[k] / basis.scale + (s - basis.alpha[k]) * out[k]
        if k:
            out[k + 1] -= root[k] * out[k - 1]
        out[k + 1] /= root[k + 1]
    return out


def _lognormal_kernel(parameter: Parameter, x: FloatArray) -> FloatArray:
    o = parameter.options
    sigma, z = o["sigma"], np.log(np.maximum(x, np.finfo(float).tiny) / o["median"]) / o["sigma"]
    above = z > sigma / 2
    # the same difference written for either tail, so that no digits cancel
    mass = np.where(above, ndtr(sigma - z) - ndtr(-z), ndtr(z) - ndtr(z - sigma))
    return parameter.mean * mass * sigma * x / np.maximum(norm.pdf(z), np.finfo(float).tiny)


def _triangular_kernel(parameter: Parameter, x: FloatArray) -> FloatArray:
    o, mean = parameter.options, parameter.mean
    left, right = x - o["low"], o["high"] - x
    rising = left * (mean - o["low"]) / 2 - left**2 / 3
    falling = right * (o["high"] - mean) / 2 - right**2 / 3
    return np.where(x < o["mode"], rising, falling)


def _truncnormal_kernel(parameter: Parameter, x: FloatArray) -> FloatArray:
    o, mean = parameter.options, parameter.mean
    std, frozen = o["std"], parameter.frozen
    density = np.maximum(frozen.pdf(x), np.finfo(float).tiny)
    from_above = std**2 * (1 - frozen.pdf(o["high"]) / density) + (o["mean"] - mean) * frozen.sf(x) / density
    from_below = std**2 * (1 - frozen.pdf(o["low"]) / density) - (o["mean"] - mean) * frozen.cdf(x) / density
    return np.where(x > mean, from_above, from_below)
