"""`shiftgauge train`: one training from a configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftgauge.cli.exits import GATE_MISSED, INTERRUPTED, Debug, Quiet, exit_codes
from shiftgauge.cli.tell import tell

if TYPE_CHECKING:
    from shiftgauge.cli.reader import LoadedTrain
    from shiftgauge.results.train import TrainResult


def train_command(
    config: Annotated[Path, typer.Argument(help="A configuration; see `shiftgauge init --train`.", show_default=False)],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.SUB=VALUE", help="Override a value of the file; may be repeated."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Run folder, instead of the file's `out`.")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a classifier, choose its thresholds on validation, measure it on test, and write a model folder.

    A training that was stopped, however, goes on with the same command after its last finished epoch, and ends with
    the weights of one that was not. The folder `model` within the run folder goes wherever a model goes.

    With a section `folds` the recipe is cross-validated instead, with `grid` every combination of values is; both print
    and keep tables, and go on where they were stopped.
    """
    with exit_codes(debug=debug) as ending:
        from shiftgauge.cli.reader import load_train_config

        loaded = load_train_config(config, overrides or ())
        folder = loaded.run_folder(out, loaded.config.out)
        ending.code = INTERRUPTED  # until there is a result
        if loaded.config.in_folds:
            from shiftgauge.cli.train_folds import run_folds

            run_folds(loaded, folder, quiet=quiet)
            ending.code = 0
            return
        result = run_training(loaded, folder, progress=False if quiet else None)
        ending.code = 0 if result.passed else GATE_MISSED
        from shiftgauge.report.train_terminal import train_summary

        tell(result, folder, train_summary, quiet=quiet, open_page=open_page)
        if not quiet:
            typer.echo(f"model: {result.model_folder}")


def run_training(loaded: LoadedTrain, folder: Path, *, progress: bool | None) -> TrainResult:
    """Runs the training of a checked configuration.

    Args:
        loaded: The configuration.
        folder: The run folder.
        progress: Show the progress bar; None only on a terminal.

    Raises:
        ShiftgaugeError: Bad input.
        InterruptedRunError: The training was stopped and can go on.
    """
    import shiftgauge.cli.train_build as build
    from shiftgauge.studies.train import train
    from shiftgauge.studies.train_data import task_of, training_data

    config = loaded.config
    options, split = build.train_options(loaded), build.split_options(loaded)
    thresholds, averaging = build.threshold_options(loaded), build.averaging_options(loaded)
    network, added, device = build.network_choice(loaded), build.additions(loaded), config.train.device
    with loaded.at("data"):
        dataset = training_data(build.data_values(loaded), config.data.keep)
    return train(
        network,
        dataset,
        split=split,
        options=build.for_task(loaded, options, task_of(dataset)),
        out=folder,
        thresholds=thresholds,
        averaging=averaging,
        calibration=config.calibrate,
        device=None if device == "auto" else device,
        n_devices=config.train.devices,
        memory_gb=config.train.memory_gb,
        resamples=config.measure.resamples,
        confidence_level=config.measure.confidence_level,
        gates=config.gates.model_dump(exclude_none=True),
        progress=progress,
        title=config.title,
        data_name=build.data_name(loaded),
        no_defect=config.data.no_defect if config.data.no_defect in dataset.class_names else None,
        record=config.model_dump(mode="json"),
        **added,
    )
