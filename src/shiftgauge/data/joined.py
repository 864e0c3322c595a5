"""One data set out of several that are its parts, such as a train and a test file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ArrayImages, EncodedImages, FileImages, ImageSource
from shiftgauge.errors import DataError


def join_splits(parts: Mapping[str, ImageDataset]) -> ImageDataset:
    """Puts data sets of the same classes together; each becomes a split, whose name stands before those of its images.

    Args:
        parts: Split → its images, each with one class; read in the same way, so that all are files, encoded bytes, or
            arrays of one shape.

    Returns:
        All images in the order of the parts.

    Raises:
        DataError: No part, other classes, several labels an image, or images held in another way.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> one = from_arrays(np.zeros((2, 4, 4), np.uint8), ["a", "b"])
        >>> found = join_splits({"train": one, "test": one})
        >>> found.names, found.splits
        (('train/0', 'train/1', 'test/0', 'test/1'), ('train', 'train', 'test', 'test'))
    """
    found = list(parts.values())
    if not found:
        raise DataError("there is no part to put together")
    for name, part in parts.items():
        if part.label_matrix is not None:
            raise DataError(f"the part `{name}` has several labels an image; parts to put together have one class each")
        if part.class_names != found[0].class_names:
            raise DataError(
                f"the part `{name}` has the classes {', '.join(part.class_names)}, "
                f"another part {', '.join(found[0].class_names)}; all need the same, in the same order"
            )
    return ImageDataset(
        images=_joined([part.images for part in found]),
        names=tuple(f"{split}/{name}" for split, part in parts.items() for name in part.names),
        labels=np.concatenate([part.labels for part in found]),
        class_names=found[0].class_names,
        hashes=tuple(value for part in found for value in part.hashes),
        channels=tuple(value for part in found for value in part.channels),
        splits=tuple(split for split, part in parts.items() for _ in part.names),
        skipped=tuple((f"{split}/{name}", why) for split, part in parts.items() for name, why in part.skipped),
        notes=tuple(note for part in found for note in part.notes),
    )


def _joined(sources: Sequence[ImageSource]) -> ImageSource:
    """The pixels of all, one source after the other."""
    files = [source for source in sources if isinstance(source, FileImages)]
    encoded = [source for source in sources if isinstance(source, EncodedImages)]
    arrays = [source for source in sources if isinstance(source, ArrayImages)]
    if len(files) == len(sources):
        return FileImages(
            paths=tuple(path for source in files for path in source.paths),
            hashes=tuple(value for source in files for value in source.hashes),
            background=files[0].background,
            searched=tuple(dict.fromkeys(folder for source in files for folder in source.searched)),
        )
    if len(encoded) == len(sources):
        return EncodedImages(
            contents=tuple(content for source in encoded for content in source.contents),
            background=encoded[0].background,
        )
    if len(arrays) == len(sources) and len({(s.array.shape[1:], s.array.dtype) for s in arrays}) == 1:
        pixels = np.concatenate([source.array[source.rows] for source in arrays])
        return ArrayImages(array=pixels, rows=np.arange(len(pixels)))
    raise DataError("parts to put together must be files, encoded images, or arrays of one shape and type, all alike")
