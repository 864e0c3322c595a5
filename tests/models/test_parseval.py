"""Which layers the constraint holds for, and how they start."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.cnn import SmallCnn
from shiftgauge.models.parseval import ParsevalOptions, constrained_layers, kernel_matrices, orthogonal_
from shiftgauge.models.wide_resnet import WideResNet


def network():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4),
        nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 2, 1)),
        nn.Flatten(),
        nn.Linear(2, 5),
    )


def test_the_rule_takes_every_convolution_and_nothing_else():
    assert constrained_layers(network()) == ("0", "2.0", "2.1")
    assert constrained_layers(network(), ParsevalOptions(layers="convolutions_and_linear")) == ("0", "2.0", "2.1", "4")
    assert len(constrained_layers(WideResNet(n_classes=4, channels=1))) == 16
    assert constrained_layers(SmallCnn()) == ("block1.0", "block1.2", "block2.0", "block3.0")


def test_what_is_excluded_frozen_or_shared_is_left_free():
    net = network()
    assert constrained_layers(net, ParsevalOptions(exclude=("2",))) == ("0",)
    assert constrained_layers(net, ParsevalOptions(exclude=["2.1"])) == ("0", "2.0")
    net[0].weight.requires_grad_(False)
    assert constrained_layers(net) == ("2.0", "2.1")
    twice = nn.Sequential(nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1))
    twice[1].weight = twice[0].weight
    assert constrained_layers(twice) == ("0",)


def test_a_rule_that_takes_nothing_is_told():
    with pytest.raises(ConfigError, match=r"unknown part in `exclude` `2\.7`; did you mean"):
        constrained_layers(network(), ParsevalOptions(exclude=("2.7",)))
    with pytest.raises(ModelError, match="a Linear has no convolutions to be constrained"):
        constrained_layers(nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"beta": 0}, "`beta` must be above 0, got 0; 0.001 is customary"),
        ({"beta": 0.6}, r"`beta` must be in \[0, 0.5\]"),
        ({"passes": 0}, "`passes`"),
        ({"row_share": 0}, "`row_share` must be above 0"),
        ({"layers": "conv"}, "did you mean `convolutions`"),
        ({"variant": "publishd"}, "did you mean `published`"),
        ({"variant": "published", "row_share": 0.3}, "takes all rows, got `row_share` 0.3; take 1"),
        ({"exclude": "stem"}, "a list of module paths"),
        ({"seed": -1}, "`seed`"),
    ],
)
def test_wrong_options_are_told(options, said):
    with pytest.raises(ConfigError, match=said):
        ParsevalOptions(**options)


def test_options_are_plain_values_for_a_record():
    options = ParsevalOptions(exclude=["a"], beta=0.01)
    assert ParsevalOptions(**options.to_dict()) == options
    assert options.to_dict()["exclude"] == ["a"]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_matrices_are_views_of_the_kernels_with_their_singular_values(layout):
    net = network().to(memory_format=layout)
    for name in ("0", "2.0", "2.1", "4"):
        layer = net.get_submodule(name)
        matrices, groups = kernel_matrices(layer), getattr(layer, "groups", 1)
        assert matrices.data_ptr() == layer.weight.data_ptr()
        for matrix, group in zip(matrices, layer.weight.detach().chunk(groups), strict=True):
            expected = torch.linalg.svdvals(group.reshape(len(group), -1))
            torch.testing.assert_close(torch.linalg.svdvals(matrix), expected)


def test_weights_in_another_order_are_laid_out_anew():
    layer = nn.Linear(3, 4)
    layer.weight = nn.Parameter(torch.randn(3, 4).T)
    before = layer.weight.detach().clone()
    kernel_matrices(layer).mul_(2)
    assert torch.equal(layer.weight, 2 * before)


def test_an_orthogonal_start_is_tight_in_every_group():
    net = network()
    bias = net[0].bias.detach().clone()
    linear = net[4].weight.detach().clone()
    orthogonal_(net)
    for name in ("0", "2.0", "2.1"):
        assert torch.allclose(torch.linalg.svdvals(kernel_matrices(net.get_submodule(name))), torch.ones(()), atol=1e-5)
    assert torch.equal(net[0].bias, bias)
    assert torch.equal(net[4].weight, linear)
    assert net[0].weight.requires_grad
