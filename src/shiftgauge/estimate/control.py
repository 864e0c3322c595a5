"""The control variate: pick-freeze products of f less what a surrogate of known expectation explains of them."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.estimate.crossfit import CrossFit, fold_of_block
from shiftgauge.estimate.moments import GroupSums, PickFreezeMoments
from shiftgauge.estimate.rough.expectation import residual_expectations
from shiftgauge.estimate.rough.points import ResidualPoints
from shiftgauge.estimate.rough.search import ResidualFit
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray

Weight: TypeAlias = Literal["best", "one"]


class AssistedMoments:
    """The columns T[f] - w (T[h] - E T[h]) (a `MomentSource`), where h = g + r.

    E T[g] of the polynomial g is exact; E T[h] - E T[g] comes from fresh blocks at which only h is evaluated.

    Args:
        plain: The columns of f.
        fit: The polynomials, one per fold of blocks.
        weight: As in `assisted`.
        residuals: Output → its residual surrogates r; none for outputs that are missing.
        points: Columns that these see.
    """

    def __init__(
        self,
        plain: PickFreezeMoments,
        fit: CrossFit,
        weight: Weight,
        residuals: Mapping[int, ResidualFit],
        points: ResidualPoints,
    ) -> None:
        self.plain: Final = plain
        self.design: Final = plain.design
        self.layout: Final = plain.layout
        self.centre: Final = plain.centre
        self.kept: Final = plain.kept
        self.fit: Final = fit
        self.weight: Final = weight
        with bounded_threads(2.0 * self.design.n_rows * fit.folds[0].size):
            predicted = fit.predict_left_out(self.design)
        for q, residual in residuals.items():
            predicted[:, q] += residual.left_out
        self._beyond: Final = residual_expectations(self.design, fit, residuals, points, self.layout)
        self._surrogate: Final = predicted.reshape(plain.blocks_nrq.shape)
        self._expected: Final = fit.expected_columns(list(self.design.group_columns.values()), self.layout)

    def sums(self, outputs: slice) -> GroupSums:
        """Group sums of all columns for those outputs."""
        grouping, n_folds = self.design.grouping, len(self.fit.folds)
        exact = self._expected[:, outputs]
        shape = exact.shape[:2]
        plain, control = np.zeros((2, *shape, grouping.n_groups))
        products = FoldProducts(shape, n_folds)
        for span in grouping.chunks(3 * shape[0] * shape[1]):
            f = self.plain.columns(span, outputs)
            g = self.plain.columns_of(self._surrogate[span, :, outputs])
            fold = fold_of_block(np.arange(span.start, span.stop), grouping, n_folds)
            g -= exact[..., fold]
            g[..., ~self.kept[span]] = 0.0
            fold = np.where(self.kept[span], fold, -1)
            grouping.add(plain, f, span.start)
            grouping.add(control, g, span.start)
            products.add(f, g, fold)
        counts = grouping.kept_counts(self.kept)
        control -= counts * self._beyond[:, outputs]
        if self.weight == "best":
            control *= products.weights()[..., np.arange(grouping.n_groups) % n_folds]
        return GroupSums(values=plain - control, counts=counts)

    def base_values(self, output: int) -> FloatArray:
        """Values of one output at the rows A and B (N, 2)."""
        return self.plain.base_values(output)


class FoldProducts:
    """Sums over each fold of T[f], T[g], their product and T[g]², from which the weights follow.

    Args:
        shape: Columns and outputs (K, q).
        n_folds: Number of folds.
    """

    def __init__(self, shape: tuple[int, int], n_folds: int) -> None:
        self._count: Final = np.zeros(n_folds)
        self._sums: Final = np.zeros((4, *shape, n_folds))

    def add(self, f: FloatArray, g: FloatArray, fold_n: np.ndarray) -> None:
        """Adds columns T[f] and T[g] - E T[g] of some blocks (K, q, n) and their folds (n,), -1 for none."""
        for k in range(len(self._count)):
            a, b = f[..., fold_n == k], g[..., fold_n == k]
            self._count[k] += a.shape[-1]
            parts = a.sum(axis=-1), b.sum(axis=-1), np.einsum("kqn,kqn->kq", a, b), np.einsum("kqn,kqn->kq", b, b)
            self._sums[..., k] += np.stack(parts)

    def weights(self) -> FloatArray:
        """The weight w in [0, 1] of least variance for each fold, from the blocks of all other folds.

        w_k = cov(T[f], T[g]) / var(T[g]) over the blocks outside fold k.

        Returns:
            Weights (K, q, n_folds); 1 where T[g] does not vary.
        """
        n = self._count.sum() - self._count
        f, g, fg, gg = (self._sums.sum(axis=-1, keepdims=True) - self._sums) / n
        above, below = fg - f * g, gg - g * g
        return np.clip(np.divide(above, below, out=np.ones_like(above), where=below > 0), 0.0, 1.0)
