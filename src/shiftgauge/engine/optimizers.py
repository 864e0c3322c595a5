"""Optimisers: how weights follow their gradient. All weights of a network are one vector here."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.errors import ConfigError, DataError


@dataclass(kw_only=True)
class OptimizerState:
    """What an optimiser remembers between steps.

    Args:
        vectors: Name → vector as long as the weights.
        steps: Steps done.
    """

    vectors: dict[str, Tensor] = field(default_factory=dict)
    steps: int = 0


class Optimizer(ABC):
    """Options of an optimiser; what changes from step to step is in an `OptimizerState`.

    Example:
        >>> weights, gradient = torch.tensor([1.0]), torch.tensor([0.5])
        >>> optimizer = SGD(learning_rate=0.1)
        >>> optimizer.step(weights, gradient, optimizer.init(weights))
        >>> round(weights.item(), 4)
        0.95
    """

    learning_rate: float
    names: ClassVar[tuple[str, ...]]
    """Names of the state's vectors."""

    def init(self, weights: Tensor) -> OptimizerState:
        """The state before the first step, for weights (P,)."""
        return OptimizerState(vectors={name: torch.zeros_like(weights) for name in self.names})

    def step(
        self,
        weights: Tensor,
        gradient: Tensor,
        state: OptimizerState,
        *,
        rate: float = 1.0,
        decayed: Tensor | None = None,
    ) -> None:
        """Changes the weights and the state in place.

        Args:
            weights: w, (P,).
            gradient: g = ∂L/∂w, (P,).
            state: Of the last step.
            rate: What the learning rate is multiplied by, ≥ 0: see `train.schedules.multiplier`.
            decayed: 1 for weights that decay, 0 for others, (P,); None lets all decay.

        Raises:
            DataError: Gradient or state do not fit the weights.
        """
        if weights.shape != gradient.shape or any(v.shape != weights.shape for v in state.vectors.values()):
            raise DataError(f"gradient and state must be as long as the weights, {tuple(weights.shape)}")
        require_range("rate", rate, 0)
        with torch.no_grad():
            state.steps += 1
            self._step(weights, gradient, state, self.learning_rate * rate, decayed)

    @abstractmethod
    def _step(
        self, weights: Tensor, gradient: Tensor, state: OptimizerState, rate: float, decayed: Tensor | None
    ) -> None:
        """One step at a learning rate."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """v ← m v + g + λ w, w ← w − η v: gradient descent with momentum.

    Args:
        learning_rate: η > 0.
        momentum: m, in [0, 1).
        weight_decay: λ ≥ 0.

    Raises:
        ConfigError: A number outside its range.
    """

    names: ClassVar[tuple[str, ...]] = ("velocity",)
    learning_rate: float = 0.01
    momentum: float = 0.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _require_rate(self.learning_rate, self.weight_decay)
        _require_share("momentum", self.momentum)

    def _step(
        self, weights: Tensor, gradient: Tensor, state: OptimizerState, rate: float, decayed: Tensor | None
    ) -> None:
        velocity = state.vectors["velocity"].mul_(self.momentum).add_(gradient)
        _add_decayed(velocity, weights, self.weight_decay, decayed)
        weights.add_(velocity, alpha=-rate)


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², w ← w − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε), t = 1, 2, …

    Args:
        learning_rate: η > 0.
        betas: (β₁, β₂), each in [0, 1).
        epsilon: ε > 0, outside the root.
        weight_decay: λ ≥ 0, added to the gradient as λ w.

    Raises:
        ConfigError: A number outside its range.

    References:
        Kingma, D. P., Ba, J. (2015). Adam: A method for stochastic optimization. arXiv:1412.6980
    """

    names: ClassVar[tuple[str, ...]] = ("first", "second")
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _require_adam(self)

    def _step(
        self, weights: Tensor, gradient: Tensor, state: OptimizerState, rate: float, decayed: Tensor | None
    ) -> None:
        if self.weight_decay:
            gradient = _add_decayed(gradient.clone(), weights, self.weight_decay, decayed)
        _adam(weights, gradient, state, rate, self.betas, self.epsilon)


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimizer):
    """Adam after w ← w − η λ w: the decay acts on the weights themselves, apart from the gradient's scale.

    Args:
        learning_rate: η > 0.
        betas: (β₁, β₂), each in [0, 1).
        epsilon: ε > 0, outside the root.
        weight_decay: λ ≥ 0.

    Raises:
        ConfigError: A number outside its range.

    References:
        Loshchilov, I., Hutter, F. (2019). Decoupled weight decay regularization. arXiv:1711.05101
    """

    names: ClassVar[tuple[str, ...]] = ("first", "second")
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    epsilon: float = 1e-8
    weight_decay: float = 1e-2

    def __post_init__(self) -> None:
        _require_adam(self)

    def _step(
        self, weights: Tensor, gradient: Tensor, state: OptimizerState, rate: float, decayed: Tensor | None
    ) -> None:
        _add_decayed(weights, weights, -rate * self.weight_decay, decayed)
        _adam(weights, gradient, state, rate, self.betas, self.epsilon)


