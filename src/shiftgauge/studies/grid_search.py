"""A grid search in folds: every combination of a recipe's values on the same folds, as a table that is gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.splits import Split
from shiftgauge.errors import ConfigError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.models.model_record import plain
from shiftgauge.results.run_folder import require_apart
from shiftgauge.studies.cross_validated import FOLD_FOLDER, division_of
from shiftgauge.studies.cross_validation import FoldOptions, as_folds, fold_task, sources_of
from shiftgauge.studies.fold_outcome import METRICS, FoldOutcome
from shiftgauge.studies.fold_progress import folds_shown
from shiftgauge.studies.fold_training import FoldTask, run_fold
from shiftgauge.studies.grid_found import GridSearch
from shiftgauge.studies.grid_ranges import combinations, recipes, saying
from shiftgauge.studies.recipe import Recipe
from shiftgauge.studies.train_data import task_of, training_data
from shiftgauge.train.images import MEMORY_GB, Part

CELLS: Final = "cells"
"""Folder of the combinations: each has one of its own, named by all that decides it."""


def grid_search(
    recipe: Mapping[str, Any],
    data: Any,
    ranges: Mapping[str, Sequence[Any]],
    *,
    out: str | Path,
    folds: FoldOptions | Mapping[str, Any] | None = None,
    metric: str = "accuracy",
    classes: Sequence[str] | None = None,
    device: str | None = None,
    memory_gb: float = MEMORY_GB,
    confidence_level: float = 0.95,
    progress: bool | None = None,
) -> GridSearch:
    """Cross-validates every combination of values on the same folds, and writes them as a table.

    All combinations are checked before the first is trained. Each has a folder named by the hash of all that decides
    it, so that finished folds are read rather than trained again, whatever else the grid holds: a killed search goes on
    where it was, and a range may be made longer later. A training that diverges gets a row that says so.

    The best row is the best of many, and its figure better than the same recipe gives on new images. `GridSearch.best`
    comes with what choosing costs: what the recipe scores that the other folds would choose.

    Args:
        recipe: What is common to all rows: `model` and, where wanted, `options`, `adversarial`, `constraint` and
            `enlarge`, as mappings of their keys.
        data: What `shiftgauge.load_data` takes.
        ranges: Key → values: `learning_rate`, `weight_decay`, `momentum`, `batch_size`, `epochs`, `width` and others of
            `grid_ranges.SHORT`, or a path such as `options.schedule.kind`.
        out: Folder: `grid.csv`, renewed after every row, and `cells`.
        folds: How images are divided; default three folds by group.
        metric: Of the images held out, by which rows are ordered: `accuracy`, `macro_f1`, `micro_f1`,
            `average_precision`, or `loss`, of which less is better.
        classes: Classes to train on; default those of the data.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        memory_gb: Images that need less are held in memory.
        confidence_level: Of the intervals.
        progress: Show progress over folds of all rows: default a bar on a terminal, and elsewhere a line for each.

    Returns:
        The table, the best row, and what choosing it costs.

    Raises:
        ConfigError: A range or a combination that is not allowed; the message says which.
        DataError: Images that cannot be divided.
        InterruptedRunError: It was stopped; the same call goes on.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from shiftgauge.data.arrays import from_arrays
        >>> grey = np.random.default_rng(0).random((24, 8, 8)) / 2
        >>> grey[12:] += 0.5
        >>> data = from_arrays(grey, ["dark"] * 12 + ["bright"] * 12, groups=[str(i // 2) for i in range(24)])
        >>> base = {"model": {"architecture": "test_resnet", "size": 16}, "options": {"epochs": 1}}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     folds = {"k": 2, "near_duplicates": False, "validation": 0.2}
        ...     more = {"folds": folds, "device": "cpu", "progress": False}
        ...     found = grid_search(base, data, {"learning_rate": [0.01, 0.001]}, out=folder, **more)
        >>> found.table["learning_rate"].tolist(), found.best["learning_rate"] in (0.01, 0.001)
        ([0.01, 0.001], True)
    """
    require_in("figure of a fold", metric, METRICS)
    cells, dataset = combinations(ranges), training_data(data, classes)
    chosen = list(recipes(plain_recipe(recipe), cells, task_of(dataset)))
    division = as_folds(folds) if folds is not None else FoldOptions(k=3)
    splits, _ = division.splits(dataset)
    require_apart(out, dataset.searched)
    tasks = _tasks(chosen, cells, dataset, device, memory_gb)
    held = division_of(splits, len(dataset))
    sources = [sources_of(one, splits, held, dataset) for one in chosen]
    found = GridSearch(
        cells=tuple(cells), outcomes=(), metric=metric, folder=Path(out), confidence_level=confidence_level
    )
    with folds_shown("grid search, fold", len(cells) * len(splits), metric, wanted=progress) as shown:
        for cell, task, places in zip(cells, tasks, sources, strict=True):
            outcomes = []
            for f, split in enumerate(splits):
                outcomes.append(_run(task, split, f, cell, Path(out), places[f]))
                shown.tell(outcomes[-1], ", ".join(f"{key} {value}" for key, value in cell.items()))
            found = found.with_row(tuple(outcomes)).written()
    return found


def plain_recipe(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The common part of all rows, once its keys are known.

    Raises:
        ConfigError: No mapping, no `model`, or an unknown key.
    """
    allowed = ("model", "options", "adversarial", "constraint", "enlarge")
    if not isinstance(recipe, Mapping) or "model" not in recipe:
        raise ConfigError("`recipe` must be a mapping with `model` and, where wanted, " + ", ".join(allowed[1:]))
    for key in recipe:
        require_in("key of `recipe`", str(key), allowed)
    model = recipe["model"]
    return {**recipe, "model": {"architecture": model} if isinstance(model, str) else model}


def _tasks(
    chosen: Sequence[Recipe],
    cells: Sequence[Mapping[str, Any]],
    dataset: ImageDataset,
    device: str | None,
    memory_gb: float,
) -> list[FoldTask]:
    """What the folds of each row share; images are read once for each way to prepare them."""
    read: dict[str, Part] = {}
    tasks = []
    for recipe, cell in zip(chosen, cells, strict=True):
        with saying(cell):
            key = hash_json(recipe.network.preprocessing_for(dataset.n_channels).to_dict())
            more: dict[str, Any] = {"keep_models": False, "device": device, "memory_gb": memory_gb}
            task = fold_task(recipe, dataset, whole=read.get(key), **more)
        read[key] = task.whole
        tasks.append(task)
    return tasks


def _run(task: FoldTask, split: Split, f: int, cell: Mapping[str, Any], out: Path, source: Path | None) -> FoldOutcome:
    """One fold of one row, trained or read."""
    place = out / CELLS / hash_json([task.recipe.to_dict(), task.preprocessing.to_dict()])[:16]
    if not (place / "cell.json").is_file():
        write_atomic(place / "cell.json", json.dumps(plain(dict(cell)), indent=1, ensure_ascii=False) + "\n")
    identity = task.identity(split, task.recipe.options.seed + f, source)
    folder = place / f"{FOLD_FOLDER.format(f + 1)}-{hash_json(identity)[:8]}"
    return run_fold(task, split, task.recipe.options.seed + f, folder, source=source, forgive=True)
