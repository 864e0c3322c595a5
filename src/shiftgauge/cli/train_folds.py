"""Trainings in folds from a checked configuration: a cross-validation, or a grid search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from shiftgauge.cli.reader import LoadedTrain
from shiftgauge.cli.train_build import (
    additions,
    data_values,
    for_task,
    network_choice,
    network_values,
    train_options,
    train_values,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shiftgauge.data.dataset import ImageDataset
    from shiftgauge.studies.cross_validation import FoldOptions

_GRID_FOLDS = 3


def run_folds(loaded: LoadedTrain, folder: Path, *, quiet: bool) -> None:
    """Trains in folds, writes the tables, and prints them.

    Args:
        loaded: The configuration, with the section `folds` or `grid`.
        folder: Where tables and folds are kept.
        quiet: Show no progress, and print nothing.

    Raises:
        ShiftgaugeError: Bad input.
        InterruptedRunError: It was stopped and can go on.
    """
    from shiftgauge.errors import ConfigError
    from shiftgauge.studies.train_data import training_data

    config, other = loaded.config, "cross_validation.json" if loaded.config.grid is not None else "grid.csv"
    if config.train.devices != 1:
        raise ConfigError("folds are trained on one device each; leave `train.devices` out")
    for name in (other, "run.json"):
        if (folder / name).is_file():
            raise ConfigError(f"{folder} holds another kind of run (there is {name}); give another output folder")
    with loaded.at("data"):
        dataset = training_data(data_values(loaded), config.data.keep)
    progress = False if quiet else None
    summary, table = (_grid if config.grid is not None else _folds)(loaded, dataset, folder, progress)
    if not quiet:
        from rich.console import Console

        Console(highlight=False).print(summary)
        typer.echo(f"table: {folder / table}")


def fold_options(loaded: LoadedTrain) -> FoldOptions:
    """How images are divided.

    Raises:
        ConfigError: Options that do not go together; with file and line.
    """
    from shiftgauge.studies.cross_validation import FoldOptions

    section, grid = loaded.config.folds, loaded.config.grid
    values = {} if section is None else section.model_dump(exclude={"keep_models"})
    if values.get("k") is None:
        values["k"] = FoldOptions().k if grid is None else _GRID_FOLDS
    with loaded.at("folds"):
        return FoldOptions(**values)


def grid_recipe(loaded: LoadedTrain) -> dict[str, Any]:
    """What is common to all rows of a grid, as nested mappings of which ranges change keys."""
    recipe = {"model": network_values(loaded), "options": train_values(loaded)}
    for name in ("adversarial", "constraint", "enlarge"):
        section = getattr(loaded.config, name)
        if section is not None:
            recipe[name] = section.model_dump(exclude_none=True)
            if "source" in recipe[name]:
                recipe[name]["source"] = loaded.resolve(recipe[name]["source"])
    return recipe


def _shared(loaded: LoadedTrain, progress: bool | None) -> dict[str, Any]:
    section = loaded.config.train
    device = None if section.device == "auto" else section.device
    return {"device": device, "memory_gb": section.memory_gb, "progress": progress}


def _folds(
    loaded: LoadedTrain, dataset: ImageDataset, folder: Path, progress: bool | None
) -> tuple[RenderableType, str]:
    from shiftgauge.report.fold_terminal import folds_summary
    from shiftgauge.studies.cross_validation import cross_validate
    from shiftgauge.studies.train_data import task_of

    section = loaded.config.folds
    found = cross_validate(
        network_choice(loaded),
        dataset,
        out=folder,
        folds=fold_options(loaded),
        options=for_task(loaded, train_options(loaded), task_of(dataset)),
        keep_models=section is None or section.keep_models,
        **additions(loaded),
        **_shared(loaded, progress),
    )
    level = loaded.config.measure.confidence_level
    return folds_summary(found.table, found.summary_at(level), level, found.notes), "folds.csv"


def _grid(
    loaded: LoadedTrain, dataset: ImageDataset, folder: Path, progress: bool | None
) -> tuple[RenderableType, str]:
    from shiftgauge.errors import ConfigError
    from shiftgauge.report.fold_terminal import grid_summary
    from shiftgauge.studies.grid_search import grid_search

    grid = loaded.config.grid
    if grid is None:
        raise ConfigError("a grid search needs the section `grid`")
    found = grid_search(
        grid_recipe(loaded),
        dataset,
        grid.ranges,
        out=folder,
        folds=fold_options(loaded),
        metric=grid.metric,
        confidence_level=loaded.config.measure.confidence_level,
        **_shared(loaded, progress),
    )
    best = found.best if found.any_finished else None
    return grid_summary(found.table, tuple(grid.ranges), grid.metric, found.confidence_level, best), "grid.csv"
