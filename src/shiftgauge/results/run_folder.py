"""Run folders of every kind of result: `results.nc`, CSV tables and, written last, `run.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.files import write_atomic

STORE_FILE: Final = "evaluations.db"
"""Where an audit of images keeps its evaluations."""
STUDY_FILE: Final = "study.json"
"""Names the study of a folder from the moment its work begins."""
_MARKS: Final = ("run.json", "results.nc", "report.html", STORE_FILE, STUDY_FILE)
"""Files by which a run is known, finished or not."""
EXPLAIN_FILE: Final = "explain.json"
"""What a look inside a network keeps to go on with."""
ATTACK_FILE: Final = "attack.json"
"""What a run of attacks keeps to go on with."""
_CHECKPOINTS: Final = ("training.json", "checkpoint.pt", EXPLAIN_FILE, ATTACK_FILE)
"""Files by which the folder of a training's checkpoint, or of an unfinished look inside or attack, is known."""
_FOLDS: Final = ("fold.json", "cross_validation.json")
"""Files by which the folders of a cross-validation within a study are known."""
_STUDY_LEVELS: Final = ("", "*/", "*/*/", "*/*/*/")
"""Where the trainings of a study may lie within its folder."""
SCHEMA_VERSION: Final = 1
"""Version of the run folder's layout; a newer one is refused with a sentence."""


def write_run_folder(
    folder: str | Path, *, kind: str, record: Mapping[str, Any], arrays: xr.Dataset, tables: Mapping[str, str]
) -> Path:
    """Writes the arrays, the tables and, last, the record; returns the folder.

    Args:
        folder: Made when absent.
        kind: Kind of the result, such as `audit`.
        record: Content of `run.json` beside version and kind.
        arrays: Content of `results.nc`.
        tables: File name → CSV text.

    Raises:
        StoreError: The folder cannot be written to.
    """
    target = Path(folder)
    _write_arrays(arrays, target / "results.nc")
    for name, text in tables.items():
        write_atomic(target / name, text)
    full = {"schema_version": SCHEMA_VERSION, "kind": kind, **record}
    write_atomic(target / "run.json", json.dumps(full, indent=2, ensure_ascii=False, default=_plain) + "\n")
    return target


def read_run_folder(folder: str | Path, kind: str) -> tuple[Mapping[str, Any], xr.Dataset]:
    """Reads `run.json` and `results.nc` of a finished run of one kind.

    Raises:
        StoreError: No finished run there, one of another kind, a newer version, or a damaged file.
    """
    source = Path(folder)
    for name in ("run.json", "results.nc"):
        if not (source / name).is_file():
            raise StoreError(f"{source} holds no finished {kind}: {name} is missing")
    record = _record(source)
    found = record.get("kind")
    if found != kind:
        raise StoreError(f"{source} holds a run of the kind `{found}`, not `{kind}`")
    try:
        with xr.open_dataset(source / "results.nc", engine="h5netcdf") as data:
            return record, data.load()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise unreadable(source, error) from error


def kind_of_run(folder: str | Path) -> str:
    """Returns the kind of a finished run, such as `audit`, `table_audit` or `study`.

    Raises:
        StoreError: No finished run there, or a newer version.
    """
    source = Path(folder)
    if not (source / "run.json").is_file():
        raise StoreError(f"{source} holds no finished audit: run.json is missing")
    return str(_record(source).get("kind"))


def require_own_folder(folder: str | Path, kind: str, *, study: str | None = None) -> None:
    """Refuses a folder that holds a run of another kind or study, or other files and no run, before anything is done.

    Args:
        folder: Run folder to be; it need not be there.
        kind: Kind of the run to be written, such as `audit`.
        study: Name of the study to be written, such as `weld`; None where the kind says all.

    Raises:
        StoreError: A finished run of another kind or another study lies there, the store of an audit of images, or
            files that are of no run.

    Example:
        >>> require_own_folder("nowhere/at/all", "audit")
    """
    source, named = Path(folder), None
    if (source / "run.json").is_file():
        found, named = kind_of_run(source), _record(source).get("study")
    elif (source / STUDY_FILE).is_file():
        found, named = "study", _claimed(source)
    else:
        found = "audit" if (source / STORE_FILE).is_file() else kind
    remedy = "give another output folder, or delete this one"
    if found != kind:
        raise StoreError(
            f"{source} holds a run of the kind `{found}`, which one of the kind `{kind}` would overwrite; {remedy}"
        )
    if study is not None and named is not None and named != study:
        raise StoreError(f"{source} holds the study `{named}`, which the study `{study}` would overwrite; {remedy}")
    known = _is_run(source, _STUDY_LEVELS, _FOLDS) if kind == "study" else _is_run(source, ("",))
    other = None if known else _first_file(source)
    if other is not None:
        raise StoreError(
            f"{source} is not empty and holds no run (there is {other.relative_to(source)}); give a folder of its own, "
            "such as a new one within it"
        )


