"""The checkpoint of a training: written whole after every epoch, and read back after any kind of end."""

from __future__ import annotations

import hashlib
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
_IDENTITY: Final = "training.json"
_KEPT: Final = ("average.module.", "network.")
"""Where a checkpoint holds what is validated and kept; the first that it has counts."""
_HASHES: Final[Mapping[str, str]] = {
    "data": "the data",
    "images": "the images or classes of training and validation",
    "images.train": "the training images or their classes",
    "images.validation": "the validation images or their classes",
    "initial weights": "the initial weights",
}
"""What the hashes in an identity are of."""
_FIRST: Final = ("network", "options")
_LAST: Final = ("images", "initial weights")
"""What follows from other differences, or might."""
_LATER: Final[Mapping[str, Any]] = {"network.head": "random", "options.frozen_statistics": False}
"""Options that earlier versions did not know → what those did: an identity without them is one with these."""
_SHOWN: Final = 3
_SEAL: Final = b"sha256:"
_SEAL_BYTES: Final = len(_SEAL) + 64
_ZIP_END: Final = b"PK\x05\x06"  # of the record that ends a zip file, 22 bytes with an empty comment
_READ_ERRORS: Final = (
    OSError,
    RuntimeError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    EOFError,
    AttributeError,
    pickle.UnpicklingError,
)


def claim(folder: Path, identity: Mapping[str, Any], *, write: bool = True) -> bool:
    """Makes a folder that of one training; tells whether there is a checkpoint to go on from.

    A folder in which no epoch was finished holds nothing to lose: it is taken over whatever was tried there.

    Args:
        folder: Made when absent.
        identity: What decides the outcome: options, network and data, as plain values.
        write: Write that down; one process of those that train together does.

    Raises:
        ConfigError: The folder holds a training of other options, network or data.
        StoreError: It cannot be read or written to.
    """
    stated = folder / _IDENTITY
    if (folder / CHECKPOINT).is_file():
        try:
            before = json.loads(stated.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{stated} cannot be read: {one_line(error)}; it says what the checkpoint beside it is of; remove "
                f"{folder} to start again"
            ) from error
        differ = differences(before, identity)
        if differ:
            more = f" and {len(differ) - _SHOWN} more" if len(differ) > _SHOWN else ""
            raise ConfigError(
                f"{folder} holds another training: {', '.join(differ[:_SHOWN])}{more}; take another folder, or remove "
                "that one"
            )
        return True
    if write:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make {folder}: {error.strerror or error}") from error
        write_atomic(stated, json.dumps(identity, indent=2, sort_keys=True, default=str) + "\n")
    return False


def differences(before: Any, now: Any, key: str = "") -> list[str]:
    """Says in words where two identities of trainings differ, what a person can change first.

    Args:
        before: What was written down.
        now: The same of the training at hand; plain values.
        key: Where both stand; "" for the whole.

    Example:
        >>> differences({"options": {"epochs": 6}, "data": "a1"}, {"options": {"epochs": 8}, "data": "b2"})
        ['`options.epochs` is 6 there and 8 here', 'the data differ']
    """
    if hash_json(before) == _hash(now):
        return []
    if not (isinstance(before, Mapping) and isinstance(now, Mapping)):
        if key in _HASHES:
            return [f"{_HASHES[key]} differ"]
        return [f"`{key}` is {_shown(before)} there and {_shown(now)} here"]
    names = sorted({*before, *now}, key=lambda name: (name in _LAST, name not in _FIRST, name))
    inner = [(name, f"{key}.{name}" if key else str(name)) for name in names]
    pairs = ((before.get(name, _LATER.get(path)), now.get(name, _LATER.get(path)), path) for name, path in inner)
    return [text for pair in pairs for text in differences(*pair)]


def save_whole(path: Path, content: Any) -> None:
    """Writes what PyTorch saves beside its place and moves it there, so that the file is always whole.

    The file carries its own SHA-256 as the comment with which a zip file may end, so that both come to their place in
    one move.

    Args:
        path: Its place.
        content: What `torch.save` takes.

    Raises:
        StoreError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        torch.save(content, temporary)
        with open(temporary, "rb+") as written:
            _seal(written)
            written.flush()
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # PyTorch reports a full disk as the latter
        temporary.unlink(missing_ok=True)
        raise StoreError(f"cannot write {path}: {getattr(error, 'strerror', None) or one_line(error)}") from error


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Reads a checkpoint without running any code that it might hold.

    Raises:
        StoreError: The file is missing, damaged or no checkpoint.
    """
    found = _read(path, f"checkpoint {path}", "it")
    if not isinstance(found, dict) or not {"state_dict", "epoch", "history"} <= set(found):
        raise StoreError(f"{path} is no checkpoint of a training; remove it to start again")
    return found


