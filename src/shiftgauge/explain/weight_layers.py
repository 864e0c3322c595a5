"""The layers of a network that hold weights, in the order in which they are run."""

from __future__ import annotations

from typing import Any

import torch

from shiftgauge.models.capture import Recorder
from shiftgauge.models.torch_model import TorchClassifier


def weight_layers(network: TorchClassifier, images_nchw: torch.Tensor) -> tuple[str, ...]:
    """Names the layers that hold a matrix of weights and are run, from output to input.

    A layer that reads the weights of a part without running it (attention does) stands for that part. Layers with
    vectors of weights alone (normalisations) are left out.

    Args:
        network: A torch network as a classifier.
        images_nchw: At least one image of its input shape.

    Returns:
        Module paths.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from torch import nn
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> p = Preprocessing(height=2, width=2)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> weight_layers(c, torch.rand(1, 3, 2, 2))
        ('3', '1')
    """
    modules = {name: part for name, part in network.module.named_modules() if name}
    runs: dict[str, None] = {}

    def keep(name: str, output: Any) -> None:
        runs[name] = None

    with torch.no_grad(), Recorder(network.module, list(modules)).into(keep):
        network.logits_with_grad(images_nchw[:1])
    holders: set[str] = set()
    for name, part in modules.items():
        if any(parameter.ndim > 1 for parameter in part.parameters(recurse=False)):
            while name and name not in runs:
                name = name.rpartition(".")[0]
            holders.add(name)
    return tuple(name for name in reversed(runs) if name in holders)
