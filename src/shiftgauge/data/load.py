"""The front door: from a data specification to a data set."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from shiftgauge.checks import require_in, unknown_name
from shiftgauge.data.cautions import contradictory_labels
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.folder import read_folder
from shiftgauge.data.manifest import read_manifest
from shiftgauge.data.npz import read_npz
from shiftgauge.data.table import TableDataset, read_table
from shiftgauge.data.weld_json import is_weld_folder, read_weld
from shiftgauge.data.yolo import read_yolo
from shiftgauge.errors import ConfigError, DataError

READERS: Mapping[str, Callable[..., Any]] = {
    "folder": read_folder,
    "manifest": read_manifest,
    "npz": read_npz,
    "table": read_table,
    "weld": read_weld,
    "yolo": read_yolo,
}
"""Kinds of data and their readers; a specification's other keys are the reader's arguments."""


def load_data(spec: str | Path | Mapping[str, Any] | ImageDataset | TableDataset) -> Any:
    """Returns the data set that a specification describes.

    Args:
        spec: A path (a folder of class folders, a `.csv`, `.tsv` or `.parquet` manifest, an `.npz`);
            a mapping with `path`, optionally `kind` (`folder`, `manifest`, `npz`, `table`, `weld`, `yolo`) and the
            arguments of that kind's reader; or a data set, which is returned as it is.

    Returns:
        An `ImageDataset`, or a `TableDataset` for the kind `table`. Images of the same content that have different
        classes are named in its notes.

    Raises:
        ConfigError: The kind or a key is unknown, or a key is missing.
        DataError: The data cannot be read.

    Example:
        >>> load_data({"kind": "foldr", "path": "x"})
        Traceback (most recent call last):
        shiftgauge.errors.ConfigError: unknown kind of data `foldr`; did you mean `folder`?
    """
    if isinstance(spec, (ImageDataset, TableDataset)):
        return spec
    values = dict(spec) if isinstance(spec, Mapping) else {"path": spec}
    if "path" not in values:
        raise ConfigError("`data` lacks `path`: a folder of class folders, a manifest, or an NPZ file")
    kind = require_in("kind of data", str(values.pop("kind", None) or guess_kind(Path(str(values["path"])))), READERS)
    reader = READERS[kind]
    parameters = inspect.signature(reader).parameters
    for key in values:
        if key not in parameters:
            raise ConfigError(unknown_name(f"key of `data` of kind {kind}", str(key), parameters))
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in values]
    if missing:
        raise ConfigError(f"`data` of kind {kind} lacks `{missing[0]}`")
    found = reader(**values)
    if not isinstance(found, ImageDataset):
        return found
    return replace(found, notes=(*found.notes, *contradictory_labels(found)))


def guess_kind(path: Path) -> str:
    """Tells by its form what kind of data a path is: `folder`, `weld`, `manifest` or `npz`.

    Raises:
        DataError: There is nothing, or a file of another kind.
    """
    if not path.exists():
        raise DataError(f"data path {path} does not exist")
    if path.is_dir():
        return "weld" if is_weld_folder(path) else "folder"
    kinds = {".csv": "manifest", ".tsv": "manifest", ".parquet": "manifest", ".pq": "manifest", ".npz": "npz"}
    if path.suffix.lower() not in kinds:
        raise DataError(f"{path} is neither a folder nor a .csv, .tsv, .parquet or .npz file; state `kind`")
    return kinds[path.suffix.lower()]
