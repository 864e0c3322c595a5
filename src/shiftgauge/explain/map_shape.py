"""The shape of maps: how much of an image they cover, and how much of them falls on its border."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shiftgauge.data.border import BORDER, border_mask
from shiftgauge.errors import DataError
from shiftgauge.types import FloatArray


def cell_means(maps_nyx: npt.ArrayLike, cells: tuple[int, int]) -> FloatArray:
    """Means of maps over the cells of a grid, which differ by a pixel where they must.

    Maps are compared on one grid, that of the coarser of them: fine grain alone makes a map look narrow, and what a
    layer enlarges to an image makes it look broad.

    Args:
        maps_nyx: Maps (n, y, x).
        cells: Rows and columns of the grid, at most the pixels.

    Returns:
        (n, rows, columns).

    Raises:
        DataError: More cells than pixels.

    Example:
        >>> cell_means(np.arange(16.0).reshape(1, 4, 4), (2, 2)).tolist()
        [[[2.5, 4.5], [10.5, 12.5]]]
    """
    means = np.asarray(maps_nyx, np.float64)
    for axis, count in enumerate(cells, start=1):
        pixels = means.shape[axis]
        if not 0 < count <= pixels:
            raise DataError(f"a map of {pixels} pixels cannot be divided into {count} cells; take 1 to {pixels}")
        starts = (np.arange(count) * pixels) // count
        shape = [1, 1, 1]
        shape[axis] = -1
        means = np.add.reduceat(means, starts, axis=axis) / np.diff(np.append(starts, pixels)).reshape(shape)
    return means


def border_share(
    maps_nyx: npt.ArrayLike, share: float = BORDER, *, pixels: tuple[int, int] | None = None
) -> FloatArray:
    r"""Share of each map that falls on the border: $\sum_i b_i m_i / \sum_i m_i$, $b_i$ how much of cell $i$ is border.

    A map that is everywhere alike has the border's share of the area, about 0.36 for a band of 0.1.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.
        share: Width of the band along each side, as a share of height and width.
        pixels: Height and width of the image, where the maps are means over its cells; default those of the maps.

    Returns:
        (n,), NaN for a map that is 0 everywhere.

    Example:
        >>> border_share(np.ones((1, 4, 4)), pixels=(40, 40)).round(2)
        array([0.36])
    """
    maps = np.asarray(maps_nyx, np.float64)
    cells = (maps.shape[1], maps.shape[2])
    height, width = pixels or cells
    covered = cell_means(border_mask(height, width, share)[None], cells)
    return _ratio((maps * covered).sum(axis=(1, 2)), maps.sum(axis=(1, 2)))


def breadth(maps_nyx: npt.ArrayLike) -> FloatArray:
    r"""How much of the area each map covers: $(\sum_i m_i)^2 / (n \sum_i m_i^2)$ over its n cells.

    It is 1 for a map that is everywhere alike, and k/n for one that is alike in k of n cells and 0 elsewhere.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.

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
    cells = np.asarray(maps_nyx, np.float64).reshape(len(np.asarray(maps_nyx)), -1)
    return _ratio(cells.sum(axis=1) ** 2, cells.shape[1] * (cells**2).sum(axis=1))


def half_area(maps_nyx: npt.ArrayLike) -> FloatArray:
    """Smallest share of the cells that holds half of each map (n,), NaN for a map that is 0 everywhere.

    Args:
        maps_nyx: Maps (n, y, x), ≥ 0.

    Example:
        >>> half_area(np.ones((1, 32, 32)))
        array([0.5])
    """
    maps = np.asarray(maps_nyx, np.float64)
    ordered = np.sort(maps.reshape(len(maps), -1), axis=1)[:, ::-1]
    whole = ordered.sum(axis=1)
    count = (ordered.cumsum(axis=1) < whole[:, None] * (0.5 - 1e-12)).sum(axis=1) + 1.0
    return np.where(whole > 0, count / ordered.shape[1], np.nan)


def raised_share(changes_nyx: npt.ArrayLike) -> FloatArray:
    r"""Share of each change of an image that makes it brighter: $\sum_i \max(0, d_i) / \sum_i |d_i|$.

    Args:
        changes_nyx: Changes (n, y, x), signed.

    Returns:
        (n,), NaN where nothing changes.

    Example:
        >>> raised_share([[[3.0, -1.0]]])
        array([0.75])
    """
    changes = np.asarray(changes_nyx, np.float64)
    return _ratio(np.maximum(changes, 0).sum(axis=(1, 2)), np.abs(changes).sum(axis=(1, 2)))


def map_correlation(maps_nyx: npt.ArrayLike, others_nyx: npt.ArrayLike) -> FloatArray:
    """Pearson's correlation of the cells of two maps of each image (n,), NaN where one is the same everywhere.

    Args:
        maps_nyx: Maps (n, y, x).
        others_nyx: Maps of the same images, of the same shape.

    Example:
        >>> map_correlation([[[0.0, 1.0, 2.0]]], [[[5.0, 4.0, 3.0]]])
        array([-1.])
    """
    one, two = (np.asarray(m, np.float64).reshape(len(np.asarray(m)), -1) for m in (maps_nyx, others_nyx))
    one, two = (m - m.mean(axis=1, keepdims=True) for m in (one, two))
    return _ratio((one * two).sum(axis=1), np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1)))


def _ratio(top_n: FloatArray, bottom_n: FloatArray) -> FloatArray:
    return np.where(bottom_n > 0, top_n / np.where(bottom_n > 0, bottom_n, 1), np.nan)
