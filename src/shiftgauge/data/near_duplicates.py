"""Images that show nearly the same thing, found by a perceptual hash and a correlation of thumbnails."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.perceptual_hash import Thumbnails, thumbnails
from shiftgauge.errors import DataError

DISTANCE = 8
"""Default of the largest Hamming distance between two hashes of 64 bits; see `near_duplicate_groups`."""
CORRELATION = 0.7
"""Default of the smallest correlation between two thumbnails; see `near_duplicate_groups`."""

_TILE = (1024, 2048)
_DENSE = 0.005


@dataclass(frozen=True, kw_only=True, eq=False)
class DuplicatePairs:
    """Pairs of images that are alike, the most alike first.

    Args:
        first: int64 (m,), index of the one image; smaller than `second`.
        second: int64 (m,), index of the other.
        distance: int64 (m,), Hamming distance of the hashes; 0 for equal content.
        correlation: float64 (m,), correlation of the thumbnails; 1 for equal content.
        total: Number of all such pairs, of which the first `m` are listed.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    distance: npt.NDArray[np.int64]
    correlation: npt.NDArray[np.float64]
    total: int


def near_duplicate_groups(
    dataset: ImageDataset,
    *,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
    flips: bool = False,
) -> npt.NDArray[np.int64]:
    """Returns groups of images of which each is alike to another one of its group.

    Two images are alike when their content hashes are equal, or when their perceptual hashes differ in at most
    `distance` bits **and** the correlation of their 32 × 32 grey thumbnails is at least `correlation`. The second
    condition costs little and separates plain patterns (stripes, a spot on a plain ground), of which the hash
    sees hardly anything. Groups are the connected components: if a is like b and b like c, all three are together.
    Every pair is compared, in tiles, so that memory stays at about 2.1 kB an image and 100 MB for the tile.

    The defaults come from looking at pairs of real inspection images. On 1,344 magnetic tiles, each photographed
    several times under other exposures, the share of pairs whose serial numbers are neighbours (which the hash
    does not know) is 93 % over distances 0 to 8, 80 % among those at 10, 46 % at 12 and 14 % at 14: at 8 the 1,344
    images fall into 405 groups, the largest of 15; at 10 chains begin (107), at 14 one group takes most images. On
    1,360 hot-rolled steel defects, 8 finds the 9 exact duplicates and two pairs of overlapping cuts. Look at the
    pairs (`near_duplicate_pairs`) of your own images before you trust any distance.

    Args:
        dataset: The images; each is read once.
        distance: Largest number of differing bits of 64, 0 … 32.
        correlation: Smallest correlation of thumbnails, in [−1, 1]; −1 leaves the judgement to the hash.
        flips: Compare with the mirror images as well (left-right, up-down, both, which is the half turn);
            quarter turns are never compared. Four times the time.

    Returns:
        int64 (n,), a group number per image, counted from 0 in the order of the first member.

    Raises:
        DataError: An option is out of range, or an image cannot be read.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> a, b = np.random.default_rng(0).random((2, 32, 32))
        >>> near_duplicate_groups(from_arrays(np.stack([a, b, 0.3 + 0.5 * a]), ["x", "x", "y"])).tolist()
        [0, 1, 0]
    """
    found = exact_groups(dataset)
    for rows in _alike(dataset, distance, correlation, flips):
        found = merge_groups(found, rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64))
    return found


