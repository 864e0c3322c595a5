import pytest
import torch
from torch import nn

from shiftgauge.models.compat import prepare_torchvision
from shiftgauge.models.conversion import evaluation_mode, fold_batch_norm


def norms(module):
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in module.modules())


def test_folding_removes_batch_norm_and_keeps_outputs(tiny, images):
    tiny.eval()
    folded = fold_batch_norm(tiny, images)
    assert norms(folded) == 0
    assert norms(tiny) == 2
    with torch.no_grad():
        assert torch.allclose(folded(images), tiny(images), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "mobilenetv3_small_050"])
def test_networks_of_timm_are_folded_whole(name):
    prepare_torchvision()
    import timm

    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=5).eval()
    x = torch.rand(2, 3, 64, 64)
    folded = fold_batch_norm(net, x)
    assert norms(folded) == 0
    with torch.no_grad():
        assert torch.allclose(folded(x), net(x), atol=1e-4)


class Shared(nn.Module):
    """One convolution read by a batch norm and by a skip: folding would be wrong."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.conv(x)
        return (self.norm(y) + y).mean(dim=(2, 3))


class Twice(nn.Module):
    """One convolution called twice."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)

    def forward(self, x):
        return self.norm(self.conv(self.conv(x))).mean(dim=(2, 3))


class Standardised(nn.Conv2d):
    """Uses its weights other than as they are."""

    def forward(self, x):
        return nn.functional.conv2d(x, self.weight / self.weight.norm(), self.bias)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

    def forward(self, x):
        y = self.norm(self.conv(x))
        return y.mean(dim=(2, 3)) if float(y.sum()) > 0 else y.amax(dim=(2, 3))


@pytest.mark.parametrize(
    "net", [Shared(), Twice(), Branching(), nn.Sequential(Standardised(3, 3, 3), nn.BatchNorm2d(3)), nn.Flatten()]
)
def test_networks_that_cannot_be_folded_safely_are_left_alone(net, images):
    assert fold_batch_norm(net.eval(), images) is None


def test_folding_that_changes_outputs_is_not_used(images):
    class Odd(nn.Module):
        calls = 0

        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3)

        def forward(self, x):
            Odd.calls += 1  # a side effect that a trace does not see
            return self.norm(self.conv(x)).mean(dim=(2, 3)) * (1 if Odd.calls == 1 else 2)

    assert fold_batch_norm(Odd().eval(), images) is None


def test_evaluation_mode_restores_flags_after_an_error(tiny):
    tiny.train()
    tiny.norm.eval()
    seen = []

    def fail():
        with evaluation_mode(tiny):
            seen.append(any(m.training for m in tiny.modules()) or any(p.requires_grad for p in tiny.parameters()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [False]
    assert tiny.training
    assert not tiny.norm.training
    assert all(p.requires_grad for p in tiny.parameters())
