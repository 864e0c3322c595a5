"""The squares of the square attack: their side over time, and the pattern that fills them in L2."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import torch
from torch import Tensor

from shiftgauge.types import FloatArray

_HALVINGS: Final = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""Queries of 10,000 after which the share of the image that a square covers is halved."""
_WHOLE: Final = 10_000


def square_side(query: int, queries: int, initial_share: float, height: int, width: int, *, odd: bool = False) -> int:
    """Side of the square of a query, in pixels.

    Its area is a share of the image's that is halved after 10, 50, 200, 500, 1000, 2000, 4000, 6000 and 8000 of 10,000
    queries, at the same shares of another number of them.

    Args:
        query: Number of the query, from 0.
        queries: All of them.
        initial_share: Share at the start, in (0, 1].
        height: Of the image.
        width: Of the image.
        odd: Take an odd side of at least 3, as in L2.

    Example:
        >>> [square_side(q, 10_000, 0.8, 32, 32) for q in (0, 11, 10_000)]
        [29, 20, 1]
    """
    at = query * _WHOLE // queries
    share = initial_share / 2 ** sum(at > limit for limit in _HALVINGS)
    side, most = round((share * height * width) ** 0.5), min(height, width)
    if not odd:
        return min(max(side, 1), most)
    side = max(side, 3)
    side += 1 - side % 2
    return side if side <= most else max(1, most - 1 + most % 2)


@lru_cache(maxsize=256)
def square_pattern(side: int) -> FloatArray:
    r"""The pattern η of a square in L2: a positive and a negative pyramid side by side, of length 1.

    Each half (h₁, h₂) holds $\sum_{c = D}^{n} (c + 1)^{-2}$ with D the larger distance to its middle and
    n = max(⌊h₁/2⌋, ⌊h₂/2⌋).

    Example:
        >>> square_pattern(5).shape, round(float((square_pattern(5) ** 2).sum()), 6)
        ((5, 5), 1.0)
    """
    whole = np.zeros((side, side))
    half = side // 2
    for rows, sign in ((slice(0, half), 1), (slice(half, side), -1)):
        part = _pyramid(rows.stop - rows.start, side)
        whole[rows] = sign * part
    return whole / np.sqrt((whole**2).sum())


def _pyramid(height: int, width: int) -> FloatArray:
    if not height:
        return np.zeros((0, width))
    across = np.abs(np.arange(height) - height // 2)[:, None], np.abs(np.arange(width) - width // 2)[None]
    distance = np.maximum(*across)
    steps = np.cumsum(1.0 / np.arange(1, max(height // 2, width // 2) + 2)[::-1] ** 2)[::-1]
    found = steps[np.minimum(distance, len(steps) - 1)]
    return found / np.sqrt((found**2).sum())


def tiled_pattern(height: int, width: int) -> tuple[FloatArray, list[tuple[int, int]], int]:
    """How the start in L2 is laid out: tiles of a fifth of the shorter side, in the middle of the image.

    Returns:
        The pattern of one tile, the places (top, left) of the tiles, and their side.

    Example:
        >>> pattern, places, side = tiled_pattern(32, 32)
        >>> side, len(places), places[0]
        (6, 25, (1, 1))
    """
    side = max(min(height, width) // 5, 1)
    tops, lefts = ([(n - n // side * side) // 2 + i * side for i in range(n // side)] for n in (height, width))
    return square_pattern(side), [(top, left) for top in tops for left in lefts], side


def window_mask(top_n: Tensor, left_n: Tensor, side: int, height: int, width: int) -> Tensor:
    """Where the square of each image is, (n, 1, height, width)."""
    rows, columns = torch.arange(height, device=top_n.device), torch.arange(width, device=top_n.device)
    down = (rows >= top_n[:, None]) & (rows < top_n[:, None] + side)
    across = (columns >= left_n[:, None]) & (columns < left_n[:, None] + side)
    return (down[:, :, None] & across[:, None, :])[:, None]


def window_index(top_n: Tensor, left_n: Tensor, side: int, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Index of the square of each image in (n, C, H, W), whose values are (n, C, side, side)."""
    within = torch.arange(side, device=top_n.device)
    return (
        torch.arange(len(top_n), device=top_n.device)[:, None, None, None],
        torch.arange(channels, device=top_n.device)[None, :, None, None],
        (top_n[:, None] + within)[:, None, :, None],
        (left_n[:, None] + within)[:, None, None, :],
    )
