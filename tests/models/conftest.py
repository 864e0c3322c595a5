"""Small networks shared by the tests of classifiers."""

import pytest
import torch
from torch import nn

from shiftgauge.models.preprocessing import Preprocessing


class TinyNet(nn.Module):
    """Two convolution blocks with batch normalisation, one skip, a linear head."""

    def __init__(self, classes: int = 4, channels: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(channels, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.block(x)
        return self.head(self.dropout(x.mean(dim=(2, 3))))


def make_tiny(classes: int = 4, channels: int = 3) -> TinyNet:
    """A TinyNet with non-trivial batch statistics and outputs of order 1."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = TinyNet(classes, channels)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.3, 2.0)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.uniform_(module.bias, -0.5, 0.5)
        nn.init.normal_(net.head.weight, std=2.0)
    return net


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def tiny() -> TinyNet:
    return make_tiny()


@pytest.fixture
def small() -> Preprocessing:
    return Preprocessing(height=16, width=16, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(0))
