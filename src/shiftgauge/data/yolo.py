"""Images with YOLO text files: one line for each defect, beginning with the id of its class."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in
from shiftgauge.data.arrays import single_labels
from shiftgauge.data.assemble import Listing, assemble
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.folder import files_below
from shiftgauge.errors import DataError

_OTHER_TEXTS = frozenset(("classes.txt", "notes.txt", "readme.txt"))
_SLACK = 0.01
_DIGITS = 9


def read_yolo(
    path: str | Path,
    *,
    classes: Sequence[str],
    images: str = "img",
    labels: str = "txt",
    no_defect: str | None = "no defect",
    task: Literal["multi", "single"] = "multi",
    splits: Sequence[str] = (),
    split: str | None = None,
    skip_unreadable: bool = False,
    limit: int | None = None,
    seed: int = 0,
    background: float = 0.0,
) -> ImageDataset:
    """Reads `path/img/….png` with `path/txt/….txt`, as labels of the whole image.

    Each line of a text file is `id x y width height`, or `id x1 y1 x2 y2 x3 y3 …` for a polygon, as shares of the
    image's width and height; only the id counts here. An image has the label of each id that occurs. An empty or
    missing file means no defect, as YOLO has it; a text file without an image is an error, as is a missing folder of
    labels, because a mistyped path would make every part a good one.

    Args:
        path: The folder that holds both folders.
        classes: Names of the ids 0, 1, 2 …; with `task="single"` the one name of any defect.
        images: Folder of the images below `path`; files may lie deeper.
        labels: Folder of the text files, with the same names and sub-folders.
        no_defect: Name of the first label, 1 where there is no defect; None for none (`multi` only).
        task: `multi` for several labels; `single` for two classes, `no_defect` and the name in `classes`, by
            whether the text file exists, whatever it holds.
        splits: Folders below `path` that each hold both folders, e.g. ("train", "test"); the names become the
            stated splits of the images.
        split: Keep only this one of `splits`.
        skip_unreadable: Leave out images that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images, stratified, chosen before any is opened.
        seed: Seed of that choice, ≥ 0.
        background: Grey level in [0, 1] behind transparent pixels; default 0, black.

    Raises:
        DataError: A folder is missing or empty; a text file has an unknown id, a malformed line or a number that is
            not finite or no share (file and line are named), or no image; or an image cannot be read.

    References:
        Ultralytics, Detection and segmentation datasets: the YOLO text format, docs.ultralytics.com/datasets.
    """
    names = _class_names(classes, no_defect, task)
    if split is not None:
        require_in("split", split, splits, DataError)
    root = Path(path)
    places = {part: root / part for part in splits if split in (None, part)} if splits else {"": root}
    pairs = [(part, *pair) for part, place in places.items() for pair in _paired(place, images, labels)]
    matrix = np.stack([_row(text, len(classes), no_defect is not None, task) for _, _, text in pairs])
    listing = Listing(
        paths=tuple(image for _, image, _ in pairs),
        names=tuple(image.relative_to(root).as_posix() for _, image, _ in pairs),
        labels=matrix.argmax(axis=1).astype(np.int64) if task == "single" else single_labels(matrix),
        class_names=names,
        splits=tuple(part for part, _, _ in pairs) if splits else None,
        label_matrix=None if task == "single" else matrix,
    )
    return assemble(
        listing,
        skip_unreadable=skip_unreadable,
        limit=limit,
        seed=seed,
        background=background,
        source=f"YOLO folder {root}",
    )


def read_ids(file: Path, n_classes: int) -> list[int]:
    """Returns the class ids of a YOLO text file, sorted, each once.

    Raises:
        DataError: The file cannot be read or a line is not as it should be; with file and line.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"label file {file} cannot be read: {str(error).splitlines()[0]}") from error
    ids = set()
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                ids.add(_id_of(line.split(), n_classes))
            except DataError as error:
                raise DataError(f"{file}:{number}: {error}") from error
    return sorted(ids)


def _id_of(fields: list[str], n_classes: int) -> int:
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        raise DataError(f"expected `id x y width height`, or an id and at least 3 points, got {len(fields)} field(s)")
    if not (fields[0].isascii() and fields[0].isdigit()):
        raise DataError(f"a line begins with the id of a class, a whole number ≥ 0, got `{fields[0]}`")
    if len(fields[0]) > _DIGITS or int(fields[0]) >= n_classes:
        raise DataError(f"unknown class id {fields[0][:_DIGITS]}; `classes` names the ids 0 to {n_classes - 1}")
    for text in fields[1:]:
        try:
            value = float(text)
        except ValueError as error:
            raise DataError(f"`{text}` is no number") from error
        if not math.isfinite(value) or not -_SLACK <= value <= 1 + _SLACK:
            raise DataError(f"places are shares of width and height in [0, 1], got {text}")
    return int(fields[0])


def _class_names(classes: Sequence[str], no_defect: str | None, task: str) -> tuple[str, ...]:
    require_in("task", task, ("multi", "single"), DataError)
    if isinstance(classes, str) or not classes:
        raise DataError("`classes` must be a list with the name of each id, in their order")
    if task == "single" and (len(classes) != 1 or no_defect is None):
        raise DataError("task `single` needs one name in `classes`, that of any defect, and a name for `no_defect`")
    names = (*(() if no_defect is None else (no_defect,)), *classes)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"`classes` and `no_defect` name `{twice}` more than once; each label needs its own name")
    return names


def _paired(place: Path, images: str, labels: str) -> list[tuple[Path, Path | None]]:
    """Lists the images with their text files, None where there is none."""
    for folder in (place, place / images, place / labels):
        if not folder.is_dir():
            raise DataError(f"YOLO folder {folder} " + ("is not a folder" if folder.exists() else "does not exist"))
    pictures = [f for f in files_below(place / images) if f.suffix.lower() != ".txt"]
    if not pictures:
        raise DataError(f"YOLO folder {place / images} holds no images")
    texts = {
        f.relative_to(place / labels).with_suffix("").as_posix(): f
        for f in files_below(place / labels)
        if f.suffix.lower() == ".txt" and f.name.lower() not in _OTHER_TEXTS
    }
    stems = [f.relative_to(place / images).with_suffix("").as_posix() for f in pictures]
    twice = next((stem for stem in set(stems) if stem in texts and stems.count(stem) > 1), None)
    if twice is not None:
        raise DataError(f"{place / images} holds several images `{twice}` for one label file; keep one of them")
    orphans = sorted(set(texts) - set(stems))
    if orphans:
        raise DataError(f"{len(orphans)} label file(s) have no image, e.g. {texts[orphans[0]]}; add it or remove them")
    return [(image, texts.get(stem)) for image, stem in zip(pictures, stems, strict=True)]


def _row(text: Path | None, n_classes: int, first_is_none: bool, task: str) -> npt.NDArray[np.float64]:
    if task == "single":
        return np.array([text is None, text is not None], np.float64)
    row = np.zeros(n_classes)
    if text is not None:
        row[read_ids(text, n_classes)] = 1
    return np.concatenate([[row.sum() == 0], row]) if first_is_none else row
