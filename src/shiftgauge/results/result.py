"""What every kind of result holds, and how it stands in a run folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import pandas as pd
import xarray as xr

from shiftgauge.results.run_folder import read_run_folder, unreadable
from shiftgauge.results.schema import check_record
from shiftgauge.results.status import Gate, Level, Message, worst_level


@dataclass(frozen=True, kw_only=True, repr=False)
class RunResult(ABC):
    """What a finished run found, whatever its kind.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, times.
        cost: Evaluations and seconds.
        headline: The verdict in plain sentences.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
        messages: Findings about trust, most serious first.
        gates: The limits that were set and whether they were kept.
    """

    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    cost: Mapping[str, Any]
    headline: str
    arrays: xr.Dataset
    messages: tuple[Message, ...] = ()
    gates: tuple[Gate, ...] = ()

    _KIND: ClassVar[str]

    def __repr__(self) -> str:
        """Title, verdict and gates on one line; the arrays are behind `arrays`."""
        shown = {"title": self.arrays.attrs.get("title", ""), "headline": self.headline, "gates": self._gates_kept()}
        if (folder := getattr(self, "folder", None)) is not None:
            shown["folder"] = str(folder)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _gates_kept(self) -> str:
        missed = [gate.name for gate in self.gates if not gate.passed]
        return f"{', '.join(missed)} missed" if missed else f"all {len(self.gates)} kept" if self.gates else "none"

    @property
    def level(self) -> Level:
        """The most serious level among the messages."""
        return worst_level(self.messages)

    @property
    def passed(self) -> bool:
        """Whether every gate was kept."""
        return all(gate.passed for gate in self.gates)

    @property
    def quantity_of_interest(self) -> str:
        """The quantity that the verdict is about."""
        return str(self.arrays.attrs["quantity_of_interest"])

    @property
    def confidence_level(self) -> float:
        """Level of every interval in the result."""
        return float(self.arrays.attrs["confidence_level"])

    def to_dataframe(self) -> pd.DataFrame:
        """The indices as a long table: quantity, kind, input, input_2, estimate, low, high."""
        return index_table(self.arrays)

    @abstractmethod
    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""

    @abstractmethod
    def to_disk(self, folder: str | Path) -> Path:
        """Writes the run folder, `run.json` last, and returns it.

        Raises:
            StoreError: The folder cannot be written to.
        """

    @classmethod
    def from_disk(cls, folder: str | Path) -> Self:
        """Reads a run folder; neither models nor data are needed.

        Args:
            folder: Run folder of a result of this kind.

        Raises:
            StoreError: No finished run of this kind there, a damaged or incomplete file, or a newer schema version.
        """
        with reading(folder, cls._KIND) as (record, arrays):
            parts = shared_parts(record)
            return cls(arrays=arrays, **parts, **cls._own_parts(record, arrays, Path(folder)))

    @classmethod
    @abstractmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        """Checks the arrays, and returns the arguments that this kind has besides those of every kind.

        Raises:
            StoreError: The arrays cannot be shown, or a part is missing.
        """

    def _record(self) -> dict[str, Any]:
        return {
            "headline": self.headline,
            "level": self.level,
            "passed": self.passed,
            "messages": [asdict(m) for m in self.messages],
            "gates": [asdict(g) for g in self.gates],
            "config": self.config,
            "provenance": self.provenance,
            "cost": self.cost,
        }


@contextmanager
def reading(folder: str | Path, kind: str) -> Iterator[tuple[Mapping[str, Any], xr.Dataset]]:
    """Opens a finished run; what is found wrong with its content inside the block becomes one line about the folder.

    Args:
        folder: Run folder.
        kind: Kind of the result, such as `audit`.

    Yields:
        The content of `run.json` and that of `results.nc`.

    Raises:
        StoreError: No finished run of this kind there, a damaged or incomplete file, or a newer schema version.
    """
    record, arrays = read_run_folder(folder, kind)
    try:
        yield record, arrays
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(Path(folder), error) from error


def shared_parts(record: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `RunResult` that stand in `run.json`: all but the arrays.

    Args:
        record: The file's content.

    Raises:
        StoreError: A part is missing or of another kind.
    """
    messages, gates = check_record(record)
    plain = {name: record[name] for name in ("config", "provenance", "cost", "headline")}
    return {**plain, "messages": messages, "gates": gates}


def index_table(data: xr.Dataset) -> pd.DataFrame:
    """All indices of a result as a long table: quantity, kind, input, input_2, estimate, low, high.

    Args:
        data: Arrays with `first_order`, `total_order` and, where they were estimated, those of pairs.
    """
    rows: list[dict[str, Any]] = []
    for quantity in data["quantity"].values:
        for kind in ("first_order", "total_order"):
            for name in data["input"].values:
                rows.append(_row(data, kind, {"quantity": quantity, "input": name}))
        for kind in ("second_order", "total_interaction"):
            if kind not in data:
                continue
            names = list(data["input"].values)
            for i, first in enumerate(names):
                for second in names[i + 1 :]:
                    rows.append(_row(data, kind, {"quantity": quantity, "input": first, "input_2": second}))
    return pd.DataFrame(rows, columns=["quantity", "kind", "input", "input_2", "estimate", "low", "high"])


def _row(data: xr.Dataset, kind: str, where: dict[str, Any]) -> dict[str, Any]:
    interval = data[f"{kind}_interval"].sel(where).values
    return {
        "quantity": where["quantity"],
        "kind": kind,
        "input": where["input"],
        "input_2": where.get("input_2", ""),
        "estimate": float(data[kind].sel(where)),
        "low": float(interval[0]),
        "high": float(interval[1]),
    }
