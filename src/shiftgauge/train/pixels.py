"""Images of a part in another order, repeated, in float32, or of two parts one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.errors import DataError, NumericalError
from shiftgauge.train.images import Pixels, Rows


@dataclass(frozen=True, eq=False)
class ChosenPixels:
    """Images of another source at some rows, in that order; a row may be there several times.

    Args:
        source: The images.
        rows: int64 (n,), numbers of images of the source.

    Raises:
        DataError: A row that the source does not have.

    Example:
        >>> held = FloatPixels(torch.tensor([0.0, 0.5]).view(2, 1, 1, 1))
        >>> ChosenPixels(held, np.array([1, 0, 1])).batch([0, 2]).flatten().tolist()
        [0.5, 0.5]
    """

    source: Pixels
    rows: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        rows = np.asarray(self.rows, np.int64)
        if rows.ndim != 1 or (rows.size and not 0 <= rows.min() <= rows.max() < len(self.source)):
            raise DataError(f"rows must be numbers from 0 to {len(self.source) - 1}, got {rows.min()} … {rows.max()}")
        object.__setattr__(self, "rows", rows)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows, float32 (N, C, H, W)."""
        return self.source.batch(self.rows[np.asarray(rows, np.int64)])

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order."""
        return self.source.batches(self.rows[np.asarray(rows, np.int64)] for rows in rows_of)


@dataclass(frozen=True, eq=False)
class FloatPixels:
    """Images in memory in float32, for changes that are smaller than one of 256 levels.

    Args:
        images_nchw: float32 (n, C, H, W); values beyond [0, 1] are kept.

    Raises:
        DataError: Another type or shape.
        NumericalError: A value is NaN or infinite.
    """

    images_nchw: Tensor

    def __post_init__(self) -> None:
        if self.images_nchw.ndim != 4 or self.images_nchw.dtype != torch.float32:
            raise DataError(
                f"images must be float32 (n, C, H, W), got {self.images_nchw.dtype} {tuple(self.images_nchw.shape)}"
            )
        if not self.images_nchw.isfinite().all():
            raise NumericalError("the images hold NaN or infinity; look at what made them")

    def __len__(self) -> int:
        return len(self.images_nchw)

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows."""
        return self.images_nchw[torch.as_tensor(np.asarray(rows, np.int64))]

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order."""
        return map(self.batch, rows_of)


@dataclass(frozen=True, eq=False)
class JoinedPixels:
    """The images of one source, and after them those of another of the same size.

    Args:
        first: Images 0 … n - 1; a source that reads ahead goes on doing so.
        second: The images from n on; they should be in memory.
    """

    first: Pixels
    second: Pixels

    def __len__(self) -> int:
        return len(self.first) + len(self.second)

    def batch(self, rows: Rows) -> Tensor:
        """Images at the rows, in their order."""
        return next(self.batches([rows]))

    def batches(self, rows_of: Iterable[Rows]) -> Iterator[Tensor]:
        """The batch of each of several rows, in their order."""
        wanted = [np.asarray(rows, np.int64) for rows in rows_of]
        plain = self.first.batches(rows[rows < len(self.first)] for rows in wanted if (rows < len(self.first)).any())
        for rows in wanted:
            own = (rows < len(self.first)).any()
            yield self._joined(rows, next(plain)) if own else self.second.batch(rows - len(self.first))

    def _joined(self, rows: npt.NDArray[np.int64], first: Tensor) -> Tensor:
        """A batch from the images of the first source that it has, and those of the second one."""
        later = rows >= len(self.first)
        if not later.any():
            return first
        found = first.new_empty((len(rows), *first.shape[1:]))
        found[torch.from_numpy(~later)] = first
        found[torch.from_numpy(later)] = self.second.batch(rows[later] - len(self.first))
        return found