def clip(gradient: Tensor, most: float) -> float:
    """Shortens a gradient to the norm `most` where it is longer, in place, and returns the norm that it had.

    Args:
        gradient: (P,).
        most: Largest norm, > 0.

    Raises:
        ConfigError: `most` is not above 0.

    Example:
        >>> gradient = torch.tensor([3.0, 4.0])
        >>> clip(gradient, 1.0), [round(v, 4) for v in gradient.tolist()]
        (5.0, [0.6, 0.8])
    """
    if require_range("most", most, 0) == 0:
        raise ConfigError("`most` must be above 0, got 0; leave clipping out instead")
    with torch.no_grad():
        norm = math.sqrt(float(torch.dot(gradient, gradient)))
        if norm > most:
            gradient.mul_(most / norm)
    return norm


def _adam(
    weights: Tensor, gradient: Tensor, state: OptimizerState, rate: float, betas: tuple[float, float], epsilon: float
) -> None:
    first, second = state.vectors["first"], state.vectors["second"]
    first.mul_(betas[0]).add_(gradient, alpha=1 - betas[0])
    second.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    size = (second / (1 - betas[1] ** state.steps)).sqrt_().add_(epsilon)
    weights.addcdiv_(first, size, value=-rate / (1 - betas[0] ** state.steps))


def _add_decayed(to: Tensor, weights: Tensor, factor: float, decayed: Tensor | None) -> Tensor:
    """Adds `factor` times the weights that decay, in place."""
    if factor == 0:
        return to
    return to.add_(weights, alpha=factor) if decayed is None else to.addcmul_(weights, decayed, value=factor)


def _require_adam(options: Adam | AdamW) -> None:
    _require_rate(options.learning_rate, options.weight_decay)
    object.__setattr__(options, "betas", tuple(options.betas))
    if len(options.betas) != 2:
        raise ConfigError(f"`betas` must be two numbers in [0, 1), got {options.betas}; (0.9, 0.999) is customary")
    for beta in options.betas:
        _require_share("betas", beta)
    if require_range("epsilon", options.epsilon, 0) == 0:
        raise ConfigError("`epsilon` must be above 0, got 0; 1e-8 is customary")


def _require_rate(learning_rate: float, weight_decay: float) -> None:
    if require_range("learning_rate", learning_rate, 0) == 0:
        raise ConfigError("`learning_rate` must be above 0, got 0; 0.001 is customary for Adam")
    require_range("weight_decay", weight_decay, 0)


def _require_share(name: str, value: float) -> None:
    if require_range(name, value, 0, 1) == 1:
        raise ConfigError(f"`{name}` must be in [0, 1), got 1; 0.9 is customary")
