"""Precision on a GPU is full inside a block and as it was after it."""

import subprocess
import sys

import pytest
import torch

from shiftgauge.errors import ModelError
from shiftgauge.models.device import choose_device

ONE_SWITCH = """
for allowed in (True, False):
    for switch in switches:
        switch.allow_tf32 = allowed
    with full_precision():
        assert [switch.allow_tf32 for switch in switches] == [False, False]
    assert [switch.allow_tf32 for switch in switches] == [allowed, allowed]
    try:
        with full_precision():
            1 / 0
    except ZeroDivisionError:
        pass
    assert [switch.allow_tf32 for switch in switches] == [allowed, allowed]
"""
NEWER_SWITCHES = """
parts = (torch.backends.cuda.matmul, torch.backends.cudnn.conv)
parts[0].fp32_precision, parts[1].fp32_precision = "tf32", "ieee"
with full_precision():
    assert torch.backends.cuda.matmul.allow_tf32 is False
assert [part.fp32_precision for part in parts] == ["tf32", "ieee"]
"""
NO_GPU = """
torch.cuda.is_available = lambda: False
before = [switch.allow_tf32 for switch in switches]
with full_precision():
    assert [switch.allow_tf32 for switch in switches] == before
"""


@pytest.mark.parametrize("program", [ONE_SWITCH, NEWER_SWITCHES, NO_GPU], ids=["one switch", "newer", "no GPU"])
def test_tf32_is_off_inside_and_restored_after_an_error(program):
    """In a process of its own: PyTorch cannot be brought back from a mix of its older and newer switches."""
    if program is NEWER_SWITCHES and not hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        pytest.skip("this PyTorch has the older switches alone")
    begin = """
import torch
from shiftgauge.models.device import full_precision
switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
torch.cuda.is_available = lambda: True
"""
    found = subprocess.run([sys.executable, "-c", begin + program], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr


def test_an_unknown_device():
    with pytest.raises(ModelError, match="unknown device `gpu`"):
        choose_device("gpu")
