"""Trains the diabetes study's network from many seeds at once: one tensor program with an axis of seeds.

The recipe is the published one: full batch, stochastic gradient descent without momentum, weight decay on every
parameter, batch norm on batch statistics, no scaling of the inputs. Each seed starts as `torch.manual_seed(seed)` and
PyTorch's own initialisation give it, and goes the way that a plain loop over one network goes.

The published script for fewer inputs also pushes the test rows through the network in training mode after every
step. That changes no weight, since nothing is learned from them, but it moves the running statistics of batch norm
towards the test rows: a leak. Both sets of statistics are kept here, so that one training serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch

from shiftgauge.models.tabular_net import TabularNet
from shiftgauge.types import FloatArray

_MOMENTUM: Final = 0.1
_EPS: Final = 1e-5
_REMEMBERED: Final = 500
"""Steps back after which running statistics have forgotten a batch: 0.9^500 is below any float's precision."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the network is trained.

    Args:
        epochs: Full-batch steps.
        learning_rate: Of plain gradient descent.
        weight_decay: Added to the gradient of every parameter, times the parameter.
        drop_at: Step after which the learning rate is a tenth; None: never.
        hidden: Units of the hidden layer.
    """

    epochs: int = 2000
    learning_rate: float = 0.01
    weight_decay: float = 0.001
    drop_at: int | None = None
    hidden: int = 10


PUBLISHED: Final = Recipe()
"""The recipe of the publication."""
REDUCED: Final = Recipe(epochs=2500, drop_at=2200)
"""What the published script does for fewer inputs, though the text says that nothing else was changed."""


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Running means and variances of the two batch norms, seeds first: (S, H), (S, H), (S, 1), (S, 1)."""

    mean1: torch.Tensor
    var1: torch.Tensor
    mean2: torch.Tensor
    var2: torch.Tensor

    @classmethod
    def fresh(cls, seeds: int, hidden: int) -> Statistics:
        """Zero means and unit variances, as PyTorch starts."""
        zeros, ones = torch.zeros, torch.ones
        return cls(mean1=zeros(seeds, hidden), var1=ones(seeds, hidden), mean2=zeros(seeds, 1), var2=ones(seeds, 1))

    def moved(self, first: tuple[torch.Tensor, torch.Tensor], second: tuple[torch.Tensor, torch.Tensor]) -> Statistics:
        """One step towards the (mean, unbiased variance) of a batch in both layers."""
        pairs = zip((self.mean1, self.var1, self.mean2, self.var2), (*first, *second), strict=True)
        mean1, var1, mean2, var2 = (torch.lerp(old, new, _MOMENTUM) for old, new in pairs)
        return Statistics(mean1=mean1, var1=var1, mean2=mean2, var2=var2)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Networks of S seeds.

    Args:
        parameters: The eight trained tensors, seeds first.
        clean: Running statistics of training rows alone.
        leaked: Running statistics that the test rows were mixed into.
    """

    parameters: tuple[torch.Tensor, ...]
    clean: Statistics
    leaked: Statistics

    @classmethod
    def of(cls, network: TabularNet) -> Trained:
        """One network as a set of one seed."""
        parts = tuple(p.detach()[None].clone() for p in network.parameters())
        first, second = network.bn1, network.bn2
        names = ("running_mean", "running_var")
        moments = [getattr(bn, name).detach()[None].clone() for bn in (first, second) for name in names]
        found = Statistics(mean1=moments[0], var1=moments[1], mean2=moments[2], var2=moments[3])
        return cls(parameters=parts, clean=found, leaked=found)

    def probabilities(self, rows_np: FloatArray, *, leaked: bool = False) -> FloatArray:
        """Probabilities in evaluation mode (S, n)."""
        s = self.leaked if leaked else self.clean
        w1, b1, g1, c1, w2, b2, g2, c2 = self.parameters
        with torch.inference_mode():
            rows = torch.tensor(rows_np, dtype=torch.float32).T
            f1, f2 = g1 / torch.sqrt(s.var1 + _EPS), g2 / torch.sqrt(s.var2 + _EPS)
            z = (w1.reshape(-1, w1.shape[2]) @ rows).reshape(*w1.shape[:2], -1)
            active = torch.relu(z * f1[..., None] + ((b1 - s.mean1) * f1 + c1)[..., None])
            out = (w2 @ active) * f2[..., None] + ((b2 - s.mean2) * f2 + c2)[..., None]
            return torch.sigmoid(out)[:, 0].numpy().astype(float)

    def batch_probabilities(self, rows_np: FloatArray) -> FloatArray:
        """Probabilities in training mode, on the rows' own statistics, as the published script prints them (S, n)."""
        with torch.inference_mode():
            return _forward(self.parameters, torch.tensor(rows_np, dtype=torch.float32)).out.numpy().astype(float)


