"""Shares of images with their intervals: one share, many at once, and the difference of two on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm
from scipy.stats import t as student

from shiftgauge.checks import require_range
from shiftgauge.errors import DataError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap, bootstrap_interval
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Difference of two shares of the same images.

    Args:
        difference: Share of the first minus that of the second, in [-1, 1].
        low: Lower end of its interval.
        high: Upper end.
        n: Images.
        only_first: Images of which the first alone is right.
        only_second: Images of which the second alone is right.
    """

    difference: float
    low: float
    high: float
    n: int
    only_first: int
    only_second: int


def wilson_interval(
    hits: npt.ArrayLike, trials: npt.ArrayLike, confidence_level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Wilson's interval of a share: (x + z²/2)/(n + z²) ± z/(n + z²) √(x (n - x)/n + z²/4).

    Args:
        hits: x (...).
        trials: n (...); NaN comes out where it is 0.
        confidence_level: In [0.5, 0.999].

    Example:
        >>> [end.round(3).tolist() for end in wilson_interval([10, 5], [10, 10])]
        [[0.722, 0.237], [1.0, 0.763]]

    References:
        Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
        doi:10.1080/01621459.1927.10502953
    """
    x, n = np.asarray(hits, np.float64), np.asarray(trials, np.float64)
    z = float(norm.ppf((1 + require_range("confidence_level", confidence_level, 0.5, 0.999)) / 2))
    whole = np.where(n > 0, n, np.nan)
    half = z / (whole + z**2) * np.sqrt(x * (whole - x) / whole + z**2 / 4)
    centre = (x + z**2 / 2) / (whole + z**2)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def share_interval(
    hit_xn: npt.NDArray[np.bool_], bootstrap: GroupBootstrap | None = None, confidence_level: float = 0.95
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Returns the share of images of each row with its interval.

    Args:
        hit_xn: Whether each image counts; images along the last axis (..., N).
        bootstrap: Resamples of groups of images that belong together; None takes images as independent, with Wilson's
            interval.
        confidence_level: In [0.5, 0.999].

    Returns:
        Share, lower and upper end, (...).

    Example:
        >>> [round(float(v), 3) for v in share_interval(np.array([True] * 5 + [False] * 5))]
        [0.5, 0.237, 0.763]
    """
    hits = np.asarray(hit_xn, bool)
    n = hits.shape[-1]
    share = hits.mean(axis=-1)
    if bootstrap is None:
        return share, *wilson_interval(hits.sum(axis=-1), n, confidence_level)
    drawn = bootstrap.sums(hits.reshape(-1, n).T) / bootstrap.sums(np.ones((n, 1)))
    low, high = bootstrap_interval(share, drawn.T.reshape(*share.shape, -1), bootstrap.n_groups, confidence_level)
    return share, low, high


def paired_difference(
    first_n: npt.ArrayLike,
    second_n: npt.ArrayLike,
    *,
    groups: Sequence[str] | GroupBootstrap | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    r"""Returns the difference of two shares of the same images with an interval that knows that they are the same.

    Without groups the interval is Newcombe's (his method 10): with Wilson's intervals $(l_1, u_1)$, $(l_2, u_2)$ and
    the correlation $\hat\varphi$ of the two columns,

    $$ d - \sqrt{(p_1 - l_1)^2 - 2 \hat\varphi (p_1 - l_1)(u_2 - p_2) + (u_2 - p_2)^2}, \qquad
       d + \sqrt{(u_1 - p_1)^2 - 2 \hat\varphi (u_1 - p_1)(p_2 - l_2) + (p_2 - l_2)^2} $$

    With groups, whole groups are resampled, each with both of its columns. Quantiles of resamples are too near of few
    groups: with 4 of them an interval of 95 % misses a difference of 0 one time in five. So the ends are the farther
    ones of the quantiles and of Student's interval $d \pm t_{G-1} \, s \sqrt{G / (G - 1)}$ with s the standard
    deviation of the resamples. Where resamples are all alike, the ends lie as far away as a share of differing groups
    may be that was never met in G groups, 1 − (α/2)^(1/G).

    Args:
        first_n: Whether the first is right about each image (N,).
        second_n: The same of the second.
        groups: Group of each image (person, board, recording), or resamples of groups that were drawn before; None for
            independent images.
        confidence_level: In [0.5, 0.999].
        resamples: Of groups.
        seed: Of the resamples.

    Raises:
        DataError: No image, or columns of different lengths, or another number of groups.

    Example:
        >>> found = paired_difference([1, 1, 1, 0, 1, 1, 1, 1], [1, 0, 1, 0, 1, 0, 1, 1])
        >>> found.difference, found.only_first, bool(found.low < 0 < found.high)
        (0.25, 2, True)

    References:
        Newcombe, R. G. (1998). Improved confidence intervals for the difference between binomial proportions based on
        paired data. Statistics in Medicine 17, 2635-2650.
        Hesterberg, T. C. (2015). What teachers should know about the bootstrap. The American Statistician 69, 371-386.
        doi:10.1080/00031305.2015.1089789 (on the narrowness of percentile intervals)
    """
    first, second = np.asarray(first_n, bool), np.asarray(second_n, bool)
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise DataError(f"a paired difference needs two columns of one length ≥ 1, got {first.shape}, {second.shape}")
    difference = float(first.mean() - second.mean())
    if groups is None:
        low, high = _newcombe(first, second, confidence_level)
    else:
        known = isinstance(groups, GroupBootstrap)
        drawn = groups if known else GroupBootstrap.of(groups, len(first), resamples=resamples, seed=seed)
        low, high = _resampled(drawn, first.astype(np.float64) - second, confidence_level)
    return PairedDifference(
        difference=difference,
        low=float(low),
        high=float(high),
        n=len(first),
        only_first=int((first & ~second).sum()),
        only_second=int((second & ~first).sum()),
    )


def _resampled(drawn: GroupBootstrap, change_n: FloatArray, confidence_level: float) -> tuple[float, float]:
    half = (1 - require_range("confidence_level", confidence_level, 0.5, 0.999)) / 2
    g, difference = drawn.n_groups, float(change_n.mean())
    sums = drawn.sums(np.stack([change_n, np.ones(len(change_n))], axis=1))
    resampled = sums[:, 0] / sums[:, 1]
    if not change_n.any() or (len(resampled) and np.ptp(resampled) < 1e-12):
        reach = 1 - half ** (1 / g)
        return max(difference - reach, -1.0), min(difference + reach, 1.0)
    if not len(resampled):
        return np.nan, np.nan
    low, high = np.quantile(resampled, [half, 1 - half])
    far = float(student.ppf(1 - half, g - 1)) * float(resampled.std()) * np.sqrt(g / (g - 1))
    return max(min(float(low), difference - far), -1.0), min(max(float(high), difference + far), 1.0)


def _newcombe(
    first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], confidence_level: float
) -> tuple[float, float]:
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    only_1, only_2 = int((first & ~second).sum()), int((second & ~first).sum())
    p = np.array([first.mean(), second.mean()])
    low, high = wilson_interval([first.sum(), second.sum()], len(first), confidence_level)
    phi = _correlation(both, only_1, only_2, neither)
    below, above = p - low, high - p
    down = below[0] ** 2 - 2 * phi * below[0] * above[1] + above[1] ** 2
    up = above[0] ** 2 - 2 * phi * above[0] * below[1] + below[1] ** 2
    return float(p[0] - p[1] - np.sqrt(down)), float(p[0] - p[1] + np.sqrt(up))


def _correlation(both: int, only_1: int, only_2: int, neither: int) -> float:
    """Newcombe's φ̂ of a two-by-two table, with his correction for continuity where it is positive; 0 without spread."""
    margins = (both + only_1) * (only_2 + neither) * (both + only_2) * (only_1 + neither)
    if not margins:
        return 0.0
    cross = both * neither - only_1 * only_2
    n = both + only_1 + only_2 + neither
    return (max(cross - n / 2, 0.0) if cross > 0 else cross) / float(np.sqrt(margins))
