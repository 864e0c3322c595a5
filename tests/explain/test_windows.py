"""The walk with windows gives what a full run gives."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftgauge.explain.window_change import Change, Way, whole
from shiftgauge.explain.window_products import Matrices, changed_channels
from shiftgauge.explain.windows import LocalNetwork, PlainNetwork, pushed_network
from shiftgauge.models.blocks import find_blocks
from shiftgauge.models.resnet import SmallResNet
from shiftgauge.models.vgg import SmallVgg


def settled(net: nn.Module, seed: int = 0) -> nn.Module:
    """Statistics of the batch normalisations as after a training."""
    draw = torch.Generator().manual_seed(seed)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.3, 0.3, generator=draw)
            part.running_var.uniform_(0.5, 2.0, generator=draw)
            if part.affine:
                part.weight.data.uniform_(0.5, 1.5, generator=draw)
                part.bias.data.uniform_(-0.5, 0.5, generator=draw)
    return net.eval().requires_grad_(False)


def changes(network, image: torch.Tensor, push: Change, way: Way | None = None) -> dict[str, torch.Tensor]:
    found = {}
    with torch.no_grad():
        network.respond(
            network.at_rest(image), push, way or Way(), lambda n, c, rest: found.update({n: whole(c, rest)})
        )
    return found


def compare(net: nn.Module, image: torch.Tensor, names: tuple[str, ...], pushes: list[Change]) -> None:
    """float64 shows any mistake of the windows; in float32 a full run rounds the change of a large value."""
    for kind, tolerance in ((torch.float32, 1e-5), (torch.float64, 1e-11)):
        net, image = net.to(kind), image.to(kind)
        local, plain = pushed_network(net, names, image), PlainNetwork(net, names)
        assert isinstance(local, LocalNetwork)
        rest = plain.at_rest(image)
        some = pushes[:2] if kind is torch.float32 else pushes[1:]
        for push in (Change(p.values.to(kind), p.corner) for p in some):
            ours, full = changes(local, image, push), changes(plain, image, push)
            assert list(ours) == list(names)
            for name in names:
                scale = max(1.0, float(rest[name].abs().max()))
                torch.testing.assert_close(ours[name], full[name], rtol=0, atol=tolerance * scale)


def tiles(channels: int, size: int, side: int) -> list[Change]:
    draw = torch.Generator().manual_seed(3)
    corners = [(0, 0), (size // 2, size // 2), (size - side, size - side), (0, size - side), (size // 2 - 1, 5)]
    return [Change(torch.randn(2, channels, side, side, generator=draw), corner) for corner in corners]


@pytest.mark.parametrize(("make", "side"), [(SmallVgg, 1), (SmallVgg, 4), (SmallResNet, 1), (SmallResNet, 3)])
def test_the_networks_of_the_study(make, side):
    torch.manual_seed(0)
    net = settled(make())
    compare(net, torch.randn(1, 3, 32, 32), find_blocks(net), tiles(3, 32, side)[:4])


class Wild(nn.Module):
    """Parts of many kinds: strides, dilation, groups, padding that is uneven, pooling that overlaps, a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 6, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(1, 1))
        self.wide = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3)
        self.norm = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.mean = nn.AvgPool2d(2, stride=1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 6, 1), nn.Sigmoid())
        self.drop = nn.Dropout(0.5)
        self.act = nn.GELU()
        self.side = nn.Conv2d(6, 4, 1, stride=2)
        self.sparse = nn.Conv2d(10, 4, 1, stride=3)
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        x = functional.relu(self.first(x))
        x = self.wide(x) + x
        x = self.act(self.norm(x))
        y = self.mean(self.pool(self.drop(x)))
        y = y * self.gate(y)
        z = self.side(x)[:, :, : y.shape[2], : y.shape[3]]
        both = torch.cat([y[:, :, : z.shape[2], : z.shape[3]], z], dim=1)
        out = self.sparse(both)
        return self.head(out.mean(dim=(2, 3)).view(x.size(0), -1))


@pytest.mark.parametrize("side", [1, 2, 5])
def test_parts_of_every_kind(side):
    torch.manual_seed(1)
    net = settled(Wild())
    names = ("first", "wide", "norm", "pool", "mean", "gate", "side", "sparse", "head")
    compare(net, torch.randn(1, 2, 23, 19), names, tiles(2, 18, side))


@pytest.mark.parametrize(
    "part",
    [
        nn.Conv2d(1, 2, 1, stride=3),
        nn.Conv2d(1, 8, 2, stride=5, groups=1, padding=1),
        nn.MaxPool2d(1, stride=4),
        nn.AvgPool2d(2, stride=5),
    ],
)
def test_pixels_that_a_stride_passes_over_change_nothing(part):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Identity(), part).eval()
    image = torch.randn(1, 1, 10, 11)
    local = pushed_network(net, ("1",), image)
    assert local.local
    for row in range(10):
        for column in range(11):
            push = Change(torch.ones(1, 1, 1, 1), (row, column))
            moved = image.clone()
            moved[0, 0, row, column] += 1
            found = changes(local, image, push)["1"]
            torch.testing.assert_close(found, part(moved) - part(image), rtol=1e-5, atol=1e-6)


