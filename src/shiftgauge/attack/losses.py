"""What an attack raises: losses of logits, one number for each image."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError

LossName: TypeAlias = Literal["ce", "log_odds", "margin", "dlr"]
LOSSES: Final = ("ce", "log_odds", "margin", "dlr")
_TINY: Final = 1e-12
"""Added to the denominator of DLR, as in the authors' implementation."""


def attack_loss(name: LossName, logits_nk: Tensor, label_n: Tensor, target_n: Tensor | None = None) -> Tensor:
    r"""Returns the loss that an attack raises, inside the autograd graph.

    With z the logits, y the label, t the class to be reached and $z_{\pi_1} \ge z_{\pi_2} \ge \dots$ the sorted logits:

    | name | away from y | towards t |
    |---|---|---|
    | `ce` | $-\log p_y$ | $\log p_t$ |
    | `log_odds` | $\log \sum_{j \ne y} e^{z_j} - z_y$ | $z_t - \log \sum_{j \ne t} e^{z_j}$ |
    | `margin` | $\max_{j \ne y} z_j - z_y$ | $z_t - \max_{j \ne t} z_j$ |
    | `dlr` | $(\max_{j \ne y} z_j - z_y) / (z_{\pi_1} - z_{\pi_3})$ |
      $(z_t - z_y) / (z_{\pi_1} - (z_{\pi_3} + z_{\pi_4}) / 2)$ |

    Where float32 rounds $p_y$ to 1, `ce` is 0 and its gradient soon vanishes; there its value is that of `log_odds`,
    which rises with it and whose gradient has the same direction.

    Args:
        name: `ce` (cross-entropy), `log_odds`, `margin` (of Carlini and Wagner) or `dlr` (difference of logits ratio).
        logits_nk: (n, K).
        label_n: Classes of the images (n,).
        target_n: Classes to be reached, or None.

    Returns:
        (n,).

    Raises:
        ConfigError: An unknown name, or fewer classes than `dlr` compares.

    Example:
        >>> attack_loss("margin", torch.tensor([[3.0, 1.0, 0.0]]), torch.tensor([0])).tolist()
        [-2.0]

    References:
        Carlini, N.; Wagner, D. (2017). Towards evaluating the robustness of neural networks. doi:10.1109/SP.2017.49
        Croce, F.; Hein, M. (2020). Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks. ICML 2020, PMLR 119, 2206-2216. arXiv:2003.01690
    """
    require_in("loss", name, LOSSES)
    if name == "dlr":
        return _dlr(logits_nk, label_n, target_n)
    kept, sign = (label_n, -1) if target_n is None else (target_n, 1)
    if name == "margin":
        return sign * (_of(logits_nk, kept) - _others(logits_nk, kept).amax(dim=1))
    odds = _of(logits_nk, kept) - _others(logits_nk, kept).logsumexp(dim=1)
    if name == "log_odds":
        return sign * odds
    entropy = functional.cross_entropy(logits_nk, kept, reduction="none")
    return -sign * entropy if target_n is not None else torch.where(entropy == 0, -odds, entropy)


def check_classes(name: str, n_classes: int, *, towards: bool) -> None:
    """Refuses a loss that compares more classes than there are.

    Args:
        name: Of the loss.
        n_classes: K.
        towards: Whether it leads towards a class.

    Raises:
        ConfigError: `dlr` with fewer than three classes, or four towards a class.
    """
    needed = 4 if towards else 3
    if name == "dlr" and n_classes < needed:
        way = " towards a class" if towards else ""
        raise ConfigError(
            f"the loss `dlr`{way} compares {needed} classes, the model has {n_classes}; use `ce` or `margin`"
        )


def fooled(logits_nk: Tensor, label_n: Tensor, target_n: Tensor | None = None) -> Tensor:
    """Whether the largest logit is another than the label's, or is the target's where one is given, (n,)."""
    said = logits_nk.argmax(dim=1)
    return said != label_n if target_n is None else said == target_n


def _of(logits_nk: Tensor, class_n: Tensor) -> Tensor:
    return logits_nk.gather(1, class_n[:, None])[:, 0]


def _others(logits_nk: Tensor, class_n: Tensor) -> Tensor:
    return logits_nk.scatter(1, class_n[:, None], -torch.inf)


def _dlr(logits_nk: Tensor, label_n: Tensor, target_n: Tensor | None) -> Tensor:
    check_classes("dlr", logits_nk.shape[1], towards=target_n is not None)
    largest = logits_nk.topk(3 if target_n is None else 4, dim=1).values
    own = _of(logits_nk, label_n)
    if target_n is None:
        return (_others(logits_nk, label_n).amax(dim=1) - own) / (largest[:, 0] - largest[:, 2] + _TINY)
    spread = largest[:, 0] - (largest[:, 2] + largest[:, 3]) / 2
    return (_of(logits_nk, target_n) - own) / (spread + _TINY)
