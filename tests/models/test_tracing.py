"""A tapped graph computes what the network does, and a part that runs twice, never, or by chance cannot be tapped."""

import pytest
import torch
from torch import nn

from shiftgauge.models.capture import Tap
from shiftgauge.models.tracing import TRACE_ERRORS, tapped_graph


class Twice(nn.Module):
    """Runs one part twice, another never."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(3, 3)
        self.idle = nn.Linear(3, 3)

    def forward(self, x):
        return self.shared(self.shared(x).relu())


class Choosy(nn.Module):
    """Decides by what it sees."""

    def __init__(self):
        super().__init__()
        self.part = nn.Linear(3, 3)

    def forward(self, x):
        return self.part(x) if x.sum() > 0 else x


class Pair(nn.Module):
    """A part that gives two tensors, in a network that wants one."""

    class Part(nn.Module):
        def forward(self, x):
            return x, x

    def __init__(self):
        super().__init__()
        self.part = self.Part()

    def forward(self, x):
        return self.part(x)[0]


def network():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Sequential(nn.ReLU(), nn.Dropout(0.5)), nn.Flatten())


def test_a_tapped_graph_computes_what_the_network_does_and_leaves_it_alone():
    torch.manual_seed(0)
    module, names = network().train(), ["0", "2", "2.0"]
    before = [name for name, _ in module.named_modules()]
    graph = tapped_graph(module, names)
    assert graph is not None
    assert module.training
    assert [name for name, _ in module.named_modules()] == before
    images = torch.rand(2, 1, 5, 5)
    with torch.no_grad():
        assert torch.equal(graph(images), module.eval()(images))
    taps = [graph.get_submodule(str(node.target)) for node in graph.graph.nodes if "tap_" in str(node.target)]
    assert len(taps) == 3
    assert all(isinstance(tap, Tap) for tap in taps)


def test_convolutions_and_normalisations_stay_whole():
    graph = tapped_graph(network())
    assert graph is not None
    kinds = [type(graph.get_submodule(str(n.target))) for n in graph.graph.nodes if n.op == "call_module"]
    assert kinds == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout, nn.Flatten]


@pytest.mark.parametrize("name", ["shared", "idle"])
def test_a_part_that_does_not_run_once_has_no_graph(name):
    assert tapped_graph(Twice(), [name]) is None
    assert tapped_graph(Twice()) is not None


@pytest.mark.parametrize("module", [Choosy(), Pair()])
def test_what_cannot_be_traced_is_one_of_the_stated_errors(module):
    with pytest.raises(TRACE_ERRORS):
        tapped_graph(module, ["part"])
