"""Which parts are listed, and which of them are found by themselves."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.block_list import listed_blocks


class Odd(nn.Module):
    """A part that gives a pair, a part that is not run, and two plain ones."""

    def __init__(self):
        super().__init__()
        self.first, self.lstm = nn.Conv2d(1, 2, 3), nn.LSTM(36, 4, batch_first=True)
        self.unused, self.head = nn.Linear(3, 3), nn.Linear(4, 2)

    def forward(self, x):
        values, _ = self.lstm(self.first(x).flatten(2))
        return self.head(values[:, -1])


def test_parts_that_give_no_tensor_are_left_out():
    network = Odd().train()
    found = listed_blocks(network, torch.rand(2, 1, 8, 8))
    assert [(b.block.name, str(b.field)) for b in found] == [("first", "3×3"), ("head", "whole image")]
    assert network.training


def test_a_network_without_parts():
    with pytest.raises(ModelError, match="no blocks"):
        listed_blocks(nn.Flatten(), torch.rand(1, 1, 2, 2))