def test_normalisation_before_the_activation():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.MaxPool2d(2),
        nn.BatchNorm2d(5),
        nn.ReLU(),
        nn.Conv2d(5, 4, 3, padding=1),
        nn.BatchNorm2d(4, affine=False),
        nn.AvgPool2d(3, padding=1),
    )
    compare(settled(net), torch.randn(1, 2, 18, 18), ("2", "3", "5", "6"), tiles(2, 18, 2))


def test_parts_that_write_into_what_they_are_given():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.act = nn.Conv2d(1, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(True)

        def forward(self, x):
            x = self.act(self.a(x))
            y = self.b(x).relu_()
            y += x
            return self.act(y).flatten(1)

    torch.manual_seed(0)
    net = InPlace().eval()
    image = torch.randn(1, 1, 9, 9)
    pushed, plain = pushed_network(net, ("a", "b"), image), PlainNetwork(net, ("a", "b"))
    push = Change(torch.ones(1, 1, 1, 1), (4, 4))
    ours, full = changes(pushed, image, push), changes(plain, image, push)
    for name in ("a", "b"):
        torch.testing.assert_close(ours[name], full[name], rtol=1e-5, atol=1e-5)


def test_channels_at_rest_are_left_out_without_a_trace():
    torch.manual_seed(0)
    net = settled(nn.Sequential(nn.Conv2d(2, 40, 3, padding=1), nn.ReLU(), nn.Conv2d(40, 6, 3, padding=1)))
    with torch.no_grad():
        net[0].bias[::2] = -100.0
    compare(net, torch.randn(1, 2, 18, 18), ("0", "2"), tiles(2, 18, 2))
    values, weight = changed_channels(torch.ones(3, 40, 2, 2) * (torch.arange(40) % 2)[:, None, None], net[2].weight)
    assert values.shape == (3, 20, 2, 2)
    torch.testing.assert_close(weight, net[2].weight[:, 1::2])


@pytest.mark.parametrize("window", [(1, 1), (2, 1), (2, 2)])
def test_a_tiny_map_as_a_matrix(window):
    conv = nn.Conv2d(3, 5, 3, padding=1, dilation=1)
    values = torch.randn(4, 3, *window)
    found = Matrices(conv).multiplied(values, (1, 1), window)
    torch.testing.assert_close(found, functional.conv2d(values, conv.weight, None, 1, 1), rtol=1e-5, atol=1e-5)


def test_a_small_change_is_not_lost_in_rounding():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1)).eval()
    image = 100 * torch.rand(1, 1, 8, 8)
    push = Change(torch.full((1, 1, 1, 1), 1e-3), (4, 4))
    ours = changes(pushed_network(net, ("2",), image), image, push)["2"].double()
    exact = changes(PlainNetwork(net.double(), ("2",)), image.double(), Change(push.values.double(), (4, 4)))["2"]
    net.float()
    full = changes(PlainNetwork(net, ("2",)), image, push)["2"].double()
    assert float((ours - exact).norm()) < 0.05 * float((full - exact).norm())


def test_a_network_that_cannot_be_traced_is_run_whole():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, x):
            y = self.conv(x)
            return y.relu() if float(y.mean()) > -1e9 else y

    pushed = pushed_network(Branching().eval(), ("conv",), torch.rand(1, 1, 6, 6))
    assert isinstance(pushed, PlainNetwork)
    found = changes(pushed, torch.rand(1, 1, 6, 6), Change(torch.ones(2, 1, 1, 1), (1, 1)))
    assert found["conv"].shape == (2, 2, 4, 4)


@pytest.mark.parametrize("local", [True, False])
def test_derivatives_are_columns_of_the_jacobian(local):
    torch.manual_seed(2)
    net = settled(Wild())
    image = torch.randn(1, 2, 13, 11)
    names = ("pool", "gate", "head")
    pushed = pushed_network(net, names, image) if local else PlainNetwork(net, names)
    assert pushed.local is local
    values = torch.zeros(2, 2, 1, 1)
    values[0, 0], values[1, 1] = 1, 1
    ours = changes(pushed, image, Change(values, (5, 6)), Way(is_derivative=True))
    for name in names:

        def output(x, name=name):
            kept = []
            handle = net.get_submodule(name).register_forward_hook(lambda m, i, o: kept.append(o))
            net(x)
            handle.remove()
            return kept[0]

        jacobian = torch.autograd.functional.jacobian(output, image)[0][..., 0, :, 5, 6]
        torch.testing.assert_close(ours[name], jacobian.movedim(-1, 0), rtol=1e-4, atol=1e-5)
