"""The bootstrap over groups of images: how often each group is drawn, and what sums and ranks become of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.errors import DataError
from shiftgauge.estimate.resampling import check_resampling, multinomial_weights, percentile_interval
from shiftgauge.random import stream_key
from shiftgauge.types import FloatArray

_NUMBERS: Final = 8_000_000
"""Counts of groups that are drawn at once."""
_EDGE: Final = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class GroupBootstrap:
    """Resamples of whole groups, so that images of one board, person or recording stay together.

    Args:
        group_n: Number of the group of each image (N,), from 0.
        n_groups: G.
        count_gr: How often each group is drawn in each resample, uint8 (G, R); its columns sum to G.

    References:
        Efron, B. (1979). Bootstrap methods: another look at the jackknife. doi:10.1214/aos/1176344552
        Davison, A. C., Hinkley, D. V. (1997). Bootstrap Methods and their Application. Cambridge University Press.
            doi:10.1017/CBO9780511802843
    """

    group_n: npt.NDArray[np.int64]
    n_groups: int
    count_gr: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, groups: Sequence[str] | None, n: int, *, resamples: int, seed: int = 0) -> GroupBootstrap:
        """Draws the resamples.

        Args:
            groups: Group of each image; None, or an empty name, makes an image its own group.
            n: Number of images.
            resamples: R ≥ 0. None are drawn of fewer than two groups, which say nothing of how groups differ.
            seed: Of the draws.

        Raises:
            DataError: Another number of groups than images.

        Example:
            >>> drawn = GroupBootstrap.of(["a", "a", "", "b"], 4, resamples=5)
            >>> drawn.n_groups, drawn.count_gr.shape, drawn.count_gr.sum(axis=0).tolist()
            (3, (3, 5), [3, 3, 3, 3, 3])
        """
        check_resampling(resamples, 0.95)
        if groups is not None and len(groups) != n:
            raise DataError(f"{len(groups)} groups for {n} images; give one for each")
        keys = [(i,) if groups is None or not groups[i] else groups[i] for i in range(n)]
        numbers = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        g = len(numbers)
        count = np.empty((g, resamples if g > 1 else 0), np.uint8)
        step = max(1, _NUMBERS // max(1, g))
        for start in range(0, count.shape[1], step):
            size = min(step, count.shape[1] - start)
            drawn = multinomial_weights(g, size, stream_key(seed, "metrics", start))
            count[:, start : start + size] = np.minimum(drawn, 255).T
        return cls(group_n=np.array([numbers[key] for key in keys], np.int64), n_groups=g, count_gr=count)

    @property
    def resamples(self) -> int:
        """R."""
        return self.count_gr.shape[1]

    def sums(self, values_nc: npt.NDArray[np.generic]) -> FloatArray:
        """Sum of each column over the images of each resample, (N, C) → (R, C): one product of matrices."""
        sums_gc = np.zeros((self.n_groups, values_nc.shape[1]))
        np.add.at(sums_gc, self.group_n, values_nc.astype(np.float64))
        found = np.empty((self.resamples, values_nc.shape[1]))
        for piece in self.pieces(self.n_groups):
            found[piece] = self.count_gr[:, piece].T.astype(np.float64) @ sums_gc
        return found

    def counts_between(
        self, row_m: npt.NDArray[np.int64], bound_b: npt.NDArray[np.int64], piece: slice = slice(None)
    ) -> FloatArray:
        """How many of the first b images of a list each resample holds, for every bound b → (B, R).

        Args:
            row_m: Images, in the order in which they are counted.
            bound_b: Bounds, each in 0 … len(row_m).
            piece: The resamples that are wanted; default all.

        Example:
            >>> drawn = GroupBootstrap(group_n=np.arange(3), n_groups=3, count_gr=np.array([[2], [0], [1]], np.uint8))
            >>> drawn.counts_between(np.array([2, 0, 1]), np.array([0, 1, 3])).tolist()
            [[0.0], [1.0], [3.0]]
        """
        count_gr = self.count_gr[:, piece]
        cuts = np.unique(bound_b[bound_b > 0])
        held = np.zeros((len(cuts) + 1, count_gr.shape[1]))
        if len(cuts):
            drawn = count_gr[self.group_n[row_m[: cuts[-1]]]]
            held[1:] = np.add.reduceat(drawn, np.append(0, cuts[:-1]), axis=0, dtype=np.uint32)
            np.cumsum(held, axis=0, out=held)
        return held[np.searchsorted(cuts, bound_b) + (bound_b > 0)]

    def groups_of(self, chosen_n: npt.NDArray[np.bool_]) -> int:
        """How many groups hold an image that is chosen."""
        return len(np.unique(self.group_n[chosen_n]))

    def pieces(self, width: int) -> Iterator[slice]:
        """Cuts the resamples into pieces of which each, with so many numbers a resample, fits in memory."""
        step = max(1, _NUMBERS // max(1, width))
        for start in range(0, self.resamples, step):
            yield slice(start, start + step)


def bootstrap_interval(
    value: npt.ArrayLike, resampled: FloatArray, groups: npt.ArrayLike, confidence_level: float, share: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Percentile interval of shares in [0, 1], widened where no resample can show an error.

    Where all m groups agree (value 0 or 1) the other end lies where so much agreement still has the chance α/2, the end
    of Clopper and Pearson's interval: 1 - (α/2)^(1/m) away, times the share that one class has in a mean.

    Args:
        value: The estimate (...).
        resampled: The same in every resample (..., R), NaN where it is not defined.
        groups: m, the groups that the estimate rests on (...).
        confidence_level: 1 - α.
        share: Weight of the class with fewest groups in a mean over classes; default 1.

    Returns:
        Lower and upper ends (...); NaN without resamples or value.

    Example:
        >>> low, high = bootstrap_interval(1.0, np.ones(100), 10, 0.95)
        >>> round(float(low), 3), float(high)
        (0.692, 1.0)

    References:
        Clopper, C. J., Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case of the
        binomial. doi:10.1093/biomet/26.4.404
    """
    given = np.asarray(value, np.float64)
    ends = percentile_interval(resampled, confidence_level)
    low, high = np.minimum(ends[..., 0], given), np.maximum(ends[..., 1], given)
    reach = share * (1 - ((1 - confidence_level) / 2) ** (1 / np.maximum(np.asarray(groups), 1)))
    low = np.where(given >= 1 - _EDGE, np.minimum(low, 1 - reach), low)
    high = np.where(given <= _EDGE, np.maximum(high, reach), high)
    return low, high
