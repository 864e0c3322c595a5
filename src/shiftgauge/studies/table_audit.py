"""The audit of a tabular model: which of its inputs move the output, how much, in which combination, how surely."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.data.cells import Missing
from shiftgauge.data.table import TableDataset
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.infer import Rule
from shiftgauge.models.load_table import load_table_model
from shiftgauge.models.table_model import TableModel
from shiftgauge.report.table_figures import write_table_figures
from shiftgauge.report.table_page import write_table_page
from shiftgauge.results.run_folder import require_own_folder
from shiftgauge.results.table import KIND, TableAuditResult
from shiftgauge.space import Space
from shiftgauge.studies.failures import failure_facts
from shiftgauge.studies.growth import ending_facts
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.reduction import Reduction, check_retraining, retrain
from shiftgauge.studies.table_data import (
    as_table,
    feature_arrays,
    strongest_correlation,
)
from shiftgauge.studies.table_derivatives import derivative_arrays
from shiftgauge.studies.table_labels import accuracy, true_classes
from shiftgauge.studies.table_measure import Measured, TableEstimate, index_arrays, measure_table, ranked_inputs
from shiftgauge.studies.table_space import full_space, rule_facts
from shiftgauge.studies.table_verdict import check_table_gates, find_table_messages, judge_table_gates, table_headline


def audit_table(
    model: Any,
    data: Any,
    space: Space | Mapping[str, Any] | None = None,
    *,
    rule: Rule = "range",
    quantiles: tuple[float, float] = (0.05, 0.95),
    estimate: TableEstimate | None = None,
    quantity_of_interest: str | None = None,
    derivatives: bool = True,
    reduction: Reduction | None = None,
    gates: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: bool | None = None,
    title: str = "",
    data_name: str = "the given table",
    missing: Missing = "error",
    record: Mapping[str, Any] | None = None,
    trust: bool = False,
) -> TableAuditResult:
    """Measures how the output of a tabular model depends on its inputs.

    With the inputs drawn independently from the space, S_i = Var E[f | x_i] / Var f, S_Ti = E Var[f | all but x_i] /
    Var f, and S_ij is the share of the interaction of exactly two. The curve over N comes from nested parts of the same
    evaluations. Beside the indices, which look at the whole space, stand mean, standard deviation and mean
    square of first and second partial derivatives over the table's rows, which look at the data.

    A run takes seconds, and what it evaluates is not stored: after an interruption the same call starts again.

    Args:
        model: An `nn.Module`, a scikit-learn estimator, a callable (n, P) → (n,) or (n, K), or a specification as
            `shiftgauge.models.load_table.load_table_model` takes it.
        data: The table: a `TableDataset`, a pandas frame or array of features, (features, labels), the path of a
            file of features, or a mapping of `shiftgauge.data.table.read_table`'s arguments.
        space: What varies: a `Space` or {column: distribution} for some or all columns; columns left out follow
            the rule. None: the rule for all.
        rule: `range`, `quantiles` or `nonzero` of the data; see `shiftgauge.infer.space_from_table`. Indices hold for
            the space they were computed in, and another rule may rank the inputs in another way.
        quantiles: The two quantiles of that rule.
        estimate: Size and kind of the design; default 4,096 base samples, first, total and second order; with a
            tolerance or a budget 64 base samples, doubled.
        quantity_of_interest: The output that verdict and gates are about; default the first.
        derivatives: Form the derivative statistics.
        reduction: Train a scikit-learn classifier or regressor again on leading and trailing inputs; needs labels.
        gates: Limits: `min_accuracy`, `max_total_order`, `max_first_order` (a number or {input: number}).
        out: Run folder: run.json, results.nc, indices.csv, figures/ and report.html are written there.
        progress: Show a progress bar; default only on a terminal.
        title: Title of the report.
        data_name: What the report calls the table.
        missing: What becomes of empty cells: `error` names the first; `drop` leaves their rows out of ranges, accuracy,
            slopes and retraining, and says how many.
        record: The configuration as it shall stand in `run.json`; default: these arguments.
        trust: Open model files that can run code.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line; nothing has been written then.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).random((50, 3))
        >>> def response(x): return x[:, 0] + 2 * x[:, 1] + 0 * x[:, 2]
        >>> found = audit_table(response, rows, {f"x{k}": (0, 1) for k in (1, 2, 3)}, progress=False)
        >>> found.arrays["total_order"][0].values.round(2).tolist()
        [0.2, 0.8, 0.0]

    References:
        Saltelli, A. et al. (2010). Variance based sensitivity analysis of model output. doi:10.1016/j.cpc.2009.09.018
        Pizarroso, J., Portela, J., Muñoz, A. (2022). NeuralSens. doi:10.18637/jss.v102.i07
    """
    started, options = datetime.now(UTC), estimate or TableEstimate()
    if out is not None:
        require_own_folder(out, KIND)
    table = as_table(data, missing=missing)
    full = full_space(table, space, rule, quantiles)
    limits = check_table_gates(gates, full.varying_names)
    loaded = load_table_model(model, table.feature_names, table.values, trust=trust)
    true_classes(loaded, table)
    quantity = require_in("output", quantity_of_interest or loaded.outputs[0], loaded.outputs)
    score = None
    if reduction is not None:
        score = check_retraining(loaded.estimator, table)
        reduction.sets(full.varying_names)
    with progress_bar("rows", wanted=progress) as advance:
        measured = measure_table(loaded, full, options, advance)
    arrays = _arrays(loaded, table, full, options, measured, derivatives=derivatives)
    if reduction is not None:
        ranked = ranked_inputs(measured.indices, quantity)
        arrays = arrays.merge(retrain(loaded.estimator, table, ranked, reduction, seed=options.seed))
        arrays.attrs["reduction_score"] = score
    rest = loaded.values(table.values, require_finite=options.on_failure == "raise")
    arrays["data_mean"] = ("quantity", rest[finite_rows(rest)].mean(axis=0))
    arrays.attrs |= {"title": title or "Audit of a tabular model", "data_name": data_name}
    arrays.attrs |= {"model_name": model_label(loaded), "quantity_of_interest": quantity}
    arrays.attrs |= _measured_facts(table, options, measured) | {
        "accuracy": accuracy(loaded, table, rest),
        **rule_facts(space, full, rule, quantiles),
    }
    result = TableAuditResult(
        config=record or _record(loaded, full, options, limits, reduction),
        provenance=_provenance(loaded, table, full, options, started),
        cost=_cost(measured),
        headline=table_headline(arrays),
        arrays=arrays,
        messages=find_table_messages(arrays, measured.indices),
        gates=judge_table_gates(limits, arrays),
    )
    if out is not None:
        write_table_run(result, Path(out))
    return result


def _arrays(
    model: TableModel,
    table: TableDataset,
    space: Space,
    options: TableEstimate,
    measured: Measured,
    *,
    derivatives: bool,
) -> xr.Dataset:
    """Indices, the inputs, and the statistics of derivatives."""
    return xr.merge(
        [
            index_arrays(measured.convergence),
            feature_arrays(table, space),
            derivative_arrays(model, table, space, options) if derivatives else xr.Dataset(),
        ],
        join="outer",
    )


def _measured_facts(table: TableDataset, options: TableEstimate, measured: Measured) -> dict[str, Any]:
    """What the arrays say of the table, of how the indices were estimated, and of how that ended."""
    correlation = strongest_correlation(table)
    return {
        "confidence_level": options.confidence_level,
        "estimator": options.estimator,
        "n_rows": len(table),
        "n_missing": table.n_missing,
        "majority": majority_share(table),
        "correlation": correlation[0],
        "correlation_of": " and ".join(correlation[1:]),
        "seed": options.seed,
        **({"residual": options.residual} if options.estimator == "gpc" else {}),
        **ending_facts(measured.convergence),
        **failure_facts(measured.values, measured.indices, measured.design),
    }


def _cost(measured: Measured) -> dict[str, Any]:
    rows = measured.design.n_rows
    return {
        "evaluations": rows,
        "seconds": round(measured.seconds, 3),
        "rows_per_second": round(rows / max(measured.seconds, 1e-9)),
        "ending": measured.convergence.reason,
        "reason": measured.convergence.text,
    }


def write_table_run(result: TableAuditResult, folder: Path) -> Path:
    """Writes the whole run folder; run.json, which makes it a finished run, comes last.

    Raises:
        StoreError: The folder cannot be written to.
    """
    return write_with_page(result, folder, write_table_figures, write_table_page)


def majority_share(table: TableDataset) -> float:
    """Share of the commonest class; NaN without classes."""
    return float(np.bincount(table.labels).max() / len(table)) if len(table.class_names) > 1 else float("nan")


def model_label(model: TableModel) -> str:
    """What the report calls a model."""
    facts = model.description
    for key in ("architecture", "path", "name"):
        if facts.get(key):
            return str(facts[key])
    return "the model"


def _record(
    model: TableModel, space: Space, options: TableEstimate, limits: Mapping[str, float], reduction: Reduction | None
) -> dict[str, Any]:
    return {
        "model": dict(model.description),
        "space": space.to_dict(),
        "estimate": asdict(options) | {"n_base": options.start},
        "reduction": None if reduction is None else asdict(reduction),
        "gates": dict(limits),
    }


def _provenance(
    model: TableModel, table: TableDataset, space: Space, options: TableEstimate, started: datetime
) -> dict[str, Any]:
    hashes = {"model": model.fingerprint, "data": table.fingerprint, "space": space.fingerprint}
    return provenance(hashes, options.seed, started) | {"model": dict(model.description)}
