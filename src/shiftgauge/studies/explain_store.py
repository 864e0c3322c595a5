"""Finished parts of a look inside a network, kept in its run folder so that a stopped run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json, write_atomic
from shiftgauge.results.run_folder import EXPLAIN_FILE

Advance = Callable[[int, int], None]
"""Called with (done, in all)."""
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

    def holds(self, name: str, asked: object) -> bool:
        """Whether a part that was made from the same is there, without reading it.

        Args:
            name: Of the part.
            asked: As of `load`.
        """
        path = self._path(name)
        if not path.is_file():
            return False
        try:
            with xr.open_dataset(path, engine="h5netcdf") as data:
                return data.attrs.get(_IDENTITY) == self._identity(name, asked)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def each(
        self,
        name: str,
        entries: Sequence[tuple[str, object]],
        make: Callable[[Sequence[int], Advance], Sequence[xr.Dataset]],
        *,
        unit: int = 1,
        at_once: int = 1,
        progress: Advance,
    ) -> list[xr.Dataset]:
        """Parts of one kind, those that are there from the store, the others made and kept a few at a time.

        Args:
            name: Of the kind, such as `walk`.
            entries: Of each part its own name, and what decides its content.
            make: Numbers of some entries, and what to tell (done, in all) of them → their parts.
            unit: Of progress, in each entry.
            at_once: Entries that are made together.
            progress: Called with (units done, units in all).
        """
        found = {k: self.load(f"{name}-{key}", asked) for k, (key, asked) in enumerate(entries)}
        missing, total = [k for k, part in found.items() if part is None], unit * len(entries)
        done = total - unit * len(missing)
        progress(done, total)
        for start in range(0, len(missing), at_once):
            group = missing[start : start + at_once]

            def tell(n: int, of: int, before: int = done, size: int = unit * len(group)) -> None:
                progress(before + size * n // max(1, of), total)

            for k, part in zip(group, make(group, tell), strict=True):
                found[k] = self.save(f"{name}-{entries[k][0]}", entries[k][1], part)
            done += unit * len(group)
            progress(done, total)
        return [part for part in found.values() if part is not None]

    def remove(self, name: str) -> None:
        """Takes away a part that is needed no more; nothing happens where there is none."""
        self._path(name).unlink(missing_ok=True)

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
        return arrays.assign_attrs({_IDENTITY: self._identity(name, asked)})

    def _path(self, name: str) -> Path:
        return self.folder / _FOLDER / f"{name}.nc"

    def _identity(self, name: str, asked: object) -> str:
        return hash_json({"name": name, "origin": self.origin, "asked": asked})
