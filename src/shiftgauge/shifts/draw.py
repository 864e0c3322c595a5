"""Random numbers of the sensor shifts: every draw belongs to (seed, shift, stream number) and to nothing else.

A draw is made on the CPU from the raw bits of a generator that is keyed by those three, so it is the same
whatever the batch, the worker, the device or the order of work. Raw bits are promised never to change between
versions of NumPy; its ready-made normal variates are not.

Numbers come on an even grid of 65,536 levels: uniform ones are the middles of as many equal cells, normal ones
their quantiles, scaled to variance 1. The distribution function is therefore off by less than 1e-5, and a normal
number never exceeds 4.33. In return a draw costs a sixth of NumPy's.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from shiftgauge.random import stream_key

_LEVELS: Final = 1 << 16


def uniform(seed: int, name: str, streams_n: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Draws uniform numbers in (0, 1), one array for each stream number.

    Args:
        seed: Seed of the pipeline, ≥ 0.
        name: Name of the shift; two shifts of one stream number draw independently.
        streams_n: Stream numbers, (N,) int64. Equal numbers give equal arrays.
        shape: Shape of one array.

    Returns:
        (N, *shape) float32 on the CPU.

    Example:
        >>> u = uniform(0, "salt_pepper", torch.tensor([5, 6, 5]), (1, 4, 4))
        >>> bool((u[0] == u[2]).all()), bool((u[0] == u[1]).all())
        (True, False)
    """
    return _look_up(_uniform_table(), seed, name, streams_n, shape)


def normal(seed: int, name: str, streams_n: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Draws standard normal numbers, one array for each stream number.

    Args:
        seed: Seed of the pipeline, ≥ 0.
        name: Name of the shift; two shifts of one stream number draw independently.
        streams_n: Stream numbers, (N,) int64. Equal numbers give equal arrays.
        shape: Shape of one array.

    Returns:
        (N, *shape) float32 on the CPU.

    Example:
        >>> z = normal(0, "gaussian_noise", torch.tensor([5]), (3, 64, 64))
        >>> bool(z.mean().abs() < 0.05), bool((z.std() - 1).abs() < 0.05)
        (True, True)
    """
    return _look_up(_normal_table(), seed, name, streams_n, shape)


def _look_up(table: Tensor, seed: int, name: str, streams_n: Tensor, shape: tuple[int, ...]) -> Tensor:
    numbers, place = np.unique(streams_n.cpu().numpy(), return_inverse=True)
    count = int(np.prod(shape))
    drawn = torch.empty((len(numbers), count), dtype=torch.float32)
    for row, number in enumerate(numbers):
        bits = np.random.SFC64(stream_key(seed, "shift", name, int(number))).random_raw(-(-count // 4))
        levels = bits.astype("<u8", copy=False).view("<u2")[:count]
        torch.index_select(table, 0, torch.from_numpy(levels.astype(np.int32)), out=drawn[row])
    if len(numbers) == len(place) and bool((np.diff(place) > 0).all()):
        return drawn.reshape(-1, *shape)
    return drawn[torch.from_numpy(place)].reshape(-1, *shape)


@cache
def _uniform_table() -> Tensor:
    return torch.from_numpy(((np.arange(_LEVELS) + 0.5) / _LEVELS).astype(np.float32))


@cache
def _normal_table() -> Tensor:
    quantiles = ndtri((np.arange(_LEVELS) + 0.5) / _LEVELS)
    return torch.from_numpy((quantiles / np.sqrt((quantiles**2).mean())).astype(np.float32))
