"""The checkpoint of a training: written whole after every epoch, and read back after any kind of end."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from shiftgauge.errors import ConfigError, StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.models.weights import one_line

CHECKPOINT: Final = "checkpoint.pt"
BEST: Final = "best.pt"
_IDENTITY: Final = "training.json"
_READ_ERRORS: Final = (OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError, AttributeError)


def claim(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Makes a folder that of one training; tells whether there is a checkpoint to go on from.

    Args:
        folder: Made when absent.
        identity: What decides the outcome: options, network and data, as plain values.

    Raises:
        ConfigError: The folder holds a training of other options, network or data.
        StoreError: It cannot be written to.
    """
    stated = folder / _IDENTITY
    text = json.dumps(identity, indent=2, sort_keys=True, default=str)
    if stated.is_file():
        try:
            before = json.loads(stated.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{stated} cannot be read: {one_line(error)}; remove {folder} to start again") from error
        differ = sorted(k for k in {*before, *identity} if hash_json(before.get(k)) != _hash(identity.get(k)))
        if differ:
            raise ConfigError(
                f"{folder} holds a training with other {', '.join(differ)}; take another folder, or remove that one"
            )
    else:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror or error}") from error
        write_atomic(stated, text + "\n")
    return (folder / CHECKPOINT).is_file()


def save_whole(path: Path, write: Any) -> None:
    """Has a file written beside its place and moved there, so that it is always whole.

    Args:
        path: Its place.
        write: Called with the path to write to.

    Raises:
        StoreError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Reads a checkpoint without running any code that it might hold.

    Raises:
        StoreError: The file is missing, damaged or no checkpoint.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        raise StoreError(
            f"checkpoint {path} cannot be read: {one_line(error)}; remove it to start the training again"
        ) from error
    if not isinstance(found, dict) or not {"state_dict", "epoch", "history"} <= set(found):
        raise StoreError(f"{path} is no checkpoint of a training; remove it to start again")
    return found


def save_best(folder: Path, state: Mapping[str, Tensor], epoch: int) -> None:
    """Writes the weights of the best epoch so far."""
    whole = {"epoch": epoch, "state_dict": dict(state)}
    save_whole(folder / BEST, lambda path: torch.save(whole, path))


def read_best(folder: Path) -> tuple[int, Mapping[str, Tensor]]:
    """The best epoch and its weights.

    Raises:
        StoreError: The file is missing or damaged.
    """
    path = folder / BEST
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        return int(found["epoch"]), found["state_dict"]
    except (*_READ_ERRORS, TypeError) as error:
        raise StoreError(f"{path} cannot be read: {one_line(error)}; remove {folder} to start again") from error


def _hash(value: Any) -> str:
    """The hash of a value as it comes back from its file."""
    return hash_json(json.loads(json.dumps(value, default=str)))
