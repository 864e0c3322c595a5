"""The audit of a tabular model: which of its inputs move the output, how much, in which combination, how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.data.cells import Missing
from shiftgauge.data.table import TableDataset
from shiftgauge.errors import SpaceError
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.infer import CORRELATED, Rule
from shiftgauge.models.load_table import load_table_model
from shiftgauge.models.table_model import TableModel
from shiftgauge.parameter import Parameter
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
    infer_parameters,
    rule_text,
    strongest_correlation,
)
from shiftgauge.studies.table_derivatives import derivative_arrays
from shiftgauge.studies.table_labels import accuracy, true_classes
from shiftgauge.studies.table_measure import TableEstimate, index_arrays, measure_table, ranked_inputs
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
    arrays = xr.merge(
        [
            index_arrays(measured.convergence),
            feature_arrays(table, full),
            derivative_arrays(loaded, table, full, options) if derivatives else xr.Dataset(),
        ],
        join="outer",
    )
    if reduction is not None:
        ranked = ranked_inputs(measured.indices, quantity)
        arrays = arrays.merge(retrain(loaded.estimator, table, ranked, reduction, seed=options.seed))
        arrays.attrs["reduction_score"] = score
    rest = loaded.values(table.values, require_finite=options.on_failure == "raise")
    arrays["data_mean"] = ("quantity", rest[finite_rows(rest)].mean(axis=0))
    correlation = strongest_correlation(table)
    arrays.attrs |= {
        "title": title or "Audit of a tabular model",
        "data_name": data_name,
        "model_name": model_label(loaded),
        "quantity_of_interest": quantity,
        "confidence_level": options.confidence_level,
        "estimator": options.estimator,
        "rule": "given" if space is not None and set(full.names) <= set(_given(space)) else rule,
        "rule_text": _rule_text(space, full, rule, quantiles),
        "n_rows": len(table),
        "n_missing": table.n_missing,
        "accuracy": accuracy(loaded, table, rest),
        "majority": majority_share(table),
        "correlation": correlation[0],
        "correlation_of": " and ".join(correlation[1:]),
        "seed": options.seed,
        **({"residual": options.residual} if options.estimator == "gpc" else {}),
        **ending_facts(measured.convergence),
        **failure_facts(measured.values, measured.indices, measured.design),
    }
    result = TableAuditResult(
        config=record or _record(loaded, full, options, limits, reduction),
        provenance=_provenance(loaded, table, full, options, started),
        cost={
            "evaluations": measured.design.n_rows,
            "seconds": round(measured.seconds, 3),
            "rows_per_second": round(measured.design.n_rows / max(measured.seconds, 1e-9)),
            "ending": measured.convergence.reason,
            "reason": measured.convergence.text,
        },
        headline=table_headline(arrays),
        arrays=arrays,
        messages=find_table_messages(arrays, measured.indices),
        gates=judge_table_gates(limits, arrays),
    )
    if out is not None:
        write_table_run(result, Path(out))
    return result


def write_table_run(result: TableAuditResult, folder: Path) -> Path:
    """Writes the whole run folder; run.json, which makes it a finished run, comes last.

    Raises:
        StoreError: The folder cannot be written to.
    """
    return write_with_page(result, folder, write_table_figures, write_table_page)


def full_space(
    table: TableDataset, space: Space | Mapping[str, Any] | None, rule: Rule, quantiles: tuple[float, float]
) -> Space:
    """The space of all columns in the table's order: what was given, and the rule for the rest.

    Raises:
        SpaceError: A name that is no column, or a correlated space.
    """
    if space is None:
        return Space(list(infer_parameters(table, rule, quantiles).values()))
    given = {p.name: p for p in (space.parameters if isinstance(space, Space) else parameters_of(space))}
    for name in given:
        require_in("column", name, table.feature_names, SpaceError)
    if isinstance(space, Space) and space.correlation is not None:
        raise SpaceError(CORRELATED)
    if isinstance(space, Space) and tuple(given) == table.feature_names:
        return space
    found = infer_parameters(table, rule, quantiles, given=tuple(given)) | given
    return Space([found[n] for n in table.feature_names])


def parameters_of(entries: Mapping[str, Any]) -> list[Parameter]:
    """Parameters from {column: distribution}; [low, high] is uniform, a number is fixed.

    Raises:
        SpaceError: An entry that is no distribution.

    Example:
        >>> [p.describe() for p in parameters_of({"age": [20, 60], "sex": 1.0})]
        ['uniform on [20, 60]', 'fixed at 1']
    """
    found = []
    for name, entry in entries.items():
        plain: Any = entry
        if isinstance(entry, (list, tuple)) and len(entry) == 2:
            plain = {"distribution": "uniform", "low": entry[0], "high": entry[1]}
        elif isinstance(entry, (int, float)) and not isinstance(entry, bool):
            plain = {"distribution": "fixed", "value": entry}
        found.append(Parameter.from_dict(str(name), plain))
    return found


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


def _given(space: Space | Mapping[str, Any]) -> Sequence[str]:
    return space.names if isinstance(space, Space) else [str(k) for k in space]


def _rule_text(space: Space | Mapping[str, Any] | None, full: Space, rule: str, quantiles: tuple[float, float]) -> str:
    rest = [n for n in full.names if space is None or n not in _given(space)]
    if not rest:
        return rule_text(None, quantiles)
    text = rule_text(rule, quantiles, [n for n in rest if full[n].levels is not None])
    if len(rest) == len(full.names):
        return text
    start = f"{len(full.names) - len(rest)} of {len(full.names)} ranges were given"
    return f"{start}. Of the others: {text[0].lower()}{text[1:]}"


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
