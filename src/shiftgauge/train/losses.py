"""Losses for rare classes and for several labels, computed on logits so that no probability ever rounds to 0 or 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.types import FloatArray

LossKind: TypeAlias = Literal["cross_entropy", "focal", "binary_cross_entropy"]
Task: TypeAlias = Literal["single", "multi"]
Weights: TypeAlias = Literal["none", "balanced"] | tuple[float, ...]
Loss: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""(logits (N, K), targets) → scalar mean; targets are int64 (N,) or 0/1 of shape (N, K)."""

KINDS: Final[dict[str, tuple[LossKind, ...]]] = {
    "single": ("cross_entropy", "focal"),
    "multi": ("binary_cross_entropy", "focal"),
}
"""The kinds that fit each task."""


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """Which loss, and what its weights weigh.

    Args:
        kind: `cross_entropy` (one class an image), `binary_cross_entropy` (several labels), or `focal` (both).
        gamma: Focusing of the focal loss, ≥ 0; 0 makes it the plain one. Default 2, as published.
        class_weights: Weight of each class: `none`; `balanced`, n / (K n_c); or one positive number for each class.
            With one class an image they weigh images by their true class. With several labels they weigh the whole
            term of a label, where it is present and where it is absent alike.
        positive_weights: Several labels only: weight of a label's term where the label is present, and nowhere else:
            `none`; `balanced`, images without it / images with it; or one positive number for each label.
        label_smoothing: ε in [0, 1): targets become (1 − ε) t + ε / K, with several labels (1 − ε) t + ε / 2.

    Raises:
        ConfigError: An unknown kind or word, a number outside its range.

    Example:
        >>> LossOptions(kind="focal", class_weights=(1, 2, 5, 5)).gamma
        2.0
    """

    kind: LossKind = "cross_entropy"
    gamma: float = 2.0
    class_weights: Weights = "none"
    positive_weights: Weights = "none"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        require_in("loss", self.kind, get_args(LossKind))
        object.__setattr__(self, "gamma", require_range("gamma", self.gamma, 0))
        object.__setattr__(self, "class_weights", _checked_weights("class_weights", self.class_weights))
        object.__setattr__(self, "positive_weights", _checked_weights("positive_weights", self.positive_weights))
        smoothing = require_range("label_smoothing", self.label_smoothing, 0, 1)
        if smoothing == 1:
            raise ConfigError("`label_smoothing` must be below 1, got 1, which leaves nothing of the labels; try 0.1")
        object.__setattr__(self, "label_smoothing", smoothing)


def class_weights(
    counts_k: Sequence[int] | np.ndarray, *, n_images: int | None = None, class_names: Sequence[str] | None = None
) -> FloatArray:
    """Returns the balanced weights w_c = n / (K n_c), with which every class counts the same in all.

    Args:
        counts_k: Images of each class, (K,), each ≥ 1.
        n_images: n; default the sum of the counts. Give it where an image may bear several labels or none.
        class_names: Names for messages; default the numbers of the classes.

    Returns:
        (K,) float64. With the default n, Σ n_c w_c = n.

    Raises:
        DataError: A class without an image.

    Example:
        >>> class_weights([30, 10]).round(4).tolist()
        [0.6667, 2.0]

    References:
        King, G., Zeng, L. (2001). Logistic regression in rare events data. Political Analysis 9(2).
        doi:10.1093/oxfordjournals.pan.a004868
    """
    counts = np.asarray(counts_k, np.float64)
    if counts.ndim != 1 or not len(counts):
        raise DataError(f"counts must have one entry for each class, got shape {counts.shape}")
    if not (counts >= 1).all():
        place = int((~(counts >= 1)).argmax())
        raise DataError(
            f"class {_name(class_names, place)} has {counts[place]:g} training images, and balanced weights divide by "
            "that number; split the data so that every class is in the training part, or leave the class "
            "out (`keep` under `data`, in Python `classes`)"
        )
    total = counts.sum() if n_images is None else float(require_positive_int("n_images", n_images))
    return total / (len(counts) * counts)