def claim_study(folder: str | Path, study: str) -> None:
    """Marks a folder as that of a study whose work begins, so that an interrupted one is known by it.

    Args:
        folder: Its run folder, which is made; see `require_own_folder`.
        study: Name of the study.

    Raises:
        StoreError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     claim_study(place, "cifar")
        ...     require_own_folder(place, "study", study="lung")
        Traceback (most recent call last):
        shiftgauge.errors.StoreError: ... holds the study `cifar`, which the study `lung` would overwrite; ...
    """
    write_atomic(Path(folder) / STUDY_FILE, json.dumps({"study": study}) + "\n")


def require_apart(folder: str | Path, searched: Iterable[Path]) -> None:
    """Refuses a run folder whose files would be taken for data, or that would lie around the data.

    Args:
        folder: Run folder to be; it need not be there.
        searched: Folders whose content counts as data, such as `ImageDataset.searched`.

    Raises:
        StoreError: The run folder is one of them, lies within one, or contains one.

    Example:
        >>> require_apart("runs/first", [Path("images")])
        >>> require_apart("images/run", [Path("images")])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: the run folder images/run lies within images, whose files are data; ...
    """
    target = Path(folder)
    place = target.resolve()
    for data in searched:
        if place == data.resolve():
            how = "is that of the data"
        elif place.is_relative_to(data.resolve()):
            how = f"lies within {data}"
        elif data.resolve().is_relative_to(place):
            how = f"contains {data}"
        else:
            continue
        raise StoreError(f"the run folder {target} {how}, whose files are data; give an output folder outside of it")


def unreadable(folder: Path, error: BaseException) -> StoreError:
    """The error for a run folder whose content is damaged."""
    return StoreError(f"{folder} cannot be read as a run folder: {' '.join(str(error).split())}")


def _is_run(source: Path, levels: Iterable[str], more: Iterable[str] = ()) -> bool:
    """Whether files of a run lie in a folder, or in those below it that patterns such as `*/` stand for."""
    names = (*_MARKS, *more, *_CHECKPOINTS, *(f"training/{name}" for name in _CHECKPOINTS))
    return any(next(source.glob(f"{level}{name}"), None) is not None for level in levels for name in names)


def _first_file(source: Path) -> Path | None:
    """A file in a folder that is neither hidden nor a figure, which the page comes after; None where there is none."""
    for place, folders, files in os.walk(source):
        seen = sorted(name for name in files if not name.startswith("."))
        if seen:
            return Path(place) / seen[0]
        skipped = "figures" if Path(place) == source else ""
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != skipped)
    return None


def _record(source: Path) -> Mapping[str, Any]:
    try:
        record = json.loads((source / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from error
    if not isinstance(record, dict) or record.get("schema_version") != SCHEMA_VERSION:
        found = record.get("schema_version") if isinstance(record, dict) else None
        raise StoreError(f"{source}: run.json has schema version {found}, this version reads {SCHEMA_VERSION}")
    return record


def _claimed(source: Path) -> str | None:
    """The study that a folder was claimed for; None where that cannot be read."""
    try:
        return str(json.loads((source / STUDY_FILE).read_bytes())["study"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_arrays(arrays: xr.Dataset, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    encoding = {
        str(name): {"zlib": True, "complevel": 4}
        for name, variable in arrays.data_vars.items()
        if variable.dtype.kind in "fiu" and variable.size > 1000
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            arrays.to_netcdf(part, engine="h5netcdf", encoding=encoding)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    return str(value)
