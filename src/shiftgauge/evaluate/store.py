"""The evaluation store: one SQLite file in the run folder, one committed record for each finished chunk.

A chunk is either wholly there or not at all, whenever the process is killed. The store knows from what it was made:
opening it for anything else is refused with a sentence that says what differs.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np

from shiftgauge.errors import StoreError
from shiftgauge.files import hash_bytes, hash_json
from shiftgauge.results.run_folder import STORE_FILE
from shiftgauge.types import OutputsNQ

FILE_NAME: Final = STORE_FILE
_LAYOUT: Final = "1"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    section TEXT NOT NULL, number INTEGER NOT NULL, count INTEGER NOT NULL, width INTEGER NOT NULL,
    data BLOB NOT NULL, checksum TEXT NOT NULL, PRIMARY KEY (section, number));
"""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """One part of what an evaluation depends on.

    Args:
        hash: Content hash of the part.
        summary: The part in a few words, for the sentence that tells two apart.
    """

    hash: str
    summary: str


class Store:
    """Finished chunks of one evaluation, in a folder that one process uses at a time.

    Args:
        folder: The run folder; made when it is not there.
        origins: Name of the part ("model", "data", …) → its hash and summary.

    Raises:
        StoreError: The folder cannot be written, is in use by another process, holds something that is not a store,
            or was made from something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder, Store(folder, {}) as store:
        ...     store.put("design", 0, np.ones((2, 1)))
        ...     store.get("design", 0, 2).tolist()
        [[1.0], [1.0]]
    """

    def __init__(self, folder: str | Path, origins: Mapping[str, Origin]) -> None:
        self.path: Final = Path(folder) / FILE_NAME
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"cannot make the run folder {self.path.parent}: {error.strerror}") from error
        self._connection = self._open()
        try:
            self._check(origins)
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> sqlite3.Connection:
        connection = None
        try:
            connection = sqlite3.connect(self.path, timeout=0.2, isolation_level=None)
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("BEGIN EXCLUSIVE")
            for statement in _TABLES.split(";"):
                connection.execute(statement)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise self._error(error) from error
        return connection

    def _check(self, origins: Mapping[str, Origin]) -> None:
        wanted = {name: {"hash": o.hash, "summary": o.summary} for name, o in origins.items()}
        found = self.note("origins")
        if found is None:
            self.set_note("layout", _LAYOUT)
            self.set_note("origins", wanted)
            return
        if self.note("layout") != _LAYOUT:
            raise StoreError(f"{self.path} has store layout {self.note('layout')}, this version reads {_LAYOUT}")
        text = describe_difference(found, wanted)
        if text:
            raise StoreError(
                f"{self.path.parent} holds a run made from another {text}; give another output folder, "
                "or delete this one to start anew"
            )

    def note(self, key: str) -> Any:
        """Returns a recorded value, or None."""
        with self._errors():
            row = self._connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def set_note(self, key: str, value: Any) -> None:
        """Records a plain value under a key, at once."""
        with self._errors():
            self._connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, json.dumps(value, ensure_ascii=False)),
            )

    def put(self, section: str, number: int, values_nq: OutputsNQ) -> None:
        """Commits one chunk; a chunk of that number that was there is replaced."""
        data = np.ascontiguousarray(values_nq, np.float64)
        blob = data.tobytes()
        with self._errors():
            self._connection.execute(
                "INSERT OR REPLACE INTO chunks VALUES (?, ?, ?, ?, ?, ?)",
                (section, number, data.shape[0], data.shape[1], blob, hash_bytes(blob)),
            )

    def get(self, section: str, number: int, count: int) -> OutputsNQ | None:
        """Returns at most the first `count` rows of a finished chunk, all when it is shorter, None without one.

        Raises:
            StoreError: The chunk's checksum does not fit its data.
        """
        with self._errors():
            row = self._connection.execute(
                "SELECT count, width, data, checksum FROM chunks WHERE section = ? AND number = ?", (section, number)
            ).fetchone()
        if row is None:
            return None
        if hash_bytes(row[2]) != row[3] or len(row[2]) != row[0] * row[1] * 8:
            raise StoreError(f"{self.path} is damaged at chunk {number} of `{section}`; delete the run folder")
        return np.frombuffer(row[2], np.float64).reshape(row[0], row[1])[:count]

    def count(self, section: str) -> int:
        """Number of finished chunks of a section."""
        with self._errors():
            return int(
                self._connection.execute("SELECT COUNT(*) FROM chunks WHERE section = ?", (section,)).fetchone()[0]
            )

    def close(self) -> None:
        """Gives the folder free for another process."""
        self._connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._error(error) from error

    def _error(self, error: sqlite3.Error) -> StoreError:
        text = str(error)
        if "locked" in text:
            return StoreError(
                f"{self.path.parent} is in use by another process; wait for it or give another output folder"
            )
        if "full" in text:
            return StoreError(
                f"the disk is full, {self.path} keeps every chunk finished so far; free space and run again"
            )
        if "not a database" in text or "malformed" in text:
            return StoreError(f"{self.path} is not an evaluation store or is damaged; give another output folder")
        if "unable to open" in text or "readonly" in text:
            return StoreError(f"cannot write in {self.path.parent}; give an output folder that can be written to")
        return StoreError(f"{self.path}: {text}")


def describe_difference(found: Mapping[str, Mapping[str, str]], wanted: Mapping[str, Mapping[str, str]]) -> str:
    """Says in words which parts differ, "" when none does.

    Example:
        >>> describe_difference({"seed": {"hash": "a", "summary": "0"}}, {"seed": {"hash": "b", "summary": "1"}})
        'seed (there: 0; now: 1)'
    """
    missing = {"hash": "", "summary": "nothing"}
    parts = []
    for name in dict.fromkeys([*found, *wanted]):
        there, now = found.get(name, missing), wanted.get(name, missing)
        if there["hash"] != now["hash"]:
            if there["summary"] == now["summary"]:
                parts.append(f"{name} ({now['summary']}, but its content has changed)")
            else:
                parts.append(f"{name} (there: {there['summary']}; now: {now['summary']})")
    return ", another ".join(parts)


def origin(value: Any, summary: str) -> Origin:
    """Makes an origin from a plain value, hashed by its JSON form."""
    return Origin(hash=hash_json(value), summary=summary)
