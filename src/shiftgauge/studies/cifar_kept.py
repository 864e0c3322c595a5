"""What was measured of one network, kept on the way: an interrupted study goes on behind it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json


def kept(folder: Path, name: str, identity: Any, measure: Callable[[], xr.Dataset]) -> xr.Dataset:
    """Measures, or reads what an earlier call measured of the same.

    Args:
        folder: Keeps one file for each measurement.
        name: What is measured, such as `pairs`.
        identity: Plain values that decide the outcome: hashes of network and images, and options.
        measure: Measures it.

    Raises:
        StoreError: The folder cannot be written to, or a file in it cannot be read.
    """
    path = folder / f"{name}-{hash_json(identity)[:16]}.nc"
    if path.is_file():
        try:
            with xr.open_dataset(path, engine="h5netcdf") as data:
                return data.load()
        except (OSError, ValueError, KeyError) as error:
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
