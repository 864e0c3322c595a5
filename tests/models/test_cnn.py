"""The plain networks of the eye-state study: counts, the way through them, other sizes."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.errors import ConfigError
from shiftgauge.models.cnn import PUBLISHED_CNN, SmallCnn
from shiftgauge.models.parseval_layers import ScaledConv2d

CONVOLUTIONS = {"basemodel": 2, "model_2": 3, "model_3": 4}


def by_the_layers(network, images):
    """Convolution and ReLU twice, then pooling and normalisation after each further convolution; by hand."""
    x, kinds = images, []
    for name, module in network.named_modules():
        if name.startswith("block") and "." in name:
            kinds.append(type(module).__name__)
            x = module(x)
    return network.classifier(x.flatten(1)), kinds


@pytest.mark.parametrize(
    ("variant", "trained", "running"),
    [("basemodel", 69_124, 128), ("model_2", 111_492, 384), ("model_3", 392_836, 896)],
)
def test_counts_are_those_of_the_published_layers(variant, trained, running):
    network = SmallCnn(n_classes=4, channels=1, variant=variant)
    assert sum(p.numel() for p in network.parameters()) == trained
    assert sum(b.numel() for name, b in network.named_buffers() if "running" in name) == running
    assert sum(isinstance(m, nn.Conv2d) for m in network.modules()) == CONVOLUTIONS[variant]


@pytest.mark.parametrize("variant", CONVOLUTIONS)
def test_layers_stand_in_the_published_order(variant):
    network = SmallCnn(n_classes=4, channels=1, variant=variant).eval()
    images = torch.rand(2, 1, 32, 32)
    expected, kinds = by_the_layers(network, images)
    torch.testing.assert_close(network(images), expected)
    further = ["Conv2d", "ReLU", "MaxPool2d", "BatchNorm2d"]
    assert kinds == ["Conv2d", "ReLU", *further] + further * (CONVOLUTIONS[variant] - 2)


def test_other_sizes_are_averaged_before_the_linear_layer():
    network = SmallCnn(n_classes=2, channels=1).eval()
    for size in (24, 40, 64):
        assert network(torch.rand(1, 1, size, size)).shape == (1, 2)
    small = network.block3(network.block2(network.block1(torch.rand(1, 1, 64, 64))))
    torch.testing.assert_close(network.pool(small), functional.adaptive_avg_pool2d(small, 2))


def test_the_parseval_variant_is_orthogonal_and_published_defaults_are_keras_own():
    network = SmallCnn(n_classes=4, channels=1, init="orthogonal", scaling="windows", **PUBLISHED_CNN)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert all(isinstance(layer, ScaledConv2d) for layer in layers)
    for layer in layers:
        assert torch.allclose(torch.linalg.svdvals(layer.weight.flatten(1)), torch.ones(()), atol=1e-4)
    assert not hasattr(network.block1[0], "vector")
    measured = SmallCnn(n_classes=4, channels=1, scaling="measured", image_size=24)
    assert [m.vector.shape[2] for m in measured.modules() if isinstance(m, ScaledConv2d)] == [24, 22, 10, 4]
    assert (network.block1[5].momentum, network.block1[5].eps) == (0.01, 1e-3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"variant": "model_4"}, "did you mean `model_"),
        ({"init": "he"}, "`init`"),
        ({"scaling": "all"}, "`scaling`"),
        ({"bn_epsilon": 0}, "bn_epsilon"),
        ({"image_size": 20}, "`image_size` must be a whole number ≥ 24"),
    ],
)
def test_what_cannot_be_built_is_told(options, said):
    with pytest.raises(ConfigError, match=said):
        SmallCnn(**options)
