"""Networks of the engine beside the same networks in PyTorch, whose automatic differentiation is the reference."""

from __future__ import annotations

import torch
from torch import nn

from shiftgauge.engine.activations import LeakyReLU, ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.layer import Layer, named_parameters, walk
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.normalisation import BatchNorm2d
from shiftgauge.engine.pooling import AvgPool2d, MaxPool2d
from shiftgauge.engine.sequential import Residual, Sequential
from shiftgauge.engine.workspace import Mode, Workspace


class Sum(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)


def twin(layer: Layer) -> nn.Module:
    """The same layer in PyTorch, with the same weights, in float64."""
    match layer:
        case Sequential():
            made = nn.Sequential(*(twin(inner) for inner in layer.layers))
        case Residual():
            made = Sum(twin(layer.body), twin(layer.shortcut))
        case Conv2d():
            made = nn.Conv2d(
                layer.in_channels,
                layer.out_channels,
                layer.kernel_size,
                stride=layer.stride,
                padding=layer.padding,
                groups=layer.groups,
                bias="bias" in layer.parameters,
            )
        case Linear():
            made = nn.Linear(layer.in_features, layer.out_features, bias="bias" in layer.parameters)
        case BatchNorm2d():
            made = nn.BatchNorm2d(layer.channels, eps=layer.epsilon, momentum=layer.momentum)
        case MaxPool2d():
            made = nn.MaxPool2d(layer.kernel_size, layer.stride, layer.padding)
        case AvgPool2d():
            made = nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding)
        case LeakyReLU():
            made = nn.LeakyReLU(layer.slope)
        case ReLU():
            made = nn.ReLU()
        case Sigmoid():
            made = nn.Sigmoid()
        case Flatten():
            made = nn.Flatten()
        case _:
            raise AssertionError(type(layer))
    made.double()
    with torch.no_grad():
        for held in (layer.parameters, layer.buffers):
            for name, value in held.items():
                getattr(made, name).copy_(to_torch(value))
    return made


def to_torch(value: torch.Tensor) -> torch.Tensor:
    """Weights of the engine in PyTorch's order of axes."""
    return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.t() if value.ndim == 2 else value


def channels_first(value: torch.Tensor) -> torch.Tensor:
    return value.permute(0, 3, 1, 2) if value.ndim == 4 else value


def channels_last(value: torch.Tensor) -> torch.Tensor:
    return value.permute(0, 2, 3, 1) if value.ndim == 4 else value


def randomised(layer: Layer, seed: int) -> Layer:
    """All weights and running means drawn anew, in float64; variances stay positive."""
    rng = torch.Generator().manual_seed(seed)
    for _, inner in walk(layer):
        for held in (inner.parameters, inner.buffers):
            for name, value in held.items():
                drawn = torch.randn(value.shape, generator=rng, dtype=torch.float64)
                held[name] = drawn.abs() + 0.5 if name == "running_var" else drawn
    return layer


def run(layer: Layer, x, grad=None, *, training=True, ws=None):
    """Output, ∂L/∂x and ∂L/∂w by name for ∂L/∂y = grad (default the output's own cosine), all channels first."""
    grads = {name: torch.zeros_like(value) for name, value in named_parameters(layer).items()}
    mode = Mode(training=training, keep=True, gradients=grads, generator=torch.Generator().manual_seed(0))
    ws = ws or Workspace(mode)
    ws.mode.gradients = grads
    y = channels_first(layer.forward(channels_last(x), ws)).clone()
    grad = torch.cos(y) if grad is None else grad
    slope = channels_first(layer.backward(channels_last(grad), ws)).clone()
    return y, slope, {name: to_torch(value) for name, value in grads.items()}


def run_twin(module: nn.Module, x, grad=None, *, training=True):
    """The same by automatic differentiation."""
    module.train(training)
    x = x.clone().requires_grad_()
    y = module(x)
    y.backward(torch.cos(y.detach()) if grad is None else grad)
    return y.detach(), x.grad, {name: value.grad for name, value in module.named_parameters()}


def assert_like_autograd(layer: Layer, x, *, training=True, atol=1e-10):
    """The layer's output and gradients are those of automatic differentiation, relative to their size."""
    module = twin(layer)
    ours, theirs = run(layer, x, training=training), run_twin(module, x, training=training)
    pairs = {"y": (ours[0], theirs[0]), "x": (ours[1], theirs[1])}
    pairs |= {name: (ours[2][name], theirs[2][name]) for name in ours[2]}
    assert ours[2].keys() == theirs[2].keys()
    for name, (mine, other) in pairs.items():
        scale = max(1.0, float(other.abs().max()) if other.numel() else 1.0)
        assert mine.shape == other.shape, name
        assert float((mine - other).abs().max()) <= atol * scale, name
    return module
