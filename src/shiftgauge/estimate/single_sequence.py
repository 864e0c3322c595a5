"""Indices and intervals as most published studies have them: one sequence, rows A, B, AB, bootstrap over its points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.moments import MomentLayout, pick_freeze_columns
from shiftgauge.random import generator
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class SingleSequence:
    """Indices of one output at several sizes, (K, d) each, with half-widths.

    Args:
        n_base: The sizes (K,).
        first_order: (K, d).
        first_order_half: Half-width of its interval (K, d).
        total_order: (K, d).
        total_order_half: Half-width of its interval (K, d).
    """

    n_base: tuple[int, ...]
    first_order: FloatArray
    first_order_half: FloatArray
    total_order: FloatArray
    total_order_half: FloatArray


def single_sequence(
    design: PickFreezeDesign,
    values_n: FloatArray,
    sizes: Sequence[int],
    *,
    resamples: int = 100,
    confidence_level: float = 0.95,
    seed: int = 0,
) -> SingleSequence:
    """First and total indices from the rows A, B and AB of one sequence, with half-widths of a bootstrap over points.

    S_i = mean(f(B)(f(AB_i) - f(A)))/V, S_Ti = mean((f(A) - f(AB_i))²)/2V; half-width = z · standard deviation over
    resamples of single points. The points of a scrambled sequence depend on each other, so that this half-width is
    mostly too wide for smooth functions, by a factor of several; `pick_freeze` on a design with replicates has
    honest ones. It is here to be compared with published figures.

    Args:
        design: A design with one replicate.
        values_n: One output at its rows (n_rows,).
        sizes: Numbers of base samples, each at most the design's.
        resamples: Bootstrap resamples, ≥ 2.
        confidence_level: Of the intervals.
        seed: Of the bootstrap.

    Raises:
        ConfigError: A design with replicates, or a size beyond it.
        DataError: Another number of values.

    References:
        Herman, J., Usher, W. (2017). SALib. doi:10.21105/joss.00097
    """
    if design.grouping.replicates != 1:
        raise ConfigError("a single sequence has `replicates=1`; `pick_freeze` serves designs with replicates")
    if not sizes or max(sizes) > design.n_base or min(sizes) < 2:
        raise ConfigError(f"`sizes` must be between 2 and {design.n_base}, the design's base samples")
    if values_n.shape != (design.n_rows,):
        raise DataError(f"`values_n` must have one value for each of the {design.n_rows} rows, got {values_n.shape}")
    layout = MomentLayout(d=design.n_groups, second_order=False)
    blocks = values_n.reshape(design.n_base, -1)[:, : 2 + design.n_groups]
    found = [_one(blocks[:n], layout, resamples, generator(seed, "points", n)) for n in sizes]
    first, total = (np.stack([ratio[part] for ratio, _ in found]) for part in (layout.first, layout.total))
    z = norm.ppf((1 + confidence_level) / 2)
    half_first, half_total = (
        np.stack([z * error[part] for _, error in found]) for part in (layout.first, layout.total)
    )
    return SingleSequence(
        n_base=tuple(sizes),
        first_order=first,
        first_order_half=half_first,
        total_order=total,
        total_order_half=half_total,
    )


def _one(
    blocks_nr: FloatArray, layout: MomentLayout, resamples: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Ratios of all columns to the variance (K,), and their standard deviations over resamples."""
    n = len(blocks_nr)
    centred = blocks_nr - blocks_nr[:, :2].mean()
    columns = pick_freeze_columns(np.ascontiguousarray(centred.T)[:, None], layout)[:, 0]
    columns = columns[: layout.total.stop]
    point = columns.mean(axis=1)
    drawn = np.empty((resamples, len(columns)))
    for r in range(resamples):
        drawn[r] = columns @ np.bincount(rng.integers(n, size=n), minlength=n) / n
    ratio = drawn / (drawn[:, 1] - drawn[:, 0] ** 2)[:, None]
    return point / (point[1] - point[0] ** 2), ratio.std(axis=0, ddof=1)
