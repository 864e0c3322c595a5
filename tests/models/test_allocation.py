"""Memory kept between steps: counted in pages that the kernel has to hand out."""

import resource
import sys

import numpy as np
import pytest

from shiftgauge.models.allocation import kept_memory

BLOCK = 64 * 2**20


def faults(times: int) -> int:
    """Pages handed out while a block is asked for, filled and freed."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(BLOCK, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.fixture
def acting():
    with kept_memory() as acts:
        pass
    if not acts:
        pytest.skip(f"the C library of {sys.platform} here is not glibc")


def test_a_block_that_was_freed_is_used_again(acting):
    usual = faults(4)
    with kept_memory():
        faults(1)
        assert faults(4) < usual / 4


def test_afterwards_memory_goes_back_as_before(acting):
    usual = faults(4)
    with kept_memory():
        faults(1)
    assert faults(4) > usual / 2


def test_leaving_an_inner_one_changes_nothing(acting):
    usual = faults(4)
    with kept_memory():
        with kept_memory():
            faults(1)
        assert faults(4) < usual / 4


def test_it_may_be_left_out():
    with kept_memory(wanted=False) as acts:
        assert not acts
