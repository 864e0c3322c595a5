"""Adversarial training wired from its two halves: attacks that find images, objectives that train on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.perturb import perturb
from shiftgauge.attack.pgd import PGD
from shiftgauge.models.device import with_float64
from shiftgauge.models.input_scale import InputScale
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.random import stream_key
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.train.images import Task
from shiftgauge.train.objectives import Free, Logits, LossPerImage, Trades
from shiftgauge.train.replaced import Replaced, ReplaceOptions


def adversarial_arguments(
    options: AdversarialOptions, *, preprocessing: Preprocessing, task: Task, seed: int
) -> dict[str, Any]:
    """Returns what `fit` takes for an adversarial training: `perturb` or `objective`, and the mode of the search.

    Args:
        options: The method and its budget.
        preprocessing: Of the network; its standard deviations are the unit `input`.
        task: `single` or `multi`; of several labels the search raises the binary cross-entropy, summed over labels.
        seed: That of the training: random starts are a function of it, of the epoch and of the batch.

    Example:
        >>> prepared = Preprocessing(height=8, width=8, channels=1, std=(0.5,))
        >>> options = AdversarialOptions(method="fgsm", epsilon=0.032, unit="input")
        >>> found = adversarial_arguments(options, preprocessing=prepared, task="single", seed=0)
        >>> images = torch.full((4, 1, 8, 8), 0.5)
        >>> weight = torch.ones(64, 2) * torch.tensor([1.0, -1.0])
        >>> changed = found["perturb"](lambda x: x.flatten(1) @ weight, images, torch.zeros(4, dtype=torch.int64), 0, 0)
        >>> (changed - images)[:, 0, 0, 0].div(0.5).mul(1000).round().tolist()
        [0.0, 0.0, -16.0, -32.0]
    """
    scale = InputScale(mean=preprocessing.mean, std=preprocessing.std)
    wiring = _Wiring(options=options, scale=scale, task=task, seed=seed)
    record, inner = options.to_dict(), {} if options.inner_mode is None else {"inner": options.inner_mode}
    if options.method == "trades":
        return {"objective": Trades(search=wiring.search, beta=float(options.beta or 0), record=record), **inner}
    if options.method == "free":
        replays = int(options.replays or 1)
        return {"objective": Free(advance=wiring.advance, replays=replays, clip=options.clip, record=record)}
    replace = ReplaceOptions(epsilon=options.epsilon, share=float(options.share or 1), ramp=bool(options.ramp))
    return {"perturb": Replaced(options=replace, push=wiring.push), **inner}


def as_two_logits(logits: Logits, loss_of: LossPerImage) -> Callable[[Tensor], Tensor]:
    """Returns a classifier of two classes whose margin away from the first is a given loss of each image.

    Attacks are written on logits and labels. The logits (-ℓ, 0) make any loss ℓ of each image what an attack on the
    first class raises, with the loss `margin`, by exactly its own gradient.

    Args:
        logits: The network.
        loss_of: ℓ, from its logits (N, K) to (N,).

    Example:
        >>> two = as_two_logits(lambda x: x.flatten(1), lambda z: z.square().sum(dim=1))
        >>> two(torch.full((1, 1, 1, 2), 2.0)).tolist()
        [[-8.0, 0.0]]
    """

    def two(images_nchw: Tensor) -> Tensor:
        loss_n = loss_of(logits(images_nchw))
        return torch.stack([-loss_n, torch.zeros_like(loss_n)], dim=1)

    return two


@dataclass(frozen=True, kw_only=True, eq=False)
class _Wiring:
    """The attack of a method, in the forms that objectives take."""

    options: AdversarialOptions
    scale: InputScale
    task: Task
    seed: int

    def budget(self, epsilon: float | Tensor) -> Budget:
        """The ball around each image."""
        o = self.options
        return Budget(epsilon=epsilon, unit=o.unit, norm=o.norm, bounds=o.bounds)

    def push(self, logits: Logits, images: Tensor, targets: Tensor, epsilons: Tensor, epoch: int, step: int) -> Tensor:
        """Images that the network is wrong about, each within its own ε."""
        labels, seen, loss = targets, logits, "ce"
        if self.task == "multi":
            seen, loss = as_two_logits(logits, _binary(targets)), "margin"
            labels = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        attack = FGSM(loss=loss) if self.options.method == "fgsm" else self._iterated(loss)
        return self._found(seen, images, labels, attack, self.budget(epsilons), epoch, step)

    def search(self, logits: Logits, loss_of: LossPerImage, images: Tensor, epoch: int, step: int) -> Tensor:
        """Images for which a loss is large."""
        first = torch.zeros(len(images), dtype=torch.int64, device=images.device)
        seen, attack = as_two_logits(logits, loss_of), self._iterated("margin")
        return self._found(seen, images, first, attack, self.budget(self.options.epsilon), epoch, step)

    def advance(self, images: Tensor, delta: Tensor, gradient: Tensor) -> Tensor:
        """The next perturbation of free training: a step along the steepest direction, and back into the ball."""
        budget, n = self.budget(self.options.epsilon), len(images)
        radii = torch.full((n,), self.options.epsilon, dtype=torch.float64)
        work = with_float64(images.device)
        there = images.to(work)
        ball, share = budget.ball(there, radii, self.scale), float(self.options.relative_step or 1)
        found = ball.step(there + delta.to(work), ball.steepest(gradient.float().to(work)), share) - there
        return found.to(images.device)

    def _iterated(self, loss: Any) -> PGD:
        """PGD from a random start; the one step of `fast` is PGD with a single step."""
        step = float(self.options.relative_step or 1)
        return PGD(steps=self.options.steps or 1, relative_step=step, random_start=True, loss=loss)

    def _found(
        self, logits: Logits, images: Tensor, labels: Tensor, attack: Any, budget: Budget, epoch: int, step: int
    ) -> Tensor:
        key = stream_key(self.seed, "train", "adversarial", epoch, step)
        return perturb(logits, images, labels, attack, budget, scale=self.scale, seed=key)


def _binary(targets: Tensor) -> LossPerImage:
    """The binary cross-entropy of each image, summed over its labels."""
    return lambda z: functional.binary_cross_entropy_with_logits(z, targets.to(z), reduction="none").sum(dim=1)
