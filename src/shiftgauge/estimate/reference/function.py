"""A function with exact variance components, to check estimators against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np

from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, ThetaNP


def uniform_space(names: str, low: float, high: float) -> Space:
    """Independent inputs that are uniform on [low, high], one for each name in a text with blanks."""
    options = {"low": low, "high": high}
    return Space([Parameter(name=n, distribution="uniform", options=options) for n in names.split()])


@dataclass(frozen=True, kw_only=True)
class ReferenceFunction:
    """A function of a space with its exact variance components.

    Args:
        name: What it is called.
        space: Its independent inputs.
        function: Physical values (n, d) → values (n,).
        mean: Exact mean.
        components: Set of inputs, ascending → exact variance of the term that depends on just these.

    Example:
        >>> from shiftgauge.estimate.reference.classic import ISHIGAMI
        >>> ISHIGAMI.first_order.round(4).tolist()
        [0.3139, 0.4424, 0.0]
    """

    name: str
    space: Space
    function: Callable[[ThetaNP], FloatArray]
    mean: float
    components: Mapping[tuple[int, ...], float]

    @cached_property
    def variance(self) -> float:
        """Exact variance."""
        return sum(self.components.values())

    @property
    def first_order(self) -> FloatArray:
        """Exact S_i (d,)."""
        return np.array([self.components.get((i,), 0.0) for i in range(self.space.n_varying)]) / self.variance

    @property
    def total_order(self) -> FloatArray:
        """Exact S_Ti (d,)."""
        d = self.space.n_varying
        return np.array([sum(v for u, v in self.components.items() if i in u) for i in range(d)]) / self.variance

    @property
    def second_order(self) -> FloatArray:
        """Exact S_ij (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: u == pair)

    @property
    def total_interaction(self) -> FloatArray:
        """Exact share of the terms that hold both inputs (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: set(pair) <= set(u))

    @property
    def closed(self) -> FloatArray:
        """Exact S_i + S_j + S_ij (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: set(u) <= set(pair))

    @property
    def shapley(self) -> FloatArray:
        """Exact Shapley effects (d,): every term's share is split evenly among its inputs (Owen 2014)."""
        shares = np.zeros(self.space.n_varying)
        for u, v in self.components.items():
            shares[list(u)] += v / len(u)
        return shares / self.variance

    def _pairs(self, holds: Callable[[tuple[int, ...], tuple[int, ...]], bool]) -> FloatArray:
        d = self.space.n_varying
        out = np.full((d, d), np.nan)
        for pair in combinations(range(d), 2):
            share = sum(v for u, v in self.components.items() if holds(u, pair)) / self.variance
            out[pair] = out[pair[::-1]] = share
        return out
