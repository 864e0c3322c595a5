"""`shiftgauge audit`: one audit from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftgauge.cli.exits import GATE_MISSED, INTERRUPTED, Debug, Quiet, exit_codes
from shiftgauge.cli.tell import tell
from shiftgauge.errors import StoreError

if TYPE_CHECKING:
    from shiftgauge.cli.data_section import DataSection
    from shiftgauge.cli.reader import LoadedConfig
    from shiftgauge.results.audit import AuditResult


def audit_command(
    config: Annotated[Path, typer.Argument(help="A configuration file; see `shiftgauge init`.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override a value of the file; may be repeated."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Insist on going on with a run: an error where there is none.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Run folder, instead of the file's `out`.")] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Open model files that can run code when opened.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    mlflow: Annotated[
        str | None, typer.Option(metavar="URI", help="Log the finished run to this MLflow server or folder.")
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure how the classifier's output depends on the shifts, and write the run folder.

    A run that was stopped, no matter how, goes on with the same command; nothing finished is computed again. With
    the key `table` under `data` the model of that table is audited instead: that takes seconds, and starts again.
    """
    with exit_codes(debug=debug) as ending:
        from shiftgauge.cli.reader import LoadedTable, load_config
        from shiftgauge.cli.table import refuse_image_options, table_audit

        loaded = load_config(config, overrides or ())
        folder = loaded.run_folder(out, loaded.config.out)
        if isinstance(loaded, LoadedTable):
            refuse_image_options(resume=resume, mlflow=mlflow)
            ending.code = table_audit(loaded, folder, trust=trust, quiet=quiet, open_page=open_page)
            return
        if resume and not (folder / "evaluations.db").exists():
            raise StoreError(f"--resume: {folder} holds no run to go on with; leave --resume out to start one")
        ending.code = INTERRUPTED  # until there is a result
        result = run_audit(loaded, folder, trust=trust, progress=False if quiet else None)
        ending.code = 0 if result.passed else GATE_MISSED
        if mlflow is not None:
            from shiftgauge.report.tracking import log_run

            log_run(result, folder, mlflow)
        from shiftgauge.report.terminal import summary

        tell(result, folder, summary, quiet=quiet, open_page=open_page)


def run_audit(loaded: LoadedConfig, folder: Path, *, trust: bool, progress: bool | None) -> AuditResult:
    """Runs the audit of a checked configuration.

    Args:
        loaded: The configuration.
        folder: The run folder.
        trust: Open model files that can run code.
        progress: Show the progress bar; None only on a terminal.

    Raises:
        ShiftgaugeError: Bad input; nothing has been written then.
        InterruptedRunError: The run was stopped and can go on.
    """
    from shiftgauge.cli.build import block_choice, build_parts, chaos_options, execution_options, shift_options
    from shiftgauge.studies.audit import audit

    estimate = loaded.config.estimate
    parts = build_parts(loaded, trust=trust)
    return audit(
        parts.model,
        parts.data,
        parts.space,
        shifts=shift_options(loaded, parts.space),
        estimator=estimate.estimator,
        n_base=estimate.n_base,
        tolerance=estimate.tolerance,
        budget=estimate.budget,
        second_order=estimate.second_order,
        chaos=chaos_options(loaded),
        surrogate=estimate.surrogate,
        residual=estimate.chaos.residual,
        replicates=estimate.replicates,
        on_failure=estimate.on_failure,
        resamples=estimate.resamples,
        confidence_level=estimate.confidence_level,
        images=estimate.images,
        quantity_of_interest=estimate.quantity,
        classes=tuple(estimate.classes),
        blocks=block_choice(loaded),
        seed=estimate.seed,
        out=folder,
        execution=execution_options(loaded),
        gates=loaded.config.gates.model_dump(exclude_none=True),
        progress=progress,
        title=loaded.config.title,
        data_name=data_name(loaded.config.data),
        record=loaded.config.model_dump(mode="json"),
    )


def data_name(data: DataSection) -> str:
    """What the report calls the images: the name of their folder or file, and of the split."""
    paths = (data.folder, data.manifest, data.npz, data.yolo, data.weld)
    source = next((path for path in paths if path is not None), "the demonstration")
    return Path(source).name + (f" ({data.split})" if data.split else "")
