"""Networks small enough to be checked by hand, as classifiers."""

import contextlib
import threading

import torch
from torch import nn

from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier

CPU = torch.device("cpu")


def wrap(net, shape=(3, 8, 8), mean=0.5, std=0.5, classes=None):
    """A network as a classifier of images of a shape (C, H, W)."""
    means, stds = (values if isinstance(values, tuple) else (values,) for values in (mean, std))
    preprocessing = Preprocessing(channels=shape[0], height=shape[1], width=shape[2], mean=means, std=stds)
    return TorchClassifier(net, preprocessing=preprocessing, device=CPU, classes=classes, output_kind="logits")


def linear(shape=(3, 8, 8), n_classes=3, seed=0):
    """z = W x + b, weights of order 0.1."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(shape[0] * shape[1] * shape[2], n_classes))
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        net[1].weight.copy_(0.1 * torch.randn(net[1].weight.shape, generator=rng))
        net[1].bias.copy_(torch.randn(n_classes, generator=rng))
    return net


class ConvNet(nn.Module):
    """Two convolutions with batch statistics, ReLUs that write in place, dropout, a linear head."""

    def __init__(self, channels=3, n_classes=4):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            self.stem = nn.Conv2d(channels, 6, 3, padding=1)
            self.norm = nn.BatchNorm2d(6)
            self.relu = nn.ReLU(inplace=True)
            self.block = nn.Sequential(nn.Conv2d(6, 5, 3, stride=2, padding=1), nn.ReLU(inplace=True))
            self.dropout = nn.Dropout(0.5)
            self.head = nn.Linear(5, n_classes)
            nn.init.uniform_(self.norm.running_mean, -0.3, 0.3)
            nn.init.uniform_(self.norm.running_var, 0.3, 2.0)
            nn.init.normal_(self.head.weight, std=2.0)

    def forward(self, x):
        x = self.block(self.relu(self.norm(self.stem(x))))
        return self.head(self.dropout(x.mean(dim=(2, 3))))


class InPlace(nn.Module):
    """Normalises its input by writing into it, as networks that come with their own preprocessing do."""

    def __init__(self, traceable=True):
        super().__init__()
        self.net, self.traceable = ConvNet(), traceable

    def forward(self, x):
        x -= 0.5
        x /= 0.25
        if not self.traceable and float(x.sum()) == 0:
            return self.net(-x)
        return self.net(x)


def in_place(traceable=True):
    """`InPlace` as a classifier, and the same network that gets its images normalised."""
    net = InPlace(traceable).eval()
    return wrap(net, mean=0.0, std=1.0), wrap(net.net, mean=0.5, std=0.25)


def held(channels=3):
    """A network that cannot be copied, so that a classifier runs it itself; its modes and flags are mixed."""
    net = ConvNet(channels).train()
    net.norm.eval()
    net.stem.weight.requires_grad_(False)
    net.lock = threading.Lock()
    return net


@contextlib.contextmanager
def left_as_it_was(net):
    """Fails where a network has other modes, flags, weights, gradients or hooks after the block."""
    modes, flags = [m.training for m in net.modules()], [p.requires_grad for p in net.parameters()]
    state = {k: v.clone() for k, v in net.state_dict().items()}
    yield
    assert [m.training for m in net.modules()] == modes
    assert [p.requires_grad for p in net.parameters()] == flags
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in net.modules())


class Several:
    """Three independent labels whose logits are an image's first three pixels."""

    output_kind, thresholds, class_names, n_classes = "probabilities", (0.5,) * 3, ("a", "b", "c"), 3
    input_shape, fingerprint, description = (1, 2, 2), "", {}

    def outputs(self, images, execution=None):
        return images.flatten(1)[:, :3].sigmoid()

    def prepare(self, images):
        return images

    def executions(self, batch_sizes):
        return []
