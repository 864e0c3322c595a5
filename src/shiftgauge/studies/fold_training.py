"""One fold: its network is trained and tried on the images held out, and leaves a folder that is read again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.splits import Split
from shiftgauge.errors import NumericalError, StoreError
from shiftgauge.files import hash_bytes, hash_file
from shiftgauge.models.architectures import WEIGHTS_FILE, BuiltNetwork
from shiftgauge.models.model_folder import RECORD_FILE, write_model_folder
from shiftgauge.models.model_record import ModelRecord, NetworkOptions, plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.results.train import MODEL_FOLDER
from shiftgauge.studies.fold_outcome import CHECKPOINTS, FOLD_FILE, FoldOutcome, diverged, read_fold, write_fold
from shiftgauge.studies.recipe import Added, Recipe, add_to
from shiftgauge.studies.train_probe import begun
from shiftgauge.studies.train_split import IMAGES_KEY, training_images
from shiftgauge.train.fit import FitResult, fit
from shiftgauge.train.images import Part
from shiftgauge.train.monitor import validation_values
from shiftgauge.train.pixels import ChosenPixels
from shiftgauge.train.predict import predict_logits


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldTask:
    """What every fold of a cross-validation shares.

    Args:
        recipe: What is trained; each fold has a seed of its own.
        dataset: All images.
        whole: The same, ready for the network.
        preprocessing: Of the network.
        keep_models: Leave a model folder.
        device: Where to run.
        progress: As in `fit`.
    """

    recipe: Recipe
    dataset: ImageDataset
    whole: Part
    preprocessing: Preprocessing
    keep_models: bool = True
    device: str | None = None
    progress: bool | None = False

    def identity(self, split: Split, seed: int, source: Path | None = None) -> dict[str, Any]:
        """What decides the outcome of a fold, as plain values.

        Raises:
            StoreError: The model folder that adversarial copies fool holds no weights.
        """
        return {
            **self.recipe.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "data": self.dataset.fingerprint,
            "split": hash_bytes(*(name.encode() + rows.tobytes() for name, rows in sorted(split.parts.items()))),
            "seed": seed,
            **({} if source is None else {"source": _weights_hash(source)}),
        }

    def part(self, split: Split, name: str) -> Part:
        """The images of a part of a split."""
        rows = split.parts[name]
        groups = self.whole.groups
        return replace(
            self.whole,
            pixels=ChosenPixels(self.whole.pixels, rows),
            targets=self.whole.targets[torch.from_numpy(rows.copy())],
            names=tuple(self.whole.names[row] for row in rows),
            groups=None if groups is None else tuple(groups[row] for row in rows),
        )


def run_fold(
    task: FoldTask,
    split: Split,
    seed: int,
    folder: Path,
    *,
    source: Path | None = None,
    forgive: bool = False,
) -> FoldOutcome:
    """Trains the network of a fold, or reads it where an earlier call finished it.

    Args:
        task: What folds share.
        split: `train`, `validation` and `test`.
        seed: Of this fold's training.
        folder: Its folder; made when absent.
        source: Model folder that adversarial copies fool, where it is another than the recipe's.
        forgive: A training that diverges is written down as such, rather than raised.

    Raises:
        ConfigError: The folder holds another fold.
        StoreError: It cannot be read or written.
        NumericalError: The training diverged, without `forgive`.
        InterruptedRunError: It was stopped; the same call goes on.
    """
    identity = task.identity(split, seed, source)
    if (folder / FOLD_FILE).is_file():
        found = read_fold(folder, split.parts["test"], identity)
        if found.problem or not task.keep_models or (found.model_folder / RECORD_FILE).is_file():
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
            return found
    start = time.perf_counter()
    recipe = replace(task.recipe, options=replace(task.recipe.options, seed=seed).resolved(task.whole.task))
    try:
        content, logits = _trained(task, recipe, split, folder, identity, source)
    except NumericalError as error:
        if not forgive:
            raise
        shape = (len(split.parts["test"]), len(task.dataset.class_names))
        content, logits = diverged(split, str(error)), np.full(shape, np.nan, np.float32)
    content |= {"identity": identity, "seed": seed, "seconds": round(time.perf_counter() - start, 3)}
    write_fold(folder, content, logits)
    return read_fold(folder, split.parts["test"], identity)


def _trained(
    task: FoldTask, recipe: Recipe, split: Split, folder: Path, identity: Mapping[str, Any], source: Path | None
) -> tuple[dict[str, Any], npt.NDArray[np.float32]]:
    """Content of the fold's file, and the logits of the images held out."""
    names = task.dataset.class_names
    network = recipe.network.network_options(len(names), task.preprocessing.channels, recipe.options.seed)
    built = network.build()
    parts = {name: task.part(split, name) for name in ("train", "validation")}
    where: dict[str, Any] = {
        "folder": folder / CHECKPOINTS,
        "identity": {"fold": dict(identity)},
        "device": task.device,
    }
    built = begun(recipe.network.head, built, parts, recipe.options, task.preprocessing, names, where)
    added = add_to(
        recipe.additions,
        parts,
        built.network,
        recipe.options,
        task.preprocessing,
        names,
        source=source,
        device=task.device,
    )
    found = _fitted(task, built, added, identity, folder / CHECKPOINTS)
    held_out, size = task.part(split, "test"), recipe.options.validation_batch
    logits = predict_logits(built.network, held_out, task.preprocessing, batch_size=size, device=task.device)
    values = validation_values(logits, held_out.targets.numpy())
    if task.keep_models:
        write_model_folder(folder / MODEL_FOLDER, built.network, _record(task, network, split, found, values, added))
    return _content(split, found, values, added), logits.astype(np.float32)


