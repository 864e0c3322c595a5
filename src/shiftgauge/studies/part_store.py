"""Finished parts of a run, kept in its folder so that a stopped run goes on."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile

import numpy as np
import xarray as xr

from shiftgauge import __version__
from shiftgauge.errors import StoreError
from shiftgauge.files import hash_json, write_atomic

Advance = Callable[[int, int], None]
"""Called with (done, in all)."""
_FOLDER: Final = "parts"
_IDENTITY: Final = "identity"
_FACTS: Final = "facts of the part"


@dataclass(frozen=True, kw_only=True)
class PartStore:
    """Files of finished parts; each says what it was made from and how, and is taken up only for the same.

    What was made by another version of the package, or by another version of the method, is made again. The kind of a
    part is what its name begins with, up to the first dash.

    Args:
        folder: The run folder.
        origin: Content hashes of what every part is made from, such as the model and the data.
        file: Name of the file that says so.
        what: What the folder holds, for messages, such as `a look inside`.
        methods: Kind of part → version of how it is computed or laid out.
    """

    folder: Path
    origin: dict[str, str]
    file: str
    what: str
    methods: Mapping[str, int]

    def open(self) -> None:
        """Claims the run folder.

        Raises:
            StoreError: It holds a run of another origin, or cannot be written to.
        """
        path = self.folder / self.file
        if path.is_file():
            try:
                found = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise StoreError(f"cannot read {path}: {error}; delete the folder, or give another one") from error
            other = [name for name, value in self.origin.items() if found.get(name) != value]
            if other:
                raise StoreError(
                    f"{self.folder} holds {self.what} with another {other[0]}; give another output folder, or "
                    "delete this one"
                )
        write_atomic(path, json.dumps(self.origin, indent=2) + "\n")

    def load(self, name: str, asked: object) -> xr.Dataset | None:
        """A part that was made from the same, None where there is none.

        Args:
            name: Of the part, such as `walk`.
            asked: Plain values that decide the part's content beside the origin.
        """
        facts, arrays = self._opened(name, whole=True)
        if facts is None or facts["attrs"].get(_IDENTITY) != self._identity(name, asked):
            return None
        variables = {key: (facts["dims"][key], values) for key, values in arrays.items()}
        found = xr.Dataset(variables, attrs=facts["attrs"])
        return found.set_coords([key for key in facts["coords"] if key in found])

    def holds(self, name: str, asked: object) -> bool:
        """Whether a part that was made from the same is there, without reading it.

        Args:
            name: Of the part.
            asked: As of `load`.
        """
        facts, _ = self._opened(name, whole=False)
        return facts is not None and facts["attrs"].get(_IDENTITY) == self._identity(name, asked)

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
        kept = arrays.assign_attrs({_IDENTITY: self._identity(name, asked)})
        values = {str(key): kept[key].values for key in kept.variables}
        facts = {
            "dims": {str(key): list(map(str, kept[key].dims)) for key in kept.variables},
            "coords": list(map(str, kept.coords)),
            "attrs": dict(kept.attrs),
        }
        buffer = io.BytesIO()
        plain = {key: array.astype(str) if array.dtype == object else array for key, array in values.items()}
        plain[_FACTS] = np.array(json.dumps(facts, default=_number))
        np.savez(buffer, **plain)  # pyright: ignore[reportArgumentType]
        write_atomic(self._path(name), buffer.getvalue())
        return kept

    def _opened(self, name: str, *, whole: bool) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
        """What a part says of itself, and its arrays; nothing where it is missing or damaged."""
        path = self._path(name)
        if not path.is_file():
            return None, {}
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(str(file[_FACTS]))
                return facts, {key: file[key] for key in file.files if key != _FACTS} if whole else {}
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile):
            return None, {}

    def _path(self, name: str) -> Path:
        return self.folder / _FOLDER / f"{name}.npz"

    def _identity(self, name: str, asked: object) -> str:
        made_by = {"package": __version__, "method": self.methods[name.partition("-")[0]]}
        return hash_json({"name": name, "origin": self.origin, "asked": asked, **made_by})


def _number(value: Any) -> Any:
    """NumPy's numbers as Python's."""
    return value.item()
