"""Where the channels are in what a block gives, on networks whose layout is known."""

import pytest
import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.blocks import list_blocks
from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.layout import channel_axes

IMAGES = torch.zeros(2, 3, 32, 32)


class Permute(nn.Module):
    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(*self.axes)


def small(name, **options):
    prepare_torchvision()
    import timm

    return timm.create_model(name, num_classes=2, **options).eval()


def swin(name="swin_tiny_patch4_window7_224", **options):
    sizes = {"img_size": 32, "window_size": 4, "embed_dim": 16, "depths": (1, 1), "num_heads": (2, 4)}
    return small(name, **{**sizes, **options})


def axes_of(network, names=None):
    return {b.name: b.channel_axis for b in list_blocks(network, IMAGES, names)}


@pytest.mark.parametrize("name", ["swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"])
def test_the_stages_of_a_swin_transformer_have_their_channels_last(name):
    found = list_blocks(swin(name), IMAGES)
    assert {b.name: b.shape for b in found} == {"layers.0": (8, 8, 16), "layers.1": (4, 4, 32)}
    assert {b.channel_axis for b in found} == {2}


def test_a_convolution_inside_a_swin_transformer_has_them_first():
    assert axes_of(swin(), ["patch_embed.proj", "patch_embed", "norm"]) == {
        "patch_embed.proj": 0,
        "patch_embed": 2,
        "norm": 2,
    }


def test_as_many_channels_as_positions_are_told_by_the_kind_of_layer():
    network = swin(embed_dim=8, num_heads=(2, 2))
    assert axes_of(network, ["patch_embed.proj", "layers.0"]) == {"patch_embed.proj": 0, "layers.0": 2}


@pytest.mark.parametrize("name", ["test_resnet", "test_convnext", "test_efficientnet"])
def test_convolutional_networks_have_them_first_even_where_they_permute_inside(name):
    assert set(axes_of(small(name)).values()) == {0}


def test_tokens_have_them_last():
    network = nn.Sequential(nn.Conv2d(3, 5, 8, 8), nn.Flatten(2), Permute(0, 2, 1), nn.LayerNorm(5))
    assert axes_of(network, ["0", "1", "3"]) == {"0": 0, "1": 1, "3": 1}


def test_what_follows_a_layer_takes_after_it():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), Permute(0, 2, 3, 1), nn.Linear(4, 6), nn.GELU())
    assert channel_axes(network, IMAGES, ["1", "4"]) == {"1": 1, "4": 3}


def test_without_a_layer_that_tells_pooling_and_unknown_parts_have_them_second():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.MaxPool2d(2), nn.Upsample(scale_factor=3))
    assert set(axes_of(network, ["1", "2"]).values()) == {0}
    network.output_fmt = "NHWC"  # as timm's networks say it
    assert axes_of(network, ["1", "2"]) == {"1": 0, "2": 2}


def test_nothing_stays_on_the_network():
    network = swin()
    channel_axes(network, IMAGES, ["layers.0"])
    assert not any(m._forward_hooks for m in network.modules())
    with pytest.raises(ModelError, match="unknown block"):
        channel_axes(network, IMAGES, ["layers.7"])
    assert not any(m._forward_hooks for m in network.modules())
