"""What the published way of choosing would have claimed: thresholds and epoch chosen on the test images themselves.

The published code has no validation part. After every epoch it searches a threshold for each label on the test images,
takes the micro F1 that these give on the same images, and keeps the epoch where that is largest: a score maximised
over thresholds and epochs on what it is reported of. Here one training is watched on validation and test images, and
each choice is made once on validation and once on test, so that every row is about the same predictions.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.errors import DataError, StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.models.model_record import plain
from shiftgauge.studies.glass_measure import Decisions, micro_f1, score_arrays, thresholds_of
from shiftgauge.studies.glass_recipe import PUBLISHED_GRID
from shiftgauge.studies.train_data import Divided
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.fit import fit
from shiftgauge.train.images import read_part
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.predict import probabilities
from shiftgauge.types import FloatArray

HONEST: Final = "both on validation"
PUBLISHED: Final = "both on test, as published"
WATCHED: Final = ("validation", "test")
_FILE: Final = "watched.npz"


@dataclass(frozen=True, kw_only=True, eq=False)
class Watched:
    """What the network said after every epoch.

    Args:
        validation_enk: Probabilities of the validation images (E, n, K).
        test_enk: Probabilities of the test images (E, m, K).
        validation_nk: 0 and 1 of the validation images (n, K).
        test_nk: 0 and 1 of the test images (m, K).
        names: Names of the labels.
    """

    validation_enk: FloatArray
    test_enk: FloatArray
    validation_nk: FloatArray
    test_nk: FloatArray
    names: tuple[str, ...]


def watch_arrays(watched: Watched, units_n: np.ndarray, *, no_defect: int, level: float, seed: int) -> xr.Dataset:
    """Scores on test of the four ways to choose, and the curves that they choose from.

    Args:
        watched: What the network said.
        units_n: Test images with the same number belong together.
        no_defect: Number of that label.
        level: Of the intervals.
        seed: Of the bootstrap.
    """
    decided, epochs, curves = choices(watched)
    scores = score_arrays(
        decided,
        watched.test_nk,
        units_n,
        watched.names,
        no_defect=no_defect,
        against=HONEST,
        level=level,
        seed=seed,
        prefix="watch",
    )
    count = len(watched.test_enk)
    return scores.assign(
        watch_epoch=("watch", [epochs[name] + 1 for name in decided]),
        watch_curve=(("chosen_on", "watched_epoch"), np.stack([curves[name] for name in WATCHED])),
    ).assign_coords(chosen_on=list(WATCHED), watched_epoch=np.arange(1, count + 1))


def choices(watched: Watched) -> tuple[dict[str, Decisions], dict[str, int], dict[str, FloatArray]]:
    """Decisions on test by the four ways to choose thresholds and epoch; each on the published grid, by micro F1.

    Args:
        watched: What the network said.

    Returns:
        Way → which labels hold on the test images; way → number of its epoch, from 0; and for `validation` and `test`
        the micro F1 after every epoch with thresholds chosen there, on the images of that part.

    Example:
        >>> said = np.array([[[0.8], [0.3]], [[0.6], [0.7]]])
        >>> truth = np.array([[1.0], [0.0]])
        >>> seen = Watched(validation_enk=said, test_enk=said, validation_nk=truth, test_nk=truth, names=("chip",))
        >>> choices(seen)[1]["both on validation"]
        0
    """
    said = {"validation": watched.validation_enk, "test": watched.test_enk}
    truth = {"validation": watched.validation_nk, "test": watched.test_nk}
    chosen = {
        part: [thresholds_of(p, truth[part], watched.names, PUBLISHED_GRID) for p in said[part]] for part in WATCHED
    }
    curves = {
        part: np.array([micro_f1(p >= t, truth[part]) for p, t in zip(said[part], chosen[part], strict=True)])
        for part in WATCHED
    }
    best = {part: int(curves[part].argmax()) for part in WATCHED}
    # with thresholds from validation the epoch is chosen on test by what these give there
    plain_test = [micro_f1(p >= t, truth["test"]) for p, t in zip(said["test"], chosen["validation"], strict=True)]
    ways = {
        HONEST: (best["validation"], "validation"),
        "thresholds on test": (best["validation"], "test"),
        "epoch on test": (int(np.argmax(plain_test)), "validation"),
        PUBLISHED: (best["test"], "test"),
    }
    decided = {name: said["test"][epoch] >= chosen[part][epoch] for name, (epoch, part) in ways.items()}
    return decided, {name: epoch for name, (epoch, _) in ways.items()}, curves


def watch(
    network: NetworkChoice,
    divided: Divided,
    options: TrainOptions,
    folder: Path,
    *,
    device: str | None = None,
    progress: bool | None = None,
) -> Watched:
    """Trains once more, looked at on validation and test together; a finished one is read from the folder.

    Args:
        network: The network of the recipe.
        divided: The split.
        options: The training; without patience or a plateau, what is watched does not change it.
        folder: Keeps the probabilities of every epoch.
        device: Where to run.
        progress: Show progress.
    """
    identity = hash_json(
        plain(
            {
                "network": network.to_dict(),
                "options": options.to_dict(),
                "data": divided.dataset.fingerprint,
                "rows": {name: rows.tolist() for name, rows in divided.split.parts.items()},
            }
        )
    )
    rows = np.concatenate([divided.split.parts[name] for name in WATCHED])
    truth = divided.dataset.label_matrix
    if truth is None:
        raise DataError("only images with several labels can be watched here")
    logits = _kept(folder, identity)
    if logits is None:
        logits = _watched_logits(network, divided, options, rows, device, progress)
        _keep(folder, identity, logits)
    said = np.stack([probabilities(values, "multi") for values in logits])
    cut = len(divided.split.parts["validation"])
    return Watched(
        validation_enk=said[:, :cut],
        test_enk=said[:, cut:],
        validation_nk=truth[rows[:cut]],
        test_nk=truth[rows[cut:]],
        names=divided.dataset.class_names,
    )


def _watched_logits(
    network: NetworkChoice,
    divided: Divided,
    options: TrainOptions,
    rows: np.ndarray,
    device: str | None,
    progress: bool | None,
) -> FloatArray:
    """Logits of the rows after every epoch (E, n, K)."""
    names = divided.dataset.class_names
    preprocessing = network.preprocessing_for(divided.dataset.n_channels)
    built = network.network_options(len(names), preprocessing.channels, options.seed).build()
    watched = read_part(divided.dataset.select(rows), preprocessing)
    said: list[torch.Tensor] = []

    def remember(module: Any, inputs: Any, output: torch.Tensor) -> None:
        if not module.training:
            said.append(output.detach().float().cpu())

    hook = built.network.register_forward_hook(remember)
    with tempfile.TemporaryDirectory() as place:  # nothing to go on with: what every epoch says is needed
        fit(
            built.network,
            read_part(divided.part("train"), preprocessing),
            watched,
            options,
            preprocessing=preprocessing,
            n_classes=len(names),
            folder=place,
            heads=built.heads,
            device=device,
            progress=progress,
        )
    hook.remove()
    return torch.cat(said).reshape(-1, len(watched), len(names)).numpy().astype(np.float64)


def _kept(folder: Path, identity: str) -> FloatArray | None:
    """What was kept of the same training, or None; a file that cannot be read is as none."""
    try:
        record = json.loads((folder / f"{_FILE}.json").read_text(encoding="utf-8"))
        if not isinstance(record, Mapping) or record.get("identity") != identity:
            return None
        with np.load(folder / _FILE, allow_pickle=False) as content:
            return content["logits"].astype(np.float64)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return None


def _keep(folder: Path, identity: str, logits: FloatArray) -> None:
    """Writes the arrays, then the record that says of what they are."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / _FILE, logits=logits.astype(np.float32))
    except OSError as error:
        raise StoreError(f"cannot write in {folder}: {error.strerror or error}") from error
    write_atomic(folder / f"{_FILE}.json", json.dumps({"identity": identity}))
