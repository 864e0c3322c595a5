"""Small networks as classifiers, and the published loop, for the tests of maps."""

import torch
from torch import nn

from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.torch_model import TorchClassifier


def wrapped(net: nn.Module, side: int = 8, channels: int = 3, mean: float = 0.5, std: float = 0.25) -> TorchClassifier:
    preprocessing = Preprocessing(
        height=side, width=side, channels=channels, mean=(mean,) * channels, std=(std,) * channels
    )
    return TorchClassifier(net, preprocessing=preprocessing, device=torch.device("cpu"))


def two_layers(channels: int = 3) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(4, 5, 3, stride=2),
            nn.Flatten(),
            nn.Linear(45, 3),
        )


def slow_maps(net: nn.Module, names: list[str], x_chw: torch.Tensor, amounts_chw: torch.Tensor, together: bool = False):
    """One pass for each pixel, channel and block, in float64: norm of the difference and difference of norms."""
    net, x, amounts = net.double().eval(), x_chw.double(), amounts_chw.double()
    channels, height, width = x.shape
    rows = 1 if together else channels
    found = torch.zeros(2, len(names), rows, height, width, dtype=torch.float64)
    for b, name in enumerate(names):
        kept = []
        handle = net.get_submodule(name).register_forward_hook(lambda m, i, o, kept=kept: kept.append(o.clone()))
        with torch.no_grad():
            net(x[None])
            for c in range(rows):
                for i in range(height):
                    for j in range(width):
                        pushed = x.clone()
                        place = (slice(None) if together else c, i, j)
                        pushed[place] += amounts[place]
                        net(pushed[None])
                        found[0, b, c, i, j] = (kept[-1] - kept[0]).norm()
                        found[1, b, c, i, j] = kept[-1].norm() - kept[0].norm()
        handle.remove()
    net.float()
    return found.numpy()
