"""How many images to work on at a time: a short measured trial."""

import time
from collections.abc import Callable, Sequence
from typing import Final

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError

BATCH_SIZES: Final = (8, 16, 32, 64, 128, 256)
"""What is tried, smallest first."""
_ADVANTAGE: Final = 1.03
"""A larger batch must be this much faster to replace a smaller one: differences below are noise."""
_MEMORY_TEXT: Final = ("out of memory", "can't allocate memory", "not enough memory")


def tuned_batch(
    run: Callable[[int], None],
    candidates: Sequence[int] = BATCH_SIZES,
    *,
    rounds: int = 2,
    seconds: float = 10.0,
) -> int:
    """Returns the batch size of most items per second.

    Each candidate is run once to warm up and then `rounds` times, of which the quickest counts. The trial ends when
    two candidates in a row are no faster than the best, when its time is over, or when memory does not suffice; a
    larger batch is taken only where it is 3 % faster, so that memory is not spent on noise.

    Args:
        run: Works on that many items; what it gives is not looked at.
        candidates: Numbers of items, ≥ 1, in rising order.
        rounds: Timed runs of each, ≥ 1.
        seconds: Time after which no further candidate is tried.

    Raises:
        ConfigError: No candidate, or one that is no number ≥ 1.
        MemoryError: Not even the first candidate fits.

    Example:
        >>> tuned_batch(lambda n: time.sleep(0.002 + 0.0001 * n), (1, 8))
        8
    """
    if not candidates:
        raise ConfigError("`candidates` must name at least one batch size, got none")
    sizes = [require_positive_int("candidates", size) for size in candidates]
    if len(sizes) == 1:
        return sizes[0]
    best, best_rate, worse, deadline = sizes[0], 0.0, 0, time.perf_counter() + seconds
    for size in sizes:
        try:
            rate = size / _quickest(run, size, rounds)
        except (RuntimeError, MemoryError) as error:
            if not best_rate or not _is_memory(error):
                raise
            break
        if rate > _ADVANTAGE * best_rate:
            best, best_rate, worse = size, rate, 0
        else:
            worse += 1
        if worse == 2 or time.perf_counter() > deadline:
            break
    return best


def _quickest(run: Callable[[int], None], size: int, rounds: int) -> float:
    times = []
    run(size)
    for _ in range(rounds):
        start = time.perf_counter()
        run(size)
        times.append(time.perf_counter() - start)
    return max(min(times), 1e-9)


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in _MEMORY_TEXT)
