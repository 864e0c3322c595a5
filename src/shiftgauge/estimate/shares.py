"""Shares of a variance: ratios of means over blocks, with intervals from independent replicates."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shiftgauge.estimate.moments import centre_of
from shiftgauge.estimate.resampling import Grouping, Resampling
from shiftgauge.estimate.sobol import variance_floor
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Shares:
    """What an estimator of shares gives for Q outputs.

    Args:
        defined: Whether the output varies (Q,).
        mean: (Q,), with interval (Q, 2).
        variance: (Q,), with interval (Q, 2).
        share: Shares of the variance (Q, k), NaN where the output does not vary; with interval (Q, k, 2).
    """

    defined: np.ndarray
    mean: FloatArray
    mean_interval: FloatArray
    variance: FloatArray
    variance_interval: FloatArray
    share: FloatArray
    share_interval: FloatArray


def shares(
    values_nrq: FloatArray,
    grouping: Grouping,
    columns: Callable[[FloatArray, int], FloatArray],
    *,
    n_columns: int,
    n_base: int,
    confidence_level: float,
    seed: int,
    n_products: int = 0,
    kept: np.ndarray | None = None,
) -> Shares:
    """Means of the columns over the blocks, as shares of the variance.

    Args:
        values_nrq: Values by block, row of the block and output (N, rows, Q).
        grouping: Which blocks stay together.
        columns: Centred values (rows, q, n) and number of their first block → columns (k + 2, q, n): mean, squared
            value whose mean is the variance, then the numerators of the shares.
        n_columns: k + 2.
        n_base: Rows of a block, from the first on, that follow the inputs' own distribution, for the centre.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        n_products: How many of the shares, from the first on, are means of products; the others are means of
            squares or of their differences, whose intervals reach further up where these are skewed.
        kept: Blocks that count, bool (N,); by default all. The values of the others may be anything.

    Returns:
        Shares with intervals.
    """
    n_blocks, _, q = values_nrq.shape
    kept = np.ones(n_blocks, bool) if kept is None else kept
    centre = centre_of(values_nrq[:, :n_base], kept)
    if not kept.all():
        values_nrq = np.where(kept[:, None, None], values_nrq, centre)  # all columns of such a block are 0
    counts = grouping.kept_counts(kept)
    sums = np.zeros((n_columns, q, grouping.n_groups))
    for span in grouping.chunks(q * (n_columns + values_nrq.shape[1])):
        block = np.ascontiguousarray(np.moveaxis(values_nrq[span] - centre, 0, -1))
        grouping.add(sums, columns(block, span.start), span.start)
    resampling = Resampling.of(grouping, 1, seed).among(counts)
    point = sums.sum(axis=-1) / counts.sum()
    floor = variance_floor(centre, point[1])
    defined = point[1] > floor
    resampled = resampling.means(sums, counts)
    share, resampled_share = (_ratio(table, floor) for table in (point, resampled))
    return Shares(
        defined=defined,
        mean=point[0] + centre,
        mean_interval=resampling.interval(point[0], resampled[0], confidence_level) + centre[:, None],
        variance=np.where(defined, point[1], 0.0),
        variance_interval=np.where(
            defined[:, None], resampling.interval(point[1], resampled[1], confidence_level, squares=True), 0.0
        ),
        share=share,
        share_interval=np.concatenate(
            [
                resampling.interval(share[:, part], resampled_share[:, part], confidence_level, squares=squares)
                for part, squares in ((slice(n_products), False), (slice(n_products, None), True))
            ],
            axis=1,
        ),
    )


def _ratio(table: FloatArray, floor: FloatArray) -> FloatArray:
    """Shares (q, k, ...) from means of the columns (k + 2, q, ...)."""
    known = table[1] > floor.reshape(-1, *(1,) * (table.ndim - 2))
    return np.moveaxis(np.where(known, table[2:] / np.where(known, table[1], 1.0), np.nan), 0, 1)
