"""What a polynomial chaos surrogate is fitted to: points that did not fail, bases, and the terms of each output.

One set of terms after another is fitted, so that memory holds one at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import Basis, input_bases
from shiftgauge.estimate.chaos.candidates import FEW_IMAGES, ChaosOptions
from shiftgauge.estimate.chaos.far_tails import tail_messages, tail_trial
from shiftgauge.estimate.chaos.fit import LeastSquares, fit_terms
from shiftgauge.estimate.chaos.indices import component_matrix, group_support
from shiftgauge.estimate.chaos.intervals import ChaosError, Residual, chaos_tables
from shiftgauge.estimate.chaos.search import TermChoice, TermSearch, choose_terms
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.moments import PAIRS_UP_TO, MomentLayout
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.estimate.values import OnFailure, finite_rows
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True, eq=False)
class ChaosSample:
    """What the terms of a surrogate are fitted to, and which terms.

    Args:
        design: What was evaluated.
        outputs: Names of the outputs.
        unit: Points of the unit cube (n, d).
        coordinates: The same as the bases take them.
        sample: Outputs at these points (n, Q).
        n_dropped: Rows that were left out because they failed.
        bases: One for each input.
        search: Which terms.
        unseen: Q² on folds that had no part in choosing the terms (Q,); None where the terms are given.
        groups: Name of an input → its columns.
    """

    design: PlainDesign | PickFreezeDesign
    outputs: tuple[str, ...]
    unit: FloatArray
    coordinates: FloatArray
    sample: FloatArray
    n_dropped: int
    bases: tuple[Basis, ...]
    search: TermSearch
    unseen: FloatArray | None
    groups: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(
        cls,
        design: PlainDesign | PickFreezeDesign,
        values: OutputsNQ,
        outputs: Sequence[str],
        options: ChaosOptions,
        image_features: FloatArray | None,
        on_failure: OnFailure,
    ) -> ChaosSample:
        """Takes the rows that did not fail, and chooses the terms on them."""
        unit, sample, n_dropped = independent_rows(design, values, outputs, on_failure)
        coordinates = design.inputs.coordinates(unit)
        bases = input_bases(design.inputs, default_features(design, image_features), options.max_features)
        search = choose_terms(bases, options, coordinates, sample)
        return cls(
            design=design,
            outputs=tuple(str(name) for name in outputs),
            unit=unit,
            coordinates=coordinates,
            sample=sample,
            n_dropped=n_dropped,
            bases=bases,
            search=search,
            unseen=search.unseen_q2(bases, coordinates, sample),
            groups=design.group_columns if isinstance(design, PickFreezeDesign) else _alone(design.inputs.names),
        )

    @property
    def layout(self) -> MomentLayout:
        """The indices that are formed."""
        d = len(self.groups)
        return MomentLayout(d=d, second_order=True, with_pairs=d <= PAIRS_UP_TO)


def fitted(
    given: ChaosSample, choice: TermChoice, weights: FloatArray, residual: Residual, level: float
) -> tuple[LeastSquares, dict[str, FloatArray]]:
    """Fits the terms that were chosen for some outputs; the fit, and its indices with their intervals."""
    part, terms = given.sample[:, choice.outputs], len(choice.indices)
    with bounded_threads(2.0 * terms * max(len(part) * (terms + part.shape[1]), weights.size)):
        fit = fit_terms(given.bases, choice.indices, given.coordinates, part)
        error = ChaosError.of(
            weights,
            q2=fit.q2 if given.unseen is None else given.unseen[choice.outputs],
            leave_one_out=fit.q2,
            residual=residual,
            picked=choice.picked,
            level=level,
        )
        matrix = component_matrix(group_support(choice.indices, list(given.groups.values())), given.layout)
        return fit, chaos_tables(fit, matrix, given.layout, part, error)


def far_tails(given: ChaosSample, choice: TermChoice) -> dict[int, Status]:
    """Number of an output → what is said of its polynomial beyond the points."""
    part = given.sample[:, choice.outputs]
    trial = tail_trial(given.design.inputs, given.bases, choice.indices, given.unit, part)
    messages = tail_messages(trial, [given.outputs[q] for q in choice.outputs.tolist()])
    return {int(choice.outputs[k]): message for k, message in messages.items()}


def default_features(design: PlainDesign | PickFreezeDesign, features: FloatArray | None) -> FloatArray | None:
    """The given image features, or one indicator per image when there are few images."""
    if features is None and 1 < design.inputs.n_images <= FEW_IMAGES:
        return np.eye(design.inputs.n_images)
    return features


def independent_rows(
    design: PlainDesign | PickFreezeDesign, values: OutputsNQ, outputs: Sequence[str], on_failure: OnFailure
) -> tuple[FloatArray, OutputsNQ, int]:
    """Points of the unit cube and values of the independent rows that did not fail, and how many were left out."""
    sample, finite = finite_rows(design, values, outputs, on_failure)
    unit = design.rows(0, design.n_rows).unit
    if isinstance(design, PickFreezeDesign):
        kept = np.arange(design.n_rows) % design.rows_per_block < 2
        unit, sample, finite = unit[kept], sample[kept], finite[kept]
    left = int(finite.sum())
    if 2 * left < len(finite):
        raise NumericalError(f"{len(finite) - left} of {len(finite)} runs failed; indices of the rest say little")
    if left < len(finite):
        unit, sample = unit[finite], sample[finite]
    return unit, sample, len(finite) - left


def _alone(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: (column,) for column, name in enumerate(names)}
