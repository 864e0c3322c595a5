"""The bootstrap as one matrix product, shared by all statistics and outputs."""

from typing import Final

import numpy as np

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.random import generator
from shiftgauge.types import FloatArray

MAX_GROUPS: Final = 2048
"""Samples are resampled in at most this many runs of neighbours, which bounds the weights' memory."""


def resampling_groups(n: int) -> np.ndarray:
    """Starts of the runs of neighbouring samples that are resampled together, int (G,).

    Up to `MAX_GROUPS` samples each is a group of its own. Beyond that, resampling runs of independent
    samples estimates the same variance of a mean, with G - 1 degrees of freedom.

    Example:
        >>> resampling_groups(5).tolist()
        [0, 1, 2, 3, 4]
        >>> len(resampling_groups(100_000)) <= MAX_GROUPS
        True
    """
    return np.arange(0, n, group_size(n))


def group_size(n: int) -> int:
    """Number of neighbouring samples that are resampled together.

    Example:
        >>> group_size(2048), group_size(4096)
        (1, 2)
    """
    return -(-n // MAX_GROUPS)


def multinomial_weights(n: int, resamples: int, seed: int) -> FloatArray:
    """Counts of how often each of n groups is drawn in each resample, float64 (resamples, n).

    Example:
        >>> multinomial_weights(4, 3, seed=0).sum(axis=1).tolist()
        [4.0, 4.0, 4.0]

    References:
        Efron, B. (1979). Bootstrap methods: another look at the jackknife. doi:10.1214/aos/1176344552
    """
    drawn = generator(seed, "bootstrap", n).integers(n, size=(resamples, n))
    drawn += n * np.arange(resamples)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=resamples * n)
    return counts.reshape(resamples, n).astype(float)


def resampled_means(sums_kqg: FloatArray, counts_g: FloatArray, weights_rg: FloatArray) -> FloatArray:
    """Means of every column in every resample.

    Args:
        sums_kqg: Sum of each column over each group (K, q, G).
        counts_g: Samples in each group (G,).
        weights_rg: From `multinomial_weights` (R, G).

    Returns:
        Resampled means (K, q, R).
    """
    k, q, g = sums_kqg.shape
    means = sums_kqg.reshape(k * q, g) @ weights_rg.T
    means /= counts_g @ weights_rg.T
    return means.reshape(k, q, -1)


def percentile_interval(replicates: FloatArray, confidence_level: float) -> FloatArray:
    """Percentile interval over the last axis (..., R) → (..., 2); resamples that are NaN are left out."""
    if replicates.shape[-1] == 0:
        return np.full((*replicates.shape[:-1], 2), np.nan)
    tail = (1 - confidence_level) / 2
    levels = [tail, 1 - tail]
    if not np.isnan(replicates).any():
        return np.moveaxis(np.quantile(replicates, levels, axis=-1), 0, -1)
    out = np.full((*replicates.shape[:-1], 2), np.nan)
    for index in np.ndindex(replicates.shape[:-1]):
        kept = replicates[index][~np.isnan(replicates[index])]
        if len(kept):
            out[index] = np.quantile(kept, levels)
    return out


def check_bootstrap(resamples: int, confidence_level: float) -> None:
    """Checks the two options of every bootstrap.

    Raises:
        ConfigError: `resamples` < 0 or `confidence_level` outside [0.5, 0.999].
    """
    require_positive_int("resamples", resamples, low=0)
    require_range("confidence_level", confidence_level, 0.5, 0.999, hint="0.95 is customary")
