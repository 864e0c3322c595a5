"""The three trainings of the glass study: the recipe, with a smaller input, and without class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from shiftgauge.files import hash_json
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.glass_findings import RECIPE, SMALLER, UNWEIGHTED
from shiftgauge.studies.glass_measure import Probabilities, folder_probabilities
from shiftgauge.studies.glass_recipe import (
    GlassRecipe,
    averaging_options,
    class_weights,
    threshold_options,
)
from shiftgauge.studies.glass_watch import Watched, seen_after_epochs
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.watched import EpochWatcher, watched_parts
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.images import Part
from shiftgauge.train.losses import Weights

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


def train_all(plan: Plan, *, watched: bool) -> tuple[dict[str, TrainResult], Watched | None]:
    """Trains the three networks, or goes on where an earlier call ended.

    Args:
        plan: What is trained.
        watched: Keep what the recipe's network says of validation and test after every epoch.

    Returns:
        Way → its training; and what was watched, or None.

    Raises:
        ConfigError: The folder holds another training, or one of which nothing was kept that is to be measured.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    weights: Weights = class_weights(plan.divided.dataset)
    large, small = plan.recipe.sizes
    watcher = _watcher(plan, weights) if watched else None
    found = {RECIPE: _trained(plan, RECIPE, large, weights, watcher)}
    seen = None
    if watcher is not None:  # before the others: what is missing is said at once
        seen = seen_after_epochs(watcher.logits(len(found[RECIPE].history)), plan.divided)
    found[SMALLER] = _trained(plan, SMALLER, small, weights)
    found[UNWEIGHTED] = _trained(plan, UNWEIGHTED, large, "none")
    return found, seen


def say_all(plan: Plan) -> dict[str, tuple[Probabilities, Probabilities]]:
    """What the three networks say of validation and test: run once, and averaged over the published views."""
    return {
        way: folder_probabilities(plan.folder / place / "model", plan.parts, averaging_options(), device=plan.device)
        for way, place in FOLDERS.items()
    }


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


def _trained(plan: Plan, way: str, size: int, weights: Weights, watcher: EpochWatcher | None = None) -> TrainResult:
    return train(
        plan.recipe.network(size),
        plan.divided.dataset,
        out=plan.folder / FOLDERS[way],
        split=plan.divided,
        options=plan.recipe.options(weights),
        thresholds=threshold_options(),
        averaging=averaging_options() if way == RECIPE else AveragingOptions(),
        device=plan.device,
        progress=plan.progress,
        watch=watcher,
        title=f"Glass study, task 2: {way}",
        data_name=plan.name,
    )
