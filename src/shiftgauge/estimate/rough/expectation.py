"""Expectations of a residual surrogate's pick-freeze products, from a large sample of the surrogate alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Final

import numpy as np

from shiftgauge.estimate.crossfit import CrossFit, TrendPiece, trend_pieces
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.moments import MomentLayout, pick_freeze_columns
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.estimate.rough.models import one_thread
from shiftgauge.estimate.rough.points import ResidualPoints
from shiftgauge.estimate.rough.search import ResidualFit
from shiftgauge.random import stream_key
from shiftgauge.types import FloatArray

_FEWEST: Final = 4
_MOST: Final = {"trees": 16, "gp": 8}


def residual_expectations(
    design: PickFreezeDesign,
    fit: CrossFit,
    residuals: Mapping[int, ResidualFit],
    points: ResidualPoints,
    layout: MomentLayout,
) -> FloatArray:
    """Estimates E T[h] - E T[g] for each group of blocks, from blocks of its own at which only h is evaluated.

    Ê_γ = mean of T[h] - T[g] over the fresh blocks of group γ, h and g being those of the group's fold. Since no two
    groups share fresh blocks, the groups' estimates stay independent of each other, and the spread between groups, of
    which every interval is made, holds the error of Ê as well. Four to sixteen fresh blocks stand for each
    evaluated one: the more, the less h leaves.

    Args:
        design: What was evaluated.
        fit: The polynomial g of each fold.
        residuals: Output → its residual surrogates.
        points: Columns that these see.
        layout: Of the columns.

    Returns:
        (columns, Q, groups); 0 for outputs without a residual surrogate.
    """
    groups, n_outputs = design.grouping.n_groups, fit.full.shape[1]
    out = np.zeros((layout.n_columns, n_outputs, groups))
    if not residuals:
        return out
    times = {q: fresh_blocks(r) for q, r in residuals.items()}
    with one_thread():
        for turn in sorted(set(times.values())):
            for chosen in fit.alike(np.array([q for q, m in times.items() if m == turn])):
                found = _Fresh(design, turn).means(fit, chosen.tolist(), residuals, points, layout)
                out[:, chosen] = found
    return out


def fresh_blocks(residual: ResidualFit) -> int:
    """Fresh blocks for each evaluated one: a power of two of about 2 (1 - ρ)/ρ, ρ the share of the error that h leaves.

    Example:
        >>> [fresh_blocks(ResidualFit(kind="trees", models=(), left_out=np.zeros(0), ratio=r)) for r in (0.7, 0.2, 0.0)]
        [4, 8, 16]
    """
    most = _MOST[residual.kind]
    if residual.ratio <= 2 / (2 + most):
        return most
    wanted = 2 * (1 - residual.ratio) / residual.ratio
    return int(min(max(2 ** ceil(log2(max(wanted, 1))), _FEWEST), most))


@dataclass(frozen=True)
class _Fresh:
    """Blocks that are independent of a design's own, dealt to its groups in turn."""

    like: PickFreezeDesign
    times: int

    @property
    def design(self) -> PickFreezeDesign:
        groups, like = self.like.grouping.n_groups, self.like
        replicates = like.grouping.replicates > 1
        return PickFreezeDesign(
            inputs=like.inputs,
            n_base=self.times * groups * -(-like.n_base // groups),
            second_order=like.second_order,
            method=like.method if replicates else "random",
            seed=stream_key(like.seed, "residual", "fresh", self.times),
            groups=like.groups,
            replicates=groups if replicates else 1,
        )

    def means(
        self,
        fit: CrossFit,
        chosen: list[int],
        residuals: Mapping[int, ResidualFit],
        points: ResidualPoints,
        layout: MomentLayout,
    ) -> FloatArray:
        """Mean of T[h] - T[g] in each group (columns, q, groups)."""
        design, groups = self.design, self.like.grouping.n_groups
        grouping = Grouping(design.n_base, groups)
        sums = np.zeros((groups, layout.n_columns, len(chosen)))
        for piece in trend_pieces(design, fit, np.array(chosen), grouping):
            trend = piece.own()
            whole = trend + _residual(piece, trend, chosen, residuals, points)
            change = _columns(whole, design, layout) - _columns(trend, design, layout)
            first = piece.rows.start // design.rows_per_block
            group = grouping.of_block(np.arange(first, first + change.shape[-1]))
            np.add.at(sums, group, np.moveaxis(change, -1, 0))
        return np.moveaxis(sums, 0, -1) / grouping.counts


def _residual(
    piece: TrendPiece,
    trend: FloatArray,
    chosen: list[int],
    residuals: Mapping[int, ResidualFit],
    points: ResidualPoints,
) -> FloatArray:
    matrix, out = points.matrix(piece.coordinates), np.empty_like(trend)
    for k in np.unique(piece.fold):
        rows = np.flatnonzero(piece.fold == k)
        for place, q in enumerate(chosen):
            out[rows, place] = residuals[q].models[k].predict(matrix[rows], trend[rows, place])
    return out


def _columns(values: FloatArray, design: PickFreezeDesign, layout: MomentLayout) -> FloatArray:
    blocks = values.reshape(-1, design.rows_per_block, values.shape[-1])
    return pick_freeze_columns(np.ascontiguousarray(np.moveaxis(blocks, 0, -1)), layout)
