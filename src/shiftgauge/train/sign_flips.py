"""The sign-flip test of paired differences: p-value and interval, by all patterns of signs where they are few."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_range
from shiftgauge.errors import DataError
from shiftgauge.random import generator
from shiftgauge.types import FloatArray

MOST: Final = 20
"""Differences up to which all 2^J patterns are counted."""
_DRAWN: Final = 100_000
_TIE: Final = 1e-12


def sign_flip_p(differences_j: npt.ArrayLike, *, seed: int = 0) -> tuple[float, bool]:
    r"""Returns the two-sided p-value of the sign-flip test, and whether it is exact.

    The share of all $s \in \{-1, 1\}^J$ with $|\sum_j s_j d_j| \ge |\sum_j d_j|$. Beyond 20 differences patterns are
    drawn at random, and that of the data counts as one of them, so that the p-value stays valid (Phipson and Smyth
    2010).

    Args:
        differences_j: d (J,), at least one.
        seed: Of the patterns that are drawn.

    Raises:
        DataError: No differences, or one that is NaN or infinite.

    Example:
        >>> sign_flip_p([1.0, 2.0, 3.0])
        (0.25, True)

    References:
        Fisher, R. A. (1935). The Design of Experiments. Oliver and Boyd.
        Phipson, B., Smyth, G. K. (2010). Permutation p-values should never be zero. doi:10.2202/1544-6115.1585
    """
    values = _checked(differences_j)
    limit = abs(values.sum()) - _TIE * np.abs(values).sum()
    if len(values) <= MOST:
        # the sum over a pattern is the sum of all, less twice that of the negative ones
        sums = values.sum() - 2 * _subset_sums(values)
        return float((np.abs(sums) >= limit).mean()), True
    hits = sum(int((np.abs(signs @ values) >= limit).sum()) for signs in _signs(len(values), seed))
    return (hits + 1) / (_DRAWN + 1), False


def sign_flip_interval(
    differences_j: npt.ArrayLike, confidence_level: float = 0.95, *, seed: int = 0
) -> tuple[float, float]:
    """Returns the interval of all shifts that the sign-flip test does not reject.

    Its ends are order statistics of the means of the 2^J - 1 subsets that are not empty: the centre of symmetry lies
    between any two neighbours of them with the same chance (Hartigan 1969). With J too small for the level it is the
    whole line, for 95 % with fewer than 6 differences.

    Args:
        differences_j: d (J,), at least one.
        confidence_level: In (0, 1); the interval covers at least that.
        seed: Of the subsets that are drawn beyond 20 differences.

    Returns:
        Lower and upper end.

    Raises:
        DataError: No differences, or one that is NaN or infinite.

    Example:
        >>> low, high = sign_flip_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.95)
        >>> low, high
        (1.0, 6.0)

    References:
        Hartigan, J. A. (1969). Using subsample values as typical values. doi:10.1080/01621459.1969.10501057
    """
    values = _checked(differences_j)
    require_range("confidence_level", confidence_level, 0.5, 0.9999)
    if len(values) <= MOST:
        sums, sizes = _subset_sums(values)[1:], _subset_sums(np.ones(len(values)))[1:]
    else:
        chosen = np.concatenate([signs > 0 for signs in _signs(len(values), seed)])
        chosen = chosen[chosen.any(axis=1)]
        sums, sizes = chosen @ values, chosen.sum(axis=1)
    means = np.sort(sums / sizes)
    # of the 2^J gaps between means and beyond them, so many may be left out at each side
    out = math.floor((1 - confidence_level) / 2 * (len(means) + 1) + 1e-9)
    return (float(means[out - 1]), float(means[len(means) - out])) if out else (-math.inf, math.inf)


def _subset_sums(values: FloatArray) -> FloatArray:
    """Sums of all 2^J subsets, the empty one first."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _signs(count: int, seed: int) -> list[npt.NDArray[np.float64]]:
    """Patterns of signs drawn at random, in pieces that fit in memory."""
    rng = generator(seed, "train", "sign flips", count)
    return [rng.choice(np.array([-1.0, 1.0]), (_DRAWN // 10, count)) for _ in range(10)]


def _checked(differences_j: npt.ArrayLike) -> FloatArray:
    values = np.asarray(differences_j, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise DataError(f"differences must be at least one finite number, got {values!r:.60}")
    return values