def near_duplicate_pairs(
    dataset: ImageDataset,
    *,
    distance: int = DISTANCE,
    correlation: float = CORRELATION,
    flips: bool = False,
    limit: int = 10_000,
) -> DuplicatePairs:
    """Lists the pairs that `near_duplicate_groups` joins, to be looked at.

    Of images with the same content all pairs are listed, and the first alone is compared with other images.

    Args:
        dataset: The images; each is read once.
        distance: As there.
        correlation: As there.
        flips: As there; the distance and correlation of the best of the four positions are given.
        limit: Pairs to list at most, the most alike first; ≥ 1.

    Raises:
        DataError: An option is out of range, or an image cannot be read.
    """
    require_positive_int("limit", limit, error=DataError)
    exact = exact_groups(dataset)
    sizes = np.bincount(exact, minlength=1)
    total = int((sizes * (sizes - 1) // 2).sum())
    same = list(islice(_equal_pairs(exact), limit))
    kept = np.array([(i, j, 0.0, 1.0) for i, j in same], np.float64).reshape(-1, 4)
    for rows in _alike(dataset, distance, correlation, flips):
        rows = _best_first(rows)
        total += len(rows)
        kept = _best_first(np.concatenate([kept, rows[:limit]]))[:limit]
    return DuplicatePairs(
        first=kept[:, 0].astype(np.int64),
        second=kept[:, 1].astype(np.int64),
        distance=kept[:, 2].astype(np.int64),
        correlation=kept[:, 3],
        total=total,
    )


def exact_groups(dataset: ImageDataset) -> npt.NDArray[np.int64]:
    """Returns groups of images with the same content hash, int64 (n,), counted in the order of the first member."""
    number: dict[str, int] = {}
    return np.array([number.setdefault(h, len(number)) for h in dataset.hashes], dtype=np.int64)


def merge_groups(
    groups: npt.NDArray[np.int64], first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Returns the groups after joining those of each pair (first[k], second[k]), counted from 0 by first member.

    Example:
        >>> merge_groups(np.array([0, 1, 2, 2]), np.array([0]), np.array([3])).tolist()
        [0, 1, 0, 0]
    """
    n = int(groups.max(initial=-1)) + 1
    edges = coo_matrix((np.ones(len(first), np.int8), (groups[first], groups[second])), shape=(n, n))
    joined = connected_components(edges, directed=False)[1][groups]
    _, start, inverse = np.unique(joined, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(start))[inverse.reshape(-1)].astype(np.int64)


def _alike(dataset: ImageDataset, distance: int, correlation: float, flips: bool) -> Iterator[npt.NDArray[np.float64]]:
    """Yields rows (first, second, distance, correlation) of alike images of different content, tile by tile.

    A pair of images is in one tile, there once for each position (mirrored or not) in which it is alike.
    """
    require_positive_int("distance", distance, low=0, error=DataError)
    require_range("distance", distance, 0, 32, hint="beyond half of the bits everything is alike", error=DataError)
    require_range("correlation", correlation, -1.0, 1.0, error=DataError)
    different = np.unique(exact_groups(dataset), return_index=True)[1]
    base = thumbnails(dataset.select(different))
    patterned = base.pixels.any(axis=(1, 2))  # a flat image shows nothing to be compared
    different, base = different[patterned], Thumbnails(bits=base.bits[patterned], pixels=base.pixels[patterned])
    turns = [(False, True), (True, False), (True, True)] if flips else []
    positions = [base, *(base.mirrored(*turn) for turn in turns)]
    for top in range(0, len(different), _TILE[0]):
        for start in range(top, len(different), _TILE[1]):
            rows = np.concatenate([_close(base, other, top, start, distance) for other in positions])
            rows = rows[rows[:, 3] >= correlation]
            rows[:, :2] = np.sort(different[rows[:, :2].astype(np.int64)], axis=1)
            yield rows


def _close(left: Thumbnails, right: Thumbnails, top: int, start: int, distance: int) -> npt.NDArray[np.float64]:
    """Rows of one tile with hashes at most `distance` apart: with signs a, b = ±1 it is (64 − a·b) / 2, exactly."""
    a = np.where(left.bits[top : top + _TILE[0]], np.float32(1), np.float32(-1))
    b = np.where(right.bits[start : start + _TILE[1]], np.float32(1), np.float32(-1))
    agreement = a @ b.T
    i, j = np.nonzero(agreement >= 64 - 2 * distance)
    upper = i + top < j + start
    i, j = i[upper], j[upper]
    if len(i) > _DENSE * agreement.size:
        sides = [
            t[at : at + n].reshape(-1, t[0].size)
            for t, at, n in ((left.pixels, top, len(a)), (right.pixels, start, len(b)))
        ]
        r = (sides[0].astype(np.float32) @ sides[1].astype(np.float32).T)[i, j]
    else:
        pairs = left.pixels[i + top], right.pixels[j + start]
        r = np.einsum("nhw,nhw->n", *pairs, dtype=np.float32)
    return np.column_stack([i + top, j + start, (64.0 - agreement[i, j]) / 2, r]).astype(np.float64)


def _equal_pairs(exact: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    order = np.argsort(exact, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(exact))[:-1]):
        yield from combinations(members.tolist(), 2)


def _best_first(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sorts by distance, then by falling correlation, and keeps the best row of each pair."""
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0], -rows[:, 3], rows[:, 2]))]
    _, first = np.unique(rows[:, :2], axis=0, return_index=True)
    return rows[np.sort(first)]
