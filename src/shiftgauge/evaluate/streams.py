"""Several batches at a time, each on one thread: what is not worth splitting then runs side by side."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Made = TypeVar("Made")


def map_streams(work: Callable[[Item], Made], items: Iterable[Item], streams: int) -> Iterator[Made]:
    """Applies `work` to every item and yields the results in order.

    Args:
        work: What to do with an item; called from several threads when `streams` > 1.
        items: The items.
        streams: Items worked on at the same time, ≥ 1; with 1 all runs in this thread, with all threads of torch.

    Example:
        >>> list(map_streams(lambda x: x + 1, [1, 2, 3], streams=2))
        [2, 3, 4]
    """
    if streams == 1:
        yield from map(work, items)
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(streams, initializer=torch.set_num_threads, initargs=(1,))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(threads)
