"""A head that begins as a logistic regression on the features of the network as it stands: linear probing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch import Tensor, nn

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.images import Part
from shiftgauge.train.predict import predict_logits, probabilities
from shiftgauge.types import FloatArray

STRENGTHS: Final = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse strengths C of the regularisation that are tried."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearProbe:
    """Weights of a head: z = W x + b for features x.

    Args:
        weight_kf: W (K, F).
        bias_k: b (K,).
        strength: C, the inverse strength of the regularisation that was kept.
        validation_loss: Log loss on the validation images, classes or labels as frequent as they are there.
    """

    weight_kf: FloatArray
    bias_k: FloatArray
    strength: float
    validation_loss: float

    def logits(self, features_nf: FloatArray) -> FloatArray:
        """z (n, K) of features (n, F)."""
        return features_nf @ self.weight_kf.T + self.bias_k

    def put_into(self, network: nn.Module, heads: Sequence[str]) -> None:
        """Makes these the weights of the network's head.

        Args:
            network: Changed in place.
            heads: Module path of its head.

        Raises:
            ConfigError: There is not one linear head with a bias.
        """
        head = linear_head(network, heads)
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.weight_kf))
            head.bias.copy_(torch.from_numpy(self.bias_k))


def linear_head(network: nn.Module, heads: Sequence[str]) -> nn.Linear:
    """The linear layer that gives the logits.

    Args:
        network: The network.
        heads: Module paths of its heads; a head may be an `nn.Sequential` that ends with the layer.

    Raises:
        ConfigError: There is not one such layer with a bias.
    """
    found = network.get_submodule(heads[0]) if len(heads) == 1 else None
    last = found[-1] if isinstance(found, nn.Sequential) and len(found) else found
    if not isinstance(last, nn.Linear) or last.bias is None:
        raise ConfigError(
            f"`head: linear_probe` needs a network with one linear head that has a bias; {type(network).__name__} has "
            f"{len(heads)} head(s), take `head: random`"
        )
    return last


def head_features(
    network: nn.Module,
    heads: Sequence[str],
    part: Part,
    preprocessing: Preprocessing,
    *,
    device: str | torch.device | None = None,
) -> FloatArray:
    """What reaches the layer that gives the classes, for every image of a part, in evaluation mode.

    Args:
        network: Takes normalised images; it is moved to the device.
        heads: Module path of its head.
        part: The images.
        preprocessing: Its mean and standard deviation are applied.
        device: Where to run; default the first there is of cuda, mps, cpu.

    Returns:
        float64 (n, F).

    Raises:
        ConfigError: There is not one linear head with a bias.
        NumericalError: An output is NaN or infinite.
    """
    kept: list[Tensor] = []
    handle = linear_head(network, heads).register_forward_pre_hook(lambda _, given: kept.append(given[0].cpu()))
    try:
        predict_logits(network, part, preprocessing, device=device)
    finally:
        handle.remove()
    return torch.cat(kept).double().numpy()


def linear_probe(
    train_nf: FloatArray,
    targets: npt.NDArray[Any],
    validation_nf: FloatArray,
    validation_targets: npt.NDArray[Any],
    *,
    class_names: Sequence[str],
    balanced: bool = False,
) -> LinearProbe:
    r"""Fits a logistic regression to features, as strongly regularised as is best on validation.

    $$ \min_{W, b} \; \tfrac{1}{2} \lVert W \rVert^2 + C \sum_i w_{y_i} \ell(W u_i + b, y_i),
       \qquad u = (x - \mu) / s $$

    μ is the mean of each feature over the training images, s the mean of their standard deviations, one for all: scaled
    each by its own, features that hardly ever answer would carry most of the weights, which then go astray as soon as
    the network is tuned. Both are worked into W and b. With one class an image ℓ is the cross-entropy of the softmax,
    with several labels each is fitted alone.

    Args:
        train_nf: Features of the training images (n, F).
        targets: Classes (n,), or 0 and 1 for every label (n, K).
        validation_nf: Features of the validation images (m, F).
        validation_targets: Theirs.
        class_names: Names of the K classes or labels.
        balanced: Weigh classes by n / (K n_c), labels likewise; default every image alike.

    Returns:
        The weights with the smallest log loss on validation; of equal ones the most regularised.

    Raises:
        DataError: A class, or a label or its absence, is in no training image.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> classes = rng.integers(0, 2, 200)
        >>> features = rng.normal(size=(200, 3)) + 2 * classes[:, None]
        >>> probe = linear_probe(features[:100], classes[:100], features[100:], classes[100:], class_names=("a", "b"))
        >>> bool((probe.logits(features[100:]).argmax(axis=1) == classes[100:]).mean() > 0.9)
        True

    References:
        Kumar, A., Raghunathan, A., Jones, R., Ma, T., Liang, P. (2022). Fine-tuning can distort pretrained features
        and underperform out-of-distribution. arXiv:2202.10054
    """
    columns = _columns(targets, len(class_names))
    for name, column in zip(class_names, columns.T, strict=True):
        if column.all() or not column.any():
            kind = "all training images are" if column.all() else "no training image is"
            raise DataError(f"{kind} of `{name}`; `head: linear_probe` needs some that are and some that are not")
    centre, width = train_nf.mean(axis=0), float(train_nf.std(axis=0).mean()) or 1.0
    scaled, weights = (train_nf - centre) / width, "balanced" if balanced else None
    found: list[LinearProbe] = []
    for strength in STRENGTHS:
        regression = LogisticRegression(C=strength, class_weight=weights, max_iter=2000)
        if np.ndim(targets) == 1:
            weight, bias = _of_classes(regression.fit(scaled, targets))
        else:
            pairs = [_of_label(regression.fit(scaled, column)) for column in columns.T]
            weight, bias = np.stack([w for w, _ in pairs]), np.array([b for _, b in pairs])
        weight = weight / width
        probe = LinearProbe(weight_kf=weight, bias_k=bias - weight @ centre, strength=strength, validation_loss=np.nan)
        loss = _loss(probe.logits(validation_nf), validation_targets)
        found.append(LinearProbe(weight_kf=weight, bias_k=probe.bias_k, strength=strength, validation_loss=loss))
    return min(found, key=lambda probe: probe.validation_loss)


def _columns(targets: npt.NDArray[Any], n_classes: int) -> npt.NDArray[np.bool_]:
    return targets[:, None] == np.arange(n_classes) if targets.ndim == 1 else targets > 0.5


def _of_classes(regression: LogisticRegression) -> tuple[FloatArray, FloatArray]:
    """W and b; of two classes the regression has their difference alone."""
    weight, bias = np.asarray(regression.coef_), np.asarray(regression.intercept_)
    if len(weight) == 1:
        return np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias


def _of_label(regression: LogisticRegression) -> tuple[FloatArray, float]:
    return np.asarray(regression.coef_)[0].copy(), float(np.asarray(regression.intercept_)[0])


def _loss(logits_nk: FloatArray, targets: npt.NDArray[Any]) -> float:
    if targets.ndim == 1:
        return float(log_loss(targets, probabilities(logits_nk, "single"), labels=np.arange(logits_nk.shape[1])))
    signed = np.where(targets > 0.5, logits_nk, -logits_nk)
    return float(np.logaddexp(0, -signed).mean())
