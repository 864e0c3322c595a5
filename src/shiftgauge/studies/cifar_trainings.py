"""The two networks of the CIFAR-10 study: trained here, or given as model folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError
from shiftgauge.models.device import choose_device
from shiftgauge.models.load import load_model
from shiftgauge.models.model_record import ModelRecord, plain
from shiftgauge.results.run_folder import kind_of_run
from shiftgauge.results.train import KIND, TrainResult
from shiftgauge.studies.cifar_recipe import NETWORKS, CifarRecipe, Network, split_options
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.train_split import SPLIT_FILE, image_paths
from shiftgauge.types import Classifier

FOLDERS: Final[Mapping[Network, str]] = {name: f"training-{name}" for name in NETWORKS}
"""Folders within the study's: a training each, with its page and its model folder."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is trained on which images, and where it lies.

    Args:
        recipe: The recipe.
        dataset: The images.
        folder: That of the study.
        name: What pages call the images.
        trained: Run folders of finished trainings of the same images, taken as they are.
        device: Where to run.
        progress: Show progress.
    """

    recipe: CifarRecipe
    dataset: ImageDataset
    folder: Path
    name: str
    trained: Mapping[Network, Path] = field(default_factory=dict)
    device: str | None = None
    progress: bool | None = None


def require_test(trained: Mapping[Network, TrainResult], test: ImageDataset) -> None:
    """Refuses trainings whose test part is another: images that one of them was trained on would be looked at.

    Raises:
        ConfigError: There is one.
    """
    for name, result in trained.items():
        if result.provenance["hashes"].get("test part") != test.fingerprint:
            raise ConfigError(
                f"the training of {name} has another test part; give its `seed`, or trainings of one split"
            )


def differences(result: TrainResult, recipe: CifarRecipe, name: Network, dataset: ImageDataset) -> list[str]:
    """In what a finished training differs from the one that is wanted: `network`, `options`, `split`, `images`.

    Args:
        result: The finished training.
        recipe: The recipe that is wanted.
        name: The network.
        dataset: The images.
    """
    wanted = {
        "network": recipe.network(name).to_dict(),
        "options": plain(recipe.options(name).resolved("single").to_dict()),
        "split": plain(split_options(dataset).to_dict()),
        "images": dataset.fingerprint,
    }
    found = {
        "network": result.config.get("model"),
        "options": result.config.get("resolved"),
        "split": result.config.get("split"),
        "images": result.provenance["hashes"].get("data"),
    }
    return [key for key in wanted if wanted[key] != found[key]]


def finished(plan: Plan, name: Network) -> TrainResult | None:
    """The training that an earlier call finished, if there is one and it is the one that is wanted."""
    folder = plan.folder / FOLDERS[name]
    if not (folder / "run.json").is_file():
        return None
    result = TrainResult.from_disk(folder)
    return None if differences(result, plan.recipe, name, plan.dataset) else result


def held_out(plan: Plan, trained: Mapping[Network, TrainResult]) -> ImageDataset:
    """The test part as a training wrote it down; divided anew where it cannot be told from that.

    Args:
        plan: The study.
        trained: The finished trainings.
    """
    result = next(iter(trained.values()))
    dataset, place = plan.dataset, result.folder / SPLIT_FILE
    if place.is_file():
        table = pd.read_csv(place, dtype=str, keep_default_na=False)
        listed = set(table.iloc[:, 0][table["split"] == "test"])
        names = image_paths(dataset, result.folder) or dataset.names
        found = dataset.select([row for row, name in enumerate(names) if name in listed])
        if found.fingerprint == result.provenance["hashes"].get("test part"):
            return found
    return divide(dataset, split_options(dataset), plan.recipe.seed).part("test")


def train_both(plan: Plan) -> dict[Network, TrainResult]:
    """Trains both networks, or goes on where an earlier call ended; a finished training is read.

    Raises:
        ConfigError: A given folder is no training, or one of other images.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    return {name: _given(plan, name) if name in plan.trained else _trained(plan, name) for name in NETWORKS}


def classifiers(plan: Plan, trained: Mapping[Network, TrainResult]) -> dict[Network, Classifier]:
    """The networks of the model folders, ready to be looked into.

    Raises:
        ConfigError: One is of another architecture.
    """
    place = str(choose_device(plan.device))
    return {name: _loaded(name, result, place) for name, result in trained.items()}


def training_arrays(trained: Mapping[Network, TrainResult]) -> xr.Dataset:
    """Accuracy of each network on test and on what it was trained with, with intervals, and its epochs."""
    names = list(trained)
    figures = {part: [trained[n].metric("accuracy", part=part) for n in names] for part in ("validation", "test")}
    values = np.array([figures[part] for part in figures])
    return xr.Dataset(
        {
            "accuracy": (("part", "network"), values[..., 0]),
            "accuracy_interval": (("part", "network", "bound"), values[..., 1:]),
            "epochs": ("network", [len(trained[n].history) for n in names]),
            "best_epoch": ("network", [trained[n].best_epoch for n in names]),
            "fit_seconds": ("network", [float(trained[n].cost["fit_seconds"]) for n in names]),
        },
        coords={"part": list(figures), "network": names, "bound": ["low", "high"]},
    )


def _loaded(name: Network, result: TrainResult, device: str) -> Classifier:
    found, wanted = load_model(result.model_folder, device=device), CifarRecipe().network(name).architecture
    record = getattr(found, "record", None)
    if isinstance(record, ModelRecord) and record.architecture.name != wanted:
        raise ConfigError(
            f"{result.folder} is a training of `{record.architecture.name}`; give one of `{wanted}` as {name}"
        )
    return found


def _trained(plan: Plan, name: Network) -> TrainResult:
    return finished(plan, name) or train(
        plan.recipe.network(name),
        plan.dataset,
        out=plan.folder / FOLDERS[name],
        split=split_options(plan.dataset),
        options=plan.recipe.options(name),
        device=plan.device,
        progress=plan.progress,
        title=f"CIFAR-10 study: {name}",
        data_name=plan.name,
    )


def _given(plan: Plan, name: Network) -> TrainResult:
    folder = plan.trained[name]
    if kind_of_run(folder) != KIND:
        raise ConfigError(f"{folder} holds no training; give the run folder that a training wrote")
    result = TrainResult.from_disk(folder)
    made_from, wanted = result.provenance["hashes"].get("data"), plan.dataset.fingerprint
    if made_from != wanted:
        raise ConfigError(
            f"{folder} is a training on other images than these; its test images would not be test images"
        )
    return result
