"""Polynomial chaos by regression: indices of the surrogate, which are those of the function only when it fits."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.estimate.chaos.basis import Basis
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.chaos_sample import ChaosSample, far_tails, fitted
from shiftgauge.estimate.chaos.fit import LeastSquares
from shiftgauge.estimate.chaos.intervals import RESIDUALS, Residual, chaos_weights
from shiftgauge.estimate.chaos.search import TermChoice
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.resampling import check_resampling
from shiftgauge.estimate.result import Indices, Status, SurrogateInfo
from shiftgauge.estimate.sobol import (
    balance_messages,
    constant_messages,
    correlated_message,
    dropped_message,
    fixed_messages,
    index_tables,
    variance_floor,
)
from shiftgauge.estimate.values import OnFailure
from shiftgauge.random import check_seed
from shiftgauge.types import FloatArray, OutputsNQ

GOOD_Q2: Final = 0.9
"""Share of the variance that a surrogate must explain before its indices stand for those of the function."""


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
    residual: Residual = "misfit",
) -> Indices:
    """Indices of a polynomial chaos surrogate fitted by least squares, in full or to terms picked one after another.

    With g = Σ c_α φ_α orthonormal, S_u = Σ c_α² over the terms that depend on exactly the inputs u, over Σ c_α².

    The intervals hold for the indices of f where g explains at least 90 % of its variance, with points drawn at random
    (those of a Sobol' sequence estimate better, so that the intervals are rather wide). They take in the bootstrap of
    the coefficients, that terms were chosen on the sample, and that the unexplained share may belong to any input.
    Where g equals f the interval has no width.

    Under unbounded inputs the moments of a polynomial may hang on far points that no sample holds, and neither Q² nor
    the interval knows of it. The terms are therefore also fitted without the outermost quarter of the points; where
    they do not predict these, a status `far_tails` says so.

    Args:
        design: What was evaluated; of a pick-freeze design the independent rows A and B are used.
        values: Outputs at its rows (n_rows, Q).
        outputs: Their names.
        chaos: Which terms; by default chosen for each output by the corrected leave-one-out error.
        image_features: Numbers per image (n_images, k) in which the surrogate may follow the image. Default: one
            indicator per image when there are at most 30, else none.
        resamples: Bootstrap resamples for the intervals.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their rows.
        residual: What the surrogate leaves over: `misfit`, a part of f that some inputs cause (any deterministic
            function), or `noise` that none of them causes, so that the indices are those of the mean of f.

    Returns:
        Indices of the surrogate; a status of level `error` when it explains less than 90 % of an output's variance,
        measured on folds that had no part in choosing its terms (by leave-one-out when the terms are given), and one
        `far_tails` when its polynomials do not continue f beyond the points (`error`, or `warning` where they do so
        better than curbed ones).

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
    check_seed(seed)
    require_in("residual", residual, RESIDUALS)
    given = ChaosSample.of(design, values, outputs, chaos or ChaosOptions(), image_features, on_failure)
    weights = chaos_weights(len(given.sample), resamples, seed)
    found: dict[str, FloatArray] = {}
    parts: list[tuple[TermChoice, LeastSquares]] = []
    far: dict[int, Status] = {}
    for choice in given.search.choices:
        fit, tables = fitted(given, choice, weights, residual, confidence_level)
        for key, value in tables.items():
            found.setdefault(key, np.full((len(outputs), *value.shape[1:]), np.nan))[choice.outputs] = value
        far |= far_tails(given, choice)
        parts.append((choice, replace(fit, terms=np.empty((0, 0)), inverse=np.empty((0, 0)))))  # bounds memory
    tables = index_tables(found, given.layout)
    info = _information(design, given.bases, parts, outputs, len(given.sample), given.unseen)
    spread = np.empty(len(outputs))
    for choice, fit in parts:
        spread[choice.outputs] = fit.variance
    _blank(tables, spread > variance_floor(tables["mean"], tables["variance"]))
    return Indices(
        estimator="gpc",
        names=tuple(given.groups),
        outputs=tuple(outputs),
        n_base=len(given.sample),
        n_evaluations=design.n_rows,
        resamples=resamples,
        replicates=1,
        confidence_level=confidence_level,
        seed=seed,
        surrogate=info,
        status=_status(given, tables, info, far),
        n_dropped=given.n_dropped,
        **tables,
    )


def _status(
    given: ChaosSample, tables: Mapping[str, Any], info: SurrogateInfo, far: Mapping[int, Status]
) -> tuple[Status, ...]:
    n_dropped, defined = given.n_dropped, tables["defined"]
    return (
        *_messages(given.design, defined, tables["mean"], info, given.outputs),
        *(far[q] for q in sorted(far) if defined[q]),
        *([dropped_message(n_dropped, n_dropped + len(given.sample), "rows")] if n_dropped else []),
    )


def _blank(tables: dict[str, Any], varies_q: np.ndarray) -> None:
    tables["defined"] = varies_q
    for key in (k for k in tables if k.startswith(("first", "total", "second", "closed"))):
        if tables[key] is not None:
            tables[key][~varies_q] = np.nan


def _information(
    design: PlainDesign | PickFreezeDesign,
    bases: tuple[Basis, ...],
    parts: Sequence[tuple[TermChoice, LeastSquares]],
    outputs: Sequence[str],
    n_points: int,
    unseen: FloatArray | None,
) -> SurrogateInfo:
    union = np.unique(np.concatenate([choice.indices for choice, _ in parts]), axis=0)
    place = {tuple(row): k for k, row in enumerate(union.tolist())}
    coefficients = np.zeros((len(union), len(outputs)))
    leave_one_out, terms, labels = np.empty(len(outputs)), np.empty(len(outputs), int), [""] * len(outputs)
    for choice, fit in parts:
        rows = np.array([place[tuple(row)] for row in choice.indices.tolist()])
        coefficients[rows[:, None], choice.outputs] = fit.coefficients
        leave_one_out[choice.outputs], terms[choice.outputs] = fit.q2, len(choice.indices)
        for q in choice.outputs.tolist():
            labels[q] = choice.label
    model = ChaosSurrogate(
        names=design.inputs.names,
        outputs=tuple(outputs),
        bases=bases,
        indices=union,
        coefficients=coefficients,
        q2=leave_one_out if unseen is None else unseen,
        n_points=n_points,
    )
    return surrogate_information(model, tuple(labels), terms, leave_one_out)


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
    size, what = (design.n, "points") if isinstance(design, PlainDesign) else (design.n_base, "blocks")
    return (*messages, *balance_messages(design.method, size, what), *fixed_messages(design.inputs.space))