def train(
    rows_np: FloatArray,
    labels_n: np.ndarray,
    test_np: FloatArray,
    *,
    seeds: int = 20,
    recipe: Recipe = PUBLISHED,
    on_epoch: Callable[[int], None] | None = None,
) -> Trained:
    """Trains one network from each seed 0 … seeds-1.

    Args:
        rows_np: Training rows (n, P).
        labels_n: 0 or 1 (n,).
        test_np: Test rows, for the leaked statistics alone; nothing is learned from them.
        seeds: Number of seeds S, ≥ 1.
        recipe: How to train.
        on_epoch: Told the number of steps done.

    Returns:
        The trained networks.
    """
    x, test = (torch.tensor(a, dtype=torch.float32) for a in (rows_np, test_np))
    y = torch.tensor(labels_n, dtype=torch.float32)
    parameters = initial(seeds, x.shape[1], recipe.hidden)
    clean = leaked = Statistics.fresh(seeds, recipe.hidden)
    rate = recipe.learning_rate
    with torch.inference_mode(), _one_thread():
        for epoch in range(recipe.epochs):
            if epoch == recipe.drop_at:
                rate *= 0.1
            states = _forward(parameters, x)
            clean, leaked = clean.moved(*states.moments), leaked.moved(*states.moments)
            for p, g in zip(parameters, _gradients(parameters, states, x, y), strict=True):
                p.mul_(1 - rate * recipe.weight_decay).sub_(g, alpha=rate)
            if epoch >= recipe.epochs - _REMEMBERED:
                leaked = leaked.moved(*_forward(parameters, test).moments)
            if on_epoch is not None:
                on_epoch(epoch + 1)
    return Trained(parameters=tuple(parameters), clean=clean, leaked=leaked)


def initial(seeds: int, n_features: int, hidden: int) -> list[torch.Tensor]:
    """PyTorch's own initial parameters for each seed, seeds first, in the order of `TabularNet.parameters()`."""
    networks = []
    with torch.random.fork_rng(devices=[]):
        for seed in range(seeds):
            torch.manual_seed(seed)
            networks.append(list(TabularNet(n_features, hidden).parameters()))
    return [torch.stack([p.detach() for p in column]) for column in zip(*networks, strict=True)]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Runs the body on one thread: such small products lose more by waiting for each other than they gain."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A batch norm on batch statistics: what came out normalised, 1/√(variance + ε), mean, unbiased variance."""

    normal: torch.Tensor
    scale: torch.Tensor
    mean: torch.Tensor
    var: torch.Tensor

    @classmethod
    def of(cls, z: torch.Tensor) -> _Layer:
        var, mean = torch.var_mean(z, dim=-1, correction=0)
        scale, n = torch.rsqrt(var + _EPS), z.shape[-1]
        return cls(normal=(z - mean[..., None]) * scale[..., None], scale=scale, mean=mean, var=var * (n / (n - 1)))

    def back(self, d: torch.Tensor, gain: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Gradients of the input, the gain and the shift from that of the output."""
        n = d.shape[-1]
        d_gain, d_shift = (d * self.normal).sum(-1), d.sum(-1)
        inner = d - (d_shift / n)[..., None] - self.normal * (d_gain / n)[..., None]
        return inner * (gain * self.scale)[..., None], d_gain, d_shift


@dataclass(frozen=True, kw_only=True)
class _States:
    """All that a forward pass in training mode leaves for the backward pass; rows stand on the last axis."""

    first: _Layer
    active: torch.Tensor
    second: _Layer
    out: torch.Tensor

    @property
    def moments(self) -> tuple[tuple[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        """Mean and unbiased variance of both layers."""
        return (self.first.mean, self.first.var), (self.second.mean, self.second.var)


def _forward(parameters: tuple[torch.Tensor, ...] | list[torch.Tensor], x: torch.Tensor) -> _States:
    w1, b1, g1, c1, w2, b2, g2, c2 = parameters
    seeds, hidden, width = w1.shape
    z = (w1.reshape(-1, width) @ x.T).reshape(seeds, hidden, -1) + b1[..., None]
    first = _Layer.of(z)
    active = torch.relu(first.normal * g1[..., None] + c1[..., None])
    second = _Layer.of(w2 @ active + b2[..., None])
    out = torch.sigmoid(second.normal * g2[..., None] + c2[..., None])[:, 0]
    return _States(first=first, active=active, second=second, out=out)


def _gradients(
    parameters: list[torch.Tensor], states: _States, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """Gradients of every seed's mean cross-entropy. Those of both biases are 0: batch norm takes constants away."""
    w1, b1, g1, _, w2, b2, g2, _ = parameters
    d = ((states.out - y) / len(y))[:, None]
    d, d_g2, d_c2 = states.second.back(d, g2)
    d_w2 = d @ states.active.transpose(1, 2)
    d = (w2.transpose(1, 2) @ d).mul_(states.active > 0)
    d, d_g1, d_c1 = states.first.back(d, g1)
    d_w1 = (d.reshape(-1, d.shape[-1]) @ x).reshape(w1.shape)
    return d_w1, torch.zeros_like(b1), d_g1, d_c1, d_w2, torch.zeros_like(b2), d_g2, d_c2
