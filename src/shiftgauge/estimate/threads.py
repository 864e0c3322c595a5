"""A bound on the threads of the linear algebra: on small problems many threads are far slower than one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

from threadpoolctl import ThreadpoolController

_ONE_THREAD_FLOPS: Final = 5e7
_MOST: Final = 8


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
