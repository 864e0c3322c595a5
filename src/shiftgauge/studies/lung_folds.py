"""Folds by recording, a network for each, and what it says of frames that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.data.border import Border, treated
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import indivisible_units
from shiftgauge.data.near_duplicates import near_duplicate_groups
from shiftgauge.data.splits import Split, k_folds
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.results.train import MODEL_FOLDER, TrainResult
from shiftgauge.studies.kept import MAPS, kept_arrays
from shiftgauge.studies.lung_baselines import FrozenNetwork, baselines
from shiftgauge.studies.lung_recipe import LungRecipe
from shiftgauge.studies.train import train
from shiftgauge.studies.train_finished import Wanted, finished, hashes_of
from shiftgauge.studies.train_options import SplitOptions
from shiftgauge.train.images import read_part
from shiftgauge.train.predict import predict_probabilities
from shiftgauge.types import FloatArray

WHOLE: Final = "whole frames"
PAINTED: Final = "border painted over"
CUT: Final = "border cut off"
POOLED: Final = "frames divided at random"
HIDDEN: Final = "whole frames, border hidden at test"
ALONE: Final = "whole frames, border alone at test"
WAYS: Final[Mapping[str, Border | None]] = {WHOLE: None, PAINTED: "painted", CUT: "cut", POOLED: None}
"""Ways to train → what is done to the border."""
SHOWN_OTHERWISE: Final[Mapping[str, Border]] = {HIDDEN: "painted", ALONE: "alone"}
"""Ways to show test frames to the networks of whole frames → what is done to the border."""
_FOLDERS: Final[Mapping[str, str]] = {WHOLE: "whole", PAINTED: "painted", CUT: "cut", POOLED: "pooled"}
_VALIDATION: Final = 0.15
_BATCH: Final = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is trained on which frames, and where it lies.

    Args:
        recipe: The recipe.
        dataset: All frames.
        folds: Each with `train`, `validation` and `test`; every frame is in the test part of one.
        pooled: As many folds that do not heed recordings, for `POOLED`; empty where that way is not wanted.
        units_n: Frames with the same number belong together, by recording, content or likeness.
        ways: Those of `WAYS` that are trained, the whole frames first.
        folder: That of the study.
        name: What pages call the frames.
        device: Where to run.
        progress: Show progress.
    """

    recipe: LungRecipe
    dataset: ImageDataset
    folds: tuple[Split, ...]
    pooled: tuple[Split, ...]
    units_n: npt.NDArray[np.int64]
    ways: tuple[str, ...]
    folder: Path
    name: str
    device: str | None
    progress: bool | None

    def model_folder(self, way: str, fold: int) -> Path:
        """Where the network of a fold lies."""
        return self.training_folder(way, fold) / MODEL_FOLDER

    def training_folder(self, way: str, fold: int) -> Path:
        """Where the training of a fold lies, with its page."""
        return self.folder / f"training-{_FOLDERS[way]}-{fold + 1}"

    def frames(self, way: str) -> ImageDataset:
        """The frames as the networks of a way see them."""
        if way == POOLED:
            return replace(self.dataset, groups=None)
        how = WAYS[way]
        return self.dataset if how is None else treated(self.dataset, how)

    def folds_of(self, way: str) -> tuple[Split, ...]:
        """The folds of a way."""
        return self.pooled if way == POOLED else self.folds


@dataclass(frozen=True, kw_only=True, eq=False)
class Said:
    """What the networks of all folds say.

    Args:
        test_nk: Way → probabilities of each frame by the network of the fold in whose test part it is (n, K).
        training_f: Way → accuracy of each fold's network on its own training frames (F,).
    """

    test_nk: Mapping[str, FloatArray]
    training_f: Mapping[str, FloatArray]


def folds_of(dataset: ImageDataset, k: int, seed: int) -> tuple[tuple[Split, ...], npt.NDArray[np.int64]]:
    """Divides frames into folds by recording; near-duplicates stay together too.

    Args:
        dataset: The frames, with groups.
        k: Number of folds, ≥ 2.
        seed: Of the division.

    Returns:
        The folds, and the unit of each frame.

    Raises:
        DataError: Fewer recordings than folds, or a class that a training part lacks.
    """
    alike = near_duplicate_groups(dataset)
    folds = k_folds(dataset, k, validation=_VALIDATION, near_duplicates=alike, seed=seed)
    return folds, indivisible_units(dataset, alike).joint