def make_loss(
    options: LossOptions,
    *,
    task: Task,
    counts_k: Sequence[int] | np.ndarray,
    n_images: int,
    class_names: Sequence[str] | None = None,
) -> nn.Module:
    """Returns the loss of the options for the data at hand: (logits (N, K), targets) → scalar.

    One class an image, p = softmax(z): ℓ = −Σ_c t_c w_c (1 − p_c)^γ log p_c, averaged over images as Σ ℓ / Σ w_y, y the
    true class. γ = 0 is the cross-entropy of PyTorch, weights and smoothing included.
    Several labels, p = sigmoid(z): ℓ_k = w_k [v_k t_k (1 − p_k)^γ (−log p_k) + (1 − t_k) p_k^γ (−log(1 − p_k))],
    averaged over images and labels. γ = 0 is the binary cross-entropy.

    The result is a module without parameters and with nothing in its state: inside another module it moves to that
    module's device. Half-precision logits are raised to float32 first.

    Args:
        options: Which loss and weights.
        task: `single`, targets int64 (N,); or `multi`, targets of 0 and 1 (N, K).
        counts_k: Training images of each class or label, (K,).
        n_images: Training images in all.
        class_names: Names for messages; default the numbers of the classes.

    Raises:
        ConfigError: A kind or a weight that does not fit the task, or weights of another number than K.
        DataError: Balanced weights for a class without images, or a label that every image bears.

    Example:
        >>> loss = make_loss(LossOptions(), task="single", counts_k=[5, 5], n_images=10)
        >>> round(float(loss(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))), 4)
        0.6931

    References:
        Lin, T.-Y., Goyal, P., Girshick, R., He, K., Dollár, P. (2017). Focal loss for dense object detection.
        arXiv:1708.02002
    """
    require_in("task", task, KINDS)
    if options.kind not in KINDS[task]:
        other = "several labels an image" if task == "multi" else "one class an image"
        raise ConfigError(f"loss `{options.kind}` does not fit {other}; take {' or '.join(KINDS[task])}")
    counts = np.asarray(counts_k, np.float64)
    n_images = require_positive_int("n_images", n_images)
    weights = _resolve("class_weights", options.class_weights, counts, n_images, class_names)
    gamma = options.gamma if options.kind == "focal" else 0.0
    if task == "multi":
        positive = _resolve("positive_weights", options.positive_weights, counts, n_images, class_names)
        return _BinaryLoss(weights, positive, gamma, options.label_smoothing)
    if options.positive_weights != "none":
        raise ConfigError(
            "`positive_weights` weigh labels where they are present, which needs several labels an image; "
            "with one class an image give `class_weights`"
        )
    return _SoftmaxLoss(weights, gamma, options.label_smoothing)


