"""A linear function of correlated normal inputs: every index under dependence in closed form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np

from shiftgauge.errors import ConfigError
from shiftgauge.parameter import Parameter
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, ThetaNP


@dataclass(frozen=True, kw_only=True, eq=False)
class DependentLinear:
    """f = Σ w_i x_i of normal inputs with covariance Σ.

    With b = Σ w: Var E[f | x_u] = b_u' Σ_uu⁻¹ b_u, so that first order S_i = b_i² / (Σ_ii V),
    total order S_Ti = w_i² / ((Σ⁻¹)_ii V), and Shapley effects follow by summing over the subsets.

    Args:
        weights: w (d,).
        covariance: Σ (d, d), positive definite.

    Raises:
        ConfigError: Shapes that do not match, or no covariance matrix.

    Example:
        >>> pair = DependentLinear(weights=(1.0, 1.0), covariance=[[1.0, 0.5], [0.5, 1.0]])
        >>> pair.first_order.round(4).tolist(), pair.total_order.round(4).tolist(), pair.shapley.round(4).tolist()
        ([0.75, 0.75], [0.25, 0.25], [0.5, 0.5])

    References:
        Kucherenko, S., Tarantola, S., Annoni, P. (2012). Estimation of global sensitivity indices for models with
            dependent variables. doi:10.1016/j.cpc.2011.12.020
        Owen, A. B., Prieur, C. (2017). On Shapley value for measuring importance of dependent inputs.
            doi:10.1137/16M1097717
        Iooss, B., Prieur, C. (2019). Shapley effects for sensitivity analysis with correlated inputs.
            doi:10.1615/Int.J.UncertaintyQuantification.2019028372
    """

    weights: Sequence[float]
    covariance: Sequence[Sequence[float]] | FloatArray

    def __post_init__(self) -> None:
        w, matrix = np.asarray(self.weights, float), np.asarray(self.covariance, float)
        if w.ndim != 1 or matrix.shape != (len(w), len(w)):
            raise ConfigError(
                f"`covariance` must be {w.size} × {w.size}, as `weights` has {w.size}, got {matrix.shape}"
            )
        if not np.allclose(matrix, matrix.T) or np.linalg.eigvalsh(matrix)[0] <= 0:
            raise ConfigError("`covariance` must be symmetric and positive definite")
        object.__setattr__(self, "weights", w)
        object.__setattr__(self, "covariance", matrix)

    @cached_property
    def space(self) -> Space:
        """Normal inputs x1 … xd, tied by the Spearman correlation that belongs to Σ."""
        matrix = np.asarray(self.covariance)
        std = np.sqrt(np.diag(matrix))
        pearson = np.clip(matrix / np.outer(std, std), -1, 1)
        rank = 6 / np.pi * np.arcsin(pearson / 2)
        np.fill_diagonal(rank, 1.0)
        options = [{"mean": 0.0, "std": float(s)} for s in std]
        return Space(
            [Parameter(name=f"x{i + 1}", distribution="normal", options=o) for i, o in enumerate(options)], rank
        )

    def function(self, theta: ThetaNP) -> FloatArray:
        """Σ w_i x_i at the rows (n,)."""
        return np.asarray(theta, float) @ np.asarray(self.weights)

    @property
    def variance(self) -> float:
        """w' Σ w."""
        w = np.asarray(self.weights)
        return float(w @ np.asarray(self.covariance) @ w)

    def closed(self, inputs: Sequence[int]) -> float:
        """Var E[f | x_u] / V for a set of inputs u; 0 for the empty set."""
        u = list(inputs)
        if not u:
            return 0.0
        matrix = np.asarray(self.covariance)
        b = (matrix @ self.weights)[u]
        return float(b @ np.linalg.solve(matrix[np.ix_(u, u)], b)) / self.variance

    @property
    def first_order(self) -> FloatArray:
        """Share that x_i explains alone, what it carries of the others included (d,)."""
        matrix = np.asarray(self.covariance)
        return (matrix @ self.weights) ** 2 / np.diag(matrix) / self.variance

    @property
    def total_order(self) -> FloatArray:
        """Share left when all others are known (d,); may lie below the first order."""
        return np.asarray(self.weights) ** 2 / np.diag(np.linalg.inv(np.asarray(self.covariance))) / self.variance

    @cached_property
    def shapley(self) -> FloatArray:
        """Exact Shapley effects (d,), from all 2^d subsets; they sum to 1."""
        d = len(np.asarray(self.weights))
        value = [self.closed([i for i in range(d) if code >> i & 1]) for code in range(2**d)]
        effects = np.zeros(d)
        for code in range(2**d):
            size = code.bit_count()
            for i in range(d):
                if not code >> i & 1:
                    effects[i] += (value[code | 1 << i] - value[code]) / (d * comb(d - 1, size))
        return effects