def pooled_folds(dataset: ImageDataset, k: int, seed: int) -> tuple[Split, ...]:
    """Divides frames into folds as if they had no recordings; equal contents alone stay together.

    What is measured so is no test: frames of one recording are on both sides. It says what such a division claims.

    Args:
        dataset: The frames.
        k: Number of folds, ≥ 2.
        seed: Of the division.
    """
    bare = replace(dataset, groups=None)
    return k_folds(bare, k, validation=_VALIDATION, near_duplicates=False, seed=seed)


def train_folds(plan: Plan) -> tuple[dict[str, str], int]:
    """Trains every network, or goes on where an earlier call ended; a finished training is read.

    Args:
        plan: What is trained.

    Returns:
        Name of each network → hash of its weights, and how many trainings this call worked on.

    Raises:
        InterruptedRunError: It was stopped; the same call goes on.
    """
    found, worked_on = {}, 0
    for way in plan.ways:
        frames = plan.frames(way)
        for fold, split in enumerate(plan.folds_of(way)):
            wanted = Wanted(
                network=plan.recipe.network(),
                options=plan.recipe.options(),
                splitting=SplitOptions(by=split, near_duplicates=False),  # they were found on the whole frames
                dataset=frames,
            )
            result = finished(plan.training_folder(way, fold), wanted)
            if result is None:
                result, worked_on = _trained(plan, way, fold, wanted), worked_on + 1
            found[f"{way}, fold {fold + 1}"] = result
    return hashes_of(found), worked_on


def say_folds(plan: Plan) -> Said:
    """What the networks say of the frames that they were tested on, and how well they know those of training.

    Args:
        plan: What was trained.
    """
    n, k, f = len(plan.dataset), len(plan.dataset.class_names), len(plan.folds)
    shown = [*plan.ways, *SHOWN_OTHERWISE]
    test = {way: np.full((n, k), np.nan) for way in shown}
    training = {way: np.full(f, np.nan) for way in plan.ways}
    for way in plan.ways:
        frames = plan.frames(way)
        for fold, split in enumerate(plan.folds_of(way)):
            rows = split.parts["train"]
            said = _said(plan, way, fold, frames.select(rows))
            training[way][fold] = np.mean(said.argmax(axis=1) == frames.labels[rows])
            test[way][split.parts["test"]] = _said(plan, way, fold, split.select(frames, "test"))
    for fold, split in enumerate(plan.folds):
        for way, how in SHOWN_OTHERWISE.items():
            frames = split.select(plan.dataset, "test")
            test[way][split.parts["test"]] = _said(plan, WHOLE, fold, treated(frames, how))
    network = FrozenNetwork(choice=plan.recipe.network(), seed=plan.recipe.seed, device=plan.device)
    return Said(test_nk=test | baselines(plan.dataset, plan.folds, network), training_f=training)


def _trained(plan: Plan, way: str, fold: int, wanted: Wanted) -> TrainResult:
    return train(
        wanted.network,
        wanted.dataset,
        out=plan.training_folder(way, fold),
        split=wanted.splitting,
        options=wanted.options,
        device=plan.device,
        progress=plan.progress,
        title=f"Lung study: {way}, fold {fold + 1} of {len(plan.folds)}",
        data_name=plan.name,
    )


def _said(plan: Plan, way: str, fold: int, frames: ImageDataset) -> FloatArray:
    """What a network says of frames, measured or read."""
    place = choose_device(plan.device)
    model = load_model_folder(plan.model_folder(way, fold), place)
    record = model.record

    def measure() -> dict[str, FloatArray]:
        part, options = read_part(frames, record.preprocessing), {"batch_size": _BATCH, "device": place}
        said = predict_probabilities(
            model.module, part, record.preprocessing, temperature=record.temperature, **options
        )
        return {"said": said}

    identity = [model.fingerprint, frames.fingerprint, record.preprocessing.to_dict(), record.temperature]
    return kept_arrays(plan.folder / MAPS, "said", identity, measure)["said"]
