"""Are written-out gradients right? Each is compared with central differences in float64."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.engine.layer import Layer, named_parameters, walk
from shiftgauge.engine.losses import Loss
from shiftgauge.engine.network import Network
from shiftgauge.engine.workspace import Mode, Workspace
from shiftgauge.errors import ConfigError, NumericalError
from shiftgauge.random import generator

_KINK = 1e-3
"""Relative difference of the slopes on both sides above which an entry stands at a kink, or within a step of one."""


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How a gradient is compared with differences.

    The slope of f along an entry e is taken as (f(e + h) − f(e − h)) / 2h, and the error relative to
    max(1, |slope|, |gradient|).

    A ReLU at 0 and a maximum of equal values have no slope but two, one on each side, and any number between them is a
    valid gradient. Such an entry, told by (f(e + h) − f(e)) / h and (f(e) − f(e − h)) / h that differ, is counted as a
    kink, and its error is the distance from the range between the two.

    Args:
        step: h > 0. The error of the differences is about h² f''' / 6 + 10⁻¹⁶ |f| / h.
        tolerance: Largest error that passes, > 0.
        entries: Entries of each tensor that are compared, drawn at random; all where there are fewer.
        seed: Of that draw.

    Raises:
        ConfigError: A number outside its range.
    """

    step: float = 1e-6
    tolerance: float = 1e-6
    entries: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("step", "tolerance"):
            if require_range(name, getattr(self, name), 0) == 0:
                raise ConfigError(f"`{name}` must be above 0, got 0; 1e-6 is customary")
        require_positive_int("entries", self.entries)


@dataclass(frozen=True, kw_only=True)
class GradientCheck:
    """What a comparison found.

    Args:
        error: Largest relative error.
        where: Tensor and entry that has it, such as `0.weight[2, 1]`; empty where nothing was compared.
        checked: Entries compared.
        kinks: Entries among them at a kink.
        tolerance: Largest error that passes.
    """

    error: float = 0.0
    where: str = ""
    checked: int = 0
    kinks: int = 0
    tolerance: float = field(default=1e-6)

    @property
    def passed(self) -> bool:
        """Whether every error is within the tolerance; NaN is not."""
        return self.error <= self.tolerance

    def require(self) -> GradientCheck:
        """Returns the result when it has passed.

        Raises:
            NumericalError: It has not.
        """
        if not self.passed:
            raise NumericalError(
                f"the gradient at `{self.where}` is off by {self.error:.1e} relative to central differences, "
                f"{self.tolerance:.1e} is allowed; check that layer's `backward`"
            )
        return self


def check_layer(
    layer: Layer, x: Tensor, *, training: bool = True, options: CheckOptions | None = None
) -> GradientCheck:
    """Checks a layer, or layers together, on a batch: the gradients of Σ v y with random v, y = f(x; w).

    Args:
        layer: It is copied, with its parameters as they are, in float64.
        x: As the layer takes it: (N, H, W, C), or (N, F).
        training: Whether batch normalisation takes the batch's statistics and dropout drops, always the same entries.
        options: How to compare.

    Example:
        >>> from shiftgauge.engine.activations import ReLU
        >>> found = check_layer(ReLU(), torch.tensor([[-1.0, 0.0, 2.0]]))
        >>> found.passed, found.checked, found.kinks
        (True, 3, 1)
    """
    options = options or CheckOptions()
    layer, x = _in_float64(layer), x.detach().double().clone()
    tensors = {"x": x, **named_parameters(layer)}
    grads = {name: torch.zeros_like(value) for name, value in tensors.items()}
    drawn = torch.Generator().manual_seed(options.seed)
    mode = Mode(training=training, keep=True, gradients=grads, generator=torch.Generator())
    ws = Workspace(mode)

    def run() -> Tensor:
        mode.generator.manual_seed(options.seed)  # type: ignore[union-attr]
        return layer.forward(x, ws)

    with torch.no_grad():
        v = torch.randn(run().shape, generator=drawn, dtype=torch.float64)
        grads["x"].add_(layer.backward(v, ws))
        return compare(lambda: float((run() * v).sum()), tensors, grads, options)


