"""From a checked configuration of a tabular model to its audit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shiftgauge.cli.exits import GATE_MISSED
from shiftgauge.cli.reader import LoadedTable
from shiftgauge.cli.table_config import TABLE_MODEL_KINDS
from shiftgauge.cli.tell import tell
from shiftgauge.errors import ConfigError, InterruptedRunError

if TYPE_CHECKING:
    from shiftgauge.data.table import TableDataset
    from shiftgauge.results.table import TableAuditResult
    from shiftgauge.studies.table_measure import TableEstimate


def table_audit(loaded: LoadedTable, folder: Path, *, trust: bool, quiet: bool, open_page: bool = False) -> int:
    """Runs the audit of a tabular model, tells what it found, and returns the exit code.

    Raises:
        ShiftgaugeError: Bad input; nothing has been written then.
        InterruptedRunError: The run was stopped; it takes seconds and starts again.
    """
    from shiftgauge.report.table_terminal import table_summary

    try:
        result = run_table_audit(loaded, folder, trust=trust, progress=False if quiet else None)
    except KeyboardInterrupt as error:
        text = "interrupted; the audit of a table keeps nothing on the way, and the same command starts it again"
        raise InterruptedRunError(text) from error
    tell(result, folder, table_summary, quiet=quiet, open_page=open_page)
    return 0 if result.passed else GATE_MISSED


def refuse_image_options(*, resume: bool, mlflow: str | None) -> None:
    """Refuses options of `shiftgauge audit` that mean nothing for a table.

    Raises:
        ConfigError: One of them was given.
    """
    if resume:
        raise ConfigError("--resume: the audit of a table takes seconds and is not stored on the way; leave it out")
    if mlflow is not None:
        raise ConfigError("--mlflow logs audits of images; for a table log the files of the run folder yourself")


def run_table_audit(loaded: LoadedTable, folder: Path, *, trust: bool, progress: bool | None) -> TableAuditResult:
    """Runs the audit of a checked configuration and writes its run folder.

    Raises:
        ShiftgaugeError: Bad input; nothing has been written then.
    """
    from shiftgauge.studies.reduction import Reduction
    from shiftgauge.studies.table_audit import audit_table
    from shiftgauge.studies.table_space import full_space

    config, table, options = loaded.config, _table(loaded), _estimate(loaded)
    low, high = config.space.quantiles
    entries = config.space.parameters or None
    with loaded.at("space"):
        full_space(table, entries, config.space.rule, (low, high))
    if config.model.factory is not None and str(loaded.folder) not in sys.path:
        sys.path.insert(0, str(loaded.folder))
    return audit_table(
        _model_values(loaded),
        table,
        entries,
        rule=config.space.rule,
        quantiles=(low, high),
        estimate=options,
        quantity_of_interest=config.estimate.output,
        derivatives=config.estimate.derivatives,
        reduction=None if config.reduction is None else Reduction(**config.reduction.model_dump()),
        gates=config.gates.model_dump(exclude_none=True),
        out=folder,
        progress=progress,
        title=config.title,
        data_name=Path(config.data.table).name,
        record=config.model_dump(mode="json"),
        trust=trust,
    )


def _table(loaded: LoadedTable) -> TableDataset:
    from shiftgauge.data.table import read_table

    given = loaded.config.data
    with loaded.at("data"):
        return read_table(
            loaded.resolve(given.table),
            label_column=given.label_column,
            feature_columns=given.features,
            group_column=given.group_column,
            split_column=given.split_column,
            missing=given.missing,
        )


def _estimate(loaded: LoadedTable) -> TableEstimate:
    from shiftgauge.cli.build import chaos_terms
    from shiftgauge.studies.table_measure import TableEstimate

    at = loaded.config.estimate
    return TableEstimate(
        estimator=at.estimator,
        n_base=at.n_base,
        second_order=at.second_order,
        method=at.method,
        replicates=at.replicates,
        tolerance=at.tolerance,
        budget=at.budget,
        resamples=at.resamples,
        confidence_level=at.confidence_level,
        chaos=chaos_terms(at.chaos),
        surrogate=at.surrogate,
        residual=at.chaos.residual,
        on_failure=at.on_failure,
        seed=at.seed,
    )


def _model_values(loaded: LoadedTable) -> dict[str, Any]:
    section = loaded.config.model
    kind = next(k for k in TABLE_MODEL_KINDS if getattr(section, k) is not None)
    target = getattr(section, kind)
    values: dict[str, Any] = {
        "kind": kind,
        "arguments": section.arguments,
        "classes": section.classes,
        "output": section.output,
        "mean": section.mean,
        "std": section.std,
        "weights_by": section.weights_by,
        "weights": None if section.weights is None else loaded.resolve(section.weights),
    }
    return values | ({"name": target} if kind == "factory" else {"path": loaded.resolve(target)})
