"""Surrogate-assisted pick-freeze: exact algebra for the smooth part, the sample itself for the rest."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.basis import input_bases
from shiftgauge.estimate.chaos.candidates import ChaosOptions, candidate_sets, sample_room
from shiftgauge.estimate.chaos.gpc import GOOD_Q2, default_features, surrogate_information
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.crossfit import CrossFit, cross_fit, fold_of_block
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.moments import GroupSums, OnFailure, PickFreezeMoments
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices, Status, SurrogateInfo
from shiftgauge.estimate.sobol import sobol_indices
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray, OutputsNQ

Weight: TypeAlias = Literal["best", "one"]
MIN_BASE: Final = 20
"""Fewest blocks from which folds can be made."""


def assisted(
    design: PickFreezeDesign,
    values: OutputsNQ,
    *,
    outputs: Sequence[str],
    chaos: ChaosOptions | None = None,
    image_features: FloatArray | None = None,
    n_folds: int = 5,
    weight: Weight = "best",
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
) -> Indices:
    """Indices of f by pick-freeze, with a cross-fitted chaos surrogate g as control variate.

    Every mean T̄[f] of a pick-freeze product is estimated as T̄[f] - w (T̄[g] - E T[g]), where E T[g] is a sum of
    squared coefficients. Surrogate and weight used at a block come from the folds that do not hold it: given these the
    control variate has mean zero, whatever g is, and the error is that of f - g where g is good. What looks at all
    folds (the centring, the choice of terms and penalty) leaves a bias far below the standard error. Since the smooth
    part is exact, independent replicates of the design, which make its intervals fair, cost hardly any accuracy.

    Args:
        design: What was evaluated, with at least 20 blocks.
        values: Outputs at its rows (n_rows, Q).
        outputs: Their names.
        chaos: Terms of the surrogate; by default chosen for each output by the error on folds left out.
        image_features: Numbers per image (n_images, k) in which g may follow the image, for example class
            indicators and the output at the unshifted image. Default: one indicator per image when there are
            at most 30, else none.
        n_folds: Folds of blocks, ≥ 2; at most one for each replicate of the design.
        weight: `best` takes, for each product and fold, the w in [0, 1] of least variance on the other folds, so
            that a poor surrogate does no harm; `one` keeps w = 1.
        resamples: Bootstrap resamples of whole blocks, where the design has no replicates.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their blocks.

    Returns:
        Indices of f. `surrogate.q2` is the share that g explains on blocks it has not seen.

    Raises:
        ConfigError: Fewer than 20 blocks, or an option outside its range.
        NumericalError: NaN or infinite values.
        DataError: Shapes that do not match.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=256)
        >>> y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)
        >>> found = assisted(design, y[:, None], outputs=["y"], resamples=0)
        >>> bool(abs(found.total_order[0] - ISHIGAMI.total_order).max() < 0.005)
        True

    References:
        Owen, A. B. (2013). Monte Carlo theory, methods and examples, ch. 8 (control variates).
        Chernozhukov, V. et al. (2018). Double/debiased machine learning (cross-fitting). doi:10.1111/ectj.12097
    """
    check_resampling(resamples, confidence_level)
    require_positive_int("n_folds", n_folds, low=2)
    require_in("weight", weight, ("best", "one"))
    n_folds = min(n_folds, design.grouping.n_groups)
    if design.n_base < max(MIN_BASE, 2 * n_folds):
        raise ConfigError(
            f"the `assisted` estimator needs `n_base` ≥ {max(MIN_BASE, 2 * n_folds)}, got {design.n_base}; "
            "draw more or use `pick_freeze`"
        )
    plain = PickFreezeMoments(design, values, outputs, on_failure)
    fit = _fit(plain, chaos or ChaosOptions(), default_features(design, image_features), n_folds)
    source = AssistedMoments(plain, fit, weight)
    info = _information(plain, fit, outputs)
    return sobol_indices(
        source,
        outputs,
        estimator="assisted",
        resamples=resamples,
        confidence_level=confidence_level,
        seed=seed,
        surrogate=info,
        status=_messages(info, outputs),
    )


class AssistedMoments:
    """The columns T[f] - w (T[g] - E T[g]) (a `MomentSource`).

    Args:
        plain: The columns of f.
        fit: The surrogates, one per fold of blocks.
        weight: As in `assisted`.
    """

    def __init__(self, plain: PickFreezeMoments, fit: CrossFit, weight: Weight) -> None:
        self.plain: Final = plain
        self.design: Final = plain.design
        self.layout: Final = plain.layout
        self.centre: Final = plain.centre
        self.kept: Final = plain.kept
        self.fit: Final = fit
        self.weight: Final = weight
        with bounded_threads(2.0 * self.design.n_rows * fit.folds[0].size):
            predicted = fit.predict_left_out(self.design)
        self._surrogate: Final = predicted.reshape(plain.blocks_nrq.shape)
        self._matrix: Final = component_matrix(
            group_support(fit.indices, list(self.design.group_columns.values())), self.layout
        )

    def sums(self, outputs: slice) -> GroupSums:
        """Group sums of all columns for those outputs."""
        grouping, n_folds = self.design.grouping, len(self.fit.folds)
        exact = np.stack([chaos_columns(c[:, outputs], self._matrix) for c in self.fit.folds], axis=-1)
        shape = exact.shape[:2]
        plain, control = np.zeros((2, *shape, grouping.n_groups))
        products = FoldProducts(shape, n_folds)
        for span in grouping.chunks(3 * shape[0] * shape[1]):
            f = self.plain.columns(span, outputs)
            g = self.plain.columns_of(self._surrogate[span, :, outputs])
            fold = fold_of_block(np.arange(span.start, span.stop), grouping, n_folds)
            g -= exact[..., fold]
            g[..., ~self.kept[span]] = 0.0
            grouping.add(plain, f, span.start)
            grouping.add(control, g, span.start)
            products.add(f, g, fold)
        if self.weight == "best":
            control *= products.weights()[..., np.arange(grouping.n_groups) % n_folds]
        return GroupSums(values=plain - control, counts=grouping.kept_counts(self.kept))

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
        """Adds columns T[f] and T[g] - E T[g] of some blocks (K, q, n) and their folds (n,)."""
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


def _fit(plain: PickFreezeMoments, options: ChaosOptions, features: FloatArray | None, n_folds: int) -> CrossFit:
    design = plain.design
    bases = input_bases(design.inputs, features, options.max_features)
    candidates = candidate_sets(bases, options, sample_room(design.n_rows, "assisted", n_folds))
    largest = max(len(c.indices) for c in candidates)
    centred = plain.blocks_nrq.reshape(design.n_rows, -1) - plain.centre
    with bounded_threads(2.0 * design.n_rows * float(largest) ** 2):
        return cross_fit(design, centred, bases, candidates, n_folds, None if plain.kept.all() else plain.kept)


def _information(plain: PickFreezeMoments, fit: CrossFit, outputs: Sequence[str]) -> SurrogateInfo:
    live = (fit.full != 0).any(axis=1)
    live[0] = True
    coefficients = fit.full[live].copy()
    coefficients[0] += plain.centre
    model = ChaosSurrogate(
        names=plain.design.inputs.names,
        outputs=tuple(outputs),
        bases=fit.bases,
        indices=fit.indices[live],
        coefficients=coefficients,
        q2=fit.q2,
        n_points=plain.design.n_rows,
    )
    return surrogate_information(model, fit.labels, fit.terms)


def _messages(info: SurrogateInfo, outputs: Sequence[str]) -> list[Status]:
    return [
        Status(
            level="info",
            code="surrogate_poor",
            message=(
                f"the smooth surrogate explains {100 * max(info.q2[q], 0):.0f} % of the variance of `{name}`; the rest "
                "is measured from the sample, so the indices hold, but curves and surfaces drawn from the surrogate "
                "show the smooth part alone"
            ),
        )
        for q, name in enumerate(outputs)
        if info.q2[q] < GOOD_Q2
    ]
