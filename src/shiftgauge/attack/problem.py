"""What an attack sees: a batch of images in their balls, the network's logits and slopes, and its own random draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.ball import Ball, rows_of
from shiftgauge.attack.losses import LossName, attack_loss, fooled
from shiftgauge.errors import ModelError, NumericalError
from shiftgauge.random import generator

LogitsFunction: TypeAlias = Callable[[Tensor], Tensor]
"""Images (n, C, H, W) in [0, 1] → logits (n, K), differentiable in its input."""


@dataclass(kw_only=True)
class Cost:
    """Images that passed forward and backward through a network so far."""

    evaluations: int = 0
    gradients: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Slope:
    """What one pass forward and back tells.

    Args:
        logits: (n, K), without graph.
        loss: (n,), without graph.
        gradient: (n, C, H, W), of each image's loss with respect to its pixels.
        flat: (n,), whether the gradient is 0 everywhere.
    """

    logits: Tensor
    loss: Tensor
    gradient: Tensor
    flat: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """One batch under attack.

    Args:
        logits: The network with a graph.
        plain: The network without one; default the same.
        ball: Where images may go; its centres are the images as given.
        labels: Classes of the images (n,) int64.
        targets: Classes to be reached (n,), or None.
        streams: Number of the random stream of each image (n,): what is drawn for an image depends on it and on
            nothing else in the batch.
        seed: Of all draws.
        success_only: Whether an image is left alone once it fools.
        none_fools: Whether it is known that no image fools as it is.
        cost: Counts passes.
    """

    logits: LogitsFunction
    plain: LogitsFunction | None = None
    ball: Ball
    labels: Tensor
    targets: Tensor | None = None
    streams: npt.NDArray[np.int64]
    seed: int = 0
    success_only: bool = False
    none_fools: bool = False
    cost: Cost = field(default_factory=Cost)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Tensor) -> Problem:
        """The problem of some of the images."""
        return replace(
            self,
            ball=self.ball.take(rows),
            labels=self.labels[rows],
            targets=None if self.targets is None else self.targets[rows],
            streams=self.streams[rows.cpu().numpy()],
        )

    def values(self, images: Tensor) -> Tensor:
        """Logits of images (n, K), without graph.

        Raises:
            NumericalError: They are NaN or infinite.
        """
        with torch.no_grad():
            logits = (self.plain or self.logits)(images).detach()
        self.cost.evaluations += len(images)
        return self._checked(logits)

    def fooled(self, logits: Tensor) -> Tensor:
        """Whether each image has got where the attack wants it, (n,)."""
        return fooled(logits, self.labels, self.targets)

    def slope(self, images: Tensor, loss: LossName, aim: Tensor | None = None) -> Slope:
        """One pass forward and back; the network's parameters get no gradients.

        Args:
            images: Where, (n, C, H, W).
            loss: What is differentiated.
            aim: Classes (n,) that the loss is to lead to, instead of `targets`; what counts as fooling stays.

        Raises:
            ModelError: The logits do not follow from the images by differentiable steps.
            NumericalError: Logits or gradients are NaN or infinite.
        """
        at = images.detach().requires_grad_()
        with torch.enable_grad():
            logits = self.logits(at)
            values = attack_loss(loss, logits, self.labels, self.targets if aim is None else aim)
        self._checked(logits.detach())
        if not values.requires_grad:
            raise ModelError("the logits have no gradient with respect to the images; use the attack `Square`")
        (gradient,) = torch.autograd.grad(values.sum(), at, allow_unused=True)
        gradient = torch.zeros_like(at) if gradient is None else gradient
        self.cost.evaluations += len(images)
        self.cost.gradients += len(images)
        peak = rows_of(gradient).abs().amax(dim=1)  # NaN comes through
        if not bool(torch.isfinite(peak).all()):
            raise NumericalError(
                f"the gradient of the loss `{loss}` is NaN or infinite for {self._named(~torch.isfinite(peak))}; look "
                "for divisions by 0, roots and logarithms in the network"
            )
        return Slope(logits=logits.detach(), loss=values.detach(), gradient=gradient, flat=peak == 0)

    def draw(self, name: str, run: int, make: Callable[[np.random.Generator], npt.NDArray[np.floating]]) -> Tensor:
        """Random numbers of each image from its own stream, stacked, float32 on the device of the images.

        Those of the images' shape have their layout too.

        Args:
            name: What is drawn.
            run: Number of the start.
            make: What to draw from a stream; the same shape for each image.
        """
        drawn = [make(generator(self.seed, "attack", name, run, int(stream))) for stream in self.streams]
        found, centre = torch.from_numpy(np.stack(drawn).astype(np.float32, copy=False)), self.ball.centre
        return torch.empty_like(centre).copy_(found) if found.shape == centre.shape else found.to(centre.device)

    def _checked(self, logits: Tensor) -> Tensor:
        good = torch.isfinite(logits).all(dim=1)
        if not bool(good.all()):
            raise NumericalError(f"the model gives NaN or infinite logits for {self._named(~good)}")
        return logits

    def _named(self, bad: Tensor) -> str:
        first = int(self.streams[int(bad.nonzero()[0])])
        return f"{int(bad.sum())} of {len(bad)} images of a batch, the first number {first}"
