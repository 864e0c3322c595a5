"""Batches whose last images give way to adversarial copies, each at an ε of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from shiftgauge.checks import require_range
from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.train.objectives import Logits

Push: TypeAlias = Callable[[Logits, Tensor, Tensor, Tensor, int, int], Tensor]
"""(network, images in [0, 1], targets, ε of each (N,) float64 on the CPU, epoch, step) → images, pushed by ε each."""


@dataclass(frozen=True, kw_only=True)
class ReplaceOptions:
    r"""Which images of a batch are replaced, and how far each is pushed.

    Of N images the last $m = \mathrm{round}(s N)$ are replaced. Without a ramp all are pushed by ε; with it the i-th of
    them by $\epsilon_i = i \, \epsilon / m$, i = 1 … m. Batches are drawn at random, and so are the last images.

    With a share of 1/2, a ramp up to 0.032 and batches of 64 this is the published half-batch training: 32 clean images
    and 32 with $\epsilon_i = i / 1000$. With a share of 1 and no ramp it is the training of Madry et al.

    Args:
        epsilon: ε > 0, the largest, in the unit of whoever pushes.
        share: s in (0, 1].
        ramp: Let ε rise over the places of the batch. A shorter last batch has fewer places and the same largest ε.

    Raises:
        ConfigError: A number outside its range.

    Example:
        >>> options = ReplaceOptions(epsilon=0.032, share=0.5, ramp=True)
        >>> found = options.epsilons(64)
        >>> len(found), [round(e, 4) for e in (found[0].item(), found[1].item(), found[-1].item())]
        (32, [0.001, 0.002, 0.032])

    References:
        Goodfellow, I. J., Shlens, J., Szegedy, C. (2015). Explaining and harnessing adversarial examples.
        arXiv:1412.6572
        Kurakin, A., Goodfellow, I., Bengio, S. (2017). Adversarial machine learning at scale. arXiv:1611.01236
        Madry, A., Makelov, A., Schmidt, L., Tsipras, D., Vladu, A. (2018). Towards deep learning models resistant to
        adversarial attacks. arXiv:1706.06083
    """

    epsilon: float
    share: float = 0.5
    ramp: bool = False

    def __post_init__(self) -> None:
        if require_range("epsilon", self.epsilon, 0) == 0:
            raise ConfigError("`epsilon` must be above 0, got 0; a training without adversarial images needs no option")
        if require_range("share", self.share, 0, 1) == 0:
            raise ConfigError("`share` must be above 0, got 0; 0.5 replaces half of every batch, 1 all of it")
        if not isinstance(self.ramp, bool):
            raise ConfigError(f"`ramp` must be true or false, got {self.ramp!r}")

    def epsilons(self, batch_size: int) -> Tensor:
        """ε of each replaced image (m,), the first one first; float64."""
        count = round(self.share * batch_size)
        if not self.ramp:
            return torch.full((count,), self.epsilon, dtype=torch.float64)
        return torch.arange(1, count + 1, dtype=torch.float64) * (self.epsilon / max(count, 1))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {"epsilon": self.epsilon, "share": self.share, "ramp": self.ramp}


@dataclass(frozen=True, kw_only=True, eq=False)
class Replaced:
    """Changes a batch as `fit` wants it of `perturb`: its last images become pushed copies of themselves.

    Args:
        options: Which, and how far.
        push: Pushes images. It may not change their shape, and must give finite values.

    Raises:
        ModelError: What `push` gives is of another shape.
        NumericalError: It is not finite.

    Example:
        >>> darker = Replaced(
        ...     options=ReplaceOptions(epsilon=0.5), push=lambda f, x, y, e, epoch, step: x - e.view(-1, 1, 1, 1)
        ... )
        >>> darker(lambda x: x, torch.ones(4, 1, 1, 1), torch.zeros(4), 0, 0).flatten().tolist()
        [1.0, 1.0, 0.5, 0.5]
    """

    options: ReplaceOptions
    push: Push

    def __call__(self, logits: Logits, images_nchw: Tensor, targets: Tensor, epoch: int, step: int) -> Tensor:
        """Images of which the last are replaced; the batch itself is left as it is."""
        epsilons = self.options.epsilons(len(images_nchw))  # in float64: rounded to float32, ε could be larger
        first = len(images_nchw) - len(epsilons)
        if first == len(images_nchw):
            return images_nchw
        chosen = images_nchw[first:]
        pushed = self.push(logits, chosen, targets[first:], epsilons, epoch, step).detach().to(images_nchw)
        if pushed.shape != chosen.shape:
            raise ModelError(f"pushed images must be {tuple(chosen.shape)}, got {tuple(pushed.shape)}")
        if not pushed.isfinite().all():
            raise NumericalError(
                f"the search for adversarial images gave NaN or infinity in epoch {epoch + 1}, batch {step + 1}; lower "
                "`learning_rate`, or train in float32"
            )
        return torch.cat([images_nchw[:first], pushed])
