"""Polynomial chaos by regression: indices of the surrogate, which are those of the function only when it fits."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import Basis, input_bases
from shiftgauge.estimate.chaos.candidates import (
    FEW_IMAGES,
    Candidate,
    ChaosOptions,
    FamilySearch,
    candidate_sets,
    sample_room,
)
from shiftgauge.estimate.chaos.fit import LeastSquares, fit_terms
from shiftgauge.estimate.chaos.indices import chaos_columns, component_matrix, group_support
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.chaos.validation import cross_fitted_q2
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.moments import MomentLayout, OnFailure, finite_rows
from shiftgauge.estimate.resampling import check_resampling, multinomial_weights, percentile_interval
from shiftgauge.estimate.result import Indices, Status, SurrogateInfo
from shiftgauge.estimate.sobol import (
    constant_messages,
    correlated_message,
    dropped_message,
    index_tables,
    ratios,
    variance_floor,
)
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.types import FloatArray, OutputsNQ

GOOD_Q2: Final = 0.9
"""Share of the variance that a surrogate must explain before its indices stand for those of the function."""
_SCORE_GROUPS: Final = 512
_EXACT: Final = 1e-12
_NEAR: Final = 2.0
"""Sets whose error is within this factor of the best could have been chosen on part of the points."""


def gpc(
    design: PlainDesign | PickFreezeDesign,
    values: OutputsNQ,
    *,
    outputs: Sequence[str],
    chaos: ChaosOptions | None = None,
    image_features: FloatArray | None = None,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
) -> Indices:
    """Indices of a polynomial chaos surrogate fitted by least squares.

    With g = Σ c_α φ_α orthonormal, S_u = Σ c_α² over the terms that depend on exactly the inputs u, over Σ c_α².

    Args:
        design: What was evaluated; of a pick-freeze design the independent rows A and B are used.
        values: Outputs at its rows (n_rows, Q).
        outputs: Their names.
        chaos: Which terms; by default chosen for each output by the corrected leave-one-out error.
        image_features: Numbers per image (n_images, k) in which the surrogate may follow the image. Default: one
            indicator per image when there are at most 30, else none.
        resamples: Bootstrap resamples for the intervals, which hold the error of sampling, not that of the surrogate.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their rows.

    Returns:
        Indices of the surrogate; a status of level `error` when it explains less than 90 % of an output's variance,
        measured on folds that had no part in choosing its terms (by leave-one-out when the terms are given).

    Raises:
        NumericalError: NaN or infinite values, or too few points for the wanted terms.
        DataError: Shapes that do not match.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import weld_polynomial
        >>> ref = weld_polynomial()
        >>> design = PlainDesign(inputs=Inputs(space=ref.space), n=256)
        >>> y = ref.function(design.rows(0, 256).theta)[:, None]
        >>> gpc(design, y, outputs=["y"], resamples=0).first_order[0].round(6).tolist()
        [0.197368, 0.210526, 0.0]

    References:
        Sudret, B. (2008). Global sensitivity analysis using polynomial chaos. doi:10.1016/j.ress.2007.04.002
    """
    check_resampling(resamples, confidence_level)
    options = chaos or ChaosOptions()
    coordinates, sample, n_dropped = _independent_rows(design, values, outputs, on_failure)
    bases = input_bases(design.inputs, default_features(design, image_features), options.max_features)
    fits, chosen, tried = _choose(
        bases, candidate_sets(bases, options, sample_room(len(sample), "gpc")), coordinates, sample
    )
    groups = design.group_columns if isinstance(design, PickFreezeDesign) else _alone(design.inputs.names)
    layout = MomentLayout(d=len(groups), second_order=True)
    found: dict[str, FloatArray] = {}
    weights = multinomial_weights(min(len(sample), _SCORE_GROUPS), resamples, seed)
    flops = 2.0 * weights.size * max(len(c.indices) for c, _ in fits) * len(outputs)
    with bounded_threads(flops):
        for number, (candidate, fit) in enumerate(fits):
            which = np.flatnonzero(chosen == number)
            if not len(which):
                continue
            matrix = component_matrix(group_support(candidate.indices, list(groups.values())), layout)
            part = _indices_of(fit, matrix, layout, sample, which, weights, confidence_level)
            for key, value in part.items():
                found.setdefault(key, np.full((len(outputs), *value.shape[1:]), np.nan))[which] = value
    tables = index_tables(found, layout)
    info = _information(design, bases, fits, chosen, outputs, len(sample), _unseen(bases, tried, coordinates, sample))
    tables["defined"] = fits[0][1].variance > variance_floor(tables["mean"], tables["variance"])
    for key in (k for k in tables if k.startswith(("first", "total", "second", "closed"))):
        tables[key][~tables["defined"]] = np.nan
    return Indices(
        estimator="gpc",
        names=tuple(groups),
        outputs=tuple(outputs),
        n_base=len(sample),
        n_evaluations=design.n_rows,
        resamples=resamples,
        replicates=1,
        confidence_level=confidence_level,
        seed=seed,
        surrogate=info,
        status=(
            *_messages(design, tables["defined"], tables["mean"], info, outputs),
            *([dropped_message(n_dropped, n_dropped + len(sample), "rows")] if n_dropped else []),
        ),
        n_dropped=n_dropped,
        **tables,
    )


def default_features(design: PlainDesign | PickFreezeDesign, features: FloatArray | None) -> FloatArray | None:
    """The given image features, or one indicator per image when there are few images."""
    if features is None and 1 < design.inputs.n_images <= FEW_IMAGES:
        return np.eye(design.inputs.n_images)
    return features


def _independent_rows(
    design: PlainDesign | PickFreezeDesign, values: OutputsNQ, outputs: Sequence[str], on_failure: OnFailure
) -> tuple[FloatArray, OutputsNQ, int]:
    """Coordinates and values of the independent rows whose runs did not fail, and how many were left out."""
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
    return design.inputs.coordinates(unit), sample, len(finite) - left


def _choose(
    bases: Sequence[Basis], candidates: Sequence[Candidate], coordinates: FloatArray, sample: OutputsNQ
) -> tuple[list[tuple[Candidate, LeastSquares]], np.ndarray, list[Candidate]]:
    """The fits that were best at some time, which of them each output takes, and all sets that came near the best."""
    tried: list[tuple[Candidate, FloatArray]] = []
    fits: list[tuple[Candidate, LeastSquares]] = []
    best = np.full(sample.shape[1], np.inf)
    chosen = np.zeros(sample.shape[1], int)
    search = FamilySearch(sample.shape[1])
    for candidate in candidates:
        if not search.goes_on(candidate.family):
            continue
        work = len(sample) * float(len(candidate.indices)) * (len(candidate.indices) + sample.shape[1])
        try:
            with bounded_threads(2 * work):
                fit = fit_terms(bases, candidate.indices, coordinates, sample)
        except NumericalError:
            if not fits:
                raise
            search.record(candidate.family, None)
            continue
        search.record(candidate.family, fit.corrected)
        tried.append((candidate, fit.corrected))
        better = fit.corrected < best
        if not fits or better.any():
            best[better] = fit.corrected[better]
            chosen[better] = len(fits)
            fits.append((candidate, fit))
        if (best <= _EXACT * fit.variance).all():
            break
    return fits, chosen, [c for c, error in tried if (error <= _NEAR * best).any()]


def _unseen(
    bases: Sequence[Basis], tried: Sequence[Candidate], coordinates: FloatArray, sample: OutputsNQ
) -> FloatArray | None:
    """Q² that the choice among several sets has not flattered (Q,); None when there was no choice."""
    if len(tried) == 1:
        return None
    largest = max(len(c.indices) for c in tried)
    with bounded_threads(len(sample) * float(largest) * (largest + sample.shape[1])):
        return cross_fitted_q2(bases, [c.indices for c in tried], coordinates, sample)


def _indices_of(
    fit: LeastSquares,
    matrix: FloatArray,
    layout: MomentLayout,
    sample: OutputsNQ,
    which: np.ndarray,
    weights_rg: FloatArray,
    level: float,
) -> dict[str, FloatArray]:
    centre = sample[:, which].mean(axis=0)
    coefficients = fit.coefficients[:, which].copy()
    coefficients[0] -= centre
    columns = chaos_columns(coefficients, matrix)
    floor = variance_floor(centre, columns[1])
    out = dict(ratios(columns, layout, floor))
    replicates = np.empty((layout.n_columns, len(which), len(weights_rg)))
    for position, q in enumerate(which):
        scores = _group_scores(fit, sample[:, q], int(q), weights_rg.shape[1])
        moved = coefficients[:, position, None] + fit.inverse @ (scores @ (weights_rg.T - 1))
        replicates[:, position] = chaos_columns(moved, matrix)
    for key, value in ratios(replicates, layout, floor).items():
        # resampled squares are biased upwards by as much as the estimate itself: take that out
        shift = value.mean(axis=-1, keepdims=True) - out[key][..., None] if value.shape[-1] else 0.0
        bias = 0.0 if key == "mean" else shift
        out[f"{key}_interval"] = percentile_interval(value - bias, level)
    out["mean"] = out["mean"] + centre
    out["mean_interval"] = out["mean_interval"] + centre[:, None]
    return out


def _group_scores(fit: LeastSquares, y_n: FloatArray, q: int, groups: int) -> FloatArray:
    """Σ over each run of points of φ(x_i) e_i / (1 - h_i), axes (term, run)."""
    error = (y_n - fit.coefficients[:, q] @ fit.terms) / (1 - fit.leverages)
    starts = np.linspace(0, len(y_n), groups, endpoint=False).astype(int)
    return np.add.reduceat(fit.terms * error, starts, axis=1)


def _information(
    design: PlainDesign | PickFreezeDesign,
    bases: tuple[Basis, ...],
    fits: Sequence[tuple[Candidate, LeastSquares]],
    chosen: np.ndarray,
    outputs: Sequence[str],
    n_points: int,
    unseen: FloatArray | None,
) -> SurrogateInfo:
    used = sorted({int(c) for c in chosen})
    union = np.unique(np.concatenate([fits[c][0].indices for c in used]), axis=0)
    place = {tuple(row): k for k, row in enumerate(union.tolist())}
    coefficients = np.zeros((len(union), len(outputs)))
    leave_one_out = np.empty(len(outputs))
    for c in used:
        which = np.flatnonzero(chosen == c)
        rows = np.array([place[tuple(row)] for row in fits[c][0].indices.tolist()])
        coefficients[rows[:, None], which] = fits[c][1].coefficients[:, which]
        leave_one_out[which] = fits[c][1].q2[which]
    model = ChaosSurrogate(
        names=design.inputs.names,
        outputs=tuple(outputs),
        bases=bases,
        indices=union,
        coefficients=coefficients,
        q2=leave_one_out if unseen is None else unseen,
        n_points=n_points,
    )
    labels = tuple(fits[int(c)][0].label for c in chosen)
    terms = np.array([len(fits[int(c)][0].indices) for c in chosen])
    return surrogate_information(model, labels, terms, leave_one_out)


def surrogate_information(
    model: ChaosSurrogate, labels: tuple[str, ...], terms: np.ndarray, leave_one_out: FloatArray | None = None
) -> SurrogateInfo:
    """What a result says about a surrogate."""
    return SurrogateInfo(
        q2=model.q2,
        terms=terms,
        label=labels,
        n_points=model.n_points,
        first_order=model.first_order(),
        total_order=model.total_order(),
        second_order=model.second_order(),
        model=model,
        leave_one_out=leave_one_out,
    )


def _messages(
    design: PlainDesign | PickFreezeDesign,
    defined: np.ndarray,
    mean: FloatArray,
    info: SurrogateInfo,
    outputs: Sequence[str],
) -> tuple[Status, ...]:
    messages = constant_messages(defined, mean, outputs)
    for q, name in enumerate(outputs):
        if defined[q] and not info.q2[q] >= GOOD_Q2:
            messages.append(
                Status(
                    level="error",
                    code="surrogate_only",
                    message=(
                        f"the surrogate explains only {100 * max(info.q2[q], 0):.0f} % of the variance of `{name}` "
                        f"({info.label[q]}, {int(info.terms[q])} terms, {info.n_points} points); its indices are not "
                        "indices of the classifier: use the `assisted` estimator"
                    ),
                )
            )
    if design.inputs.space.correlation is not None:
        messages.append(correlated_message(design.inputs.names))
    return tuple(messages)


def _alone(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: (column,) for column, name in enumerate(names)}
