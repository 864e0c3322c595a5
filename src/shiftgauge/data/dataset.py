"""Labelled images as one immutable value."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_positive_int
from shiftgauge.data.source import FileImages, ImageCHW, ImageSource
from shiftgauge.errors import DataError
from shiftgauge.files import hash_array, hash_json
from shiftgauge.random import generator


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageDataset:
    """Images with labels; nothing in it changes after it is made.

    Args:
        images: Where the pixels are.
        names: A name per image, e.g. the path below the folder; all different.
        labels: int64 (n,), index into `class_names`; −1 where a multi-label image has not exactly one class.
        class_names: Names of the classes.
        hashes: Content hash per image.
        channels: Channels per image.
        groups: A group per image (person, batch, day …), or None.
        splits: A split per image (train, test …), or None.
        skipped: (name, reason) of files left out because they cannot be read.
        label_matrix: float64 (n, K) of 0 and 1 for multi-label data, or None.
        notes: Sentences for the record, e.g. how labels were matched.

    Raises:
        DataError: Lengths differ, a name occurs twice, or a label is not among the classes.
    """

    images: ImageSource
    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    class_names: tuple[str, ...]
    hashes: tuple[str, ...]
    channels: tuple[int, ...]
    groups: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    skipped: tuple[tuple[str, str], ...] = ()
    label_matrix: npt.NDArray[np.float64] | None = field(default=None)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        labels = np.array(self.labels, dtype=np.int64)
        labels.setflags(write=False)
        object.__setattr__(self, "labels", labels)
        if self.label_matrix is not None:
            matrix = np.array(self.label_matrix, dtype=np.float64)
            matrix.setflags(write=False)
            object.__setattr__(self, "label_matrix", matrix)
            if matrix.shape != (n, len(self.class_names)):
                raise DataError(f"`label_matrix` must be ({n}, {len(self.class_names)}), got {matrix.shape}")
        for name in ("labels", "hashes", "channels", "groups", "splits"):
            values = getattr(self, name)
            if values is not None and len(values) != n:
                raise DataError(f"`{name}` has {len(values)} entries for {n} images")
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise DataError(f"image `{twice[0]}` is listed more than once ({len(twice)} such images)")
        low = -1 if self.label_matrix is not None else 0
        if n and (labels.min() < low or labels.max() >= len(self.class_names)):
            raise DataError(
                f"labels must be from 0 to {len(self.class_names) - 1}, got {labels.min()} to {labels.max()}"
            )

    def __len__(self) -> int:
        return len(self.names)

    def load(self, index: int) -> ImageCHW:
        """Reads image number `index` as float32 (C, H, W) with values in [0, 1].

        Raises:
            DataError: The image cannot be read or has changed since the data set was made.
        """
        return self.images.load(index)

    @property
    def n_channels(self) -> int | None:
        """Channels of the images, or None when they differ from image to image."""
        kinds = set(self.channels)
        return kinds.pop() if len(kinds) == 1 else None

    @property
    def searched(self) -> tuple[Path, ...]:
        """Folders whose content counts as data; none where a table or an array names the images."""
        return self.images.searched if isinstance(self.images, FileImages) else ()

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of images, names, labels and classes; the same wherever the folder lies."""
        return hash_json(
            {
                "hashes": self.hashes,
                "names": self.names,
                "labels": self.labels.tolist(),
                "classes": self.class_names,
                "groups": self.groups,
                "splits": self.splits,
                "matrix": None if self.label_matrix is None else hash_array(self.label_matrix),
            }
        )

    @property
    def class_counts(self) -> dict[str, int]:
        """Images per class, in the order of the classes."""
        if self.label_matrix is not None:
            return dict(zip(self.class_names, self.label_matrix.sum(axis=0).astype(int).tolist(), strict=True))
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def select(self, indices: Sequence[int] | npt.NDArray[np.integer]) -> "ImageDataset":
        """Returns the images at the indices, in that order; classes are kept.

        Raises:
            DataError: An index is out of range or occurs twice.
        """
        rows = [int(i) for i in indices]
        bad = next((i for i in rows if not 0 <= i < len(self)), None)
        if bad is not None:
            raise DataError(f"image index {bad} is not in 0 … {len(self) - 1}")
        return replace(
            self,
            images=self.images.select(rows),
            names=tuple(self.names[i] for i in rows),
            labels=self.labels[rows],
            hashes=tuple(self.hashes[i] for i in rows),
            channels=tuple(self.channels[i] for i in rows),
            groups=None if self.groups is None else tuple(self.groups[i] for i in rows),
            splits=None if self.splits is None else tuple(self.splits[i] for i in rows),
            label_matrix=None if self.label_matrix is None else self.label_matrix[rows],
        )

    def limit(self, n: int, *, seed: int = 0) -> "ImageDataset":
        """Returns at most n images, drawn at random within classes in proportion to their sizes.

        See `stratified_order`. The images keep their order. Of several labels every set of labels is a class here.

        Args:
            n: Images to keep, ≥ 1.
            seed: Seed of the draw, ≥ 0.
        """
        require_positive_int("limit", n, error=DataError)
        if n >= len(self):
            return self
        return self.select(np.sort(stratified_order(strata(self.labels, self.label_matrix), seed)[:n]))


def strata(labels: npt.NDArray[np.int64], label_matrix: npt.NDArray[np.float64] | None) -> npt.NDArray[np.int64]:
    """Returns the number of each image's class, or, where images have several labels, of its set of labels.

    Args:
        labels: int64 (n,).
        label_matrix: (n, K) of 0 and 1, or None for one label an image.

    Example:
        >>> strata(np.array([-1, 0, -1, -1]), np.array([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])).tolist()
        [2, 1, 0, 2]
    """
    if label_matrix is None:
        return labels
    return np.unique(label_matrix, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def stratified_order(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Returns an order of the images such that every beginning of it is a stratified sample.

    Image k (0, 1, …) of the shuffled class c of n_c images has the key (k + 1/2) / n_c, and the first of each
    class the key 0; sorting by the key takes one image of every class, then goes through all classes
    in proportion. A larger sample contains the smaller one.

    Args:
        labels: int64 (n,).
        seed: Seed of the shuffles, ≥ 0.

    Example:
        >>> order = stratified_order(np.array([0, 0, 0, 0, 1, 1]), seed=0)
        >>> sorted(np.array([0, 0, 0, 0, 1, 1])[order[:3]].tolist())
        [0, 0, 1]
    """
    keys = np.empty(len(labels))
    for value in np.unique(labels):
        members = np.flatnonzero(labels == value)
        rank = generator(seed, "limit", int(value)).permutation(len(members))
        keys[members] = np.where(rank == 0, 0.0, (rank + 0.5) / len(members))
    ties = generator(seed, "limit ties").permutation(len(labels))
    return np.lexsort((ties, keys)).astype(np.int64)
