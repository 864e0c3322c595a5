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
from shiftgauge.models.model_folder import read_model_record
from shiftgauge.results.run_folder import kind_of_run
from shiftgauge.results.train import KIND, TrainResult
from shiftgauge.studies.cifar_recipe import NETWORKS, CifarRecipe, Network, split_options
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import Divided, divide
from shiftgauge.studies.train_finished import Wanted, finished
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


def wanted(recipe: CifarRecipe, name: Network, dataset: ImageDataset) -> Wanted:
    """The training of one network.

    Args:
        recipe: The recipe.
        name: The network.
        dataset: The images.
    """
    return Wanted(
        network=recipe.network(name), options=recipe.options(name), splitting=split_options(dataset), dataset=dataset
    )


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


def train_both(plan: Plan) -> tuple[dict[Network, TrainResult], int]:
    """Trains both networks, or goes on where an earlier call ended; a finished training is read.

    All that is there is read and checked before anything is trained, and the images are divided once.

    Args:
        plan: The study.

    Returns:
        The training of each network, and how many of them this call worked on.

    Raises:
        ConfigError: A given folder is no training, or one of other images, of another architecture, or with another
            test part.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    given: dict[Network, TrainResult] = {name: _given(plan, name) for name in plan.trained}
    found, waiting = dict(given), list[Network]()
    for name in NETWORKS:
        result = given.get(name) or finished(plan.folder / FOLDERS[name], wanted(plan.recipe, name, plan.dataset))
        if result is None:
            waiting.append(name)
        else:
            found[name] = result
    if waiting:
        divided = divide(plan.dataset, split_options(plan.dataset), plan.recipe.seed)
        require_test(found, divided.part("test"))
        found |= {name: _trained(plan, name, divided) for name in waiting}
    return {name: found[name] for name in NETWORKS}, len(waiting)


def classifiers(plan: Plan, trained: Mapping[Network, TrainResult]) -> dict[Network, Classifier]:
    """The networks of the model folders, ready to be looked into."""
    place = str(choose_device(plan.device))
    return {name: load_model(result.model_folder, device=place) for name, result in trained.items()}


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


def _trained(plan: Plan, name: Network, divided: Divided) -> TrainResult:
    return train(
        plan.recipe.network(name),
        plan.dataset,
        out=plan.folder / FOLDERS[name],
        split=divided,
        options=plan.recipe.options(name),
        device=plan.device,
        progress=plan.progress,
        title=f"CIFAR-10 study: {name}",
        data_name=plan.name,
    )


def _given(plan: Plan, name: Network) -> TrainResult:
    folder = plan.trained[name]
    if not (folder / "run.json").is_file() or kind_of_run(folder) != KIND:
        raise ConfigError(f"{folder} holds no training; give the run folder that a training wrote")
    result = TrainResult.from_disk(folder)
    made_from, wanted = result.provenance["hashes"].get("data"), plan.dataset.fingerprint
    if made_from != wanted:
        raise ConfigError(
            f"{folder} is a training on other images than these; its test images would not be test images"
        )
    architecture = read_model_record(result.model_folder).architecture.name
    asked = CifarRecipe().network(name).architecture
    if architecture != asked:
        raise ConfigError(f"{folder} is a training of `{architecture}`; give one of `{asked}` as {name}")
    return result
