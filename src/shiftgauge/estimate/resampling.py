"""Error of an estimate: the bootstrap over blocks, or independent replicates of the design."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, Self, TypeAlias

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.random import generator
from shiftgauge.types import FloatArray

Kind: TypeAlias = Literal["bootstrap", "jackknife"]
MAX_GROUPS: Final = 2048
"""The bootstrap draws from at most this many runs of neighbouring blocks, which bounds its memory."""
_WORK: Final = 4_000_000
"""Numbers held at once while sums are formed."""
_CACHED: Final = 32_768
"""Numbers that stay in a core's own cache."""
_SKEWNESS: Final = 1.5
"""By how much the skewness of a few heavy-tailed values falls short of the truth, chosen by measured coverage."""


@dataclass(frozen=True)
class Grouping:
    """How the blocks of a design are gathered into groups that stay together when errors are estimated.

    With one replicate, groups are single blocks, or runs of neighbours beyond `MAX_GROUPS` blocks. With R replicates,
    block j belongs to group j mod R, and groups are independent of each other even where their blocks are not.

    Args:
        n: Number of blocks N.
        replicates: Independent replicates R of the design.

    Example:
        >>> Grouping(6, replicates=4).of_block(np.arange(6)).tolist()
        [0, 1, 2, 3, 0, 1]
        >>> Grouping(4096).n_groups, Grouping(5).n_groups
        (2048, 5)
    """

    n: int
    replicates: int = 1

    @property
    def run(self) -> int:
        """Neighbouring blocks that share a group."""
        return -(-self.n // MAX_GROUPS) if self.replicates == 1 else 1

    @cached_property
    def n_groups(self) -> int:
        """Number of groups G."""
        return -(-self.n // self.run) if self.replicates == 1 else min(self.replicates, self.n)

    @cached_property
    def counts(self) -> FloatArray:
        """Blocks in each group (G,)."""
        return np.bincount(self.of_block(np.arange(self.n)), minlength=self.n_groups).astype(float)

    def kept_counts(self, kept_n: np.ndarray) -> FloatArray:
        """Blocks in each group that are kept, bool (N,) → (G,)."""
        if kept_n.all():
            return self.counts
        return np.bincount(self.of_block(np.flatnonzero(kept_n)), minlength=self.n_groups).astype(float)

    def of_block(self, block_n: np.ndarray) -> np.ndarray:
        """Group of each block."""
        return block_n // self.run if self.replicates == 1 else block_n % self.replicates

    def chunks(self, width: int) -> Iterator[slice]:
        """Cuts the blocks into spans that begin where `add` may begin, with about `width` numbers for each block."""
        unit = self.run * self.replicates
        size = unit * max(1, _WORK // (unit * max(1, width)))
        for start in range(0, self.n, size):
            yield slice(start, min(start + size, self.n))

    def add(self, sums_g: FloatArray, values_n: FloatArray, start: int) -> None:
        """Adds values of the blocks from `start` on (..., n) to the groups' sums (..., G)."""
        n = values_n.shape[-1]
        if self.replicates == 1:
            first = start // self.run
            runs = np.arange(0, n, self.run)
            sums_g[..., first : first + len(runs)] += (
                values_n if self.run == 1 else np.add.reduceat(values_n, runs, axis=-1)
            )
            return
        g = self.n_groups
        whole = n // g * g
        sums_g += values_n[..., :whole].reshape(*values_n.shape[:-1], whole // g, g).sum(axis=-2)
        sums_g[..., : n - whole] += values_n[..., whole:]


@dataclass(frozen=True, eq=False)
class Resampling:
    """Weights of the groups in each resample, and the interval that the resampled estimates give.

    Args:
        kind: `bootstrap`: percentile intervals from multinomial weights. `jackknife`: each resample leaves out one
            group, s² = (G - 1)/G Σ (θ₍ₖ₎ - θ̄)², and the interval is θ ± t s with G - 1 degrees of freedom; where
            means of squares are skewed to the right, its upper end goes further (`upper_reach`).
        weights: How often each group counts (R, G).

    References:
        Efron, B. (1979). Bootstrap methods: another look at the jackknife. doi:10.1214/aos/1176344552
        Hall, P. (1992). On the removal of skewness by transformation. J. R. Stat. Soc. B 54, 221-228.
        Tukey, J. W. (1958). Bias and confidence in not-quite large samples. doi:10.1214/aoms/1177706647
        L'Ecuyer, P. (2018). Randomized quasi-Monte Carlo: an introduction for practitioners.
            doi:10.1007/978-3-319-91436-7_2
    """

    kind: Kind
    weights: FloatArray

    @classmethod
    def of(cls, grouping: Grouping, resamples: int, seed: int) -> Self:
        """The jackknife over replicates where there are some, else the bootstrap; no resamples when `resamples` is 0.

        Example:
            >>> Resampling.of(Grouping(64, replicates=16), 100, 0).weights.shape
            (16, 16)
            >>> Resampling.of(Grouping(64), 100, 0).weights.shape
            (100, 64)
        """
        g = grouping.n_groups
        if grouping.replicates > 1:
            return cls("jackknife", (1.0 - np.eye(g))[: g if resamples else 0])
        return cls("bootstrap", multinomial_weights(g, resamples, seed))

    def among(self, counts_g: FloatArray) -> Self:
        """The same resampling where groups that lost all their blocks take no part."""
        live = np.asarray(counts_g) > 0
        if live.all() or self.kind == "bootstrap":
            return self
        return type(self)(self.kind, self.weights[live[: len(self.weights)]])

    def means(self, sums_g: FloatArray, counts_g: FloatArray) -> FloatArray:
        """Mean of every column in every resample, from sums over groups (..., G) → (..., R)."""
        *lead, g = sums_g.shape
        means = sums_g.reshape(-1, g) @ self.weights.T
        means /= self.weights @ counts_g
        return means.reshape(*lead, -1)

    def interval(
        self, estimate: FloatArray, resampled: FloatArray, confidence_level: float, *, squares: bool = False
    ) -> FloatArray:
        """Interval of an estimate (...) from its resampled values (..., R) → (..., 2).

        `squares` says that the estimate is a mean of squares, whose few largest values a sample may have missed.
        """
        n = resampled.shape[-1]
        if self.kind == "bootstrap" or n < 2:
            found = percentile_interval(resampled, confidence_level)
            if squares and n > 1:
                error, skewness = _shape(resampled)
                upper = upper_reach(skewness, float(norm.ppf((1 + confidence_level) / 2)))
                found[..., 1] = np.maximum(found[..., 1], estimate + upper * error)
            return found
        deviation, skewness = _shape(resampled)
        error = np.sqrt(n - 1) * deviation
        upper = reach = float(student.ppf((1 + confidence_level) / 2, n - 1))
        if squares:  # an estimate without a large value is a low one, so the skewness changes its sign
            upper = upper_reach(-_SKEWNESS * skewness / np.sqrt(n), reach)
        return np.stack([estimate - reach * error, estimate + upper * error], axis=-1)


def upper_reach(skewness: FloatArray, reach: float) -> FloatArray:
    """Standard errors by which the upper end of an interval lies above an estimate that is skewed to the right.

    Such an estimate has a t-statistic that is skewed to the left, so that the truth lies above θ + t s too often.
    Hall's transformation t + a t²/3 + a² t³/27 + a/6, with the skewness a of the estimate, takes that out; solved for
    the end,

        u = (3/a) (1 - ∛(1 - a (t + a/6))),  which tends to t as a → 0.

    Args:
        skewness: a, of the estimate (...): of the bootstrap's resamples; with the jackknife that of the G
            pseudo-values over √G, times 1.5, because a few values of a heavy tail look less skewed than it is.
        reach: t, the quantile of a statistic that is not skewed.

    Returns:
        u ≥ t (...); t where there is no skewness to the right.

    Example:
        >>> upper_reach(np.array([-0.5, 0.0, 0.2]), 2.0).round(2).tolist()
        [2.0, 2.0, 2.4]

    References:
        Hall, P. (1992). On the removal of skewness by transformation. J. R. Stat. Soc. B 54, 221-228.
    """
    right = np.asarray(skewness > 1e-6)
    a = np.where(right, skewness, 1.0)
    return np.where(right, np.maximum(3 / a * (1 - np.cbrt(1 - a * (reach + a / 6))), reach), reach)


def _shape(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Standard deviation and skewness over the last axis, both 0 where nothing varies; NaN is left out."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    away = np.where(known, values, 0.0)
    away = np.where(known, away - away.sum(axis=-1, keepdims=True) / count, 0.0)
    largest = np.abs(away).max(axis=-1, keepdims=True)
    away /= np.where(largest > 0, largest, 1.0)  # cubes of tiny numbers would vanish
    square = np.einsum("...r,...r->...", away, away) / count[..., 0]
    cube = np.einsum("...r,...r,...r->...", away, away, away) / count[..., 0]
    return largest[..., 0] * np.sqrt(square), cube / np.where(square > 0, square, 1.0) ** 1.5


def multinomial_weights(n: int, resamples: int, seed: int) -> FloatArray:
    """Counts of how often each of n groups is drawn in each resample, float64 (resamples, n).

    Example:
        >>> multinomial_weights(4, 3, seed=0).sum(axis=1).tolist()
        [4.0, 4.0, 4.0]
    """
    rng, weights = generator(seed, "bootstrap", n), np.empty((resamples, n))
    step = max(1, _CACHED // max(1, n))
    for start in range(0, resamples, step):  # a few at a time: their counts stay in the cache
        drawn = rng.integers(n, size=(min(step, resamples - start), n))
        drawn += n * np.arange(len(drawn))[:, None]
        weights[start : start + step] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return weights


def percentile_interval(replicates: FloatArray, confidence_level: float) -> FloatArray:
    """Percentile interval over the last axis (..., R) → (..., 2); resamples that are NaN are left out."""
    n = replicates.shape[-1]
    if n == 0:
        return np.full((*replicates.shape[:-1], 2), np.nan)
    ordered = np.sort(replicates, axis=-1)  # NaN stands last
    known = n - np.isnan(ordered).sum(axis=-1, keepdims=True)
    tail = (1 - confidence_level) / 2
    place = np.maximum(known - 1, 0) * np.array([tail, 1 - tail])
    below = place.astype(int)
    low = np.take_along_axis(ordered, below, axis=-1)
    high = np.take_along_axis(ordered, np.minimum(below + 1, np.maximum(known - 1, 0)), axis=-1)
    return low + (place - below) * (high - low)


def check_resampling(resamples: int, confidence_level: float) -> None:
    """Checks the two options of every interval.

    Raises:
        ConfigError: `resamples` < 0 or `confidence_level` outside [0.5, 0.999].
    """
    require_positive_int("resamples", resamples, low=0)
    require_range("confidence_level", confidence_level, 0.5, 0.999, hint="0.95 is customary")
