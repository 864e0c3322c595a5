"""The glass study's network and one training step of it in other ways, for `bench_engine.py`.

`torch_network` is PyTorch with automatic differentiation. `Published` is the way of the publication: windows copied
side by side by `unfold`, matrix products, `fold` and `max_unpool2d` for the way back. `Teaching` is what a course's
engine in NumPy does: strided windows copied, one product, and a loop over the window for the way back.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

CONVOLUTIONS = ((1, 16, 5), (16, 32, 3), (32, 64, 3), (64, 64, 3))


def torch_network(side: int) -> nn.Sequential:
    """The network in PyTorch, ending in the logit."""
    layers: list[nn.Module] = []
    for ins, outs, window in CONVOLUTIONS:
        layers += [nn.Conv2d(ins, outs, window, padding=window // 2), nn.ReLU(), nn.MaxPool2d(2)]
    head = (nn.Flatten(), nn.Linear(64 * (side // 16) ** 2, 128), nn.ReLU(), nn.Linear(128, 1))
    return nn.Sequential(*layers, *head)


def weights_of(network: nn.Module) -> list[np.ndarray]:
    """Weights in PyTorch's order, (C', C, k, k) and (F', F), each followed by its bias."""
    return [value.detach().numpy().copy() for value in network.parameters()]


class Published:
    """A step with `unfold` and `fold`, Adam by hand for every tensor."""

    def __init__(self, weights: list[np.ndarray]) -> None:
        self.weights = [torch.from_numpy(value.copy()) for value in weights]
        self.moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in self.weights]
        self.steps = 0

    def gradients(self, x: torch.Tensor, targets: torch.Tensor) -> tuple[float, list[torch.Tensor]]:
        """Loss and gradients."""
        kept, maps = [], x
        for k, (_, outs, window) in enumerate(CONVOLUTIONS):
            w, b = self.weights[2 * k], self.weights[2 * k + 1]
            columns = functional.unfold(maps, window, padding=window // 2)
            z = (w.view(outs, -1) @ columns + b[:, None]).view(len(x), outs, *maps.shape[2:])
            y = z.clamp(min=0)
            pooled, places = functional.max_pool2d(y, 2, return_indices=True)
            kept.append((columns, z > 0, places, maps.shape))
            maps = pooled
        w1, b1, w2, b2 = self.weights[8:]
        flat = maps.flatten(1)
        z1 = flat @ w1.t() + b1
        hidden = z1.clamp(min=0)
        logits = (hidden @ w2.t() + b2)[:, 0]
        loss = (logits.clamp(min=0) - logits * targets + torch.log1p(torch.exp(-logits.abs()))).mean()
        grad = ((torch.sigmoid(logits) - targets) / len(x))[:, None]
        found = [grad.sum(0), grad.t() @ hidden]
        grad = (grad @ w2) * (z1 > 0)
        found += [grad.sum(0), grad.t() @ flat]
        slope = (grad @ w1).view(maps.shape)
        for k in reversed(range(len(CONVOLUTIONS))):
            columns, positive, places, shape = kept[k]
            _, outs, window = CONVOLUTIONS[k]
            g = (functional.max_unpool2d(slope, places, 2, output_size=shape[2:]) * positive).flatten(2)
            found += [g.sum((0, 2)), (g @ columns.transpose(1, 2)).sum(0).view(self.weights[2 * k].shape)]
            if k:
                columns = self.weights[2 * k].view(outs, -1).t() @ g
                slope = functional.fold(columns, shape[2:], window, padding=window // 2)
        return float(loss), found[::-1]

    def step(self, x: torch.Tensor, targets: torch.Tensor) -> float:
        """One step of Adam."""
        loss, grads = self.gradients(x, targets)
        self.steps += 1
        for w, grad, (first, second) in zip(self.weights, grads, self.moments, strict=True):
            first.mul_(0.9).add_(grad, alpha=0.1)
            second.mul_(0.999).addcmul_(grad, grad, value=0.001)
            size = (second / (1 - 0.999**self.steps)).sqrt() + 1e-8
            w -= 1e-3 * (first / (1 - 0.9**self.steps)) / size
        return loss


class Teaching:
    """A step in NumPy, gradients alone: what a course builds."""

    def __init__(self, weights: list[np.ndarray]) -> None:
        self.weights = weights

    def gradients(self, x: np.ndarray, targets: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Loss and gradients."""
        kept, maps = [], x
        for k, (_, outs, window) in enumerate(CONVOLUTIONS):
            w, b = self.weights[2 * k], self.weights[2 * k + 1]
            columns = _columns(maps, window)
            z = (columns @ w.reshape(outs, -1).T + b).reshape(len(x), *maps.shape[2:], outs).transpose(0, 3, 1, 2)
            tiles = np.maximum(z, 0).reshape(*z.shape[:2], z.shape[2] // 2, 2, z.shape[3] // 2, 2)
            pooled = tiles.max(axis=(3, 5))
            first = tiles == pooled[:, :, :, None, :, None]
            kept.append((columns, (z > 0), first, maps.shape))
            maps = pooled
        w1, b1, w2, b2 = self.weights[8:]
        flat = maps.reshape(len(x), -1)
        z1 = flat @ w1.T + b1
        hidden = np.maximum(z1, 0)
        logits = (hidden @ w2.T + b2)[:, 0]
        loss = (np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))).mean()
        grad = ((1 / (1 + np.exp(-logits)) - targets) / len(x))[:, None]
        found = [grad.sum(0), grad.T @ hidden]
        grad = (grad @ w2) * (z1 > 0)
        found += [grad.sum(0), grad.T @ flat]
        slope = (grad @ w1).reshape(maps.shape)
        for k in reversed(range(len(CONVOLUTIONS))):
            columns, positive, first, shape = kept[k]
            _, outs, window = CONVOLUTIONS[k]
            g = (first * slope[:, :, :, None, :, None]).reshape(positive.shape) * positive
            g = g.transpose(0, 2, 3, 1).reshape(-1, outs)
            found += [g.sum(0), (g.T @ columns).reshape(self.weights[2 * k].shape)]
            if k:
                slope = _back(g @ self.weights[2 * k].reshape(outs, -1), shape, window)
        return float(loss), found[::-1]


def _columns(maps: np.ndarray, window: int) -> np.ndarray:
    """Windows side by side, (N·H·W, C·k²)."""
    p = window // 2
    padded = np.pad(maps, ((0, 0), (0, 0), (p, p), (p, p)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (window, window), axis=(2, 3))
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, maps.shape[1] * window**2)


def _back(columns: np.ndarray, shape: tuple[int, ...], window: int) -> np.ndarray:
    """Adds windows back to the maps that they were copied from."""
    n, channels, height, width = shape
    p = window // 2
    padded = np.zeros((n, channels, height + 2 * p, width + 2 * p), columns.dtype)
    windows = columns.reshape(n, height, width, channels, window, window)
    for i in range(window):
        for j in range(window):
            padded[:, :, i : i + height, j : j + width] += windows[..., i, j].transpose(0, 3, 1, 2)
    return padded[:, :, p : p + height, p : p + width]
