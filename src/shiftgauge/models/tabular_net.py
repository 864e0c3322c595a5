"""The small network of the diabetes study: linear, batch norm, ReLU, linear, batch norm, sigmoid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from shiftgauge.errors import ModelError
from shiftgauge.models.weights import load_weights, read_weights

LAYERS = ("before batch norm", "after batch norm", "after ReLU", "output")
"""What `TabularNet.layers` gives, in order."""


class TabularNet(nn.Module):
    """P inputs → `hidden` units with batch norm and ReLU → one probability.

    y = σ(BN₂(W₂ max(0, BN₁(W₁x + b₁)) + b₂)), where a batch norm in evaluation mode is γ (z - μ)/√(s² + 1e-5) + β with
    the running mean μ and variance s² of training.

    Args:
        n_features: Inputs P, ≥ 1.
        hidden: Units of the hidden layer, ≥ 1; the study has 10.

    Example:
        >>> TabularNet().eval()(torch.zeros(3, 8)).shape
        torch.Size([3, 1])

    References:
        Ioffe, S., Szegedy, C. (2015). Batch normalization. arXiv:1502.03167
    """

    def __init__(self, n_features: int = 8, hidden: int = 10) -> None:
        super().__init__()
        self.fn1 = nn.Linear(n_features, hidden)
        self.bn1 = nn.BatchNorm1d(hidden)
        self.fn2 = nn.Linear(hidden, 1)
        self.bn2 = nn.BatchNorm1d(1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Rows (n, P) → probabilities (n, 1)."""
        return torch.sigmoid(self.bn2(self.fn2(torch.relu(self.bn1(self.fn1(rows))))))

    def layers(self, rows: torch.Tensor) -> Mapping[str, torch.Tensor]:
        """What every stage gives for rows (n, P), by the names in `LAYERS`."""
        linear = self.fn1(rows)
        normed = self.bn1(linear)
        active = torch.relu(normed)
        found = (linear, normed, active, torch.sigmoid(self.bn2(self.fn2(active))))
        return dict(zip(LAYERS, found, strict=True))


def load_tabular_net(path: str | Path) -> TabularNet:
    """Returns the network with the weights of a file, in evaluation mode; a file that could run code is refused.

    Args:
        path: A state dict with the tensors fn1, bn1, fn2, bn2, such as the published `model1.pth`.

    Raises:
        ModelError: The file is missing, would run code, or belongs to another network.
    """
    try:
        tensors = read_weights(path)
    except ModelError as error:
        cause = str(error).partition("; ")[0]
        raise ModelError(f"{cause}; give a state dict of tensors fn1, bn1, fn2, bn2, such as model1.pth") from error
    first = tensors.get("fn1.weight")
    shape = tuple(first.shape) if first is not None and first.ndim == 2 else (10, 8)
    network = TabularNet(n_features=shape[1], hidden=shape[0])
    load_weights(network, tensors, str(path))
    return network.eval().requires_grad_(False)
