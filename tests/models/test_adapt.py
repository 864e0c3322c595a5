"""Surgery on first convolutions and heads against plain formulas."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.adapt import adapt_first_convolution, replace_head, transfer_weights


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def pair(channels: int = 1, classes: int = 4) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, classes))


@pytest.mark.parametrize("channels", [1, 2, 4, 7])
def test_equal_channels_give_what_equal_colours_gave(channels):
    weight, grey = drawn(5, 3, 3, 3), drawn(2, 1, 9, 9, seed=1)
    expected = functional.conv2d(grey.expand(-1, 3, -1, -1), weight)
    found = functional.conv2d(grey.expand(-1, channels, -1, -1), adapt_first_convolution(weight, channels, "sum"))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_the_mean_is_the_plain_average_over_colour_for_every_new_channel():
    weight = drawn(5, 3, 3, 3)
    found = adapt_first_convolution(weight, 2, "mean")
    for c in range(2):
        torch.testing.assert_close(found[:, c], (weight[:, 0] + weight[:, 1] + weight[:, 2]) / 3)


def test_as_many_channels_as_before_change_nothing():
    weight = drawn(5, 3, 3, 3)
    assert adapt_first_convolution(weight, 3, "mean") is weight


def test_wrong_channels_words_and_shapes_are_refused():
    with pytest.raises(ConfigError, match="did you mean `sum`"):
        adapt_first_convolution(drawn(1, 3, 1, 1), 1, "summ")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="channels"):
        adapt_first_convolution(drawn(1, 3, 1, 1), 0)
    with pytest.raises(ModelError, match="four axes"):
        adapt_first_convolution(drawn(3, 3), 1)


def test_a_new_head_has_the_classes_and_the_dropout_asked_for():
    net = replace_head(pair(), "3", n_classes=7, dropout=0.25)
    assert isinstance(net[3][0], nn.Dropout)
    assert net[3][0].p == 0.25
    assert net(torch.zeros(2, 1, 8, 8)).shape == (2, 7)
    assert isinstance(replace_head(net, "3", n_classes=2)[3], nn.Linear)


def test_a_part_that_is_no_linear_layer_is_no_head():
    with pytest.raises(ModelError, match="no linear layer but Conv2d"):
        replace_head(pair(), "0", n_classes=2)
    with pytest.raises(ModelError, match="has no part `head`"):
        replace_head(pair(), "head", n_classes=2)


def test_a_grey_network_gives_what_the_colour_network_gave_for_a_grey_picture():
    colour, grey = pair(3, 4), pair(1, 4)
    notes = transfer_weights(grey, colour.state_dict(), heads=["3"], first="0")
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grey(images), colour(images.expand(-1, 3, -1, -1)))
    assert notes == ("the first convolution `0` was trained on 3 channels; its weights are summed over them for 1",)


def test_a_head_for_other_classes_keeps_its_own_weights_and_is_told():
    old, new = pair(1, 9), pair(1, 4)
    before = new[3].weight.clone()
    (note,) = transfer_weights(new, old.state_dict(), heads=["3"], first="0")
    assert "the head `3` of the weights has another shape and is left out" in note
    assert torch.equal(new[3].weight, before)
    assert torch.equal(new[0].weight, old[0].weight)


def test_weights_without_a_head_fill_the_rest():
    old, new = pair(1, 9), pair(1, 4)
    backbone = {k: v for k, v in old.state_dict().items() if not k.startswith("3.")}
    (note,) = transfer_weights(new, backbone, heads=["3"], first="0")
    assert "hold no head `3`" in note


def test_a_head_with_dropout_takes_the_weights_of_one_without_and_the_other_way_round():
    plain, dropped = pair(), replace_head(pair(), "3", n_classes=4, dropout=0.5)
    assert transfer_weights(dropped, plain.state_dict(), heads=["3"], first="0") == ()
    assert torch.equal(dropped[3][1].weight, plain[3].weight)
    again = pair()
    assert transfer_weights(again, dropped.state_dict(), heads=["3"], first="0") == ()
    assert torch.equal(again[3].bias, plain[3].bias)


def test_new_leaves_the_first_convolution_alone():
    old, new = pair(3), pair(1)
    before = new[0].weight.clone()
    (note,) = transfer_weights(new, old.state_dict(), heads=["3"], first="0", how="new")
    assert torch.equal(new[0].weight, before)
    assert "starts at random for 1" in note


def test_a_prefix_of_a_wrapper_is_removed():
    old, new = pair(), pair()
    transfer_weights(new, {f"model.{k}": v for k, v in old.state_dict().items()}, heads=["3"], first="0")
    assert torch.equal(new[0].weight, old[0].weight)


def test_a_backbone_is_never_filled_in_part():
    state = pair().state_dict()
    del state["0.bias"]
    with pytest.raises(ModelError, match=r"old\.pt does not fit the network: it lacks `0\.bias`"):
        transfer_weights(pair(), state, heads=["3"], first="0", source="old.pt")
    with pytest.raises(ModelError, match="has unknown `9`"):
        transfer_weights(pair(), {**pair().state_dict(), "9": torch.zeros(1)}, heads=["3"], first="0")
    other = nn.Sequential(nn.Conv2d(1, 5, 5), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))
    with pytest.raises(ModelError, match=r"`0\.weight` has the shape"):
        transfer_weights(pair(), other.state_dict(), heads=["3"], first="0")


def test_counters_of_batches_may_be_missing():
    net = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    state = {k: v for k, v in net.state_dict().items() if not k.endswith("tracked")}
    assert transfer_weights(net, state, heads=[], first="0") == ()
