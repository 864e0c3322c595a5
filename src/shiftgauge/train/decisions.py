"""From probabilities to decisions: which labels hold, or which class it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_finite, require_in, require_range, shortened
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.types import FloatArray

HALF: Final = 0.5
"""The threshold of a label that none was chosen for."""


def decide(
    probabilities_nk: FloatArray,
    task: Literal["single", "multi"],
    *,
    thresholds: Sequence[float] | None = None,
    costs_kk: npt.ArrayLike | None = None,
) -> npt.NDArray[np.int64]:
    """Decides for every image: which labels hold, or which class it is.

    Several labels: y_k = 1 where p_k ≥ t_k, a tie included. One class: the class of the largest probability, the first
    of equals; with costs C_ij of deciding j where i is true, the class with the least expected cost Σ_i p_i C_ij.

    Args:
        probabilities_nk: (N, K) in [0, 1].
        task: `multi` or `single`.
        thresholds: For `multi`: one for each label; default one half.
        costs_kk: For `single`: (K, K), rows the true class, columns the decision; default 1 off the diagonal.

    Returns:
        int64: 0 and 1 (N, K), or classes (N,).

    Raises:
        ConfigError: Thresholds for one class, costs for several labels, or another number of them than K.

    Example:
        >>> p = np.array([[0.7, 0.3]])
        >>> decide(p, "multi", thresholds=[0.7, 0.5]).tolist(), decide(p, "single").tolist()
        ([[1, 0]], [0])
        >>> decide(p, "single", costs_kk=[[0, 1], [5, 0]]).tolist()
        [1]

    References:
        Elkan, C. (2001). The foundations of cost-sensitive learning. Proc. 17th IJCAI, 973-978.
    """
    require_in("task", task, ("single", "multi"))
    p = np.asarray(probabilities_nk, np.float64)
    k = p.shape[1]
    if task == "multi":
        if costs_kk is not None:
            raise ConfigError("`costs_kk` belong to one class an image; with several labels choose thresholds for cost")
        limits = (HALF,) * k if thresholds is None else tuple(thresholds)
        if len(limits) != k:
            raise ConfigError(f"{len(limits)} thresholds for {k} labels; give one for each")
        return (p >= np.array([require_range("thresholds", t, 0, 1) for t in limits])).astype(np.int64)
    if thresholds is not None:
        raise ConfigError("`thresholds` belong to several labels; one class is decided by probability or by `costs_kk`")
    if costs_kk is None:
        return p.argmax(axis=1)
    costs = np.asarray(costs_kk, np.float64)
    if costs.shape != (k, k):
        raise ConfigError(f"`costs_kk` must have shape ({k}, {k}), got {costs.shape}")
    return (p @ require_finite("costs_kk", costs, error=ConfigError)).argmin(axis=1)


def one_versus_rest(targets_n: npt.NDArray[np.generic], n_classes: int) -> npt.NDArray[np.int64]:
    """Classes (N,) as 0 and 1 (N, K), so that each class can be looked at against all others.

    Example:
        >>> one_versus_rest(np.array([1, 0]), 2).tolist()
        [[0, 1], [1, 0]]
    """
    classes = np.asarray(targets_n, np.int64)
    if classes.size and (classes.min() < 0 or classes.max() >= n_classes):
        raise DataError(f"classes must lie in 0 … {n_classes - 1}, got {classes.min()} … {classes.max()}")
    return np.eye(n_classes, dtype=np.int64)[classes]


def checked_pair(
    probabilities_nk: npt.ArrayLike, targets_nk: npt.ArrayLike
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Probabilities (N, K) as float64 and targets (N, K) as bool, when they go together.

    Raises:
        DataError: Shapes that differ, no image, or values outside [0, 1] or other than 0 and 1.
    """
    p, truth = np.asarray(probabilities_nk, np.float64), np.asarray(targets_nk)
    if p.ndim != 2 or not p.size or truth.shape != p.shape:
        raise DataError(f"probabilities and targets must both have shape (N ≥ 1, K), got {p.shape} and {truth.shape}")
    require_finite("probabilities", p, error=DataError)
    if p.min() < 0 or p.max() > 1:
        raise DataError(f"probabilities must lie in [0, 1], got {p.min():g} … {p.max():g}; are these logits?")
    if not np.isin(truth, (0, 1)).all():
        raise DataError(f"targets must be 0 or 1, got {shortened([f'{v:g}' for v in np.unique(truth.astype(float))])}")
    return p, truth.astype(bool)
