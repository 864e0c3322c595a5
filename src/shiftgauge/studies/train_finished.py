"""Trainings that an earlier call finished: which of them are the wanted ones, so that they are read and not repeated.

A training that is only gone on with is measured, bootstrapped and drawn again, which takes seconds to minutes each; a
study of many trainings reads those that are finished.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.splits import Split
from shiftgauge.models.model_folder import is_model_folder
from shiftgauge.models.model_record import plain
from shiftgauge.results.run_folder import kind_of_run
from shiftgauge.results.train import KIND, TrainResult
from shiftgauge.studies.train_data import task_of
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.studies.train_run import FIRST_WEIGHTS, first_weights
from shiftgauge.train.checkpoints import differences as differing
from shiftgauge.train.options import TrainOptions


@dataclass(frozen=True, kw_only=True, eq=False)
class Wanted:
    """A training that is wanted, to be held against finished ones.

    Args:
        network: The network.
        options: The training.
        splitting: How the images are divided, or with a ready `Split` into what.
        dataset: The images.
    """

    network: NetworkChoice
    options: TrainOptions
    splitting: SplitOptions
    dataset: ImageDataset

    def resolved(self) -> dict[str, Any]:
        """The options with what the images decide, as plain values."""
        return plain(self.options.resolved(task_of(self.dataset)).to_dict())

    def parts(self) -> dict[str, str]:
        """Part of a ready split → its content hash; nothing where the split is still to be made."""
        split = self.splitting.by
        if not isinstance(split, Split):
            return {}
        return {f"{name} part": split.select(self.dataset, name).fingerprint for name in split.parts}


def differences(result: TrainResult, wanted: Wanted) -> list[str]:
    """In what a finished training differs from the one that is wanted: `network`, `options`, `split`, `images`.

    A file of weights that the network begins with counts by its content, and options that an earlier version did not
    know by what that version did. Of a ready split the content of every part counts, beside how it was made.

    Args:
        result: The finished training.
        wanted: The one that is wanted.
    """
    config, hashes = result.config, result.provenance["hashes"]
    parts = wanted.parts()
    now = {
        "network": wanted.network.to_dict(),
        "options": wanted.resolved(),
        "split": [plain(wanted.splitting.to_dict()), parts],
        "images": wanted.dataset.fingerprint,
    }
    found = {
        "network": config.get("model"),
        "options": config.get("resolved"),
        "split": [config.get("split"), {name: hashes.get(name) for name in parts}],
        "images": hashes.get("data"),
    }
    other = [key for key in now if differing({key: found[key]}, {key: now[key]})]
    if "network" not in other and hashes.get(FIRST_WEIGHTS) != first_weights(wanted.network):
        other.insert(0, "network")
    return other


def finished(folder: Path, wanted: Wanted) -> TrainResult | None:
    """The training that an earlier call finished, if there is one and it is the one that is wanted.

    Args:
        folder: Its run folder.
        wanted: The one that is wanted.

    Raises:
        StoreError: What is there cannot be read.
    """
    if not (folder / "run.json").is_file() or kind_of_run(folder) != KIND:
        return None
    result = TrainResult.from_disk(folder)
    return result if is_model_folder(result.model_folder) and not differences(result, wanted) else None


def hashes_of(trained: Mapping[Any, TrainResult]) -> dict[str, str]:
    """Name of each network → hash of its weights, for the record of a study."""
    return {f"weights of {name}": str(result.provenance["hashes"]["weights"]) for name, result in trained.items()}
