"""Receptive fields equal what gradients of positive networks show, and known figures of known networks."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models import receptive_field as fields
from shiftgauge.models.receptive_field import ReceptiveField, receptive_fields
from shiftgauge.models.resnet import SmallResNet


def by_gradient(network: nn.Module, size: int, place: tuple[int, int]) -> tuple[int, int, int, int]:
    """First and last row and column that one value of a network of positive weights depends on."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.1, 1.0)
    image = torch.rand(1, 1, size, size, requires_grad=True)
    network(image)[0, :, place[0], place[1]].sum().backward()
    assert image.grad is not None
    rows, columns = (image.grad[0, 0].abs().sum(dim=d).nonzero().flatten() for d in (1, 0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


class Branches(nn.Module):
    """A residual sum of branches that see different parts, a functional convolution, padding, a strided shortcut."""

    def __init__(self):
        super().__init__()
        self.wide = nn.Conv2d(1, 2, (5, 3), padding=(2, 1), stride=2)
        self.atrous = nn.Conv2d(2, 2, 3, dilation=2, padding=2)
        self.kernel = nn.Parameter(torch.rand(2, 2, 2, 3))

    def forward(self, x):
        inner = self.wide(x) + torch.cat([x, x], dim=1)[:, :, ::2, 1::2]
        inner = F.conv2d(F.pad(inner, (1, 0, 2, 1)), self.kernel, None, 1, (0, 1))
        return F.avg_pool2d(self.atrous(inner).relu(), 2)


def plain():
    layers = [nn.Conv2d(1, 2, 5, padding=2), nn.Conv2d(2, 2, 3, stride=2), nn.AvgPool2d(3, 2, 1), nn.Conv2d(2, 1, 3)]
    return nn.Sequential(nn.Sequential(*layers), nn.Identity())


@pytest.mark.parametrize("make", [plain, lambda: nn.Sequential(Branches(), nn.Identity())])
def test_the_field_is_where_gradients_come_from(make):
    network, size = make().eval(), 64
    found = receptive_fields(network, torch.rand(1, 1, size, size), ["0"])["0"]
    assert found is not None
    assert found.size is not None
    assert found.stride is not None
    assert found.offset is not None
    for place in ((4, 5), (5, 4)):
        top, bottom, left, right = by_gradient(network, size, place)
        assert (bottom - top + 1, right - left + 1) == found.size
        assert ((top + bottom) / 2, (left + right) / 2) == tuple(
            o + p * s for o, p, s in zip(found.offset, place, found.stride, strict=True)
        )
    assert not found.measured


def test_small_resnet():
    names = ["stem", "stem.2", "layer1", "layer1.0", "layer2", "layer3", "layer4", "fc"]
    found = receptive_fields(SmallResNet(n_classes=2).eval(), torch.rand(1, 3, 16, 16), names)
    assert [str(found[n]) for n in names] == [
        *("3×3", "3×3", "11×11", "7×7", "25×25", "53×53", "109×109", "whole image")
    ]
    assert found["layer4"] == ReceptiveField(size=(109, 109), stride=(8, 8), offset=(0.0, 0.0))


class Gated(nn.Module):
    """A convolution, a gate that looks at every pixel, and a convolution after it."""

    def __init__(self):
        super().__init__()
        self.first, self.gate, self.last = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3)

    def forward(self, x):
        x = self.first(x).relu_()
        return self.last(x * self.gate(x.mean((2, 3), keepdim=True)).sigmoid())


def test_what_follows_a_gate_sees_the_whole_image():
    found = receptive_fields(Gated().eval(), torch.rand(1, 1, 12, 12), ["first", "gate", "last"])
    assert [str(f) for f in found.values()] == ["3×3", "whole image", "whole image"]


class Last(nn.Module):
    """Normalises and mixes with the channels last, as ConvNeXt does."""

    def __init__(self):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(4), nn.Linear(4, 4)

    def forward(self, x):
        return self.mix(self.norm(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)


def test_channels_last_within_the_network():
    network = nn.Sequential(nn.Conv2d(1, 4, 4, stride=4), Last(), nn.Conv2d(4, 4, 3, padding=1)).eval()
    found = receptive_fields(network, torch.rand(1, 1, 24, 24), ["0", "1.mix", "1", "2"])
    assert [str(f) for f in found.values()] == ["4×4", "4×4", "4×4", "12×12"]
    assert found["2"] == ReceptiveField(size=(12, 12), stride=(4, 4), offset=(1.5, 1.5))


class Same(nn.Conv2d):
    """Pads for ceil(size / stride) values, more below than above, in a way that cannot be traced."""

    def forward(self, input):  # noqa: A002
        total = max((-(-input.shape[-1] // 2) - 1) * 2 + 3 - input.shape[-1], 0)
        return F.conv2d(F.pad(input, (total // 2, total - total // 2) * 2), self.weight, self.bias, stride=2)


def test_padding_as_tensorflow_has_it():
    network = nn.Sequential(Same(1, 2, 3, stride=2), nn.ReLU(), Same(2, 1, 3, stride=2)).eval()
    found = receptive_fields(network, torch.rand(1, 1, 16, 16), ["0", "2"])
    assert found["2"] == ReceptiveField(size=(7, 7), stride=(4, 4), offset=(3.0, 3.0))
    top, bottom, left, right = by_gradient(network, 16, (1, 2))
    assert (top, bottom, left, right) == (4, 10, 8, 14)


class Untraceable(nn.Module):
    """Branches on what it sees."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1, stride=2)
        self.head = nn.Linear(2, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        if x.sum() < -1:
            x = x + 1
        return self.head(self.last(x).mean((2, 3)))


def test_a_network_that_cannot_be_traced_is_measured():
    found = receptive_fields(Untraceable().eval(), torch.rand(1, 1, 16, 12), ["first", "last", "head"])
    assert found == {
        "first": ReceptiveField(size=(3, 3), stride=(1, 1), offset=(0.0, 0.0), measured=True),
        "last": ReceptiveField(size=(5, 5), stride=(2, 2), offset=(0.0, 0.0), measured=True),
        "head": ReceptiveField(measured=True),
    }


def test_measured_and_exact_fields_agree():
    network, image = SmallResNet(n_classes=2).eval(), torch.rand(1, 3, 32, 32)
    names = ["stem", "layer1.0", "layer2.0", "fc"]
    exact, seen = receptive_fields(network, image, names), fields._measured(network, image, names)
    for name in names:
        assert str(exact[name]) == str(seen[name])
        if name != "fc":
            assert exact[name].offset == seen[name].offset  # pyright: ignore[reportOptionalMemberAccess]


def test_mode_and_flags_are_as_before_and_unknown_blocks_are_named():
    network = SmallResNet(n_classes=2).train()
    with pytest.raises(ModelError, match="layer1"):
        receptive_fields(network, torch.rand(1, 3, 16, 16), ["layer11"])
    assert network.training
    assert all(p.requires_grad for p in network.parameters())


class Split(nn.Module):
    """A gate of its own channels, split and put together again."""

    def __init__(self):
        super().__init__()
        self.first, self.inner = nn.Conv2d(1, 6, 3), nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        gate, kept, mixed = torch.split(self.first(x), 2, dim=1)
        return torch.cat([kept, self.inner(mixed)], dim=1) * torch.cat([gate, gate], dim=1).sigmoid()


def test_parts_that_are_split_and_put_together_again():
    found = receptive_fields(nn.Sequential(Split()).eval(), torch.rand(1, 1, 12, 12), ["0.first", "0"])
    assert [str(f) for f in found.values()] == ["3×3", "5×5"]
