"""A quick look at labelled images: how many, which classes, channels and sizes. No image file is decoded in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shiftgauge.cli.found import Found, sizes_of, spread, stated_parts
from shiftgauge.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE: Final = 200
_PATHS: Final = ("path", "file", "filename", "image", "image_path", "filepath", "file_name", "img")
_LABELS: Final = (
    *("label", "labels", "class", "category", "target", "targets"),
    *("y", "defect", "label_name", "class_name"),
)
_GROUPS: Final = ("group", "groups", "part", "part_id", "person", "patient", "board", "recording")
_SPLITS: Final = ("split", "splits", "subset", "fold", "set")
_CLASSES: Final = ("classes", "class_names", "label_names")
_ARRAYS: Final = {"images": "images", "labels": "labels", "classes": "classes"}
_BINARY: Final = frozenset(("0", "1", "true", "false", "yes", "no"))


def look(path: Path) -> Found:
    """Looks at an image folder, a CSV or Parquet manifest, or an NPZ file, as the audit will read it.

    A folder may hold class folders, images with YOLO text files, or the layout of the weld images.

    Args:
        path: The folder or file.

    Raises:
        DataError: Nothing there, or nothing that can be read.
    """
    from shiftgauge.cli.look_layouts import look_at_weld, look_at_yolo, yolo_layout
    from shiftgauge.data.load import guess_kind

    kind = guess_kind(path)
    if kind == "folder" and (layout := yolo_layout(path)) is not None:
        return look_at_yolo(path, layout)
    looks = {"folder": _look_at_folder, "manifest": _look_at_manifest, "npz": _look_at_npz, "weld": look_at_weld}
    return looks[kind](path)


def _look_at_folder(path: Path) -> Found:
    from shiftgauge.data.folder import class_files

    try:
        files = class_files(path)
    except DataError as error:
        tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".csv", ".tsv", ".parquet", ".npz"))
        hint = f"; there is {tables[0]}, give that file" if tables else ""
        raise DataError(f"{error}{hint}") from error
    every = [p for found in files.values() for p in found]
    channels, size, note, seen = sizes_of(spread(every))
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
    from shiftgauge.data.frame import read_frame, text_column

    table = read_frame(path, as_text=True)
    names = [str(c) for c in table.columns]
    chosen: dict[str, str | list[str] | None] = {
        "path_column": _column(names, _PATHS),
        "label_column": _column(names, _LABELS),
        "group_column": _column(names, _GROUPS),
        "split_column": _column(names, _SPLITS),
    }
    several = [] if chosen["label_column"] else _binary_columns(table, [n for n in names if n not in chosen.values()])
    if len(several) > 1:
        chosen["label_column"] = several
    for key, asked in (("path_column", "file paths"), ("label_column", "classes")):
        if chosen[key] is None:
            raise DataError(f"{path}: no column that looks like {asked}; the columns are {', '.join(names)}")
    labels = chosen["label_column"]
    classes = labels if isinstance(labels, list) else sorted(set(text_column(table, str(labels), path)))
    paths = [path.parent / name for name in text_column(table, str(chosen["path_column"]), path)]
    channels, size, note, seen = sizes_of(p for p in spread(paths) if p.is_file())
    default = {"path_column": "path", "label_column": "label"}
    split = chosen["split_column"]
    parts, test = stated_parts(text_column(table, split, path)) if isinstance(split, str) else ((), "")
    counted = f"{len(classes)} labels" if len(several) > 1 else f"{len(classes)} classes"
    return Found(
        kind="manifest",
        path=path,
        summary=f"{len(table)} rows in {counted} ({', '.join(classes[:8])}); {seen}",
        classes=tuple(classes),
        channels=channels,
        size=size,
        size_note=note,
        columns={key: value for key, value in chosen.items() if value is not None and value != default.get(key)},
        parts=parts,
        stated=test,
        several=len(several) > 1,
    )


def _binary_columns(table: pd.DataFrame, names: list[str]) -> list[str]:
    """The columns that hold nothing but 0 and 1, or what a manifest takes for them."""
    return [name for name in names if {str(value).strip().lower() for value in table[name].tolist()} <= _BINARY]


def _look_at_npz(path: Path) -> Found:
    from shiftgauge.data.npz import load_npz, read_npz

    content = load_npz(path)
    held = ", ".join(f"{name} {array.shape}" for name, array in content.items())
    chosen = {
        "images": _images_key({name: array.shape for name, array in content.items()}),
        "labels": "labels" if "labels" in content else _column(list(content), _LABELS),
        "classes": _column(list(content), _CLASSES),
        "groups": _column(list(content), _GROUPS),
        "splits": _column(list(content), _SPLITS),
    }
    for key, asked in (("images", "images (n, height, width[, channels])"), ("labels", "labels")):
        if chosen[key] is None:
            raise DataError(f"{path}: no array that looks like {asked}; it holds {held}")
    arrays = {key: value for key, value in chosen.items() if value is not None and value != _ARRAYS.get(key)}
    data = read_npz(path, skip_unreadable=True, **arrays)  # pyright: ignore[reportArgumentType]
    sizes = Counter(data.load(i).shape[1:] for i in range(0, len(data), max(1, len(data) // _SAMPLE)))
    (height, width), _ = sizes.most_common(1)[0]
    channels = max(data.channels)
    known = data.class_names
    parts, test = stated_parts(data.splits or ("",))
    return Found(
        kind="npz",
        path=path,
        summary=f"{len(data)} images of {height} × {width} pixels, {channels} channel(s), {len(known)} classes",
        classes=known,
        channels=channels,
        size=f"[{height}, {width}]" if len(sizes) == 1 else "",
        arrays=arrays,
        parts=parts,
        stated=test,
        several=data.label_matrix is not None,
    )


def _images_key(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The array of images: by its name, else the one with most axes; encoded images have no key of their own."""
    if "images" in shapes or {"blob", "offsets"} <= set(shapes):
        return "images"
    return max((n for n, s in shapes.items() if len(s) in (3, 4)), key=lambda n: len(shapes[n]), default=None)


def _column(names: list[str], usual: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in names}
    return next((lower[name] for name in usual if name in lower), None)
