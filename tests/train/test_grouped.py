"""Grouped convolutions in float32 under an autocast."""

import pytest
import torch
from torch import nn

from shiftgauge.train.grouped import grouped_in_float32


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3, groups=1), nn.Conv2d(8, 8, 5, stride=2, groups=8), nn.ReLU())


IMAGES = torch.linspace(-1, 1, 2 * 3 * 12 * 12).reshape(2, 3, 12, 12)


def run(net: nn.Module) -> tuple[torch.Tensor, list[torch.Tensor]]:
    found = net(IMAGES)
    found.float().square().sum().backward()
    return found.detach(), [p.grad.clone() for p in net.parameters() if p.grad is not None]


def test_values_and_gradients_are_those_of_float32_to_the_digits_of_bfloat16():
    plain, gradients = run(network())
    net = network()
    with grouped_in_float32(net), torch.autocast("cpu", torch.bfloat16):
        found, half = run(net)
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), plain, atol=0.02 * float(plain.abs().max()))
    for a, b in zip(gradients, half, strict=True):
        assert torch.allclose(a, b, atol=0.03 * float(a.abs().max()))


def test_the_grouped_layer_alone_computes_in_float32():
    net, seen = network(), []
    net[1].register_forward_hook(lambda layer, inputs, output: seen.append((inputs[0].dtype, output.dtype)))
    with grouped_in_float32(net), torch.autocast("cpu", torch.bfloat16):
        middle = net[0](IMAGES)
        found = net[1](middle)
    assert seen == [(torch.bfloat16, torch.bfloat16)]
    exact = nn.functional.conv2d(middle.float(), net[1].weight, net[1].bias, stride=2, groups=8)
    assert torch.equal(found, exact.to(torch.bfloat16))


@pytest.mark.parametrize("failing", [False, True])
def test_the_network_is_as_before_afterwards(failing):
    net = network()
    names = set(net.state_dict())
    with pytest.raises(RuntimeError) if failing else grouped_in_float32(net, wanted=False), grouped_in_float32(net):
        assert set(net.state_dict()) == names
        if failing:
            raise RuntimeError("stop")
    assert all("forward" not in layer.__dict__ for layer in net)
    assert net(IMAGES).dtype == torch.float32


def test_without_an_autocast_nothing_changes():
    net = network()
    plain = net(IMAGES)
    with grouped_in_float32(net):
        assert torch.equal(net(IMAGES), plain)
