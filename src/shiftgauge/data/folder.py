"""A folder with one sub-folder of images per class."""

import os
from pathlib import Path
from typing import Literal

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.data.assemble import Listing, assemble
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.groups import groups_by_pattern
from shiftgauge.data.multilabel import merge_copies, with_no_defect
from shiftgauge.errors import DataError

IMAGE_SUFFIXES = frozenset(
    (
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".tga"),
    )
)
"""Suffixes by which an image outside every class folder is noticed."""

_SIDECARS = frozenset(("thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx"))
_SPLIT_NAMES = frozenset(("train", "training", "test", "testing", "val", "valid", "validation"))


def read_folder(
    path: str | Path,
    *,
    task: Literal["single", "multi"] = "single",
    no_defect: str | None = None,
    skip_unreadable: bool = False,
    limit: int | None = None,
    seed: int = 0,
    background: float = 0.0,
    group_pattern: str | None = None,
) -> ImageDataset:
    r"""Reads `folder/class/…/image`: each direct sub-folder is a class, its images may lie deeper.

    Classes are sorted by name, images by path. Hidden files, `Thumbs.db`, `desktop.ini` and
    `__MACOSX` are ignored; every other file in a class folder counts as an image, so one that is
    none is an error (or is skipped and counted), because a damaged image must not vanish unseen.
    Files beside the class folders are ignored unless they are images, which is an error: they
    would have no class. Every file is read and decoded once here; its hash tells later whether it changed.

    Args:
        path: The folder.
        task: `single` for one class an image; `multi` for several: an image whose content lies in several class
            folders is one image with all their labels (`merge_copies`).
        no_defect: With `multi`, the class that says that an image has none of the others; that it has this
            label and another one is an error with the names (`with_no_defect`).
        skip_unreadable: Leave out files that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images, stratified by class, chosen before files are opened; with `multi` by
            set of labels, after all are opened, since only then it is known which are copies. Default all.
        seed: Seed of that choice, ≥ 0.
        background: Grey level in [0, 1] behind transparent pixels; default 0, black.
        group_pattern: A regular expression that finds the group of an image in its path below the folder, such as
            `part_(\d+)`: what its first parentheses match (`groups_by_pattern`). None for no groups.

    Raises:
        DataError: The folder or a class folder is missing or empty, files cannot be read, or the pattern does not
            match one.

    Example:
        >>> read_folder("images", group_pattern=r"(part\d+)_").groups  # doctest: +SKIP
        ('part1', 'part1', 'part2')
    """
    require_in("task", task, ("single", "multi"), DataError)
    if no_defect is not None and task == "single":
        raise DataError("`no_defect` belongs to task `multi`; with one class an image it is a class like any other")
    root = Path(path)
    files = class_files(root)
    names = tuple(p.relative_to(root).as_posix() for found in files.values() for p in found)
    listing = Listing(
        paths=tuple(p for found in files.values() for p in found),
        names=names,
        labels=np.repeat(np.arange(len(files), dtype=np.int64), [len(found) for found in files.values()]),
        class_names=tuple(files),
        groups=groups_by_pattern(names, group_pattern),
        searched=(root,),
    )
    dataset = assemble(
        listing,
        skip_unreadable=skip_unreadable,
        limit=limit if task == "single" else None,
        seed=seed,
        background=background,
        source=f"image folder {root}",
    )
    if task == "single":
        return dataset
    merged = merge_copies(dataset)
    whole = merged if no_defect is None else with_no_defect(merged, no_defect)
    return whole if limit is None else whole.limit(limit, seed=seed)


def class_files(root: Path) -> dict[str, list[Path]]:
    """Lists the files of each class of `folder/class/…/image` without opening any.

    Raises:
        DataError: The folder or a class folder is missing or empty, or images lie outside a class folder.
    """
    if not root.is_dir():
        raise DataError(f"image folder {root} " + ("is not a folder" if root.exists() else "does not exist"))
    try:
        entries = sorted((e for e in root.iterdir() if not _ignored(e.name)), key=lambda e: e.name)
    except OSError as error:
        raise DataError(f"image folder {root} cannot be read: {error.strerror or error}") from error
    folders = [e for e in entries if e.is_dir()]
    _check_layout(root, entries, folders)
    files = {folder.name: files_below(folder) for folder in folders}
    for folder in folders:
        if not files[folder.name]:
            raise DataError(f"class folder {folder} holds no images; remove it or fill it")
    return files


def _check_layout(root: Path, entries: list[Path], folders: list[Path]) -> None:
    loose = [e.name for e in entries if e.is_file() and e.suffix.lower() in IMAGE_SUFFIXES]
    if not folders and not loose:
        raise DataError(f"image folder {root} is empty; expected one sub-folder of images per class")
    if loose:
        raise DataError(
            f"image folder {root} holds {len(loose)} image(s) outside a class folder, e.g. {loose[0]}; "
            "move them into class/image, or use a manifest"
        )
    if {f.name.lower() for f in folders} <= _SPLIT_NAMES and any(
        e.is_dir() for f in folders for e in f.iterdir() if not _ignored(e.name)
    ):
        names = ", ".join(f.name for f in folders)
        raise DataError(f"image folder {root} holds splits ({names}), not classes; give {folders[-1]} instead")


def files_below(folder: Path) -> list[Path]:
    """Lists the files below a folder by path, without hidden ones and what systems leave behind."""
    found: list[Path] = []
    for place, inner, files in os.walk(folder):
        inner[:] = sorted(d for d in inner if not _ignored(d))
        found += [Path(place) / f for f in sorted(files) if not _ignored(f)]
    return sorted(found, key=lambda p: p.relative_to(folder).as_posix())


def _ignored(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SIDECARS
