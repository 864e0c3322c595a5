"""The layout of the TIG Aluminium 5083 weld images: a JSON file beside the images of each part."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from shiftgauge.checks import require_in
from shiftgauge.data.assemble import Listing, assemble
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError

WELD_CLASSES = (
    "good weld",
    "burn through",
    "contamination",
    "lack of fusion",
    "misalignment",
    "lack of penetration",
)
"""Names of the labels 0 to 5 of the TIG Aluminium 5083 images."""
WELD_PARTS = ("train", "test")
"""Parts that the data set states."""


def read_weld(
    path: str | Path,
    *,
    classes: Sequence[str] = WELD_CLASSES,
    split: str | None = None,
    skip_unreadable: bool = False,
    limit: int | None = None,
    seed: int = 0,
    background: float = 0.0,
) -> ImageDataset:
    """Reads `path/train/train.json` and `path/test/test.json`, each a mapping of image paths to whole numbers.

    Image paths start from the folder of their JSON file and must stay in it. Their first folder is one recording
    of a weld seam, whose frames hardly differ; it becomes the group of the image. The parts become the stated
    splits (`splits`). Grey images stay grey.

    Args:
        path: The folder `al5083`, or the one that holds it.
        classes: Names of the labels 0, 1, 2 …
        split: Read only this part, train or test; None reads both.
        skip_unreadable: Leave out images that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images, stratified by class, chosen before any is opened.
        seed: Seed of that choice, ≥ 0.
        background: Grey level in [0, 1] behind transparent pixels; default 0, black.

    Raises:
        DataError: A file is missing or not such a mapping, a path leaves its folder or occurs twice, a label has no
            name, or an image cannot be read.

    References:
        D. Bacioiu, G. Melton, M. Papaelias, R. Shaw, Automated defect classification of Aluminium 5083 TIG welding
        using HDR camera and neural networks, Journal of Manufacturing Processes 45 (2019) 603–613.
    """
    if split is not None:
        require_in("split", split, WELD_PARTS, DataError)
    if isinstance(classes, str) or len(classes) < 2 or len(set(classes)) != len(classes):
        raise DataError("`classes` must be a list of different names, one for each label 0, 1, 2 …")
    root = weld_root(Path(path))
    names, labels, splits = [], [], []
    for part in WELD_PARTS if split is None else (split,):
        found = read_labels(root / part / f"{part}.json", len(classes))
        names += [f"{part}/{name}" for name in found]
        labels += found.values()
        splits += [part] * len(found)
    listing = Listing(
        paths=tuple(root / name for name in names),
        names=tuple(names),
        labels=np.array(labels, np.int64),
        class_names=tuple(classes),
        groups=_recordings(names),
        splits=tuple(splits),
        searched=tuple(root / part for part in WELD_PARTS),
    )
    return assemble(
        listing,
        skip_unreadable=skip_unreadable,
        limit=limit,
        seed=seed,
        background=background,
        source=f"weld images {root}",
    )


def weld_root(path: Path) -> Path:
    """Returns the folder that holds `train/train.json`: the given one, or `al5083` in it.

    Raises:
        DataError: Neither does.
    """
    for root in (path, path / "al5083"):
        if is_weld_folder(root):
            return root
    raise DataError(f"{path} has no train/train.json or test/test.json, nor has al5083 in it; see the data's own page")


def is_weld_folder(path: Path) -> bool:
    """Tells whether a folder holds `train/train.json` or `test/test.json`."""
    return any((path / part / f"{part}.json").is_file() for part in WELD_PARTS)


def read_labels(file: Path, n_classes: int) -> dict[str, int]:
    """Returns the image paths of a label file with their labels, in the order of the file.

    Raises:
        DataError: The file is missing or malformed, a path leaves its folder or occurs twice, or a label is unknown.
    """
    try:
        with file.open(encoding="utf-8-sig") as handle:
            pairs = json.load(handle, object_pairs_hook=list)
    except OSError as error:
        raise DataError(f"label file {file} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, a number of too many digits, or too deep
        raise DataError(f"label file {file} is not JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(pairs, list) or not all(isinstance(pair, tuple) for pair in pairs):
        raise DataError(f"label file {file} must be a mapping of image paths to whole numbers")
    if not pairs:
        raise DataError(f"label file {file} names no images")
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if twice:
        raise DataError(f"label file {file} names `{twice[0]}` more than once")
    folder = file.parent.resolve()
    for name, label in pairs:
        _check_inside(name, folder, file)
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label < n_classes:
            raise DataError(f"label file {file}: `{name}` has the label {label!r}; known are 0 to {n_classes - 1}")
    return dict(pairs)


def _check_inside(name: str, folder: Path, file: Path) -> None:
    """Refuses paths that are absolute, of another system, go up, or lead out of the folder through a link."""
    plain, windows = PurePosixPath(name), PureWindowsPath(name)
    odd = not name or "\0" in name or plain.is_absolute() or windows.drive or windows.root or ".." in windows.parts
    try:
        inside = not odd and (folder / name).resolve().is_relative_to(folder)
    except (OSError, ValueError):  # too long, or no name that the file system could have
        inside = False
    if not inside:
        raise DataError(f"label file {file}: the path {name!r} does not stay in {folder}; write it relative to it")


def _recordings(names: Sequence[str]) -> tuple[str, ...] | None:
    """The recording of each image, `part/recording/frame.png`; None where images lie beside the label file."""
    parts = [PurePosixPath(name).parts for name in names]
    return tuple(p[1] for p in parts) if all(len(p) > 2 for p in parts) else None
