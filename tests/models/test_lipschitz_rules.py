"""No part of a network enlarges a change by more than its rule says, and many reach it."""

import re

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shiftgauge.models.lipschitz import lipschitz_bound
from shiftgauge.models.parseval_layers import ConvexAggregation, MeanOnlyBatchNorm2d

SHAPE = (3, 8, 8)


class Run(nn.Module):
    """A function of feature maps as a network, its values laid out as outputs."""

    def __init__(self, function, *parts):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(parts)
        self.table = nn.Parameter(torch.linspace(-2, 1, 3).view(1, 3, 1, 1))

    def forward(self, x):
        return torch.flatten(self.function(self, x), 1)


def part(module):
    return Run(lambda self, x: self.parts[0](x), module)


def function(call):
    return Run(lambda self, x: call(x))


PARTS = {
    "relu": (part(nn.ReLU()), 1),
    "leaky": (part(nn.LeakyReLU(2.0)), 2),
    "elu": (part(nn.ELU(1.5)), 1.5),
    "sigmoid": (part(nn.Sigmoid()), 0.25),
    "tanh": (function(torch.tanh), 1),
    "gelu": (part(nn.GELU()), 1.13),
    "silu": (function(F.silu), 1.1),
    "mish": (part(nn.Mish()), 1.09),
    "hardswish": (part(nn.Hardswish()), 1.5),
    "softmax": (function(lambda x: x.softmax(dim=1)), 0.5),
    "dropout": (part(nn.Dropout(0.5)), 1),
    "mean only": (part(MeanOnlyBatchNorm2d(3)), 1),
    "max pool": (part(nn.MaxPool2d(2)), 1),
    "overlapping max pool": (part(nn.MaxPool2d(3, 2, 1)), 2),
    "functional max pool": (function(lambda x: F.max_pool2d(x, 3, 1)), 3),
    "average pool": (part(nn.AvgPool2d(2)), 0.5),
    "average pool at the edge": (part(nn.AvgPool2d(3, 2, 1, count_include_pad=False)), 5 / 6),
    "global average": (part(nn.AdaptiveAvgPool2d(1)), 1 / 8),
    "enlarging average": (part(nn.AdaptiveAvgPool2d(16)), 2),
    "functional average": (function(lambda x: F.avg_pool2d(x, 4)), 0.25),
    "adaptive average": (function(lambda x: F.adaptive_avg_pool2d(x, (2, 4))), 1 / 8**0.5),
    "mean over the image": (function(lambda x: x.mean(dim=(2, 3))), 1 / 8),
    "mean over channels": (function(lambda x: torch.mean(x, 1)), 1 / 3**0.5),
    "sum of two": (function(lambda x: x + x.relu()), 2),
    "difference": (function(lambda x: x - 0.5 * x), 1.5),
    "sum with weight": (function(lambda x: torch.add(x, x, alpha=3)), 4),
    "sum with a constant": (Run(lambda self, x: x + self.table), 1),
    "sum that repeats": (function(lambda x: x + x.mean(dim=(2, 3), keepdim=True)), 2),
    "product with a constant": (Run(lambda self, x: self.table * x), 2),
    "product": (function(lambda x: -3 * x), 3),
    "quotient": (function(lambda x: x / 4), 0.25),
    "concatenation": (function(lambda x: torch.cat([x, 2 * x], dim=1)), 5**0.5),
    "padding": (function(lambda x: F.pad(x, (1, 2, 0, 1))), 1),
    "zero padding": (part(nn.ZeroPad2d(1)), 1),
    "slices": (function(lambda x: x[:, :, ::2, 1::2]), 1),
    "permutation": (function(lambda x: x.permute(0, 2, 3, 1)), 1),
    "reshaped": (function(lambda x: x.view(x.shape[0], -1, 4)), 1),
    "convex": (Run(lambda self, x: self.parts[0](x, x), ConvexAggregation(start=(0.3, 0.7))), 1),
}


def jacobian_norm(network, image):
    network.eval()
    found = torch.autograd.functional.jacobian(network, image[None]).flatten(2).flatten(0, 1)
    return float(torch.linalg.matrix_norm(found.flatten(1), 2))


@pytest.mark.parametrize("name", PARTS)
def test_each_rule_says_what_is_known_of_the_part(name):
    network, expected = PARTS[name]
    found = lipschitz_bound(network, SHAPE)
    assert found.reason == ""
    assert found.value == pytest.approx(expected, rel=1e-6)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 3))
@pytest.mark.parametrize("name", PARTS)
def test_no_part_enlarges_more_than_its_rule(name, seed, scale):
    network, _ = PARTS[name]
    network.eval()
    rng = torch.Generator().manual_seed(seed)
    image = scale * torch.randn(1, *SHAPE, generator=rng)
    other = image + scale * 10 ** (-3 * torch.rand(1, generator=rng)) * torch.randn(1, *SHAPE, generator=rng)
    with torch.no_grad():
        ratio = float((network(image) - network(other)).norm() / (image - other).norm())
    assert ratio <= lipschitz_bound(network, SHAPE).value * (1 + 1e-4)


