"""How many images to work on at a time: a short measured trial."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import torch

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError

BATCH_SIZES: Final = (8, 16, 32, 64, 128, 256)
"""What is tried, smallest first."""
USUAL_BATCH: Final = 32
"""What is taken without a trial."""
_ROUNDS: Final = 2
"""Timed runs of each size, after one of the first that warms up."""
_TRIAL_SHARE: Final = 0.1
"""Of all work that a trial may cost."""
_ADVANTAGES: Final = (1.1, 1.03)
"""A larger batch must be this much faster to replace a smaller one, by one timed run or several: less is noise."""
_MEMORY_TEXT: Final = ("out of memory", "can't allocate memory", "not enough memory")


Run = Callable[[int], int | None]
"""Works on a number of items; may return on how many it did, where these are fewer."""


def tuned_batch(
    run: Run,
    candidates: Sequence[int] = BATCH_SIZES,
    *,
    rounds: int = _ROUNDS,
    seconds: float = 10.0,
    device: torch.device | None = None,
) -> int:
    """Returns the batch size of most items per second.

    The first candidate is run once to warm up, and then each `rounds` times, of which the quickest counts. The trial
    ends when two candidates in a row are no faster than the best, when its time is over, or when memory does not
    suffice; a larger batch is taken only where it is 3 % faster (10 % by one run each), so that memory is not spent on
    noise.

    Args:
        run: Works on that many items; returns on how many it did where these are fewer.
        candidates: Numbers of items, ≥ 1, in rising order.
        rounds: Timed runs of each, ≥ 1.
        seconds: Time after which no further candidate is tried.
        device: Where the work is done: a GPU is waited for, because it takes work faster than it does it.

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
    advantage = _ADVANTAGES[min(rounds, 2) - 1]
    run(sizes[0])
    for size in sizes:
        try:
            rate = _highest_rate(run, size, rounds, device)
        except (RuntimeError, MemoryError) as error:
            if not best_rate or not _is_memory(error):
                raise
            break
        if rate > advantage * best_rate:
            best, best_rate, worse = size, rate, 0
        else:
            worse += 1
        if worse == 2 or time.perf_counter() > deadline:
            break
    return best


def batch_for(
    passes: int,
    run: Run,
    given: int | None = None,
    *,
    candidates: Sequence[int] = BATCH_SIZES,
    usual: int = USUAL_BATCH,
    device: torch.device | None = None,
) -> int:
    """Returns how many items to work on at a time: what is asked for, or the fastest where a trial pays.

    A trial may cost a tenth of the items. Each candidate is timed once where that does not suffice for twice, and the
    largest are left out until it does; where none above the usual batch is left that might be tried, there is no trial.

    Args:
        passes: Items in all.
        run: Works on that many items; called for a trial alone.
        given: What the caller asks for, ≥ 1, or None.
        candidates: Numbers of items that may be tried, in rising order.
        usual: What is taken without a trial.
        device: Where the work is done.

    Raises:
        ConfigError: `given` is no number ≥ 1.

    Example:
        >>> batch_for(100, lambda n: None), batch_for(100, lambda n: None, 7)
        (32, 7)
    """
    if given is not None:
        return require_positive_int("batch_size", given)
    for rounds in range(_ROUNDS, 0, -1):
        tried = list(candidates)
        while tried and tried[0] + rounds * sum(tried) > _TRIAL_SHARE * passes:
            tried.pop()
        if len(tried) > 1 and (tried[-1] > usual or tried[-1] == candidates[-1]):
            return tuned_batch(run, tried, rounds=rounds, device=device)
    return usual


def _highest_rate(run: Run, size: int, rounds: int, device: torch.device | None) -> float:
    """Items per second in the quickest of some runs."""
    rates = []
    _wait_for(device)
    for _ in range(rounds):
        start = time.perf_counter()
        done = run(size)
        _wait_for(device)
        rates.append((done or size) / max(time.perf_counter() - start, 1e-9))
    return max(rates)


def _wait_for(device: torch.device | None) -> None:
    if device is not None and device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device is not None and device.type == "mps":
        torch.mps.synchronize()


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(text in str(error).lower() for text in _MEMORY_TEXT)
