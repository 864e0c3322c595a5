"""Images on their way into a network: decoded and resized once, held as bytes, or read again for every batch."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError
from shiftgauge.models.preprocessing import Preprocessing

Task: TypeAlias = Literal["single", "multi"]
Progress: TypeAlias = Callable[[int, int], None]
Rows: TypeAlias = Sequence[int] | npt.NDArray[np.int64]
MEMORY_GB: Final = 4.0
"""Images of a part that need less than this are held in memory."""
READ_AHEAD: Final = "read-ahead"
"""Name of the thread that reads the next batches."""
_PIECE: Final = 64
_AHEAD: Final = 2


class Pixels(Protocol):
    """Gives images, as the network's input size has them, by their numbers."""

    def __len__(self) -> int:
        """How many images there are."""
        ...

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows, float32 (N, C, H, W) in [0, 1]."""
        ...

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order."""
        ...


@dataclass(frozen=True, eq=False)
class HeldPixels:
    """Images in memory, one byte for each value.

    Args:
        bytes_nchw: uint8 (n, C, H, W).
    """

    bytes_nchw: Tensor

    def __len__(self) -> int:
        return len(self.bytes_nchw)

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows, float32 (N, C, H, W) in [0, 1]."""
        return self.bytes_nchw[torch.as_tensor(np.asarray(rows, np.int64))].float().div_(255)

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order."""
        return map(self.batch, rows_of)


@dataclass(frozen=True, eq=False)
class ReadPixels:
    """Images that are read, decoded and resized whenever they are asked for, in threads.

    Of several batches the next two are read while the one before them is at work.

    Args:
        dataset: Where they are.
        preprocessing: Makes them the network's input size.
    """

    dataset: ImageDataset
    preprocessing: Preprocessing

    def __len__(self) -> int:
        return len(self.dataset)

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows, float32 (N, C, H, W) in [0, 1]."""
        parts = list(_pool().map(lambda i: _as_bytes(self.dataset, int(i), self.preprocessing), rows))
        return torch.stack(parts).float().div_(255)

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order; one thread reads ahead."""
        waiting: deque[Future[Tensor]] = deque()
        with ThreadPoolExecutor(1, thread_name_prefix=READ_AHEAD) as reader:
            try:
                for rows in rows_of:
                    waiting.append(reader.submit(self.batch, rows))
                    if len(waiting) > _AHEAD:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for batch in waiting:
                    batch.cancel()


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One part of a split, ready for a network.

    Args:
        pixels: The images.
        targets: int64 (n,) classes, or float32 (n, K) of 0 and 1.
        names: A name per image.
        groups: A group per image (board, person …), or None.
    """

    pixels: Pixels
    targets: Tensor
    names: tuple[str, ...]
    groups: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not len(self.pixels):
            raise DataError("a part of the data holds no image; give it a larger share, or more data")
        if not len(self.pixels) == len(self.targets) == len(self.names):
            raise DataError(
                f"{len(self.pixels)} images, {len(self.targets)} targets and {len(self.names)} names do not go together"
            )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def task(self) -> Task:
        """`single` or `multi`, by the form of the targets."""
        return "single" if self.targets.ndim == 1 else "multi"

    def counts(self, n_classes: int) -> npt.NDArray[np.int64]:
        """Images of each class or label (K,)."""
        if self.task == "multi":
            return self.targets.sum(dim=0).numpy().astype(np.int64)
        return np.bincount(self.targets.numpy(), minlength=n_classes)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Every image once, in order: images in [0, 1] and targets."""
        rows = [np.arange(start, min(start + size, len(self))) for start in range(0, len(self), size)]
        for images, of in zip(self.pixels.batches(rows), rows, strict=True):
            yield images, self.targets[of[0] : of[-1] + 1]


def read_part(
    dataset: ImageDataset,
    preprocessing: Preprocessing,
    *,
    memory_gb: float = MEMORY_GB,
    progress: Progress | None = None,
) -> Part:
    """Reads the images of one part at the network's input size.

    Values are rounded to 256 levels, as an 8-bit file would hold them after resizing: half a level at most.

    Args:
        dataset: The part; multi-label when it has a `label_matrix`.
        preprocessing: Resizing and channels; normalisation happens later, on the device.
        memory_gb: Up to so many gigabytes are held in memory; a larger part is read again for every batch.
        progress: Called with the images read and their number.

    Returns:
        Images and targets.

    Raises:
        DataError: No image, or an image that cannot be read.
        ModelError: The channels do not fit.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.full((2, 6, 6), 51, np.uint8), ["a", "b"])
        >>> part = read_part(data, Preprocessing(height=3, width=3, channels=1))
        >>> part.pixels.batch([1]).shape, round(float(part.pixels.batch([1]).max()), 3)
        (torch.Size([1, 1, 3, 3]), 0.2)
    """
    require_range("memory_gb", memory_gb, 0)
    if not len(dataset):
        raise DataError("a part of the data holds no image; give it a larger share, or more data")
    matrix = dataset.label_matrix
    targets = torch.from_numpy(dataset.labels.copy() if matrix is None else matrix.astype(np.float32))
    pixels: Pixels = ReadPixels(dataset, preprocessing)
    if len(dataset) * float(np.prod(preprocessing.input_shape)) <= memory_gb * 2**30:
        pixels = _held(dataset, preprocessing, progress)
    return Part(pixels=pixels, targets=targets, names=dataset.names, groups=dataset.groups)


def _held(dataset: ImageDataset, preprocessing: Preprocessing, progress: Progress | None) -> HeldPixels:
    held = torch.empty((len(dataset), *preprocessing.input_shape), dtype=torch.uint8)
    for start in range(0, len(dataset), _PIECE):
        rows = range(start, min(start + _PIECE, len(dataset)))
        for i, image in zip(rows, _pool().map(lambda i: _as_bytes(dataset, i, preprocessing), rows), strict=True):
            held[i] = image
        if progress is not None:
            progress(rows.stop, len(dataset))
    return HeldPixels(held)


def _as_bytes(dataset: ImageDataset, row: int, preprocessing: Preprocessing) -> Tensor:
    prepared = preprocessing.prepare(torch.from_numpy(dataset.load(row))[None])[0]
    return prepared.mul(255).round_().clamp_(0, 255).to(torch.uint8)


@cache
def _pool() -> ThreadPoolExecutor:
    """The threads that decode, started once."""
    return ThreadPoolExecutor(min(8, os.cpu_count() or 1), thread_name_prefix="decode")
