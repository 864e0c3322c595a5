import pytest
import torch
from torch import fx, nn

from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.conversion import convert, fold_batch_norm
from shiftgauge.models.fusion import FusedConv2d, fuse_activations
from shiftgauge.types import Execution


def fused_copy(net, x):
    traced = fx.symbolic_trace(net.eval()).to(memory_format=torch.channels_last)
    count = fuse_activations(traced)
    with torch.no_grad():
        return count, traced(x.contiguous(memory_format=torch.channels_last)), net(x)


class Residual(nn.Module):
    """conv → add → relu with the addition written in several ways."""

    def __init__(self, form):
        super().__init__()
        self.one, self.two, self.form = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1), form

    def forward(self, x):
        y = torch.relu(self.one(x))
        z = self.two(y)
        if self.form == "iadd":
            z += x
        elif self.form == "swapped":
            z = x + z
        elif self.form == "late":
            return (z + self.one.weight.sum() * x).relu()  # what is added comes after the convolution
        else:
            z = torch.add(z, x)
        return z.relu()


@pytest.mark.parametrize(("form", "count"), [("iadd", 2), ("swapped", 2), ("add", 2), ("late", 1)])
def test_residual_additions_and_activations_are_fused_and_keep_outputs(images, form, count):
    torch.manual_seed(0)
    n, got, wanted = fused_copy(Residual(form), images)
    assert n == count
    assert torch.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ([nn.ReLU()], 1),
        ([nn.ReLU6()], 1),
        ([nn.Identity(), nn.ReLU(inplace=True)], 1),
        ([nn.Sequential(nn.Identity()), nn.ReLU6()], 1),
        ([nn.Identity()], 0),
        ([nn.Sigmoid(), nn.ReLU()], 0),
        ([nn.LeakyReLU()], 0),
    ],
)
def test_only_relu_and_relu6_directly_after_are_fused(images, layers, count):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, dilation=2, bias=False), *layers)
    n, got, wanted = fused_copy(net, images * 20 - 10)
    assert n == count
    assert torch.allclose(got, wanted, atol=1e-4)


class Read(nn.Module):
    """The convolution's output is read twice: the activation cannot be fused."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        y = self.conv(x)
        return torch.relu(y) - y


class Twice(nn.Module):
    """The convolution is called twice, once with an activation."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)

    def forward(self, x):
        return self.conv(torch.relu(self.conv(x)))


@pytest.mark.parametrize(
    "net",
    [
        Read(),
        Twice(),
        nn.Sequential(nn.Conv2d(3, 3, 3, padding="same"), nn.ReLU()),
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"), nn.ReLU()),
    ],
)
def test_what_cannot_be_fused_safely_is_left_alone(images, net):
    n, got, wanted = fused_copy(net, images)
    assert n == 0
    assert torch.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size"), [("resnet10t", 64), ("tf_efficientnet_lite0", 64), ("tf_efficientnet_lite0", 75)]
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_networks_of_timm_keep_their_outputs(name, size, precision):
    prepare_torchvision()
    import timm

    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=5).eval()
    x = torch.rand(2, 3, size, size)
    fast = convert(net, Execution(channels_last=True, precision=precision), x)
    assert sum(isinstance(m, FusedConv2d) for m in fast.modules()) >= 8
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    with torch.no_grad():
        wanted, got = net(x), fast(x.to(dtype).contiguous(memory_format=torch.channels_last)).float()
    tolerance = 1e-5 if precision == "float32" else 0.05
    assert float((got - wanted).abs().max()) <= tolerance * float(wanted.abs().max())


def test_network_without_the_operators_is_left_alone(images, tiny, monkeypatch):
    class Nothing:
        pass

    traced = fold_batch_norm(tiny.eval(), images)
    monkeypatch.setattr(torch.ops, "mkldnn", Nothing())
    assert fuse_activations(traced) == 0
