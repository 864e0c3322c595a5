"""Precision on a GPU is full inside a block and as it was after it."""

import pytest
import torch

from shiftgauge.errors import ModelError
from shiftgauge.models.device import choose_device, full_precision


@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_is_off_inside_and_restored_after_an_error(allowed):
    switches = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    try:
        for switch in switches:
            switch.allow_tf32 = allowed
        with full_precision():
            assert [switch.allow_tf32 for switch in switches] == [False, False]
        assert [switch.allow_tf32 for switch in switches] == [allowed, allowed]
        with pytest.raises(ZeroDivisionError), full_precision():
            _ = 1 / 0
        assert [switch.allow_tf32 for switch in switches] == [allowed, allowed]
    finally:
        for switch, value in zip(switches, before, strict=True):
            switch.allow_tf32 = value


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch < 2.9")
def test_the_newer_switches_are_restored_too():
    parts = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [part.fp32_precision for part in parts]
    try:
        parts[0].fp32_precision, parts[1].fp32_precision = "tf32", "ieee"
        with full_precision():
            assert torch.backends.cuda.matmul.allow_tf32 is False
        assert [part.fp32_precision for part in parts[:2]] == ["tf32", "ieee"]
    finally:
        for part, value in zip(parts, before, strict=True):
            part.fp32_precision = value


def test_an_unknown_device():
    with pytest.raises(ModelError, match="unknown device `gpu`"):
        choose_device("gpu")