def check_loss(loss: Loss, outputs: Tensor, targets: Tensor, *, options: CheckOptions | None = None) -> GradientCheck:
    """Checks the gradient of a loss with respect to the outputs.

    Args:
        loss: The loss.
        outputs: (N, K), taken in float64.
        targets: As the loss takes them.
        options: How to compare.

    Example:
        >>> from shiftgauge.engine.losses import CrossEntropy
        >>> check_loss(CrossEntropy(), torch.tensor([[1.0, -2.0, 0.5]]), torch.tensor([2])).passed
        True
    """
    z = outputs.detach().double().clone()
    _, grad = loss(z, targets)
    return compare(lambda: loss(z, targets)[0], {"outputs": z}, {"outputs": grad}, options or CheckOptions())


def check_network(
    network: Network, images: Tensor, targets: Tensor, loss: Loss, *, options: CheckOptions | None = None
) -> GradientCheck:
    """Checks all weights' gradients of a network with its loss, through `backpropagate`.

    Args:
        network: A copy in float64 is checked.
        images: (N, C, H, W), or (N, F).
        targets: As the loss takes them.
        loss: The loss.
        options: How to compare.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> from shiftgauge.engine.losses import CrossEntropy
        >>> from shiftgauge.engine.sequential import Sequential
        >>> network = Network(Sequential(Linear(3, 2)), input_shape=(3,))
        >>> check_network(network, torch.ones(2, 3), torch.tensor([0, 1]), CrossEntropy()).passed
        True
    """
    shape, part = network.input_shape, network.part_images
    double = Network(network.layers, input_shape=shape, dtype=torch.float64, part_images=part)
    double.load_state(network.state())
    images = images.double()
    double.backpropagate(images, targets, loss)
    grads = {name: value.clone() for name, value in double.named_gradients().items()}
    return compare(
        lambda: double.backpropagate(images, targets, loss).loss,
        double.named_parameters(),
        grads,
        options or CheckOptions(),
    )


def compare(
    value: Callable[[], float], tensors: Mapping[str, Tensor], grads: Mapping[str, Tensor], options: CheckOptions
) -> GradientCheck:
    """Compares gradients of a function of tensors with differences.

    Args:
        value: f at what the tensors hold when it is called.
        tensors: Name → float64 tensor; entries are moved in place and put back.
        grads: Name → ∂f/∂tensor.
        options: How to compare.
    """
    found, f = GradientCheck(tolerance=options.tolerance), value()
    for name, tensor in tensors.items():
        rng = generator(options.seed, "gradcheck", name)
        drawn = rng.permutation(tensor.numel())[: options.entries]
        for place in sorted(drawn):
            index = tuple(int(i) for i in np.unravel_index(place, tuple(tensor.shape)))
            above, below = (_moved(value, tensor, index, step) for step in (options.step, -options.step))
            right, left = (above - f) / options.step, (f - below) / options.step
            error, kink = _error(float(grads[name][index]), left, right)
            found = replace(found, checked=found.checked + 1, kinks=found.kinks + kink)
            if not error <= found.error:
                found = replace(found, error=error, where=f"{name}{list(index)}")
    return found


def _moved(value: Callable[[], float], tensor: Tensor, index: tuple[int, ...], step: float) -> float:
    """f with one entry moved."""
    before = float(tensor[index])
    tensor[index] = before + step
    try:
        return value()
    finally:
        tensor[index] = before


def _error(grad: float, left: float, right: float) -> tuple[float, bool]:
    """Relative error of a gradient given the slopes on both sides, and whether they say that this is a kink."""
    scale = max(1.0, abs(left), abs(right), abs(grad))
    if abs(right - left) > _KINK * scale:
        low, high = min(left, right), max(left, right)
        return max(low - grad, grad - high, 0.0) / scale, True
    return abs(grad - (left + right) / 2) / scale, False


def _in_float64(layer: Layer) -> Layer:
    layer = copy.deepcopy(layer)
    for _, inner in walk(layer):
        for held in (inner.parameters, inner.buffers):
            held.update({name: value.detach().double().clone() for name, value in held.items()})
    return layer
