"""First weights have the variances of the rules, and come from the seed and the path alone."""

import math

import pytest
import torch
from torch import nn

from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.initialisation import fans, initialise
from shiftgauge.engine.layer import named_parameters
from shiftgauge.engine.linear import Linear
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.sequential import Sequential
from shiftgauge.errors import ConfigError


@pytest.mark.parametrize("kind", ["he_normal", "he_uniform", "xavier_normal", "xavier_uniform"])
@pytest.mark.parametrize(
    ("layer", "module"),
    [
        (Conv2d(32, 64, 5), nn.Conv2d(32, 64, 5)),
        (Conv2d(64, 128, 3, groups=2), nn.Conv2d(64, 128, 3, groups=2)),
        (Linear(200, 300), nn.Linear(200, 300)),
    ],
)
def test_the_variance_is_that_of_the_rule(kind, layer, module):
    ins, outs = nn.init._calculate_fan_in_and_fan_out(module.weight)
    if getattr(layer, "groups", 1) > 1:
        outs //= layer.groups  # PyTorch counts the outputs of all groups, though an input reaches those of one
    initialise(layer, kind=kind)
    weight = layer.parameters["weight"]
    variance = 2 / ins if kind.startswith("he") else 2 / (ins + outs)
    assert float(weight.var()) == pytest.approx(variance, rel=0.05)
    assert float(weight.mean()) == pytest.approx(0, abs=5 * math.sqrt(variance / weight.numel()))
    largest = float(weight.abs().max()) / math.sqrt(variance)
    assert largest <= math.sqrt(3) + 1e-6 if kind.endswith("uniform") else largest > 3
    assert not layer.parameters["bias"].any()


def test_fans_of_a_window_count_its_pixels():
    assert fans((5, 5, 1, 16)) == (25, 400)
    assert fans((3, 3, 4, 8), groups=2) == (36, 36)


def test_a_weight_depends_on_the_seed_and_its_path_alone():
    def drawn(*layers, seed=0):
        made = Sequential(*layers)
        initialise(made, seed=seed)
        return named_parameters(made)

    first, again = drawn(Linear(3, 4), Linear(4, 2)), drawn(Linear(3, 4), Linear(4, 2), Linear(2, 2))
    assert torch.equal(first["1.weight"], again["1.weight"])
    assert not torch.equal(first["1.weight"], drawn(Linear(3, 4), Linear(4, 2), seed=1)["1.weight"])
    assert not torch.equal(drawn(Linear(4, 4), Linear(4, 4))["0.weight"], drawn(Linear(4, 4), Linear(4, 4))["1.weight"])


def test_scales_of_normalisations_are_1():
    layer = BatchNorm2d(3)
    layer.parameters["weight"].zero_()
    initialise(layer)
    assert layer.parameters["weight"].tolist() == [1.0] * 3


def test_an_unknown_rule_is_refused():
    with pytest.raises(ConfigError, match="unknown initialisation `he_norm`; did you mean `he_normal`"):
        initialise(Linear(1, 1), kind="he_norm")  # type: ignore[arg-type]
