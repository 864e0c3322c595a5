"""Random streams: every draw comes from one seed and a written-out path of names and numbers."""

import hashlib

import numpy as np

from shiftgauge.errors import ConfigError


def check_seed(seed: int) -> int:
    """Returns `seed` when it is a whole number in [0, 2⁶³) (0 is a seed like any other)."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
        raise ConfigError(f"`seed` must be a whole number from 0 to 2⁶³ - 1, got {seed!r}")
    return int(seed)


def stream_key(seed: int, *path: str | int) -> int:
    """Returns a 63-bit key that depends on the seed and on every part of the path.

    Example:
        >>> stream_key(0, "noise", 3) == stream_key(0, "noise", 3)
        True
        >>> stream_key(0, "noise", 3) == stream_key(0, "noise", 4)
        False
    """
    text = "/".join([str(check_seed(seed)), *(f"{type(p).__name__}:{p}" for p in path)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *path: str | int) -> np.random.Generator:
    """Returns an independent NumPy generator for the seed and path.

    Example:
        >>> float(generator(0, "design").random()) == float(generator(0, "design").random())
        True
    """
    return np.random.default_rng(stream_key(seed, *path))
