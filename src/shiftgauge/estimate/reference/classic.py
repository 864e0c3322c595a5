"""The functions most used in the literature, with their exact variance components."""

from itertools import combinations
from math import pi, prod, sqrt
from typing import Final

import numpy as np

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.reference.function import ReferenceFunction, uniform_space
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, ThetaNP


def ishigami(a: float = 7.0, b: float = 0.1) -> ReferenceFunction:
    """sin x1 + a sin² x2 + b x3⁴ sin x1 on [-π, π]³: strongly curved, one interaction.

    References:
        Ishigami, T., Homma, T. (1990). An importance quantification technique in uncertainty analysis for computer
            models. doi:10.1109/ISUMA.1990.151285
    """
    return ReferenceFunction(
        name="ishigami",
        space=uniform_space("x1 x2 x3", -pi, pi),
        function=lambda x: np.sin(x[:, 0]) * (1 + b * x[:, 2] ** 4) + a * np.sin(x[:, 1]) ** 2,
        mean=a / 2,
        components={
            (0,): 0.5 * (1 + b * pi**4 / 5) ** 2,
            (1,): a**2 / 8,
            (0, 2): b**2 * pi**8 * (1 / 18 - 1 / 50),
        },
    )


def rough_ishigami(share: float = 0.25, frequency: int = 20) -> ReferenceFunction:
    """Ishigami plus c sin(k x1) sin(k x2): a rough interaction that no polynomial of moderate degree can follow.

    Args:
        share: Part of the variance that the rough term has, in [0, 1).
        frequency: k, a whole number ≥ 3, so that the term is orthogonal to the others.
    """
    smooth = ishigami()
    rough = smooth.variance * share / (1 - share)
    c = 2 * sqrt(rough)

    def function(x: ThetaNP) -> FloatArray:
        return smooth.function(x) + c * np.sin(frequency * x[:, 0]) * np.sin(frequency * x[:, 1])

    return ReferenceFunction(
        name="rough_ishigami",
        space=smooth.space,
        function=function,
        mean=smooth.mean,
        components={**smooth.components, (0, 1): rough},
    )


def sobol_g(a: tuple[float, ...] = (0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0)) -> ReferenceFunction:
    """∏ (|4 x_i - 2| + a_i) / (1 + a_i) on [0, 1]^d: kinked, with interactions of every order.

    Raises:
        ConfigError: An a_i that is not above -1, or none.

    References:
        Saltelli, A., Sobol', I. M. (1995). About the use of rank transformation in sensitivity analysis of model
            output. doi:10.1016/0951-8320(95)00099-2
    """
    weight = np.asarray(a, float)
    if not len(a) or not (np.isfinite(weight) & (weight > -1)).all():
        raise ConfigError(f"every a_i must be a number above -1, got {a}; 0 gives the most important input")
    alone = 1 / (3 * (1 + weight) ** 2)
    sets = [u for k in range(1, len(a) + 1) for u in combinations(range(len(a)), k)]
    return ReferenceFunction(
        name="sobol_g",
        space=uniform_space(" ".join(f"x{i + 1}" for i in range(len(a))), 0, 1),
        function=lambda x: np.prod((np.abs(4 * x - 2) + weight) / (1 + weight), axis=1),
        mean=1.0,
        components={u: float(prod(alone[list(u)])) for u in sets},
    )


def weld_polynomial() -> ReferenceFunction:
    """f = r + 2 b² + 3 r t of rotation, brightness and tilt scaled to [-1, 1]: exact in any basis of degree 2.

    Returns:
        The function of rotation in [-90, 90] degrees, brightness in [0, 2] and tilt in [-20, 20] degrees, of mean 2/3
        and variance 1/3 + 16/45 + 1.

    Example:
        >>> weld_polynomial().first_order.round(6).tolist()
        [0.197368, 0.210526, 0.0]
    """
    limits = {"rotation": (-90, 90), "brightness": (0, 2), "tilt": (-20, 20)}
    space = Space(
        [
            Parameter(name=name, distribution="uniform", options={"low": low, "high": high})
            for name, (low, high) in limits.items()
        ]
    )

    def function(x: ThetaNP) -> FloatArray:
        r, b, t = x[:, 0] / 90, x[:, 1] - 1, x[:, 2] / 20
        return r + 2 * b**2 + 3 * r * t

    return ReferenceFunction(
        name="weld_polynomial",
        space=space,
        function=function,
        mean=2 / 3,
        components={(0,): 1 / 3, (1,): 16 / 45, (0, 2): 1.0},
    )


def linear_gaussian(weights: tuple[float, ...] = (1.0, 2.0, 3.0)) -> ReferenceFunction:
    """f = Σ w_i x_i of independent standard normal inputs: first and total order coincide, S_i = w_i² / Σ w².

    Args:
        weights: w, one number for each input.

    Returns:
        The function of inputs x1 … xd with its components w_i².

    Example:
        >>> linear_gaussian((1.0, 2.0)).total_order.tolist()
        [0.2, 0.8]
    """
    w = np.asarray(weights, float)
    options = {"mean": 0, "std": 1}
    space = Space([Parameter(name=f"x{i + 1}", distribution="normal", options=options) for i in range(len(w))])
    return ReferenceFunction(
        name="linear_gaussian",
        space=space,
        function=lambda x: x @ w,
        mean=0.0,
        components={(i,): float(v**2) for i, v in enumerate(w)},
    )


ISHIGAMI: Final = ishigami()
"""Ishigami with a = 7, b = 0.1."""
