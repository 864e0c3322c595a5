"""Several batches at a time give the values of one at a time, in order."""

import threading

import numpy as np
import pytest
import torch

from grids import Grid, make
from shiftgauge.evaluate.streams import map_streams
from shiftgauge.types import Execution


def test_results_come_in_the_order_of_the_items():
    assert list(map_streams(lambda x: x * x, range(20), streams=3)) == [x * x for x in range(20)]


def test_items_really_run_side_by_side_and_threads_are_put_back():
    before = torch.get_num_threads()
    meeting = threading.Barrier(2, timeout=20)

    def meet(_: int) -> int:
        meeting.wait()
        return torch.get_num_threads()

    assert list(map_streams(meet, range(2), streams=2)) == [1, 1]
    assert torch.get_num_threads() == before


def test_an_error_in_a_stream_reaches_the_caller():
    with pytest.raises(ZeroDivisionError):
        list(map_streams(lambda x: 1 / x, [1, 0, 2], streams=2))


@pytest.mark.parametrize("streams", [1, 2, 3])
def test_streams_change_no_value(streams):
    points = Grid(50, 3).points(0, 50)
    sizes: list[int] = []
    values = make().values(points, Execution(batch_size=4, streams=streams), sizes.append)
    np.testing.assert_array_equal(values, make().values(points, Execution(batch_size=4)))
    assert sum(sizes) == 50