def best_path(folder: Path, epoch: int) -> Path:
    """Where the weights of an epoch lie while it is the best.

    Example:
        >>> best_path(Path("run"), 2).name
        'best-3.pt'
    """
    return folder / f"best-{epoch + 1}.pt"


def save_best(folder: Path, state: Mapping[str, Tensor], epoch: int) -> None:
    """Writes the weights of the best epoch so far; those of the one before stay until `drop_others`."""
    whole = {"epoch": epoch, "state_dict": {name: value.detach().cpu() for name, value in state.items()}}
    save_whole(best_path(folder, epoch), whole)


def drop_others(folder: Path, epoch: int) -> None:
    """Removes the weights of epochs that are no longer the best, once the checkpoint says so."""
    for path in folder.glob("best-*.pt"):
        if path != best_path(folder, epoch):
            path.unlink(missing_ok=True)


def read_best(folder: Path, epoch: int) -> Mapping[str, Tensor]:
    """The weights of the best epoch.

    Raises:
        StoreError: The file is missing or damaged.
    """
    path = best_path(folder, epoch)
    found = _read(path, str(path), str(folder))
    if not isinstance(found, dict) or found.get("epoch") != epoch or "state_dict" not in found:
        raise StoreError(f"{path} does not hold the weights of epoch {epoch + 1}; remove {folder} to start again")
    return found["state_dict"]


def ensure_best(folder: Path, checkpoint: Mapping[str, Any], epoch: int) -> None:
    """Makes sure, before a training goes on, that the weights of its best epoch are there.

    Args:
        folder: Of the training.
        checkpoint: What `read_checkpoint` gave.
        epoch: The best epoch of its history.

    Raises:
        StoreError: They are missing or damaged, and the checkpoint holds those of another epoch.
    """
    try:
        read_best(folder, epoch)
    except StoreError as error:
        last = len(checkpoint["history"]) - 1
        if epoch != last:
            raise StoreError(
                f"the weights of the best epoch so far, {epoch + 1}, are lost ({one_line(error)}), and the checkpoint "
                f"holds those of epoch {last + 1}"
            ) from error
        state = checkpoint["state_dict"]
        kept = next((start for start in _KEPT if any(name.startswith(start) for name in state)), "")
        save_best(folder, {k.removeprefix(kept): v for k, v in state.items() if k.startswith(kept)}, epoch)


def _read(path: Path, name: str, remove: str) -> Any:
    try:
        _check_seal(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except _READ_ERRORS as error:
        raise StoreError(f"{name} cannot be read: {one_line(error)}; remove {remove} to start again") from error


def _seal(file: Any) -> None:
    """Ends a zip file with a comment that holds the SHA-256 of everything before the digits."""
    file.seek(-22, os.SEEK_END)
    if not file.read(22).startswith(_ZIP_END):
        raise RuntimeError("the file does not end as a zip file does")
    file.seek(-2, os.SEEK_END)
    file.write(_SEAL_BYTES.to_bytes(2, "little") + _SEAL)
    digest = _digest(file, file.tell())
    file.seek(0, os.SEEK_END)
    file.write(digest)


def _check_seal(path: Path) -> None:
    with open(path, "rb") as file:
        end = file.seek(0, os.SEEK_END) - 64
        if end < len(_SEAL):
            raise ValueError("it is empty or cut off")
        file.seek(end - len(_SEAL))
        if file.read(len(_SEAL)) != _SEAL:
            raise ValueError("it carries no checksum, so it is cut off, or none of this version")
        if file.read() != _digest(file, end):
            raise ValueError("its content does not match its checksum, so it is damaged")


def _digest(file: Any, end: int) -> bytes:
    found, left = hashlib.sha256(), end
    file.seek(0)
    while left and (piece := file.read(min(left, 1 << 20))):
        found.update(piece)
        left -= len(piece)
    return found.hexdigest().encode()


def _shown(value: Any) -> str:
    """A plain value, shortened; of what is not stated, that."""
    text = "not set" if value is None else json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _hash(value: Any) -> str:
    """The hash of a value as it comes back from its file."""
    return hash_json(json.loads(json.dumps(value, default=str)))
