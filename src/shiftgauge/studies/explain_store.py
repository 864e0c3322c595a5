"""Finished parts of a look inside a network, kept in its run folder so that a stopped run goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.results.run_folder import EXPLAIN_FILE

_FOLDER: Final = "parts"
_IDENTITY: Final = "identity"


@dataclass(frozen=True, kw_only=True)
class PartStore:
    """Files of finished parts; each says what it was made from, and is taken up only for the same.

    Args:
        folder: The run folder.
        origin: Content hashes of what every part is made from, such as the model and the data.
    """

    folder: Path
    origin: dict[str, str]

    def open(self) -> None:
        """Claims the run folder.

        Raises:
            StoreError: It holds a look inside another network or at other data, or cannot be written to.
        """
        path = self.folder / EXPLAIN_FILE
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise StoreError(f"cannot read {path}: {error}; delete the folder, or give another one") from error
            other = [name for name, value in self.origin.items() if found.get(name) != value]
            if other:
                raise StoreError(
                    f"{self.folder} holds a look inside with another {other[0]}; give another output folder, or "
                    "delete this one"
                )
        write_atomic(path, json.dumps(self.origin, indent=2) + "\n")

    def load(self, name: str, asked: object) -> xr.Dataset | None:
        """A part that was made from the same, None where there is none.

        Args:
            name: Of the part, such as `walk`.
            asked: Plain values that decide the part's content beside the origin.
        """
        path = self._path(name)
        if not path.is_file():
            return None
        try:
            with xr.open_dataset(path, engine="h5netcdf") as data:
                found = data.load()
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged part is made again
        return found if found.attrs.get(_IDENTITY) == self._identity(name, asked) else None

    def save(self, name: str, asked: object, arrays: xr.Dataset) -> xr.Dataset:
        """Keeps a part, whole or not at all, and returns it.

        Raises:
            StoreError: The folder cannot be written to.
        """
        path = self._path(name)
        unfinished = path.with_name(f".{path.name}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                arrays.assign_attrs({_IDENTITY: self._identity(name, asked)}).to_netcdf(unfinished, engine="h5netcdf")
                os.replace(unfinished, path)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror or error}") from error
        return arrays

    def _path(self, name: str) -> Path:
        return self.folder / _FOLDER / f"{name}.nc"

    def _identity(self, name: str, asked: object) -> str:
        return hash_json({"name": name, "origin": self.origin, "asked": asked})
