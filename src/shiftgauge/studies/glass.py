"""The glass study, task 2: several labels on one image, done again without choosing anything on test.

The published study fine-tunes EfficientNet-B3 on images of glass with the labels no defect, chipped edge, scratch and
stain, and reports the micro F1 of thresholds and an epoch that were chosen on the test images. Here the same recipe has
a validation part for both; what the text claims for resolution, class weights, thresholds and averaging is measured as
one table on the same test images; and what the published way of choosing claims beyond that stands beside it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, InterruptedRunError
from shiftgauge.models.device import choose_device
from shiftgauge.report.glass_figures import write_study_figures
from shiftgauge.report.glass_page import PAGE
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.glass_findings import (
    EXACT_ROW,
    HALF_ROW,
    ONCE,
    RECIPE,
    SMALLER,
    UNWEIGHTED,
    find,
)
from shiftgauge.studies.glass_measure import (
    Decisions,
    Probabilities,
    consistency_arrays,
    score_arrays,
)
from shiftgauge.studies.glass_outcome import headline, messages
from shiftgauge.studies.glass_recipe import (
    NO_DEFECT,
    PUBLISHED_WEIGHTS,
    GlassRecipe,
    RecipeName,
    class_weights,
    glass_data,
    is_glass,
    native_size,
    require_every_label,
    split_options,
)
from shiftgauge.studies.glass_trainings import Plan, say_all, train_all
from shiftgauge.studies.glass_watch import watch_arrays
from shiftgauge.studies.record import provenance, told_of, write_with_page
from shiftgauge.studies.train_data import Divided, divide
from shiftgauge.train.thresholds import GRID

_LEVEL: Final = 0.95


def glass(
    data: str | Path | Mapping[str, Any] | ImageDataset,
    *,
    out: str | Path,
    task: int = 2,
    recipe: RecipeName = "published",
    weights: str = "imagenet",
    epochs: int | None = None,
    watched: bool = True,
    quick: bool = False,
    seed: int = 0,
    device: str | None = None,
    data_name: str | None = None,
    progress: bool | None = None,
) -> StudyResult:
    """Does task 2 of the glass study again.

    Three trainings: the recipe, the same with a smaller input, and the same without class weights. The first is looked
    at on test after every epoch, as the published code does, and nothing is chosen by it. All go on after the last
    epoch that an interrupted call finished; a finished training, and what its network said, are read.

    Args:
        data: See `glass_data`: the published layout (`img`, `txt`), a table of several labels, or an NPZ file.
        out: Folder of the study: run.json, results.nc, scores.csv, findings.csv, figures/, report.html, one folder for
            each training with a page and a model folder of its own, and `watched` with what each epoch said.
        task: 2, several labels.
        recipe: `published`, or `small` for a processor without accelerator; see `GlassRecipe`.
        weights: `imagenet`, `none`, or a file of weights.
        epochs: Another number of epochs.
        watched: Look at the recipe after every epoch to measure what choosing on test claims.
        quick: 320 small images and two epochs: whether everything runs.
        seed: Of split, weights and training.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        data_name: What pages call the images; default the name of the file or folder.
        progress: Show progress; default only on a terminal.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    Example:
        >>> result = glass("tiles", out="runs/glass", recipe="small")  # doctest: +SKIP
        >>> glass("tiles", out="runs/glass", task=1)
        Traceback (most recent call last):
        ...
        shiftgauge.errors.ConfigError: the glass study has task 2 (several labels) here, got 1; leave `task` out

    References:
        Tan, M., Le, Q. V. (2019). EfficientNet: Rethinking model scaling for convolutional neural networks.
            arXiv:1905.11946
        Lin, T.-Y., Goyal, P., Girshick, R., He, K., Dollár, P. (2017). Focal loss for dense object detection.
            arXiv:1708.02002
    """
    started, folder = datetime.now(UTC), Path(out)
    if task != 2:
        raise ConfigError(f"the glass study has task 2 (several labels) here, got {task}; leave `task` out")
    chosen = GlassRecipe(name=recipe, weights=weights, epochs=epochs, quick=quick, seed=seed)
    require_own_folder(folder, KIND, study="glass")
    try:
        dataset = glass_data(data, quick=quick, seed=seed)
        require_apart(folder, dataset.searched)
        require_every_label(dataset)
        name = data_name or (_name_of(Path(data)) if isinstance(data, str | Path) else "the given images")
        divided = divide(dataset, split_options(dataset), seed)
        plan = Plan(recipe=chosen, divided=divided, folder=folder, name=name, device=device, progress=progress)
        result = _result(plan, started, watched=watched)
        write_with_page(result, folder, write_study_figures, PAGE.write)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not trained yet") from error
    return result


def _name_of(path: Path) -> str:
    """Name of a folder, or of a file without its ending; `.` is the folder that it stands for."""
    place = path.resolve()
    return place.name if place.is_dir() else place.stem


def _result(plan: Plan, started: datetime, *, watched: bool) -> StudyResult:
    """Trains, measures and judges."""
    clock, recipe, divided = time.perf_counter(), plan.recipe, plan.divided
    trained, seen, worked_on = train_all(plan, watched=watched)
    trainings = round(time.perf_counter() - clock, 1)
    said = say_all(plan, trained)
    pieces = [_ablation(said, divided, recipe.seed), _facts(trained[RECIPE], said[RECIPE][1], divided)]
    if seen is not None:
        units, row = divided.groups("test"), _no_defect(divided.dataset)
        pieces.append(watch_arrays(seen, units, no_defect=row, level=_LEVEL, seed=recipe.seed))
    arrays = xr.merge(pieces, join="outer", combine_attrs="drop")
    arrays.attrs = _attributes(recipe, divided, plan.name)
    findings = find(arrays)
    asked = asdict(recipe) | {"weights": Path(recipe.weights).name}
    return StudyResult(
        study="glass",
        config={"task": 2, "recipe": asked, "watched": watched},
        provenance=provenance(
            _hashes(divided.dataset, trained), recipe.seed, started, device=str(choose_device(plan.device))
        )
        | told_of(divided.dataset),
        cost={
            "trainings": worked_on,
            "training_seconds": trainings,
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
        },
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(
            arrays,
            data_notes=divided.dataset.notes,
            split_notes=divided.split.notes,
            threshold_notes=said[RECIPE][1].chosen(GRID).notes,
        ),
    )


def _ablation(said: Mapping[str, tuple[Probabilities, Probabilities]], divided: Divided, seed: int) -> xr.Dataset:
    """The recipe, and the recipe without each of its parts, on the same test images."""
    once, averaged = said[RECIPE]
    decided: dict[str, Decisions] = {
        RECIPE: averaged.decided(averaged.thresholds(GRID)),
        ONCE: once.decided(once.thresholds(GRID)),
        HALF_ROW: averaged.decided(),
        EXACT_ROW: averaged.decided(averaged.thresholds()),
    }
    for way in (SMALLER, UNWEIGHTED):
        decided[way] = said[way][1].decided(said[way][1].thresholds(GRID))
    truth, row = _truth(divided), _no_defect(divided.dataset)
    scores = score_arrays(
        decided,
        truth,
        divided.groups("test"),
        divided.dataset.class_names,
        no_defect=row,
        against=RECIPE,
        level=_LEVEL,
        seed=seed,
        prefix="ablation",
    )
    return scores.merge(consistency_arrays(decided[RECIPE], row))


def _facts(result: TrainResult, averaged: Probabilities, divided: Divided) -> xr.Dataset:
    """Prevalence, thresholds, images of each part, and the learning curve of the recipe."""
    truth = _truth(divided)
    arrays = divided.arrays().rename({"class": "label"}).sel(split_part=["train", "validation", "test"])
    return arrays.assign(
        prevalence=("label", truth.mean(axis=0)),
        support=("label", truth.sum(axis=0).astype(int)),
        threshold=("label", averaged.thresholds(GRID)),
        epoch_macro_f1=("epoch", result.history["macro_f1"].to_numpy()),
        epoch_loss=("epoch", result.history["loss"].to_numpy()),
    ).assign_coords(epoch=result.history.index.to_numpy())


def _truth(divided: Divided) -> np.ndarray:
    return np.asarray(divided.part("test").label_matrix)


def _no_defect(dataset: ImageDataset) -> int:
    return dataset.class_names.index(NO_DEFECT)


def _attributes(recipe: GlassRecipe, divided: Divided, name: str) -> dict[str, Any]:
    network, options = recipe.network(), recipe.options(class_weights(divided.dataset))
    original = is_glass(divided.dataset)
    large, small = recipe.sizes
    begin = {"False": "random weights", "True": "ImageNet weights", "packaged": "ImageNet weights"}
    start = begin.get(str(network.pretrained), "given weights")
    weights = ", ".join(f"{w:g}" for w in PUBLISHED_WEIGHTS) if original else "n / (K n_c) of each label"
    return {
        "title": "Glass study, task 2",
        "quantity_of_interest": "macro F1",
        "confidence_level": _LEVEL,
        "data_name": name,
        "original": int(original),
        "quick": int(recipe.quick),
        "published_recipe": int(recipe.published),
        "recipe_text": f"{network.architecture} from {start} at {large} × {large}, {options.epochs} epochs",
        "weights_text": weights,
        "size": large,
        "smaller_size": small,
        "native_size": native_size(divided.dataset),
        "n_test": len(divided.split.parts["test"]),
        "n_validation": len(divided.split.parts["validation"]),
        "n_train": len(divided.split.parts["train"]),
        "seed": recipe.seed,
    }


def _hashes(dataset: ImageDataset, trained: Mapping[str, TrainResult]) -> dict[str, str]:
    weights = {way: str(result.provenance["hashes"]["weights"]) for way, result in trained.items()}
    return {"data": dataset.fingerprint, **{f"weights of {way}": value for way, value in weights.items()}}
