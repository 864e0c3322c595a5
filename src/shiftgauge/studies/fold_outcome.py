"""What a finished fold leaves: figures, history and logits of the images held out, in a folder that is read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from shiftgauge.data.splits import Split
from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.files import hash_array, write_atomic
from shiftgauge.models.model_record import plain
from shiftgauge.results.train import MODEL_FOLDER
from shiftgauge.train.checkpoints import differences

FOLD_FILE: Final = "fold.json"
"""Written last; where it is, the fold is finished."""
LOGITS_FILE: Final = "logits.npy"
"""What the network says of the images held out."""
CHECKPOINTS: Final = "training"
"""Where the checkpoint of a fold lies until it is finished."""
METRICS: Final = ("accuracy", "macro_f1", "micro_f1", "average_precision", "loss")
"""What is measured of the images held out."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldOutcome:
    """What a fold gave.

    Args:
        values: Name of `METRICS` → value on the images held out; NaN where the training diverged.
        history: What validation found after every epoch.
        best_epoch: The epoch kept, from 0; -1 where the training diverged.
        n_images: Part → number of images; `copies` of them in training are counted apart.
        seed: Of the training.
        seconds: That training and measuring took.
        problem: Why the training diverged; empty where it did not.
        rows: Numbers of the images held out, (n,).
        logits_nk: What the network says of them, float32 (n, K).
        folder: Where it lies.
    """

    values: Mapping[str, float]
    history: tuple[Mapping[str, float], ...]
    best_epoch: int
    n_images: Mapping[str, int]
    seed: int
    seconds: float
    problem: str
    rows: npt.NDArray[np.int64]
    logits_nk: npt.NDArray[np.float32]
    folder: Path

    @property
    def model_folder(self) -> Path:
        """Where its model lies, if it was kept."""
        return self.folder / MODEL_FOLDER


def read_fold(folder: Path, rows: npt.NDArray[np.int64], identity: Mapping[str, Any] | None = None) -> FoldOutcome:
    """Reads a finished fold.

    Args:
        folder: Its folder.
        rows: Numbers of its images held out.
        identity: What it must be of; None for anything.

    Raises:
        ConfigError: It is of something else; the message says of what.
        StoreError: It cannot be read.
    """
    try:
        content = json.loads((folder / FOLD_FILE).read_text(encoding="utf-8"))
        before = content["identity"]
        differ = [] if identity is None else differences(before, identity)
        if differ:
            more = f" and {len(differ) - 3} more" if len(differ) > 3 else ""
            raise ConfigError(
                f"{folder} holds another fold: {', '.join(differ[:3])}{more}; take another folder, or remove that one"
            )
        logits = np.load(folder / LOGITS_FILE, allow_pickle=False)
        if hash_array(logits) != content["logits"]:
            raise ValueError(f"{LOGITS_FILE} is not what was written")
        nan = float("nan")
        return FoldOutcome(
            values={name: nan if content["values"][name] is None else content["values"][name] for name in METRICS},
            history=tuple(content["history"]),
            logits_nk=logits,
            rows=rows,
            folder=folder,
            **{name: content[name] for name in ("best_epoch", "n_images", "seed", "seconds", "problem")},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = " ".join(str(error).split())
        raise StoreError(f"{folder} cannot be read as a fold: {text}; remove it to train it again") from error


def diverged(split: Split, problem: str) -> dict[str, Any]:
    """The content of a fold whose training diverged.

    Args:
        split: Of the fold.
        problem: What was said of it.
    """
    counts = {name: len(rows) for name, rows in split.parts.items()}
    values = dict.fromkeys(METRICS)
    return {"values": values, "history": [], "best_epoch": -1, "n_images": counts | {"copies": 0}, "problem": problem}


def write_fold(folder: Path, content: dict[str, Any], logits: npt.NDArray[np.float32]) -> None:
    """Writes a fold, its file last, and takes the checkpoints away.

    Args:
        folder: Its folder; made when absent.
        content: Fields of `FoldOutcome`, identity and what was added, as plain values.
        logits: What the network says of the images held out (n, K).

    Raises:
        StoreError: The folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / LOGITS_FILE, logits, allow_pickle=False)
    except OSError as error:
        raise StoreError(f"cannot write in {folder}: {error.strerror or error}") from error
    full = {**plain(content), "logits": hash_array(logits)}
    write_atomic(folder / FOLD_FILE, json.dumps(full, indent=1, ensure_ascii=False) + "\n")
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
