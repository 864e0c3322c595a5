"""A bound on the threads of the linear algebra: on small problems many threads are far slower than one."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Final, TypeVar

from threadpoolctl import ThreadpoolController

_ONE_THREAD_FLOPS: Final = 5e8
"""About 20 ms of one core; below it the threads cost more than they bring, far more on a busy machine."""
_MOST: Final = 8
_T = TypeVar("_T")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def bounded_threads(flops: float) -> Iterator[None]:
    """Runs the body with one BLAS thread for little work, and with at most eight for much.

    Args:
        flops: Rough number of floating point operations of the body.

    Example:
        >>> import numpy as np
        >>> with bounded_threads(1e3):
        ...     float(np.ones(3) @ np.ones(3))
        3.0
    """
    count = 1 if flops < _ONE_THREAD_FLOPS else min(os.cpu_count() or 1, _MOST)
    with _controller().limit(limits=count, user_api="blas"):
        yield


def in_threads(function: Callable[[int, int], _T], spans: Sequence[tuple[int, int]]) -> list[_T]:
    """Calls a function that spends its time in NumPy on each (start, stop), several at once, results in order.

    Example:
        >>> in_threads(lambda start, stop: stop - start, [(0, 2), (2, 5)])
        [2, 3]
    """
    workers = min(len(spans), os.cpu_count() or 1, _MOST)
    if workers < 2:
        return [function(start, stop) for start, stop in spans]
    with _controller().limit(limits=1, user_api="blas"), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda span: function(*span), spans))
