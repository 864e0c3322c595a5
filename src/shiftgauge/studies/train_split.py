"""Which image a training put into which part: `split.csv`, and the training images that a model folder remembers."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import FileImages
from shiftgauge.files import write_atomic
from shiftgauge.models.model_record import ModelRecord
from shiftgauge.results.status import LEVELS, Message

if TYPE_CHECKING:
    from shiftgauge.studies.train_data import Divided

SPLIT_FILE: Final = "split.csv"
"""The table of images and their parts in the run folder."""
IMAGES_KEY: Final = "images"
"""Where, in the record of the training, a model folder keeps the contents of its training images."""
_DIGITS: Final = 16
"""Hex digits kept of each content hash: 64 bits, in which no two of a million images agree by chance."""


def write_split(divided: Divided, folder: Path) -> Path:
    """Writes `split.csv`: a manifest of every image that is in a part, with its labels, part and unit.

    Columns: `path` relative to the file, or `name` where images are no files; `label`, or one column of 0 and 1 for
    each of several labels; `group` where the data have groups; `split`; and `unit`, equal for images that belong
    together. A column whose name is that of a label has an underscore behind it.

    Args:
        divided: The images and their parts.
        folder: The run folder.

    Raises:
        StoreError: The file cannot be written.
    """
    dataset, paths = divided.dataset, image_paths(divided.dataset, folder)
    several = dataset.label_matrix is not None
    labels = list(dataset.class_names) if several else ["label"]
    taken = labels if several else []
    parts = {int(row): name for name, rows in divided.split.parts.items() for row in rows}
    columns = ["name" if paths is None else "path", *([] if dataset.groups is None else ["group"]), "split", "unit"]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    first, *others = [_free(name, taken) for name in columns]
    table.writerow([first, *labels, *others])
    for row in sorted(parts):
        group = [] if dataset.groups is None else [dataset.groups[row]]
        name = dataset.names[row] if paths is None else paths[row]
        table.writerow([name, *_labels(dataset, row), *group, parts[row], int(divided.units[row])])
    return write_atomic(folder / SPLIT_FILE, text.getvalue())


def training_images(dataset: ImageDataset) -> str:
    """The contents of images as one short text: 64 bits of each content hash, in order.

    Example:
        >>> import numpy as np
        >>> from shiftgauge.data.arrays import from_arrays
        >>> len(training_images(from_arrays(np.random.default_rng(0).random((3, 8, 8)), ["a", "b", "a"])))
        48
    """
    return "".join(sorted({content[:_DIGITS] for content in dataset.hashes}))


def seen_in_training(classifier: Any, source: ImageDataset, chosen: Sequence[int] | None = None) -> tuple[Message, ...]:
    """Warns where images that are audited lie in the training part of the model folder that is audited.

    Args:
        classifier: Of a model folder, or any other, of which nothing is known.
        source: The images.
        chosen: Those of them that are audited; default all.
    """
    record = getattr(classifier, "record", None)
    text = record.training.get(IMAGES_KEY) if isinstance(record, ModelRecord) else None
    if not isinstance(text, str) or not text:
        return ()
    known = {text[k : k + _DIGITS] for k in range(0, len(text), _DIGITS)}
    rows = range(len(source)) if chosen is None else chosen
    n_seen = sum(source.hashes[row][:_DIGITS] in known for row in rows)
    if not n_seen:
        return ()
    said = (
        f"The model was trained on {n_seen} of the {len(rows)} images, so they say little of how it does on new ones; "
        f"audit the test part: the {SPLIT_FILE} of the training's run folder as `manifest`, with `split_column: split` "
        "and `split: test`"
    )
    return (Message(level="caution", code="trained_on", text=said),)


def image_paths(dataset: ImageDataset, folder: Path) -> list[str] | None:
    """The files of the images as seen from the run folder; None where they are no files.

    Args:
        dataset: The images.
        folder: The run folder.
    """
    if not isinstance(dataset.images, FileImages):
        return None
    start = folder.resolve()
    return [_relative(path.parent.resolve() / path.name, start) for path in dataset.images.paths]


def by_level(messages: Iterable[Message]) -> tuple[Message, ...]:
    """Messages with the most serious first, otherwise as they come."""
    return tuple(sorted(messages, key=lambda message: -LEVELS.index(message.level)))


def _relative(path: Path, start: Path) -> str:
    try:
        return Path(os.path.relpath(path, start)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()


def _labels(dataset: ImageDataset, row: int) -> list[str | int]:
    if dataset.label_matrix is not None:
        return dataset.label_matrix[row].astype(int).tolist()
    return [dataset.class_names[dataset.labels[row]]]


def _free(name: str, taken: Sequence[str]) -> str:
    while name in taken:
        name += "_"
    return name
