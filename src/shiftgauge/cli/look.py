"""A quick look at labelled images: how many, which classes, channels and sizes. Nothing is decoded in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from shiftgauge.errors import ConfigError, DataError

_SUFFIXES: Final = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm"])
_SAMPLE: Final = 200
_PATHS: Final = ("path", "file", "filename", "image", "image_path", "filepath", "file_name", "img")
_LABELS: Final = ("label", "class", "category", "target", "y", "defect", "label_name", "class_name")
_GROUPS: Final = ("group", "part", "part_id", "person", "patient", "board", "recording")
_SPLITS: Final = ("split", "subset", "fold", "set")
_CHANNELS: Final = {"1": 1, "L": 1, "I": 1, "F": 1, "I;16": 1, "I;16B": 1, "LA": 1}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a folder, manifest or NPZ file.

    Args:
        kind: Key of the `data` section.
        path: The folder or file.
        summary: One sentence for people.
        classes: Names of the classes, sorted.
        channels: 1 where every image that was looked at is grey, else 3 (or the arrays' own number).
        size: `[height, width]` where all agree, else "".
        size_note: A remark for the configuration where sizes differ.
        columns: Keys of the `data` section that differ from their defaults, such as `label_column`.
    """

    kind: Literal["folder", "manifest", "npz"]
    path: Path
    summary: str
    classes: tuple[str, ...]
    channels: int = 3
    size: str = ""
    size_note: str = ""
    columns: dict[str, str] = field(default_factory=dict)


def look(path: Path) -> Found:
    """Looks at an image folder, a CSV or Parquet manifest, or an NPZ file.

    Raises:
        DataError: Nothing there, or nothing that can be read.
        ConfigError: A file of another kind.
    """
    if path.is_dir():
        return _look_at_folder(path)
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder of images, a manifest or an NPZ file")
    if path.suffix.lower() == ".npz":
        return _look_at_npz(path)
    if path.suffix.lower() in (".csv", ".parquet"):
        return _look_at_manifest(path)
    raise ConfigError(f"{path.name}: expected a folder, .csv, .parquet or .npz, got `{path.suffix or 'no suffix'}`")


def _look_at_folder(path: Path) -> Found:
    folders = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = {p.name: _images(p) for p in folders}
    files = {name: found for name, found in files.items() if found}
    if not files:
        tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".csv", ".parquet", ".npz"))
        hint = f"; there is {tables[0]}, give that file" if tables else ""
        raise DataError(f"{path} has no folders with images, one for each class{hint}")
    every = [p for found in files.values() for p in found]
    channels, size, note, seen = _sizes(_spread(every))
    counts = ", ".join(f"{name} {len(found)}" for name, found in list(files.items())[:8])
    more = "" if len(files) <= 8 else f" and {len(files) - 8} more"
    return Found(
        kind="folder",
        path=path,
        summary=f"{len(every)} images in {len(files)} classes ({counts}{more}); {seen}",
        classes=tuple(files),
        channels=channels,
        size=size,
        size_note=note,
    )


def _look_at_manifest(path: Path) -> Found:
    import pandas as pd

    try:
        table = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as a table: {' '.join(str(error).split())}") from error
    names = [str(c) for c in table.columns]
    chosen = {
        "path_column": _column(names, _PATHS),
        "label_column": _column(names, _LABELS),
        "group_column": _column(names, _GROUPS),
        "split_column": _column(names, _SPLITS),
    }
    for key, asked in (("path_column", "file paths"), ("label_column", "classes")):
        if chosen[key] is None:
            raise DataError(f"{path}: no column that looks like {asked}; the columns are {', '.join(names)}")
    classes = sorted({str(v) for v in table[chosen["label_column"]].dropna()})
    paths = [path.parent / str(p) for p in table[chosen["path_column"]].dropna()]
    channels, size, note, seen = _sizes(p for p in _spread(paths) if p.is_file())
    default = {"path_column": "path", "label_column": "label"}
    return Found(
        kind="manifest",
        path=path,
        summary=f"{len(table)} rows in {len(classes)} classes ({', '.join(classes[:8])}); {seen}",
        classes=tuple(classes),
        channels=channels,
        size=size,
        size_note=note,
        columns={key: value for key, value in chosen.items() if value is not None and value != default.get(key)},
    )


def _look_at_npz(path: Path) -> Found:
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as arrays:
            shapes = {name: arrays[name].shape for name in arrays.files}
            images = max((n for n, s in shapes.items() if len(s) in (3, 4)), key=lambda n: len(shapes[n]), default=None)
            if images is None:
                raise DataError(f"{path}: no array of images (n, height, width[, channels]); it holds {shapes}")
            names = [n for n in ("class_names", "classes") if n in arrays.files]
            labels = [n for n in ("labels", "y", "label", "targets") if n in arrays.files]
            values = arrays[names[0] if names else labels[0]] if names or labels else np.array([])
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read as NPZ: {' '.join(str(error).split())}") from error
    shape = shapes[images]
    classes = [str(v) for v in (values if names else np.unique(values))]
    last, first = shape[-1] if len(shape) == 4 else 1, shape[1]
    planes = len(shape) == 4 and first <= 4 < last  # (n, channels, height, width)
    channels, size = (first, shape[2:]) if planes else (last, shape[1:3])
    return Found(
        kind="npz",
        path=path,
        summary=f"{shape[0]} images of {size[0]} × {size[1]} pixels, {channels} channel(s), {len(classes)} classes",
        classes=tuple(classes),
        channels=int(channels),
        size=f"[{size[0]}, {size[1]}]",
    )


def _images(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))


def _spread(paths: Sequence[Path]) -> list[Path]:
    step = max(1, len(paths) // _SAMPLE)
    return list(paths[::step])[:_SAMPLE]


def _sizes(paths: Iterable[Path]) -> tuple[int, str, str, str]:
    """(channels, common size or "", remark, sentence) from the headers of some files."""
    from PIL import Image, UnidentifiedImageError

    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[image.height, image.width] += 1
                channels = max(channels, _CHANNELS.get(image.mode, 3))
        except (UnidentifiedImageError, OSError):
            continue
    if not sizes:
        return 3, "", "", "none of the files that were looked at could be read"
    kind = "grey" if channels == 1 else "colour"
    (height, width), _ = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return (
            channels,
            f"[{height}, {width}]",
            ", of the images; the network's own may differ",
            (f"{kind}, {width} × {height} pixels"),
        )
    return (
        channels,
        "",
        f"; images come in {len(sizes)} or more sizes",
        f"{kind}, sizes differ, such as {width} × {height}",
    )


def _column(names: list[str], usual: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in usual if name in lower), None)
