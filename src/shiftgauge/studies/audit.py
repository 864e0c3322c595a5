"""The audit: which shifts of the input move a trained classifier's output, how much and how surely."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.intervals import Residual
from shiftgauge.estimate.designs import REPLICATES, PlainDesign
from shiftgauge.estimate.rough.search import Surrogate
from shiftgauge.estimate.stopping import Stopping
from shiftgauge.estimate.values import OnFailure
from shiftgauge.evaluate.executors.local import LocalExecutor
from shiftgauge.evaluate.executors.ray import RayExecutor
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions, ShiftOptions, block_options
from shiftgauge.evaluate.store import Store
from shiftgauge.random import check_seed
from shiftgauge.report.figures import write_figures
from shiftgauge.report.page import write_page
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.shifts.catalog import get_preset
from shiftgauge.space import Space
from shiftgauge.studies.convert import as_classifier, as_source
from shiftgauge.studies.depth import execution_with_blocks
from shiftgauge.studies.estimates import Estimates
from shiftgauge.studies.failures import failure_facts
from shiftgauge.studies.growth import ending_facts, evaluate_rounds
from shiftgauge.studies.outcome import audit_result, facts, kept_cost, plain_record, result_arrays
from shiftgauge.studies.record import write_with_page
from shiftgauge.studies.setup import Estimator, Setup, as_space, prepare
from shiftgauge.studies.train_split import by_level, seen_in_training
from shiftgauge.studies.verdict_gates import check_gates


def audit(
    model: Any,
    data: Any,
    space: Space | Mapping[str, Any] | str,
    *,
    shifts: ShiftOptions | None = None,
    estimator: Estimator = "assisted",
    n_base: int = 512,
    second_order: bool = True,
    tolerance: float | None = None,
    budget: int | None = None,
    degree: int | None = None,
    chaos: ChaosOptions | None = None,
    surrogate: Surrogate = "auto",
    residual: Residual = "misfit",
    replicates: int = REPLICATES,
    on_failure: OnFailure = "raise",
    resamples: int = 1000,
    confidence_level: float = 0.95,
    images: Literal["population"] | Sequence[str] = "population",
    quantity_of_interest: str = "probability",
    classes: Sequence[str] = (),
    blocks: str | Sequence[str] | BlockOptions = "none",
    seed: int = 0,
    out: str | Path | None = None,
    execution: ExecutionOptions | None = None,
    gates: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    title: str = "",
    data_name: str = "the given images",
    record: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> AuditResult:
    """Measures how a classifier's output depends on shifts of its input.

    With f(image, θ, ω) the measured quantity of an image shifted by θ under the noise realisation ω, the variance of f
    is split over the inputs: S_i = Var E[f | x_i] / Var f and S_Ti = E Var[f | all but x_i] / Var f. The image is an
    input like the shifts, so the split is also a gauge R&R table, and the cost n_base · (2d + 2) evaluations does not
    depend on the number of images.

    Args:
        model: A `Classifier`, an nn.Module, a callable (N, C, H, W) → (N, K), a scikit-learn estimator, or a model
            specification as `shiftgauge.models.load.load_model` takes it.
        data: A labelled data set of `shiftgauge.data`, (images, labels), or a specification as
            `shiftgauge.data.load.load_data` takes it.
        space: What varies: a `Space`, {shift: distribution}, or the name of a preset such as `weld`.
        shifts: How shifts are applied; default: the preset's way, or `ShiftOptions()`.
        estimator: `assisted` (pick-freeze sharpened by a chaos surrogate), `pick_freeze`, or `gpc`
            (surrogate alone on n_base points).
        n_base: Base samples, best a power of two; the cost is n_base · (2d + 2) evaluations, n_base for `gpc`. With a
            tolerance or a budget, base samples of the first round.
        second_order: Estimate the share of each pair as well; without it the cost is n_base · (d + 2).
        tolerance: Double the base samples until the interval of every first and total index of the quantity of interest
            has a half-width within this, in (0, 1); for `gpc` the surrogate must besides leave no more than this share
            of the variance unexplained.
        budget: Most evaluations; the next doubling is not begun when it would exceed them. Default with a tolerance:
            six doublings. Alone: double as often as the budget allows.
        degree: Largest degree of the surrogate; default chosen by cross-validation.
        chaos: All options of the surrogate's terms, instead of `degree`; for `gpc` also the solver that picks them.
        surrogate: What `assisted` may add to its polynomial where a quantity is rough: `auto`, `chaos` for nothing,
            `gp` (Gaussian process) or `trees` (boosted).
        residual: What the surrogate of `gpc` leaves over: `misfit`, which some inputs cause, or `noise` of none.
        replicates: Independent scramblings of the design behind the intervals, 1 (bootstrap instead) or ≥ 4.
        on_failure: What to do where the model gives NaN or infinity under a shift: `raise` names the first case; `drop`
            leaves out the blocks of the design that hold one, counts them, and warns.
        resamples: Bootstrap resamples behind the intervals of `gpc`; those of the other estimators come from
            independent replicates of the design.
        confidence_level: Level of the intervals, in [0.5, 0.999].
        images: `population`, or names of images to which every shift is applied; the indices are then those of the
            mean over these images, and each image has its own as well.
        quantity_of_interest: `probability`, `margin`, `cross_entropy`, `correct` or `probability[NAME]`.
        classes: Further classes whose probability is recorded.
        blocks: `auto`, module paths or `BlockOptions`: aggregated indices of what these blocks of a torch network
            give, beside those of its output, from the same evaluations; a few per cent of time each.
        seed: Decides the design, the noise and the bootstrap; whole number ≥ 0.
        out: Run folder. An unfinished run there goes on; a run made from something else is refused.
        execution: Batch size, precision and layout; what is left open is chosen by a measured trial.
        gates: Limits that the run must keep, such as {"min_accuracy": 0.9}.
        progress: Show a progress bar; default only on a terminal.
        title: Title of the report.
        data_name: What the report calls the images.
        record: The configuration as it shall stand in `run.json`; default: these arguments.
        trust: Open model files that can run code.

    Returns:
        The result; with `out` also written there as run.json, results.nc, indices.csv, figures/ and report.html.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line; nothing has been written then.
        InterruptedRunError: The run was stopped; the same call goes on.

    Example:
        >>> import numpy as np, torch
        >>> def bright(images):  # logits of "dark" and "bright"
        ...     mean = images.mean(dim=(1, 2, 3))
        ...     return torch.stack([1 - mean, mean], dim=1) * 6
        >>> model = {"kind": "callable", "target": bright, "classes": ["dark", "bright"], "output_kind": "logits",
        ...          "preprocessing": {"channels": 1, "height": 8, "width": 8}}
        >>> pictures = np.linspace(0.2, 0.9, 4)[:, None, None, None] * np.ones((4, 1, 8, 8), np.float32)
        >>> space = {"brightness": (0.5, 1.0), "rotation": (-2, 2)}
        >>> result = audit(model, (pictures, np.array([0, 0, 1, 1])), space, n_base=64, progress=False)
        >>> float(result.arrays["total_order"].sel(quantity="margin", input="rotation")) < 0.05
        True

    References:
        Saltelli, A. et al. (2010). Variance based sensitivity analysis of model output. doi:10.1016/j.cpc.2009.09.018
        Sudret, B. (2008). Global sensitivity analysis using polynomial chaos. doi:10.1016/j.ress.2007.04.002
        Bahr, L. et al. (2025). Sensitivity Analysis of Image Classification Models using Generalized Polynomial Chaos.
        arXiv:2506.18751
    """
    started = datetime.now(UTC)
    if out is not None:
        require_own_folder(out, "audit")
    require_positive_int("n_base", n_base, low=2)
    options, full_space = shifts or _options_of(space), as_space(space)
    stopping = _stopping(tolerance, budget, resamples, confidence_level)
    estimates = Estimates(
        resamples=resamples,
        confidence_level=confidence_level,
        chaos=chaos or ChaosOptions(degree=degree),
        surrogate=surrogate,
        residual=residual,
        on_failure=on_failure,
    )
    estimates.check_choices(estimator)
    limits = check_gates(gates, full_space.varying_names)
    wanted = block_options(blocks)
    chosen = execution_with_blocks(execution or ExecutionOptions(), wanted, estimator)
    classifier = as_classifier(model, trust=trust)
    source = as_source(data, classifier)
    if out is not None:
        require_apart(out, source.searched)
    setup = prepare(
        classifier,
        source,
        full_space,
        options=options,
        estimator=estimator,
        n_base=n_base,
        second_order=second_order,
        images=images,
        classes=classes,
        quantity_of_interest=quantity_of_interest,
        seed=check_seed(seed),
        blocks=wanted,
        replicates=replicates,
        on_failure=on_failure,
    )
    run = _Run(setup, estimates, stopping, chosen, limits, quantity_of_interest, n_base, progress, started)
    return run.finished(out, {"title": title, "data_name": data_name}, record)


@dataclass(frozen=True, eq=False)
class _Run:
    """A checked audit, and how it is evaluated."""

    setup: Setup
    estimates: Estimates
    stopping: Stopping
    execution: ExecutionOptions
    limits: Mapping[str, Any]
    quantity: str
    n_base: int
    progress: bool | None
    started: datetime

    def finished(
        self, out: str | Path | None, about: Mapping[str, str], record: Mapping[str, Any] | None
    ) -> AuditResult:
        """Evaluates what the run folder does not hold yet, and writes the result into it.

        Args:
            out: Run folder; None keeps nothing.
            about: `title` and `data_name` of the page.
            record: The configuration as it shall stand in `run.json`; None for that of the run.
        """
        self._check()
        with ExitStack() as stack:
            folder = out if out is not None else stack.enter_context(tempfile.TemporaryDirectory())
            result = self._result(stack.enter_context(Store(folder, self.setup.origins)), about, record)
            if out is not None:
                write_run(result, Path(out))
        return result

    def _check(self) -> None:
        """Checks what only the whole can tell, before anything is written."""
        setup, resamples = self.setup, self.estimates.resamples
        self.estimates.check(setup)
        self.stopping.limit(setup.rows.n_rows)
        bootstrap = isinstance(setup.rows.design, PlainDesign) or setup.rows.design.replicates == 1
        self.stopping.check_resamples(resamples, bootstrap=bootstrap)

    def _result(self, store: Store, about: Mapping[str, str], record: Mapping[str, Any] | None) -> AuditResult:
        chosen, estimates, quantity = self.execution, self.estimates, self.quantity
        executor = LocalExecutor() if chosen.workers is None else RayExecutor(workers=chosen.workers)
        found = evaluate_rounds(
            self.setup, store, chosen, executor, self.progress, estimates, stopping=self.stopping, quantity=quantity
        )
        setup = found.setup
        arrays = result_arrays(found, estimates, quantity)
        known = facts(setup, estimates, quantity) | ending_facts(found.convergence)
        known |= failure_facts(found.values, found.convergence.indices, setup.rows.design)
        title = about["title"] or f"Audit of {known['model_name']}"
        arrays.attrs |= known | {"title": title, "data_name": about["data_name"]}
        config = record or plain_record(setup, estimates, self.stopping, self.n_base, self.limits)
        result = audit_result(found, arrays, self.limits, config, self.started, kept_cost(store, found))
        seen = seen_in_training(setup.evaluator.classifier, setup.source, setup.rows.chosen)
        return replace(result, messages=by_level((*result.messages, *seen)))


def _stopping(tolerance: float | None, budget: int | None, resamples: int, confidence_level: float) -> Stopping:
    require_positive_int("resamples", resamples, low=2)
    require_range("confidence_level", confidence_level, 0.5, 0.999)
    return Stopping(tolerance=tolerance, budget=budget)


def write_run(result: AuditResult, folder: Path) -> Path:
    """Writes the whole run folder; run.json, which makes it a finished run, comes last.

    Raises:
        StoreError: The folder cannot be written to.
    """
    return write_with_page(result, folder, write_figures, write_page)


def _options_of(space: object) -> ShiftOptions:
    if not isinstance(space, str):
        return ShiftOptions()
    preset = get_preset(space)
    order = preset.order or None
    return ShiftOptions(fill=preset.fill, fill_value=preset.fill_value, order=order)  # type: ignore[arg-type]