@pytest.mark.parametrize(
    "name", ["overlapping max pool", "enlarging average", "average pool", "convex", "sum that repeats", "softmax"]
)
def test_rules_are_reached_or_nearly(name):
    network, expected = PARTS[name]
    torch.manual_seed(0)
    image = torch.zeros(SHAPE)
    image[:, 1::2, 1::2] = 1  # the largest of every window that overlaps
    found = max(jacobian_norm(network, candidate) for candidate in (image, torch.rand(SHAPE), torch.rand(SHAPE) * 9))
    assert 0.6 * expected <= found <= expected * (1 + 1e-5)


def test_gains_of_channels_pass_what_keeps_channels_apart():
    norm = nn.BatchNorm2d(3, eps=0)
    norm.running_var.copy_(torch.tensor([1.0, 0.25, 0.04]))  # gains 1, 2, 5
    head = nn.Linear(3 * 16, 2, bias=False)
    layers = [norm, nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(), nn.Flatten(), head]
    found = lipschitz_bound(nn.Sequential(*layers), SHAPE)
    gains = torch.tensor([1.0, 2.0, 5.0]).repeat_interleave(16)
    expected = float(torch.linalg.matrix_norm(head.weight.detach() * gains, 2))
    assert found.value == pytest.approx(expected, rel=1e-5)
    assert found.value < 5 * float(torch.linalg.matrix_norm(head.weight.detach(), 2))


def test_a_channel_that_is_switched_off_lets_no_change_through():
    norm = nn.BatchNorm2d(3, eps=0)
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.0, 0.0, 2.0]))
    head = nn.Linear(3 * 64, 2, bias=False)
    with torch.no_grad():
        head.weight[:, 128:] = 0
    assert lipschitz_bound(nn.Sequential(norm, nn.Flatten(), head), SHAPE).value == pytest.approx(0, abs=1e-12)


def written_over_in_part(self, x):
    h = 2 * x
    rows = h.flatten(1)
    h.add_(x)
    return rows + 1


def added_in_place(self, x):
    h = 2 * x
    h.add_(x)
    return h + 1


def added_under_another_name(self, x):
    h = 2 * x
    k = h
    k += x
    return h + k


def test_a_value_that_was_written_over_counts_as_what_it_became():
    assert lipschitz_bound(Run(added_in_place), SHAPE).value == pytest.approx(3)


def test_a_normalisation_of_another_axis_than_that_of_the_outputs_is_not_taken_into_the_layer_before():
    linear, norm = nn.Linear(3, 3, bias=False), nn.BatchNorm1d(3, affine=False, eps=0)
    norm.running_var.copy_(torch.tensor([100.0, 1e-4, 1.0]))  # gains 0.1, 100, 1 of the second axis
    with torch.no_grad():
        linear.weight.copy_(torch.diag(torch.tensor([1.0, 0.0, 0.0])))
    network = nn.Sequential(nn.Flatten(), nn.Unflatten(1, (3, 3)), linear, norm, nn.Flatten())
    run = Run(lambda self, x: self.parts[1](self.parts[0](x.view(1, 3, 3))), linear, norm).eval()
    assert lipschitz_bound(run, (1, 3, 3)).value >= jacobian_norm(network, torch.rand(1, 3, 3)) - 1e-4


REASONS = [
    (nn.Sequential(nn.Flatten(), nn.LayerNorm(192)), "`1` stands in the way: it divides by the standard deviation"),
    (part(nn.GroupNorm(1, 3)), r"`parts\.0` stands in the way: it divides by the standard deviation"),
    (function(lambda x: x * x), "`mul` stands in the way: it multiplies two values"),
    (function(lambda x: x / (1 + x.relu())), "it divides by a value that depends on the image"),
    (function(lambda x: x.softmax(1).log()), "no Lipschitz constant is known here for a `log`"),
    (function(lambda x: x.mean(0, keepdim=True)), "a mean over the images"),
    (function(lambda x: x.view(-1, 4)), "values of several images into one"),
    (function(lambda x: torch.cat([x, x])), "values of several images into one"),
    (function(lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect")), "repeats values of the edge"),
    (function(lambda x: F.dropout(x, 0.5)), "drops values at random in evaluation too"),
    (function(lambda x: x.chunk(3, dim=1)[0]), "it gives several tensors"),
    (function(lambda x: x[:, [0, 0]]), "an index that may repeat them"),
    (function(lambda x: torch.add(x, other=x)), "it is given a map by name"),
    (part(nn.Conv2d(3, 1, 3, padding=1, padding_mode="replicate")), "`replicate` repeats values of the edge"),
    (part(nn.BatchNorm2d(3, track_running_stats=False)), "other images of the batch"),
    (function(lambda x: x if x.sum() > 0 else -x), "the way through the network cannot be followed"),
    (function(lambda x: x.softmax(0)), "over the images of a batch"),
    (Run(added_under_another_name), "its parts in the order of the graph give another output"),
    (Run(written_over_in_part), "writes over a value that is read again"),
    (nn.Sequential(nn.ReLU()), "does not give one row of outputs for each image"),
]


@pytest.mark.parametrize(("network", "said"), REASONS)
def test_where_no_bound_follows_the_reason_is_told(network, said):
    found = lipschitz_bound(network, SHAPE)
    assert not found.follows
    assert found.value == float("inf")
    assert found.pairs_kk.shape == (0, 0)
    assert re.search(said, found.reason), found.reason
    assert found.to_dict()["value"] is None
