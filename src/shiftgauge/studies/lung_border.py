"""The border of a frame: where it lies, frames without it or with nothing else, and how much of a map falls on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_range
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ImageCHW, ImageSource
from shiftgauge.errors import ConfigError
from shiftgauge.files import hash_json
from shiftgauge.types import FloatArray

Border: TypeAlias = Literal["painted", "cut", "alone"]
BORDER: Final = 0.1
"""Width of the border on each side, as a share of the frame's height and width."""
CELLS: Final = 16
"""Maps are compared as means over so many cells in each direction."""


def border_mask(height: int, width: int, share: float = BORDER) -> npt.NDArray[np.bool_]:
    """Which pixels belong to the border: the band of a share of height and width along each side.

    Args:
        height: Pixels.
        width: Pixels.
        share: Width of the band, above 0 and below one half.

    Raises:
        ConfigError: A share outside its range.

    Example:
        >>> border_mask(10, 10).mean()
        np.float64(0.36)
    """
    if not 0 < require_range("share", share, 0, 0.5) < 0.5:
        raise ConfigError(f"the border's `share` must be above 0 and below 0.5, got {share}")
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    mask = np.ones((height, width), bool)
    mask[rows : height - rows, columns : width - columns] = False
    return mask


def without_border(image_chw: ImageCHW, how: Border, share: float = BORDER) -> ImageCHW:
    """One frame without its border, or with nothing but its border.

    Args:
        image_chw: (C, H, W).
        how: `painted`: the border is black; `cut`: the frame ends where the border begins; `alone`: all but the border
            is black.
        share: Width of the band.

    Returns:
        (C, H, W), or smaller where it is cut.
    """
    require_in("way to treat the border", how, get_args(Border))
    height, width = image_chw.shape[1:]
    mask = border_mask(height, width, share)
    if how == "cut":
        rows, columns = np.flatnonzero(~mask.all(axis=1)), np.flatnonzero(~mask.all(axis=0))
        return np.ascontiguousarray(image_chw[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    kept = mask if how == "alone" else ~mask
    return image_chw * kept.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class BorderlessImages:
    """Images whose border is taken away whenever they are read.

    Args:
        source: The images.
        how: See `without_border`.
        share: Width of the band.
    """

    source: ImageSource
    how: Border
    share: float = BORDER

    def load(self, index: int) -> ImageCHW:
        """Reads one image."""
        return without_border(self.source.load(index), self.how, self.share)

    def select(self, indices: Sequence[int]) -> BorderlessImages:
        """Keeps the images at the indices."""
        return replace(self, source=self.source.select(indices))


def treated(dataset: ImageDataset, how: Border, share: float = BORDER) -> ImageDataset:
    """The same images, their border treated; contents have hashes of their own, different where they were.

    Args:
        dataset: The images.
        how: See `without_border`.
        share: Width of the band.
    """
    return replace(
        dataset,
        images=BorderlessImages(source=dataset.images, how=how, share=share),
        hashes=tuple(hash_json([value, "border", how, share]) for value in dataset.hashes),
        notes=(*dataset.notes, f"border of {share:.0%} on each side: {how}"),
    )


def border_share(maps_nyx: npt.ArrayLike, share: float = BORDER) -> FloatArray:
    r"""Share of each map that falls on the border: $\sum_{border} m / \sum m$.

    A map that is everywhere alike has the border's share of the area, about 0.36 for a band of 0.1.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.
        share: Width of the band.

    Returns:
        (n,), NaN for a map that is 0 everywhere.

    Example:
        >>> border_share(np.ones((1, 10, 10))).round(2)
        array([0.36])
    """
    maps = np.asarray(maps_nyx, np.float64)
    height, width = maps.shape[1:]
    on_it = (maps * border_mask(height, width, share)).sum(axis=(1, 2))
    return _ratio(on_it, maps.sum(axis=(1, 2)))


def breadth(maps_nyx: npt.ArrayLike, cells: int = CELLS) -> FloatArray:
    r"""How much of the area each map covers: $(\sum_i m_i)^2 / (n \sum_i m_i^2)$ over cells $i$.

    It is 1 for a map that is everywhere alike, and k/n for one that is alike in k of n cells and 0 elsewhere. Maps are
    averaged over cells first, because fine grain alone makes a map look narrow.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.
        cells: Cells in each direction, at most the pixels.

    Returns:
        (n,), NaN for a map that is 0 everywhere.

    Example:
        >>> maps = np.zeros((1, 32, 32))
        >>> maps[:, :16] = 1
        >>> breadth(maps)
        array([0.5])

    References:
        Bell, R. J., Dean, P. (1970). Atomic vibrations in vitreous silica. Discussions of the Faraday Society 50, 55-61
        (participation ratio). doi:10.1039/df9705000055
    """
    means = _cells(np.asarray(maps_nyx, np.float64), cells)
    return _ratio(means.sum(axis=1) ** 2, means.shape[1] * (means**2).sum(axis=1))


def half_area(maps_nyx: npt.ArrayLike, cells: int = CELLS) -> FloatArray:
    """Smallest share of the cells that holds half of each map (n,), NaN for a map that is 0 everywhere.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.
        cells: Cells in each direction.

    Example:
        >>> half_area(np.ones((1, 32, 32)))
        array([0.5])
    """
    ordered = np.sort(_cells(np.asarray(maps_nyx, np.float64), cells), axis=1)[:, ::-1]
    whole = ordered.sum(axis=1)
    count = (ordered.cumsum(axis=1) < whole[:, None] * (0.5 - 1e-12)).sum(axis=1) + 1.0
    return np.where(whole > 0, count / ordered.shape[1], np.nan)


def _cells(maps_nyx: FloatArray, cells: int) -> FloatArray:
    """Means over cells (n, cells²); cells differ by a pixel where they must."""
    for axis in (1, 2):
        pixels = maps_nyx.shape[axis]
        starts = (np.arange(min(cells, pixels)) * pixels) // min(cells, pixels)
        sizes = np.diff(np.append(starts, pixels))
        shape = [1, 1, 1]
        shape[axis] = -1
        maps_nyx = np.add.reduceat(maps_nyx, starts, axis=axis) / sizes.reshape(shape)
    return maps_nyx.reshape(len(maps_nyx), -1)


def _ratio(top_n: FloatArray, bottom_n: FloatArray) -> FloatArray:
    return np.where(bottom_n > 0, top_n / np.where(bottom_n > 0, bottom_n, 1), np.nan)
