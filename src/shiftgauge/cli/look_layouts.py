"""A look at folders that hold labels in files of their own: YOLO text files, and the weld images."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shiftgauge.cli.found import Found, sizes_of, spread, stated_parts
from shiftgauge.errors import DataError

_FOLDERS: Final = (("img", "txt"), ("images", "labels"))
_MOST_IDS: Final = 1000


@dataclass(frozen=True, kw_only=True)
class YoloLayout:
    """Where images and text files lie.

    Args:
        images: Folder of the images.
        labels: Folder of the text files.
        splits: Folders of the parts, () where there are none.
    """

    images: str
    labels: str
    splits: tuple[str, ...] = ()


def yolo_layout(path: Path) -> YoloLayout | None:
    """Returns how a folder holds images with YOLO text files, or None where it does not.

    Known are `img` with `txt` and `images` with `labels`: side by side, below each part (`train/images`), or with
    the parts in both (`images/train`).

    Args:
        path: The folder.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        folders = sorted(p.name for p in path.iterdir() if p.is_dir())
    except OSError as error:
        raise DataError(f"folder {path} cannot be read: {error.strerror or error}") from error
    for images, labels in _FOLDERS:
        if _are_pair(path / images, path / labels):
            inner = sorted(p.name for p in (path / images).iterdir() if (path / labels / p.name).is_dir())
            splits = inner if inner and stated_parts(inner)[0] else ()
            return YoloLayout(images=images, labels=labels, splits=tuple(splits))
        splits = [name for name in folders if _are_pair(path / name / images, path / name / labels)]
        if splits:
            return YoloLayout(images=images, labels=labels, splits=tuple(splits))
    return None


def look_at_yolo(path: Path, layout: YoloLayout) -> Found:
    """Looks at images with YOLO text files.

    Args:
        path: The folder.
        layout: How it holds them.

    Raises:
        DataError: A text file is malformed or has no image, or a folder holds no images.
    """
    from shiftgauge.data.yolo_files import paired, part_folders

    parts = layout.splits or ("",)
    pairs = [pair for part in parts for pair in paired(*part_folders(path, part, layout.images, layout.labels))]
    counts = _id_counts([text for _, text in pairs if text is not None])
    names = _class_names(path, layout)
    guessed = not names or len(names) <= max(counts, default=0)
    if guessed:
        names = tuple(f"class {k}" for k in range(max(counts, default=0) + 1))
    channels, size, note, seen = sizes_of(spread([image for image, _ in pairs]))
    shown = ", ".join(f"{names[k]} {n}" for k, n in sorted(counts.items())[:8])
    stated, test = stated_parts(layout.splits or ("",))
    columns: dict[str, Any] = {"classes": names}
    columns |= {} if layout.images == "img" else {"images_folder": layout.images, "labels_folder": layout.labels}
    columns |= {"splits": layout.splits} if layout.splits else {}
    return Found(
        kind="yolo",
        path=path,
        summary=f"{len(pairs)} images with YOLO text files, images with each label ({shown}); {seen}",
        classes=("no defect", *names) if "no defect" not in names else names,
        channels=channels,
        size=size,
        size_note=note,
        columns=columns,
        parts=stated,
        stated=test,
        several=True,
        guessed=guessed,
    )


def look_at_weld(path: Path) -> Found:
    """Looks at the layout of the TIG Aluminium 5083 weld images.

    Args:
        path: The folder `al5083`, or the one that holds it.

    Raises:
        DataError: A label file is malformed.
    """
    from shiftgauge.data.weld_json import WELD_CLASSES, WELD_PARTS, read_labels, weld_root

    root = weld_root(path)
    parts = [part for part in WELD_PARTS if (root / part / f"{part}.json").is_file()]
    labels = {part: read_labels(root / part / f"{part}.json", len(WELD_CLASSES)) for part in parts}
    counts = Counter(label for found in labels.values() for label in found.values())
    files = [root / part / name for part, found in labels.items() for name in found]
    channels, size, note, seen = sizes_of(p for p in spread(files) if p.is_file())
    shown = ", ".join(f"{WELD_CLASSES[k]} {n}" for k, n in sorted(counts.items()))
    return Found(
        kind="weld",
        path=path,
        summary=f"{len(files)} weld images in {len(counts)} classes ({shown}); {seen}",
        classes=WELD_CLASSES,
        channels=channels,
        size=size,
        size_note=note,
        columns={} if len(parts) == len(WELD_PARTS) else {"split": parts[0]},
        parts=tuple(parts),
        stated="test" if len(parts) == len(WELD_PARTS) else "",
        alike=True,
    )


def _are_pair(images: Path, labels: Path) -> bool:
    """Whether these are folders, and the second holds text files and nothing that is an image."""
    from shiftgauge.data.folder import IMAGE_SUFFIXES, files_below

    if not images.is_dir() or not labels.is_dir():
        return False
    suffixes = {file.suffix.lower() for file in files_below(labels)}
    return ".txt" in suffixes and not suffixes & IMAGE_SUFFIXES


def _id_counts(texts: list[Path]) -> Counter[int]:
    """How many files name each id."""
    from shiftgauge.data.yolo import read_ids

    return Counter(k for text in texts for k in read_ids(text, _MOST_IDS))


def _class_names(path: Path, layout: YoloLayout) -> tuple[str, ...]:
    """The names in `classes.txt` or in the `names` of `data.yaml`; () where neither has any that can be used."""
    import yaml

    for file in (path / "classes.txt", path / layout.labels / "classes.txt"):
        if file.is_file():
            lines = _text(file).splitlines()
            return _distinct([line.strip() for line in lines if line.strip()])
    for file in (path / "data.yaml", path / "dataset.yaml"):
        if file.is_file():
            try:
                content = yaml.safe_load(_text(file))
            except yaml.YAMLError as error:
                raise DataError(f"{file} is not YAML: {str(error).splitlines()[0]}") from error
            names = content.get("names") if isinstance(content, dict) else None
            if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
                names = [names[k] for k in range(len(names))]
            return _distinct([str(name) for name in names]) if isinstance(names, list) else ()
    return ()


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {str(error).splitlines()[0]}") from error


def _distinct(names: list[str]) -> tuple[str, ...]:
    return tuple(names) if len(set(names)) == len(names) else ()
