"""What a finished training leaves in its run folder: model record, arrays, configuration, provenance, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.files import hash_file
from shiftgauge.models.architectures import PACKAGED, WEIGHTS_FILE
from shiftgauge.models.model_record import ModelRecord, NetworkOptions, plain
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.results.train import HISTORY, MODEL_FOLDER
from shiftgauge.studies.recipe import Added, Additions
from shiftgauge.studies.record import provenance, told_of
from shiftgauge.studies.train_data import Divided, task_of
from shiftgauge.studies.train_measure import Measured, MeasureOptions, views_text
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.studies.train_split import IMAGES_KEY, training_images
from shiftgauge.train.fit import FitResult
from shiftgauge.train.options import TrainOptions

FIRST_WEIGHTS: Final = "first weights"
"""Under what name the hash of a file of weights stands that a network began with."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainRun:
    """All that a finished training is described from.

    Args:
        choice: The network as asked for.
        architecture: The network as built.
        preprocessing: From a stored image to the network.
        divided: The images and their parts.
        options: The training, with all that the data decide.
        splitting: How the images were divided.
        measuring: How the network was measured.
        found: What the training gave.
        measured: What was measured.
        perturb: What `perturb` did, as plain values.
        additions: What the training added to the plain one, as asked for.
        added: What that came to.
    """

    choice: NetworkChoice
    architecture: NetworkOptions
    preprocessing: Preprocessing
    divided: Divided
    options: TrainOptions
    splitting: SplitOptions
    measuring: MeasureOptions
    found: FitResult
    measured: Measured
    perturb: Mapping[str, Any]
    additions: Additions
    added: Added


def model_record(run: TrainRun) -> ModelRecord:
    """What stands beside the weights in the model folder.

    Args:
        run: The finished training.
    """
    dataset = run.divided.dataset
    return ModelRecord(
        architecture=run.architecture,
        task=task_of(dataset),
        classes=dataset.class_names,
        preprocessing=run.preprocessing,
        thresholds=run.measured.thresholds,
        temperature=run.measured.temperature,
        averaging=tuple(run.measuring.averaging.to_list()),
        metrics=plain(run.measured.metrics),
        data=plain({"fingerprint": dataset.fingerprint, **run.divided.split.record(dataset)}),
        training=plain(
            {
                "options": run.options.to_dict(),
                "split": run.splitting.to_dict(),
                "measure": run.measuring.to_dict(),
                "perturb": run.perturb,
                **run.added.identity,
                "best_epoch": run.found.best_epoch + 1,
                "epochs": len(run.found.history),
                "device": run.found.device,
                "precision": run.found.precision,
                IMAGES_KEY: training_images(run.divided.part("train")),
            }
        ),
    )


def run_arrays(run: TrainRun, *, title: str, data_name: str, notes: Sequence[str]) -> xr.Dataset:
    """Every number of the run folder, with what the page says of them as attributes.

    Args:
        run: The finished training.
        title: Title of the page.
        data_name: What the page calls the images.
        notes: What was done to the network to fit classes and channels.
    """
    history = run.found.history
    epochs = xr.Dataset(
        {f"history_{name}": ("epoch", np.array([float(values[name]) for values in history])) for name in HISTORY},
        coords={"epoch": np.arange(1, len(history) + 1)},
    )
    arrays = xr.merge([epochs, run.measured.arrays, run.divided.arrays()], join="outer")
    height, width = run.preprocessing.height, run.preprocessing.width
    channels = run.preprocessing.channels
    arrays.attrs = {
        "title": title or "Training",
        "data_name": data_name,
        "model_name": f"{run.architecture.name}, {height} × {width}, {channels} channel{'s' * (channels != 1)}",
        "network_notes": "; ".join(notes),
        "task": task_of(run.divided.dataset),
        "quantity_of_interest": "macro_f1",
        "confidence_level": run.measuring.confidence_level,
        "best_epoch": run.found.best_epoch + 1,
        "epochs_wanted": run.options.epochs,
        "monitor": run.found.monitor,
        "stopped": run.found.stopped,
        "temperature": run.measured.temperature,
        "calibrated": int(run.measuring.calibration),
        "averaging": views_text(run.measuring.averaging),
        "aim": run.measuring.thresholds.aim,
        "search": run.measuring.thresholds.search,
        **({} if run.measuring.no_defect is None else {"no_defect": run.measuring.no_defect}),
        "split_by": run.divided.split.by,
        "seed": run.options.seed,
        **{f"split_{name}": value for name, value in run.divided.facts.items()},
    }
    return arrays


def run_config(run: TrainRun, limits: Mapping[str, float]) -> dict[str, Any]:
    """The arguments of the call as plain values.

    Args:
        run: The finished training.
        limits: The gates.
    """
    return {
        "model": run.choice.to_dict(),
        "split": run.splitting.to_dict(),
        "measure": run.measuring.to_dict(),
        "gates": dict(limits),
        "perturb": plain(run.perturb),
        **run.additions.to_dict(),
    }


def run_provenance(run: TrainRun, folder: Path, started: datetime) -> dict[str, Any]:
    """Versions, hashes of weights and of every part, and what was skipped.

    Args:
        run: The finished training.
        folder: Its run folder, with the model folder in it.
        started: When the call began.
    """
    dataset = run.divided.dataset
    weights, begun = folder / MODEL_FOLDER / WEIGHTS_FILE, first_weights(run.choice)
    parts = {f"{name} part": run.divided.part(name).fingerprint for name in run.divided.split.parts}
    first = {} if begun is None else {FIRST_WEIGHTS: begun}
    hashes = {"weights": hash_file(weights), **first, "data": dataset.fingerprint, **parts}
    made = provenance(hashes, run.options.seed, started, device=run.found.device)
    return made | told_of(dataset)


def first_weights(choice: NetworkChoice) -> str | None:
    """Content hash of the file of weights that a network begins with; None where it begins with no file.

    Args:
        choice: The network.
    """
    if isinstance(choice.pretrained, bool) or choice.pretrained == PACKAGED:
        return None
    path = Path(choice.pretrained)
    return hash_file(path / WEIGHTS_FILE if path.is_dir() else path)


def run_cost(run: TrainRun, started: datetime) -> dict[str, Any]:
    """Epochs, seconds and rate.

    Args:
        run: The finished training.
        started: When the call began.
    """
    rate = run.found.images_per_second
    return {
        "epochs": len(run.found.history),
        "seconds": round((datetime.now(UTC) - started).total_seconds(), 3),
        "fit_seconds": round(run.found.seconds, 3),
        "images_per_second": None if np.isnan(rate) else round(rate, 1),
        "device": run.found.device,
        "precision": run.found.precision,
        "stopped": run.found.stopped,
    }
