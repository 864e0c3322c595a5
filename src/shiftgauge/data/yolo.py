"""Images with YOLO text files: one line for each defect, beginning with the id of its class."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in
from shiftgauge.data.arrays import single_labels
from shiftgauge.data.assemble import Listing, assemble
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.groups import groups_by_pattern
from shiftgauge.data.multilabel import with_no_defect
from shiftgauge.data.yolo_files import paired, part_folders
from shiftgauge.errors import DataError

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
    group_pattern: str | None = None,
) -> ImageDataset:
    r"""Reads `path/img/….png` with `path/txt/….txt`, as labels of the whole image.

    Each line of a text file is `id x y width height`, or `id x1 y1 x2 y2 x3 y3 …` for a polygon, as shares of the
    image's width and height; only the id counts here. An image has the label of each id that occurs. An empty or
    missing file means no defect, as YOLO has it, and how many there are is said in `notes`; a text file without an
    image is an error, as is a folder of labels that is missing or holds no text file, because a mistyped path would
    make every part a good one.

    Args:
        path: The folder that holds both folders.
        classes: Names of the ids 0, 1, 2 …; with `task="single"` the one name of any defect.
        images: Folder of the images below `path`; files may lie deeper.
        labels: Folder of the text files, with the same names and sub-folders.
        no_defect: Name of the label that is 1 where there is no defect: one of `classes`, which no defect may then
            contradict (`with_no_defect`), else put before them; None for none (`multi` only).
        task: `multi` for several labels; `single` for two classes, `no_defect` and the name in `classes`, by
            whether the text file exists, whatever it holds.
        splits: Folders that each hold both folders (`train/img`, `train/txt`), or that both folders hold
            (`images/train`, `labels/train`), e.g. ("train", "test"); the names become the stated splits of the images.
        split: Keep only this one of `splits`.
        skip_unreadable: Leave out images that cannot be read, and list them in `skipped`.
        limit: Keep at most so many images, stratified, chosen before any is opened.
        seed: Seed of that choice, ≥ 0.
        background: Grey level in [0, 1] behind transparent pixels; default 0, black.
        group_pattern: A regular expression whose first parentheses match the group in an image's path below `path`,
            such as `part_(\d+)` (`groups_by_pattern`); None for no groups.

    Raises:
        DataError: A folder is missing or empty; a text file has an unknown id, a malformed line or a number that is
            not finite or no share (file and line are named), or no image; or an image cannot be read.

    Example:
        >>> read_yolo("glass", classes=["scratch", "stain"]).class_names  # doctest: +SKIP
        ('no defect', 'scratch', 'stain')

    References:
        Ultralytics, Detection and segmentation datasets: the YOLO text format, docs.ultralytics.com/datasets.
    """
    names = _class_names(classes, no_defect, task)
    if split is not None:
        require_in("split", split, splits, DataError)
    root = Path(path)
    parts = [part for part in splits if split in (None, part)] if splits else [""]
    folders = [part_folders(root, part, images, labels) for part in parts]
    pairs = [(part, *pair) for part, both in zip(parts, folders, strict=True) for pair in paired(*both)]
    derived = no_defect is not None and no_defect not in classes
    matrix = np.stack([_row(text, len(classes), derived, task) for _, _, text in pairs])
    image_names = tuple(image.relative_to(root).as_posix() for _, image, _ in pairs)
    listing = Listing(
        paths=tuple(image for _, image, _ in pairs),
        names=image_names,
        labels=matrix.argmax(axis=1).astype(np.int64) if task == "single" else single_labels(matrix),
        class_names=names,
        groups=groups_by_pattern(image_names, group_pattern),
        splits=tuple(part for part, _, _ in pairs) if splits else None,
        label_matrix=None if task == "single" else matrix,
        searched=tuple(folder for both in folders for folder in both),
    )
    dataset = assemble(
        listing,
        skip_unreadable=skip_unreadable,
        limit=limit,
        seed=seed,
        background=background,
        source=f"YOLO folder {root}",
    )
    dataset = replace(dataset, notes=_without_lines([text for _, _, text in pairs], task))
    return dataset if task == "single" or no_defect is None else with_no_defect(dataset, no_defect)


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
    stated = task == "multi" and no_defect in classes
    names = (*(() if no_defect is None or stated else (no_defect,)), *classes)
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"`classes` and `no_defect` name `{twice}` more than once; each label needs its own name")
    return names


def _without_lines(texts: Sequence[Path | None], task: str) -> tuple[str, ...]:
    """Says how many images have no label file or an empty one, if any."""
    missing = sum(text is None for text in texts)
    empty = sum(text is not None and not text.read_bytes().strip() for text in texts)
    if not missing and not empty:
        return ()
    meaning = "both count as without a defect" if task == "multi" else "only those without a file count as good"
    return (f"{missing} of {len(texts)} images have no label file, {empty} have an empty one; {meaning}",)


def _row(text: Path | None, n_classes: int, first_is_none: bool, task: str) -> npt.NDArray[np.float64]:
    if task == "single":
        return np.array([text is None, text is not None], np.float64)
    row = np.zeros(n_classes)
    if text is not None:
        row[read_ids(text, n_classes)] = 1
    return np.concatenate([[row.sum() == 0], row]) if first_is_none else row
