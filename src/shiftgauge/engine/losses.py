"""Losses with their gradients: how wrong outputs are, and in which direction they should change."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.errors import ConfigError, DataError


class Loss(ABC):
    """L = Σ ℓ(z, t) / D over the outputs z and targets t of a batch.

    Sum and denominator are given apart, so that a batch can be worked on in parts: with D known from the targets, the
    parts' sums and gradients add up to those of the batch.
    """

    @abstractmethod
    def denominator(self, targets: Tensor) -> float:
        """D of a batch."""

    @abstractmethod
    def sum_and_gradient(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Σ ℓ, and ∂(Σ ℓ)/∂z of the outputs' shape.

        Raises:
            DataError: Outputs or targets have another shape or other values than the loss takes.
        """

    def __call__(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """L and ∂L/∂z of a whole batch."""
        total, grad = self.sum_and_gradient(outputs, targets)
        denominator = self.denominator(targets)
        return total / denominator, grad.div_(denominator)


class _BinaryLoss(Loss):
    """What losses of independent yes-or-no outputs share: the mean over images and outputs."""

    def denominator(self, targets: Tensor) -> float:
        """Number of targets."""
        return float(targets.numel())


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropy(_BinaryLoss):
    """ℓ = −t log p̂ − (1 − t) log(1 − p̂), with p̂ the probability p held within [c, 1 − c].

    ∂ℓ/∂p = −t / p̂ + (1 − t) / (1 − p̂), as published: beyond the hold it is that of its edge, not 0. Behind a sigmoid
    that has run full it meets a slope of 0 all the same, and a confidently wrong image teaches nothing: train on
    logits (`BinaryCrossEntropyWithLogits`).

    Args:
        clamp: c, in (0, 0.5). It must be above the rounding of the data type, 6e-8 in float32.

    Raises:
        ConfigError: c outside its range.

    Example:
        >>> loss, grad = BinaryCrossEntropy()(torch.tensor([[0.5]]), torch.tensor([1.0]))
        >>> round(loss, 4), grad.item()
        (0.6931, -2.0)
    """

    clamp: float = 1e-7

    def __post_init__(self) -> None:
        if not 0 < require_range("clamp", self.clamp, 0, 0.5) < 0.5:
            raise ConfigError(f"`clamp` must be above 0 and below 0.5, got {self.clamp:g}; 1e-7 is customary")

    def sum_and_gradient(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Probabilities (N, K) and targets in [0, 1], (N, K) or with K = 1 (N,)."""
        t = _matched(outputs, targets)
        p = outputs.clamp(self.clamp, 1 - self.clamp)
        total = -(t * p.log() + (1 - t) * (1 - p).log()).sum()
        return total.item(), (1 - t) / (1 - p) - t / p


@dataclass(frozen=True, kw_only=True)
class BinaryCrossEntropyWithLogits(_BinaryLoss):
    """ℓ = v t s(−z) + (1 − t) s(z), with s(z) = log(1 + eᶻ) = max(z, 0) + log(1 + e^−|z|) and p = σ(z).

    ∂ℓ/∂z = (1 − t) p − v t (1 − p): bounded, and v in size where an image of a defect is called good with certainty.

    Args:
        positive_weight: v > 0, weight of the targets that are 1, and of those alone.

    Raises:
        ConfigError: v not above 0.

    Example:
        >>> loss, grad = BinaryCrossEntropyWithLogits()(torch.tensor([[-100.0]]), torch.tensor([1.0]))
        >>> loss, grad.item()
        (100.0, -1.0)
    """

    positive_weight: float = 1.0

    def __post_init__(self) -> None:
        _require_weight("positive_weight", self.positive_weight)

    def sum_and_gradient(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Logits (N, K) and targets in [0, 1], (N, K) or with K = 1 (N,)."""
        present = self.positive_weight * _matched(outputs, targets)
        absent = 1 - _matched(outputs, targets)
        total = (present * _softplus(-outputs) + absent * _softplus(outputs)).sum()
        return total.item(), absent * _sigmoid(outputs) - present * _sigmoid(-outputs)


@dataclass(frozen=True, kw_only=True)
class FocalLoss(_BinaryLoss):
    """ℓ = v t q^γ s(−z) + (1 − t) p^γ s(z), with p = σ(z), q = 1 − p and s(z) = log(1 + eᶻ) = −log q.

    What is right already weighs less. ∂ℓ/∂z = (1 − t) p^γ (p + γ q s(z)) − v t q^γ (q + γ p s(−z)). With γ = 0 it is
    `BinaryCrossEntropyWithLogits`.

    Args:
        gamma: γ ≥ 0; 2 as published.
        positive_weight: v > 0, weight of the targets that are 1, and of those alone.

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> loss, grad = FocalLoss(gamma=2.0)(torch.tensor([[0.0]]), torch.tensor([1.0]))
        >>> round(loss, 4)
        0.1733

    References:
        Lin, T.-Y., Goyal, P., Girshick, R., He, K., Dollár, P. (2017). Focal loss for dense object detection.
        arXiv:1708.02002
    """

    gamma: float = 2.0
    positive_weight: float = 1.0

    def __post_init__(self) -> None:
        require_range("gamma", self.gamma, 0)
        _require_weight("positive_weight", self.positive_weight)

    def sum_and_gradient(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Logits (N, K) and targets in [0, 1], (N, K) or with K = 1 (N,)."""
        present = self.positive_weight * _matched(outputs, targets)
        absent = 1 - _matched(outputs, targets)
        p, q = _sigmoid(outputs), _sigmoid(-outputs)
        minus_log_p, minus_log_q = _softplus(-outputs), _softplus(outputs)
        present, absent = present * q**self.gamma, absent * p**self.gamma
        total = (present * minus_log_p + absent * minus_log_q).sum()
        grad = absent * (p + self.gamma * q * minus_log_q) - present * (q + self.gamma * p * minus_log_p)
        return total.item(), grad


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Loss):
    """ℓ = −w_t log p_t with p = softmax(z), and D = Σ w_t, for one class t an image.

    ∂ℓ/∂z_k = w_t (p_k − [k = t]).

    Args:
        class_weights: w, one number > 0 for each class; None for 1.

    Raises:
        ConfigError: A weight that is not above 0.

    Example:
        >>> loss, grad = CrossEntropy()(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
        >>> round(loss, 4), grad.tolist()
        (0.6931, [[0.5, -0.5]])
    """

    class_weights: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", tuple(self.class_weights))
            for k, weight in enumerate(self.class_weights):
                _require_weight(f"class_weights[{k}]", weight)

    def denominator(self, targets: Tensor) -> float:
        """Σ w_t."""
        if self.class_weights is None:
            return float(len(targets))
        return float(self._weights(targets, len(self.class_weights), torch.float64).sum())

    def sum_and_gradient(self, outputs: Tensor, targets: Tensor) -> tuple[float, Tensor]:
        """Logits (N, K) and classes 0 to K − 1, int64 (N,)."""
        if outputs.ndim != 2 or targets.dtype != torch.int64 or targets.shape != outputs.shape[:1]:
            raise DataError(
                f"cross-entropy takes logits (N, K) and classes int64 (N,), got {tuple(outputs.shape)} and "
                f"{targets.dtype} {tuple(targets.shape)}"
            )
        weights = self._weights(targets, outputs.shape[1], outputs.dtype)[:, None]
        shifted = outputs - outputs.amax(1, keepdim=True)
        log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
        chosen = (targets[:, None] == torch.arange(outputs.shape[1], device=targets.device)).to(outputs.dtype)
        return -(weights * chosen * log_p).sum().item(), weights * (log_p.exp() - chosen)

    def _weights(self, targets: Tensor, n_classes: int, dtype: torch.dtype) -> Tensor:
        """w_t of each image."""
        if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < n_classes:
            raise DataError(
                f"classes must be 0 to {n_classes - 1}, got {int(targets.min())} to {int(targets.max())}; "
                "number them from 0"
            )
        if self.class_weights is None:
            return torch.ones(len(targets), dtype=dtype, device=targets.device)
        if len(self.class_weights) != n_classes:
            raise ConfigError(f"`class_weights` holds {len(self.class_weights)} numbers for {n_classes} classes")
        return torch.tensor(self.class_weights, dtype=dtype, device=targets.device)[targets]


def _sigmoid(z: Tensor) -> Tensor:
    """1 / (1 + e⁻ᶻ)."""
    return torch.neg(z).exp_().add_(1).reciprocal_()


def _softplus(z: Tensor) -> Tensor:
    """log(1 + eᶻ), without overflow."""
    return z.clamp(min=0) + torch.log1p(torch.exp(-z.abs()))


def _matched(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets in the shape and type of the outputs."""
    alone = outputs.ndim == 2 and outputs.shape[1] == 1 and targets.shape == outputs.shape[:1]
    if not alone and targets.shape != outputs.shape:
        raise DataError(f"targets must have the outputs' shape {tuple(outputs.shape)}, got {tuple(targets.shape)}")
    t = targets.reshape(outputs.shape).to(outputs.dtype)
    if len(t) and not 0 <= float(t.min()) <= float(t.max()) <= 1:
        raise DataError(f"targets must be in [0, 1], got {float(t.min()):g} to {float(t.max()):g}")
    return t


def _require_weight(name: str, value: float) -> None:
    if require_range(name, value, 0) == 0:
        raise ConfigError(f"`{name}` must be above 0, got 0; 1 leaves the loss as it is")