def _fitted(
    task: FoldTask, built: BuiltNetwork, added: Added, identity: Mapping[str, Any], checkpoints: Path
) -> FitResult:
    names = task.dataset.class_names
    return fit(
        built.network,
        added.parts["train"],
        added.parts["validation"],
        added.options,
        preprocessing=task.preprocessing,
        n_classes=len(names),
        heads=built.heads,
        class_names=names,
        folder=checkpoints,
        identity={"fold": dict(identity), "added": dict(added.identity)},
        device=task.device,
        progress=task.progress,
        **added.arguments,
    )


def _content(split: Split, found: FitResult, values: Mapping[str, float], added: Added) -> dict[str, Any]:
    """What the fold's file says of a finished training."""
    counts = {name: len(rows) for name, rows in split.parts.items()}
    return {
        "values": dict(values),
        "history": [dict(entry) for entry in found.history],
        "best_epoch": found.best_epoch,
        "n_images": counts | {"copies": len(added.parts["train"]) - counts["train"]},
        "problem": "",
        "added": dict(added.identity),
    }


def _weights_hash(source: Path) -> str:
    try:
        return hash_file(source / WEIGHTS_FILE)
    except OSError as error:
        raise StoreError(f"the source {source} holds no model: {error.strerror or error}") from error


def _record(
    task: FoldTask,
    network: NetworkOptions,
    split: Split,
    found: FitResult,
    values: Mapping[str, float],
    added: Added,
) -> ModelRecord:
    """What stands beside the weights of a fold's model."""
    return ModelRecord(
        architecture=network,
        task=task.whole.task,
        classes=task.dataset.class_names,
        preprocessing=task.preprocessing,
        metrics=plain({"test": values}),
        data=plain({"fingerprint": task.dataset.fingerprint, **split.record(task.dataset)}),
        training=plain(
            {
                "options": added.options.to_dict(),
                **added.identity,
                "best_epoch": found.best_epoch + 1,
                "epochs": len(found.history),
                "device": found.device,
                "precision": found.precision,
                IMAGES_KEY: training_images(split.select(task.dataset, "train")),
            }
        ),
    )
