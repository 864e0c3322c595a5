"""What a study measured of a network, kept on the way: an interrupted study goes on behind it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json, write_atomic

MAPS: Final = "maps"
"""Folder within a study's that keeps what was measured of its networks."""
_UNREADABLE: Final = (OSError, ValueError, KeyError, EOFError, BadZipFile)


def kept(folder: Path, name: str, identity: Any, measure: Callable[[], xr.Dataset], *, version: int = 1) -> xr.Dataset:
    """Measures, or reads what an earlier call measured of the same.

    Args:
        folder: Keeps one file for each measurement, named after what is measured and of what.
        name: What is measured, such as `pairs`.
        identity: Plain values that decide the outcome: hashes of network and images, and options.
        measure: Measures it.
        version: Of the method, from 1: one more whenever `measure` comes to give something else for the same identity.

    Raises:
        StoreError: The folder cannot be written to, or a file in it cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     first = kept(Path(place), "answer", ["network"], lambda: xr.Dataset({"a": 42}))
        ...     again = kept(Path(place), "answer", ["network"], lambda: xr.Dataset({"a": 0}))
        >>> int(again["a"])
        42
    """
    path = folder / f"{name}-{_key(identity, version)}.nc"
    if path.is_file():
        try:
            with xr.open_dataset(path, engine="h5netcdf") as data:
                return data.load()
        except _UNREADABLE as error:
            raise StoreError(f"{path} cannot be read; remove it, and it is measured again") from error
    found, part = measure(), path.with_name(f".{path.name}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found.to_netcdf(part, engine="h5netcdf")
        os.replace(part, path)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return found


def kept_arrays(
    folder: Path,
    name: str,
    identity: Any,
    measure: Callable[[], Mapping[str, npt.NDArray[Any]]],
    *,
    version: int = 1,
) -> dict[str, npt.NDArray[Any]]:
    """The same for bare arrays, in an NPZ file.

    Args:
        folder: Keeps one file for each measurement.
        name: What is measured.
        identity: Plain values that decide the outcome.
        measure: Measures it.
        version: Of the method, see `kept`.

    Raises:
        StoreError: The folder cannot be written to, or a file in it cannot be read.
    """
    path = folder / f"{name}-{_key(identity, version)}.npz"
    if path.is_file():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return {key: archive[key] for key in archive.files}
        except _UNREADABLE as error:
            raise StoreError(f"{path} cannot be read; remove it, and it is measured again") from error
    found: dict[str, Any] = dict(measure())
    held = io.BytesIO()
    np.savez(held, **found)
    write_atomic(path, held.getvalue())
    return found


def _key(identity: Any, version: int) -> str:
    """The part of a file's name that says what was measured of what; the first version leaves it as it is."""
    return hash_json(identity if version == 1 else {"version": version, "of": identity})[:16]
