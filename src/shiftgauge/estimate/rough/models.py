"""Residual surrogates: boosted trees and a Gaussian process on what the polynomial trend leaves."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import numpy as np
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from shiftgauge.types import FloatArray

ROUNDS: Final = 100
"""Most trees of a boosted surrogate."""
GAUSSIAN_POINTS: Final = 1000
"""Most points that a Gaussian process is fitted to."""
_TREE_ROWS: Final = 20_000
_KERNEL_POINTS: Final = 300
_KERNEL_STEPS: Final = 20
_CHUNK: Final = 2048
_TINY: Final = 1e-300


class ResidualModel(Protocol):
    """A surrogate h = g + r of which r is asked for, g being known at the point."""

    def predict(self, points: FloatArray, trend: FloatArray) -> FloatArray:
        """r = h - g at points (n, k) where the trend is g (n,)."""
        ...


class TreeResidual:
    """Histogram gradient boosting.

    Args:
        model: A fitted regressor.
        on_trend: Whether it was fitted to the residual of the trend, with the trend as one more column; else to the
            values themselves, without it.
    """

    def __init__(self, model: Any, *, on_trend: bool) -> None:
        self.model: Final = model
        self.on_trend: Final = on_trend

    def predict(self, points: FloatArray, trend: FloatArray) -> FloatArray:
        """r = h - g at points (n, k) where the trend is g (n,)."""
        return _fitted(self.model.predict(_columns(points, trend, self.on_trend)), trend, self.on_trend)

    def stages(self, points: FloatArray, trend: FloatArray) -> Iterator[FloatArray]:
        """The same after each round of boosting."""
        for values in self.model.staged_predict(_columns(points, trend, self.on_trend)):
            yield _fitted(values, trend, self.on_trend)


class GaussianResidual:
    """Gaussian process with an anisotropic Matérn kernel and a nugget, over parameters and trend.

    Args:
        model: A fitted regressor.
        scale: Standard deviations of the residual and of the trend, in units of which it was fitted.
        n_metric: Number of last columns that it sees.
    """

    def __init__(self, model: Any, scale: tuple[float, float], n_metric: int) -> None:
        self.model: Final = model
        self.scale: Final = scale
        self.n_metric: Final = n_metric

    def predict(self, points: FloatArray, trend: FloatArray) -> FloatArray:
        """r = h - g at points (n, k) where the trend is g (n,)."""
        seen = gaussian_columns(points, trend / self.scale[1], self.n_metric)
        parts = [self.model.predict(seen[s : s + _CHUNK]) for s in range(0, len(seen), _CHUNK)]
        return self.scale[0] * np.concatenate(parts) if parts else np.zeros(0)


def fit_trees(
    points: FloatArray,
    trend: FloatArray,
    values: FloatArray,
    *,
    categorical: tuple[int, ...] = (),
    on_trend: bool = True,
    rounds: int = ROUNDS,
) -> TreeResidual:
    """Boosts trees on values - trend, with the trend itself as a column in which they may split.

    That column lets few splits turn a smooth trend into a step or a saturated curve. Fitted to at most 20,000 rows.

    Args:
        points: Columns of the sample (n, k).
        trend: g there (n,).
        values: f there (n,).
        categorical: Columns that hold categories.
        on_trend: False fits f itself, without the trend: best where f is a sum of boxes, as trees are.
        rounds: Number of trees.

    Example:
        >>> x = np.random.default_rng(0).uniform(size=(400, 1))
        >>> step = (x[:, 0] > 0.5).astype(float)
        >>> model = fit_trees(x, x[:, 0], step, rounds=60)
        >>> bool(abs(x[:, 0] + model.predict(x, x[:, 0]) - step).mean() < 0.01)
        True

    References:
        Friedman, J. H. (2001). Greedy function approximation: a gradient boosting machine. doi:10.1214/aos/1013203451
        Ke, G. et al. (2017). LightGBM: a highly efficient gradient boosting decision tree. NeurIPS 30.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    rows = np.arange(len(points))[:: -(-len(points) // _TREE_ROWS)]
    options: dict[str, Any] = {"categorical_features": list(categorical) or None, "early_stopping": False}
    model = HistGradientBoostingRegressor(
        learning_rate=0.2, max_iter=rounds, max_leaf_nodes=31, min_samples_leaf=10, random_state=0, **options
    )
    target = values[rows] - trend[rows] if on_trend else values[rows]
    model.fit(_columns(points[rows], trend[rows], on_trend), target)
    return TreeResidual(model, on_trend=on_trend)


def gaussian_kernel(columns: FloatArray, residual: FloatArray) -> Any:
    """Kernel of greatest marginal likelihood for residuals of unit variance, from at most 300 points.

    k = a · Matérn₃⸝₂(anisotropic lengths) + nugget.

    Args:
        columns: What the process sees (n, k).
        residual: Values there (n,).

    References:
        Rasmussen, C. E., Williams, C. K. I. (2006). Gaussian Processes for Machine Learning, ch. 5.
    """
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    lengths: dict[str, Any] = {"length_scale": np.ones(columns.shape[1]), "length_scale_bounds": (0.02, 100.0)}
    start: Any = ConstantKernel(1.0, (1e-2, 1e2)) * Matern(**lengths, nu=1.5) + WhiteKernel(0.1, (1e-4, 2.0))
    model = _regressor(start).fit(columns[:_KERNEL_POINTS], residual[:_KERNEL_POINTS])

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        value, gradient = model.log_marginal_likelihood(theta, eval_gradient=True, clone_kernel=False)
        return -float(value), -gradient

    found = minimize(
        loss, start.theta, jac=True, bounds=start.bounds, method="L-BFGS-B", options={"maxiter": _KERNEL_STEPS}
    )
    return start.clone_with_theta(found.x)


def fit_gaussian(
    points: FloatArray, trend: FloatArray, values: FloatArray, *, n_metric: int, kernel: Any = None
) -> tuple[GaussianResidual, Any]:
    """Fits a Gaussian process to values - trend at the first 1,000 rows.

    Args:
        points: Columns of the sample (n, k), of which the last `n_metric` are seen.
        trend: g there (n,), one more column.
        values: f there (n,).
        n_metric: Number of columns that belong to parameters.
        kernel: As this function gave it. Default: found by `gaussian_kernel`.

    Returns:
        The surrogate, and its kernel.

    Example:
        >>> x = np.random.default_rng(0).uniform(-1, 1, size=(300, 1))
        >>> model, _ = fit_gaussian(x, x[:, 0], np.sin(9 * x[:, 0]), n_metric=1)
        >>> grid = np.linspace(-0.9, 0.9, 7)[:, None]
        >>> bool(abs(grid[:, 0] + model.predict(grid, grid[:, 0]) - np.sin(9 * grid[:, 0])).max() < 0.02)
        True
    """
    rows = slice(0, GAUSSIAN_POINTS)
    residual = values[rows] - trend[rows]
    scale = max(float(residual.std()), _TINY), max(float(trend[rows].std()), _TINY)
    columns = gaussian_columns(points[rows], trend[rows] / scale[1], n_metric)
    if kernel is None:
        kernel = gaussian_kernel(columns, residual / scale[0])
    model = _regressor(kernel).fit(columns, residual / scale[0])
    return GaussianResidual(model, scale, n_metric), kernel


def gaussian_columns(points: FloatArray, trend: FloatArray, n_metric: int) -> FloatArray:
    """What a Gaussian process sees (n, n_metric + 1): the parameters' columns and the scaled trend."""
    return np.column_stack([points[:, points.shape[1] - n_metric :], trend])


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs the body's compiled loops on one thread: faster on small samples, and the same bits on any machine."""
    import sklearn.ensemble  # noqa: F401 - its runtime must be loaded before it can be bounded

    with threadpool_limits(limits=1):
        yield


def _regressor(kernel: Any) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor

    options: dict[str, Any] = {"optimizer": None}
    return GaussianProcessRegressor(kernel, **options)


def _columns(points: FloatArray, trend: FloatArray, on_trend: bool) -> FloatArray:
    return np.column_stack([points, trend]) if on_trend else points


def _fitted(values: FloatArray, trend: FloatArray, on_trend: bool) -> FloatArray:
    return values if on_trend else values - trend
