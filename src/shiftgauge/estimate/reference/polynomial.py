"""Any polynomial of independent inputs with any marginals, with its exact variance components."""

from collections.abc import Mapping
from itertools import combinations, product
from math import prod

import numpy as np

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.reference.function import ReferenceFunction
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, ThetaNP


def polynomial(space: Space, terms: Mapping[tuple[int, ...], float], name: str = "polynomial") -> ReferenceFunction:
    """Σ_α c_α ∏ x_i^α_i with exact components, from the moments of the marginals.

    V_u = Σ_{α,β} c_α c_β ∏_{i∈u} Cov(x_i^α_i, x_i^β_i) ∏_{i∉u} E[x_i^α_i] E[x_i^β_i].

    Args:
        space: Independent inputs, none of them fixed.
        terms: Exponents, one for each input → coefficient.
        name: What to call the function.

    Returns:
        The function with mean and components, exact up to rounding. Inputs far from zero, taken to high powers, cost
        digits.

    Raises:
        ConfigError: Inputs that are correlated or fixed, or exponents that are not one whole number ≥ 0 for each input.

    Example:
        >>> space = Space.from_dict({"a": {"low": -1, "high": 1}, "b": {"values": [-1, 1]}})
        >>> polynomial(space, {(1, 0): 1.0, (1, 1): 2.0}).first_order.round(3).tolist()
        [0.2, 0.0]
    """
    d = space.n_varying
    if space.correlation is not None or d != space.n_parameters:
        raise ConfigError(
            "a polynomial reference needs independent inputs that all vary; drop `correlation` or `fixed`"
        )
    for exponents in terms:
        if len(exponents) != d or any(not isinstance(e, int) or e < 0 for e in exponents):
            raise ConfigError(f"exponents must be {d} whole numbers ≥ 0, got {exponents}")
    powers, weights = np.array(list(terms), int).reshape(-1, d), np.array(list(terms.values()), float)
    moment = [_moments(p, 2 * int(powers[:, i].max(initial=0))) for i, p in enumerate(space.parameters)]
    mean = float(sum(c * prod(moment[i][e] for i, e in enumerate(a)) for a, c in zip(powers, weights, strict=True)))

    def function(x: ThetaNP) -> FloatArray:
        return np.prod(np.asarray(x, float)[:, None, :] ** powers, axis=2) @ weights

    return ReferenceFunction(
        name=name, space=space, function=function, mean=mean, components=_components(powers, weights, moment)
    )


def _moments(parameter: Parameter, highest: int) -> FloatArray:
    """E[x^k] for k = 0 … highest."""
    orders = range(highest + 1)
    if parameter.levels is not None:
        values, probabilities = parameter.levels
        return np.array([probabilities @ values**k for k in orders])
    return np.array([1.0, *(float(parameter.frozen.moment(k)) for k in range(1, highest + 1))])


def _components(powers: np.ndarray, weights: FloatArray, moment: list[FloatArray]) -> dict[tuple[int, ...], float]:
    found: dict[tuple[int, ...], float] = {}
    supports = [tuple(np.flatnonzero(a).tolist()) for a in powers]
    for (a, ca, sa), (b, cb, sb) in product(zip(powers, weights, supports, strict=True), repeat=2):
        shared = [i for i in sa if i in sb]
        plain = [moment[i][a[i]] * moment[i][b[i]] for i in range(len(a))]
        covariance = {i: moment[i][a[i] + b[i]] - plain[i] for i in shared}
        for size in range(1, len(shared) + 1):
            for u in combinations(shared, size):
                value = prod(covariance[i] if i in u else plain[i] for i in range(len(a)))
                found[u] = found.get(u, 0.0) + float(ca * cb * value)
    return {u: max(found[u], 0.0) for u in sorted(found, key=lambda u: (len(u), u))}
