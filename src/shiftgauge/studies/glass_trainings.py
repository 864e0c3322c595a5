"""The three trainings of the glass study: the recipe, with a smaller input, and without class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from shiftgauge.files import hash_json
from shiftgauge.models.model_folder import read_model_record
from shiftgauge.models.model_record import plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.glass_findings import RECIPE, SMALLER, UNWEIGHTED
from shiftgauge.studies.glass_measure import Probabilities, folder_probabilities
from shiftgauge.studies.glass_recipe import (
    GlassRecipe,
    averaging_options,
    class_weights,
    split_options,
    threshold_options,
)
from shiftgauge.studies.glass_watch import Watched, seen_after_epochs
from shiftgauge.studies.kept import MAPS, kept_arrays
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_finished import Wanted, finished
from shiftgauge.studies.watched import EpochWatcher, watched_parts
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.images import Part
from shiftgauge.train.losses import Weights
from shiftgauge.types import FloatArray

FOLDERS: Final[Mapping[str, str]] = {
    RECIPE: "training",
    SMALLER: "training-smaller-input",
    UNWEIGHTED: "training-without-weights",
}
"""Folders within the study's: a training each, with its page and its model folder."""
WATCHED: Final = "watched"
"""Folder within the study's: what the recipe's network said after every epoch."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is trained on which images, and where it lies.

    Args:
        recipe: The recipe.
        divided: The images and their parts.
        folder: That of the study.
        name: What pages call the images.
        device: Where to run.
        progress: Show progress.
        read: Preprocessing → validation and test images at that input size, as far as they were read.
    """

    recipe: GlassRecipe
    divided: Divided
    folder: Path
    name: str
    device: str | None
    progress: bool | None
    read: dict[str, dict[str, Part]] = field(default_factory=dict)

    def parts(self, preprocessing: Preprocessing) -> dict[str, Part]:
        """Validation and test images at the input size of a network, each decoded once."""
        key = hash_json(preprocessing.to_dict())
        if key not in self.read:
            self.read[key] = watched_parts(self.divided, preprocessing)
        return self.read[key]


def train_all(plan: Plan, *, watched: bool) -> tuple[dict[str, TrainResult], Watched | None, int]:
    """Trains the three networks, or goes on where an earlier call ended; a finished training is read.

    Args:
        plan: What is trained.
        watched: Keep what the recipe's network says of validation and test after every epoch.

    Returns:
        Way → its training; what was watched, or None; and how many trainings this call worked on.

    Raises:
        ConfigError: The folder holds another training, or one of which nothing was kept that is to be measured.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    weights: Weights = class_weights(plan.divided.dataset)
    large, small = plan.recipe.sizes
    watcher = _watcher(plan, weights) if watched else None
    asked: dict[str, tuple[int, Weights]] = {SMALLER: (small, weights), UNWEIGHTED: (large, "none")}
    found, fresh = _trained(plan, RECIPE, large, weights, watcher)
    trained, worked_on, seen = {RECIPE: found}, int(fresh), None
    if watcher is not None:  # before the others: what is missing is said at once
        seen = seen_after_epochs(watcher.logits(len(found.history)), plan.divided)
    for way, (size, loss_weights) in asked.items():
        trained[way], fresh = _trained(plan, way, size, loss_weights)
        worked_on += fresh
    return trained, seen, worked_on


def say_all(plan: Plan, trained: Mapping[str, TrainResult]) -> dict[str, tuple[Probabilities, Probabilities]]:
    """What the networks say of validation and test: run once, and averaged over the published views.

    What they said is kept: another call reads it.

    Args:
        plan: What was trained.
        trained: Way → its training.
    """
    return {way: _said(plan, result) for way, result in trained.items()}


def _said(plan: Plan, trained: TrainResult) -> tuple[Probabilities, Probabilities]:
    folder, views, divided = trained.model_folder, averaging_options(), plan.divided

    def measure() -> dict[str, FloatArray]:
        once, averaged = folder_probabilities(folder, plan.parts, views, device=plan.device)
        return {
            "once_validation": once.validation_nk,
            "once_test": once.test_nk,
            "averaged_validation": averaged.validation_nk,
            "averaged_test": averaged.test_nk,
        }

    identity = {
        "weights": trained.provenance["hashes"]["weights"],
        "model": read_model_record(folder).to_dict(),
        "views": plain(asdict(views)),
        "data": divided.dataset.fingerprint,
        "rows": {name: divided.split.parts[name].tolist() for name in ("validation", "test")},
    }
    said = kept_arrays(plan.folder / MAPS, "said", identity, measure)
    truth = np.asarray(divided.part("validation").label_matrix, float)
    once, averaged = (
        Probabilities(
            validation_nk=said[f"{how}_validation"],
            test_nk=said[f"{how}_test"],
            truth_nk=truth,
            names=divided.dataset.class_names,
        )
        for how in ("once", "averaged")
    )
    return once, averaged


def _watcher(plan: Plan, weights: Weights) -> EpochWatcher:
    network = plan.recipe.network()
    return EpochWatcher.of(
        network,
        plan.divided,
        plan.recipe.options(weights),
        training=plan.folder / FOLDERS[RECIPE],
        folder=plan.folder / WATCHED,
        parts=plan.parts(network.preprocessing_for(plan.divided.dataset.n_channels)),
        device=plan.device,
    )


def _trained(
    plan: Plan, way: str, size: int, weights: Weights, watcher: EpochWatcher | None = None
) -> tuple[TrainResult, bool]:
    """A training, and whether this call worked on it; a finished one is read."""
    wanted = Wanted(
        network=plan.recipe.network(size),
        options=plan.recipe.options(weights),
        splitting=split_options(plan.divided.dataset),
        dataset=plan.divided.dataset,
    )
    found = finished(plan.folder / FOLDERS[way], wanted)
    if found is not None:
        return found, False
    result = train(
        wanted.network,
        wanted.dataset,
        out=plan.folder / FOLDERS[way],
        split=plan.divided,
        options=wanted.options,
        thresholds=threshold_options(),
        averaging=averaging_options() if way == RECIPE else AveragingOptions(),
        device=plan.device,
        progress=plan.progress,
        watch=watcher,
        title=f"Glass study, task 2: {way}",
        data_name=plan.name,
    )
    return result, True
