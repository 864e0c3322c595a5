"""Parts of a batch side by side: each on a thread of its own, which is kept for the next batch."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

_lock = threading.Lock()
_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def side_by_side(work: Callable[[int], None], count: int) -> None:
    """Calls `work(0)` to `work(count - 1)`, each on one thread; a single one runs here, with all threads of torch.

    The threads stay for the next call, since the matrix library keeps memory for every thread that ever used it.

    Args:
        work: Called from other threads when `count` > 1. An error reaches the caller once all have ended.
        count: Calls at the same time, ≥ 1.

    Example:
        >>> done = [0, 0]
        >>> side_by_side(lambda k: done.__setitem__(k, k + 1), 2)
        >>> done
        [1, 2]
    """
    if count == 1:
        work(0)
        return
    pending = [_pool(count).submit(work, k) for k in range(count)]
    errors = [future.exception() for future in pending]
    for error in errors:
        if error is not None:
            raise error


def _pool(count: int) -> ThreadPoolExecutor:
    """The threads of this process; a forked process makes its own."""
    key = (os.getpid(), count)
    with _lock:
        if key not in _pools:
            threads = torch.get_num_threads()
            together = threading.Barrier(count)  # every thread takes one of these calls, so all are there afterwards
            pool = ThreadPoolExecutor(count, "engine", initializer=_work_alone)
            for future in [pool.submit(together.wait) for _ in range(count)]:
                future.result()
            torch.set_num_threads(threads)  # a thread's own number is also what later threads would start with
            _pools[key] = pool
        return _pools[key]


def _work_alone() -> None:
    """Gives this thread a single thread of torch for good: the first question would set what all others have."""
    torch.get_num_threads()
    torch.set_num_threads(1)