class _SoftmaxLoss(nn.Module):
    """The loss of one class an image."""

    weights_k: Tensor

    def __init__(self, weights_k: FloatArray, gamma: float, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights_k", torch.from_numpy(weights_k).float(), persistent=False)
        self.gamma, self.smoothing = gamma, smoothing

    def forward(self, logits_nk: Tensor, targets_n: Tensor) -> Tensor:
        logits = _checked_logits(logits_nk, len(self.weights_k))
        if targets_n.dtype != torch.int64 or tuple(targets_n.shape) != (len(logits),):
            raise DataError(
                f"targets must be class indices, int64 ({len(logits)},), got {targets_n.dtype} {tuple(targets_n.shape)}"
            )
        weights = self.weights_k.to(logits.dtype)
        if self.gamma == 0:
            return functional.cross_entropy(logits, targets_n, weights, label_smoothing=self.smoothing)
        log_p = functional.log_softmax(logits, dim=1)
        # The floor keeps the slope of x^γ finite for γ < 1; what it hides has log p = 0 and counts nothing.
        focus = (-torch.expm1(log_p)).clamp_min(torch.finfo(logits.dtype).tiny) ** self.gamma
        terms = -(weights * focus * log_p)
        true_class = terms.gather(1, targets_n[:, None]).squeeze(1)
        loss_n = (1 - self.smoothing) * true_class + self.smoothing * terms.mean(dim=1)
        return loss_n.sum() / weights[targets_n].sum()


class _BinaryLoss(nn.Module):
    """The loss of several labels an image."""

    weights_k: Tensor
    positive_k: Tensor

    def __init__(self, weights_k: FloatArray, positive_k: FloatArray, gamma: float, smoothing: float) -> None:
        super().__init__()
        self.register_buffer("weights_k", torch.from_numpy(weights_k).float(), persistent=False)
        self.register_buffer("positive_k", torch.from_numpy(positive_k).float(), persistent=False)
        self.gamma, self.smoothing = gamma, smoothing

    def forward(self, logits_nk: Tensor, targets_nk: Tensor) -> Tensor:
        logits = _checked_logits(logits_nk, len(self.weights_k))
        if targets_nk.shape != logits.shape:
            raise DataError(f"targets must be 0 or 1 of shape {tuple(logits.shape)}, got {tuple(targets_nk.shape)}")
        targets = targets_nk.to(logits.dtype) * (1 - self.smoothing) + self.smoothing / 2
        present, absent = -functional.logsigmoid(logits), -functional.logsigmoid(-logits)  # −log p, −log(1 − p)
        if self.gamma != 0:
            # (1 − p)^γ = exp(γ log(1 − p)): no difference of nearly equal numbers, a finite slope everywhere
            present, absent = present * torch.exp(-self.gamma * absent), absent * torch.exp(-self.gamma * present)
        terms = self.positive_k.to(logits.dtype) * targets * present + (1 - targets) * absent
        return (self.weights_k.to(logits.dtype) * terms).mean()


def _checked_logits(logits_nk: Tensor, n_classes: int) -> Tensor:
    if logits_nk.ndim != 2 or logits_nk.shape[1] != n_classes or not len(logits_nk):
        raise DataError(f"logits must have shape (N ≥ 1, {n_classes}), got {tuple(logits_nk.shape)}")
    return logits_nk if logits_nk.dtype == torch.float64 else logits_nk.float()


def _checked_weights(name: str, weights: Weights | Sequence[float]) -> Weights:
    if isinstance(weights, str):
        return "balanced" if require_in(f"word for `{name}`", weights, ("none", "balanced")) == "balanced" else "none"
    if not isinstance(weights, Sequence | np.ndarray):
        raise ConfigError(f"`{name}` must be none, balanced or a list of numbers, got {weights!r}")
    numbers = tuple(require_range(f"{name}[{k}]", weight, 0) for k, weight in enumerate(weights))
    if not numbers or min(numbers) <= 0:
        raise ConfigError(f"`{name}` must hold one number > 0 for each class, got {list(numbers)}")
    return numbers


def _name(class_names: Sequence[str] | None, place: int) -> str:
    return str(place) if class_names is None else f"`{class_names[place]}`"


def _resolve(
    name: str, weights: Weights, counts_k: FloatArray, n_images: int, class_names: Sequence[str] | None
) -> FloatArray:
    """One number for each class."""
    if weights == "none":
        return np.ones(len(counts_k))
    if weights == "balanced":
        balanced = class_weights(counts_k, n_images=n_images, class_names=class_names)
        if name == "class_weights":
            return balanced
        odds = n_images / counts_k - 1
        if not (odds > 0).all():
            label = _name(class_names, int((~(odds > 0)).argmax()))
            raise DataError(
                f"label {label} is on every training image, so balanced positive weights would be 0; "
                "give numbers, or leave that label out"
            )
        return odds
    if len(weights) != len(counts_k):
        raise ConfigError(f"`{name}` holds {len(weights)} numbers for {len(counts_k)} classes; give one for each class")
    return np.asarray(weights, np.float64)
