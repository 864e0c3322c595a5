"""Files written whole or not at all, and content hashes."""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from shiftgauge.errors import StoreError


def write_atomic(path: str | Path, content: str | bytes) -> Path:
    """Writes a file so that a reader sees the old content or the new, never a part.

    Raises:
        StoreError: The folder cannot be written to or the disk is full.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    temporary = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except OSError as error:
        if temporary and os.path.exists(temporary):
            os.unlink(temporary)
        raise StoreError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def hash_bytes(*parts: bytes) -> str:
    """Returns the BLAKE2b hash (32 hex digits) of the parts, each with its length."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def hash_file(path: str | Path) -> str:
    """Returns the content hash of a file, read in pieces."""
    digest = hashlib.blake2b(digest_size=16)
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def hash_json(value: Any) -> str:
    """Returns the hash of a JSON-able value, independent of the order of keys."""
    return hash_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False, default=_plain).encode())


def hash_array(array: np.ndarray) -> str:
    """Returns the hash of an array's type, shape and values."""
    contiguous = np.ascontiguousarray(array)
    return hash_bytes(str(contiguous.dtype).encode(), str(contiguous.shape).encode(), contiguous.tobytes())


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
