"""A quick look at labelled images: how many, which classes, channels and sizes. No image file is decoded in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from shiftgauge.errors import DataError

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
        arrays: Names of the arrays of an NPZ file that differ from their defaults.
    """

    kind: Literal["folder", "manifest", "npz"]
    path: Path
    summary: str
    classes: tuple[str, ...]
    channels: int = 3
    size: str = ""
    size_note: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)


def look(path: Path) -> Found:
    """Looks at an image folder, a CSV or Parquet manifest, or an NPZ file, as the audit will read it.

    Raises:
        DataError: Nothing there, or nothing that can be read.
    """
    from shiftgauge.data.load import guess_kind

    return {"folder": _look_at_folder, "manifest": _look_at_manifest, "npz": _look_at_npz}[guess_kind(path)](path)


def _look_at_folder(path: Path) -> Found:
    from shiftgauge.data.folder import class_files

    try:
        files = class_files(path)
    except DataError as error:
        tables = sorted(p.name for p in path.iterdir() if p.suffix.lower() in (".csv", ".tsv", ".parquet", ".npz"))
        hint = f"; there is {tables[0]}, give that file" if tables else ""
        raise DataError(f"{error}{hint}") from error
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
    from shiftgauge.data.frame import read_frame, text_column

    table = read_frame(path, as_text=True)
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
    classes = sorted(set(text_column(table, str(chosen["label_column"]), path)))
    paths = [path.parent / name for name in text_column(table, str(chosen["path_column"]), path)]
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
    return Found(
        kind="npz",
        path=path,
        summary=f"{len(data)} images of {height} × {width} pixels, {channels} channel(s), {len(known)} classes",
        classes=known,
        channels=channels,
        size=f"[{height}, {width}]" if len(sizes) == 1 else "",
        arrays=arrays,
    )


def _images_key(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The array of images: by its name, else the one with most axes; encoded images have no key of their own."""
    if "images" in shapes or {"blob", "offsets"} <= set(shapes):
        return "images"
    return max((n for n, s in shapes.items() if len(s) in (3, 4)), key=lambda n: len(shapes[n]), default=None)


def _spread(paths: Sequence[Path]) -> list[Path]:
    step = max(1, len(paths) // _SAMPLE)
    return list(paths[::step])[:_SAMPLE]


def _sizes(paths: Iterable[Path]) -> tuple[int, str, str, str]:
    """(channels, common size or "", remark, sentence) from the headers of some files."""
    from PIL import Image

    from shiftgauge.data.images import DECODE_ERRORS

    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[image.height, image.width] += 1
                channels = max(channels, _CHANNELS.get(image.mode, 3))
        except DECODE_ERRORS:
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
