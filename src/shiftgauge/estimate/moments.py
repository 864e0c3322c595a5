"""The products of a pick-freeze sample whose means are all that the indices need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol, Self

import numpy as np

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.designs import FEWEST, PickFreezeDesign
from shiftgauge.estimate.resampling import Grouping
from shiftgauge.estimate.values import OnFailure, finite_rows
from shiftgauge.types import FloatArray, OutputsNQ

PAIRS_UP_TO: Final = 100
"""Most groups whose d (d - 1) / 2 pairs are estimated unasked; BA rows ask for them."""
CARRIERS: Final = 32
"""Points that must carry an output's variance before its intervals are believed."""


@dataclass(frozen=True, kw_only=True)
class MomentLayout:
    """Which column holds which product, for d groups.

    Columns: mean and square of f(A), f(B); the numerators of first and total order for each group;
    for each pair i < j the part of the variance that depends on i or j; with BA rows also the part
    that i and j explain together (closed).

    Args:
        d: Number of groups.
        second_order: Whether there are BA rows.
        with_pairs: Whether pairs have columns; for thousands of groups they would be millions.

    Example:
        >>> MomentLayout.of(8, second_order=False).with_pairs, MomentLayout.of(3_072, second_order=False).with_pairs
        (True, False)
    """

    d: int
    second_order: bool
    with_pairs: bool = True

    @classmethod
    def of(cls, d: int, *, second_order: bool) -> Self:
        """The layout that leaves pairs out where nobody asked for them and there are very many."""
        return cls(d=d, second_order=second_order, with_pairs=second_order or d <= PAIRS_UP_TO)

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs i < j that have columns, two int arrays."""
        return np.triu_indices(self.d if self.with_pairs else 0, 1)

    @property
    def first(self) -> slice:
        """Columns of Var E[f | x_i]."""
        return slice(2, 2 + self.d)

    @property
    def total(self) -> slice:
        """Columns of E Var[f | all but x_i]."""
        return slice(2 + self.d, 2 + 2 * self.d)

    @property
    def pair_total(self) -> slice:
        """Columns of E Var[f | all but x_i, x_j]."""
        return slice(2 + 2 * self.d, 2 + 2 * self.d + len(self.pairs[0]))

    @property
    def pair_closed(self) -> slice:
        """Columns of Var E[f | x_i, x_j]; empty without BA rows."""
        return slice(self.pair_total.stop, self.n_columns)

    @property
    def n_columns(self) -> int:
        """Number of columns K."""
        return 2 + 2 * self.d + len(self.pairs[0]) * (1 + self.second_order)


@dataclass(frozen=True, kw_only=True)
class GroupSums:
    """Sums of the columns over groups of blocks: values (K, q, G), blocks per group (G,)."""

    values: FloatArray
    counts: FloatArray


class MomentSource(Protocol):
    """Anything that yields the columns of a pick-freeze estimate, for some outputs at a time."""

    @property
    def layout(self) -> MomentLayout:
        """Which column holds what."""
        ...

    @property
    def design(self) -> PickFreezeDesign:
        """The design that was evaluated."""
        ...

    @property
    def centre(self) -> FloatArray:
        """What was subtracted from each output before products were formed (Q,)."""
        ...

    def sums(self, outputs: slice) -> GroupSums:
        """Group sums of all columns for those outputs."""
        ...

    @property
    def kept(self) -> np.ndarray:
        """Blocks that count, bool (N,): all but those with a failed run."""
        ...

    def base_values(self, output: int) -> FloatArray:
        """Values of one output at the rows A and B (N, 2); NaN in blocks that do not count."""
        ...


class PickFreezeMoments:
    """The columns straight from the sample (a `MomentSource`).

    Args:
        design: The design that was evaluated.
        values: Outputs at its rows, in order, float (n_rows, Q).
        outputs: Their names.
        on_failure: `raise`, or `drop` the blocks that hold a value which is NaN or infinite.

    Raises:
        DataError: The number of rows does not match the design.
        NumericalError: A value is NaN or infinite (the message names its row), or too few blocks are left.
    """

    def __init__(
        self, design: PickFreezeDesign, values: OutputsNQ, outputs: Sequence[str], on_failure: OnFailure = "raise"
    ) -> None:
        self.design: Final = design
        self.layout: Final = MomentLayout.of(design.n_groups, second_order=design.second_order)
        checked, finite = finite_rows(design, values, outputs, on_failure)
        self.kept: Final[np.ndarray] = np.asarray(finite.reshape(design.n_base, -1).all(axis=1))
        require_blocks(self.kept, design.grouping)
        blocks = checked.reshape(design.n_base, design.rows_per_block, -1)
        self.centre: Final = centre_of(blocks[:, :2], self.kept)
        if not self.kept.all():
            blocks = np.where(self.kept[:, None, None], blocks, self.centre)
        self.blocks_nrq: Final = blocks

    def sums(self, outputs: slice) -> GroupSums:
        """Group sums of all columns for those outputs."""
        grouping, q = self.design.grouping, len(self.centre[outputs])
        sums = np.zeros((self.layout.n_columns, q, grouping.n_groups))
        for span in grouping.chunks(q * self.layout.n_columns):
            # all columns of a block that does not count are 0
            grouping.add(sums, self.columns(span, outputs), span.start)
        return GroupSums(values=sums, counts=grouping.kept_counts(self.kept))

    def columns(self, blocks: slice, outputs: slice) -> FloatArray:
        """Columns (K, q, n) of some blocks; 0 where a block does not count."""
        return self.columns_of(self.blocks_nrq[blocks, :, outputs] - self.centre[outputs])

    def columns_of(self, blocks_nrq: FloatArray) -> FloatArray:
        """Columns (K, q, n) of some blocks of centred values (n, rows_per_block, q)."""
        return pick_freeze_columns(np.ascontiguousarray(np.moveaxis(blocks_nrq, 0, -1)), self.layout)

    def base_values(self, output: int) -> FloatArray:
        """Values of one output at the rows A and B (N, 2); NaN in blocks that do not count."""
        return np.where(self.kept[:, None], self.blocks_nrq[:, :2, output], np.nan)


def centre_of(base_n2q: FloatArray, kept: np.ndarray) -> FloatArray:
    """Mean of each output over the rows A and B of the blocks that count (Q,)."""
    return (base_n2q if kept.all() else base_n2q[kept]).mean(axis=(0, 1))


def carriers(values: FloatArray) -> float:
    """How many points carry a variance, (Σ(f - m)²)² / Σ(f - m)⁴: n over the kurtosis; NaN values do not count.

    Example:
        >>> carriers(np.array([0.0] * 996 + [1.0] * 4)) < 5
        True
    """
    square = (values - np.nanmean(values)) ** 2
    square /= np.nanmax(square)
    return float(np.nansum(square) ** 2 / np.nansum(square**2))


def require_blocks(kept: np.ndarray, grouping: Grouping, what: str = "blocks") -> None:
    """Checks that enough blocks (or whatever they are called) are left for indices and their intervals.

    Raises:
        NumericalError: More than half of the blocks failed, or fewer than 4 replicates keep a block.
    """
    left, n = int(kept.sum()), len(kept)
    if 2 * left < n or left < 2:
        raise NumericalError(f"{n - left} of {n} {what} hold a failed run; indices of the rest would say little")
    replicates = int((grouping.kept_counts(kept) > 0).sum())
    if grouping.replicates > 1 and replicates < min(FEWEST, grouping.n_groups):
        raise NumericalError(
            f"only {replicates} of {grouping.n_groups} replicates keep a block without a failed run; raise `n_base`"
        )


def mean_error(sums: GroupSums) -> FloatArray:
    """Variance of the mean of column 0 (q,), from the spread between groups."""
    total, groups = sums.counts.sum(), int((sums.counts > 0).sum())
    away = sums.values[0] - sums.values[0].sum(axis=-1, keepdims=True) / total * sums.counts
    return np.einsum("qg,qg->q", away, away) / total**2 * (groups / (groups - 1))


def pick_freeze_columns(f_rqn: FloatArray, layout: MomentLayout) -> FloatArray:
    """Forms all columns for some blocks.

    First order after Saltelli: f(B)(f(AB_i) - f(A)); total order after Jansen: (f(A) - f(AB_i))²/2; the total
    of a pair: (f(AB_i) - f(AB_j))²/2; a closed pair: f(AB_i) f(BA_j) - f(A) f(B). With BA rows each is
    the mean of both halves of the sample.

    Args:
        f_rqn: Centred outputs, axes (row of the block, output, block).
        layout: Of the columns.

    Returns:
        Columns (K, q, n).

    References:
        Saltelli, A. et al. (2010). doi:10.1016/j.cpc.2009.09.018
        Jansen, M. (1999). doi:10.1016/S0010-4655(98)00154-4
        Liu, R., Owen, A. B. (2006). Superset importance. doi:10.1198/016214505000001410
    """
    d = layout.d
    a, b = f_rqn[0], f_rqn[1]
    ab, ba = f_rqn[2 : 2 + d], f_rqn[2 + d :]
    out = np.empty((layout.n_columns, *a.shape))
    out[0] = (a + b) / 2
    out[1] = (a * a + b * b) / 2
    first, total, pair_total = out[layout.first], out[layout.total], out[layout.pair_total]
    np.multiply(b, ab - a, out=first)
    np.square(a - ab, out=total)
    i, j = layout.pairs
    for k in range(len(i)):
        np.square(ab[i[k]] - ab[j[k]], out=pair_total[k])
    if not layout.second_order:
        total *= 0.5
        pair_total *= 0.5
        return out
    first += a * (ba - b)
    first *= 0.5
    total += np.square(b - ba)
    total *= 0.25
    pair_closed, product = out[layout.pair_closed], a * b
    for k in range(len(i)):
        pair_total[k] += np.square(ba[i[k]] - ba[j[k]])
        pair_closed[k] = 0.5 * (ab[i[k]] * ba[j[k]] + ab[j[k]] * ba[i[k]]) - product
    pair_total *= 0.25
    return out


def variance_components(
    columns: FloatArray, layout: MomentLayout, mean_error: FloatArray | float
) -> Mapping[str, FloatArray]:
    """Turns means of the columns (K, q, ...) into mean and variance components.

    Args:
        columns: Means of the columns (K, q, ...).
        layout: Of the columns.
        mean_error: Variance of the estimated mean, by which its square is too large (q, 1 ...).

    Returns:
        `mean` (centred) and `variance` (q, ...); `first`, `total` (d, q, ...); where pairs have columns, per pair
        `interaction` (terms that hold both) and, with BA rows, `closed` and `second` (pairs, q, ...).
    """
    i, j = layout.pairs
    first, total = columns[layout.first], columns[layout.total]
    found = {
        "mean": columns[0],
        "variance": columns[1] - columns[0] ** 2 + mean_error,
        "first": first,
        "total": total,
    }
    if layout.with_pairs:
        found["interaction"] = total[i] + total[j] - columns[layout.pair_total]
    if layout.with_pairs and layout.second_order:
        found["closed"] = columns[layout.pair_closed]
        found["second"] = found["closed"] - first[i] - first[j]
    return found
