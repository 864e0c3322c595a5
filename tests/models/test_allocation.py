"""Memory kept between steps: counted in pages that the kernel has to hand out, in a process of its own.

A request that failed for want of memory moves its thread to another arena of glibc, on which the settings do not act;
other tests of one process make such requests.
"""

import json
import os
import subprocess
import sys

import pytest

from shiftgauge.models.allocation import kept_memory

COUNTED = """
import json, resource
import numpy as np
from shiftgauge.models.allocation import kept_memory

def faults(times):
    "Pages handed out while a block is asked for, filled and freed."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        np.empty(64 * 2**20, np.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = {"usual": faults(4)}
with kept_memory() as acts:
    faults(1)
    found["within"] = faults(4)
    with kept_memory():
        faults(1)
    found["after an inner one"] = faults(4)
found |= {"acts": acts, "afterwards": faults(4)}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def pages():
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COUNTED]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout)
    if not found["acts"]:
        pytest.skip(f"the C library of {sys.platform} here is not glibc")
    return found


def test_a_block_that_was_freed_is_used_again(pages):
    assert pages["within"] < pages["usual"] / 4


def test_afterwards_memory_goes_back_as_before(pages):
    assert pages["afterwards"] > pages["usual"] / 2


def test_leaving_an_inner_one_changes_nothing(pages):
    assert pages["after an inner one"] < pages["usual"] / 4


def test_it_may_be_left_out():
    with kept_memory(wanted=False) as acts:
        assert not acts
