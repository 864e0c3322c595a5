"""Auto-PGD: projected gradient descent that sets its own step size, with the losses of AutoAttack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.losses import LOSSES, LossName, check_classes
from shiftgauge.attack.problem import Problem, Slope
from shiftgauge.attack.steps import State
from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError

_MOMENTUM = 0.75
"""Share α of the new step in the next image; the rest goes on as the last step did."""
_FIRST_STEP = 2.0
"""Length of the first steps as a share of ε."""


@dataclass(frozen=True, kw_only=True, eq=False)
class APGDState(State):
    """Where Auto-PGD stands.

    Args:
        previous: Image before `images`, (n, C, H, W).
        gradient: At `images`, (n, C, H, W).
        here: Loss at `images`, (n,).
        best: Image of the largest loss so far, (n, C, H, W).
        best_gradient: Its gradient.
        best_loss: Its loss, (n,).
        share: Length of a step as a share of ε, (n,).
        rises: Steps since the last check that raised the loss, (n,).
        checked_loss: `best_loss` at the last check, (n,).
        halved: Whether the last check halved the step, (n,); true before the first.
        aim: Class that the loss leads to, (n,); the label where it leads away from it.
    """

    previous: Tensor
    gradient: Tensor
    here: Tensor
    best: Tensor
    best_gradient: Tensor
    best_loss: Tensor
    share: Tensor
    rises: Tensor
    checked_loss: Tensor
    halved: Tensor
    aim: Tensor


@dataclass(frozen=True, kw_only=True)
class APGD:
    r"""Projected steps with momentum, whose length is halved where they no longer raise the loss.

    $$ z_{k+1} = P(x_k + \eta_k d_k), \qquad x_{k+1} = P(x_k + \alpha (z_{k+1} - x_k) + (1 - \alpha)(x_k - x_{k-1})) $$

    with α = 0.75 (1 in the first step) and η = 2 ε at first. At checkpoints η is halved, and the search goes on from
    the best image so far, where (1) less than the share ρ of the steps since the last checkpoint raised the loss, or
    (2) neither η nor the best loss has changed since. `APGD()` is APGD-CE; `APGD(loss="dlr")` APGD-DLR;
    `APGD(loss="dlr", target_classes=9)` AutoAttack's APGD-T, one run towards each of the classes with the largest
    logits after the label, any misclassification counting. AutoAttack goes on with an image until it fools: that is
    `success_only`. Of an image that never fools, the one with the largest loss is given.

    Args:
        steps: ≥ 1; default 100.
        restarts: Random starts, ≥ 1 (towards each class).
        loss: `ce` (default), `dlr` (three classes or more; four with `target_classes`), or any other.
        target_classes: Classes that are tried one after another, 0 (default) for none.
        rho: ρ in (0, 1]; default 0.75.

    Raises:
        ConfigError: A value outside its range.

    Example:
        >>> APGD(loss="dlr", target_classes=3, restarts=2).runs
        6
        >>> APGD().checkpoints
        (22, 41, 57, 70, 80, 87, 93, 99)

    Deviations from the paper:
        Checkpoints are rounded, and tested after the step of their number, as in the authors' implementation; at 100
        steps they are the paper's. As there, a share of exactly ρ counts as too few, and the first step after going
        back to the best image is compared with the image that was left. Rises are counted from the loss at the start,
        as in the paper; the implementation compares the first step with 0.

    References:
        Croce, F.; Hein, M. (2020). Reliable evaluation of adversarial robustness with an ensemble of diverse
        parameter-free attacks. ICML 2020, PMLR 119, 2206-2216. arXiv:2003.01690
    """

    steps: int = 100
    restarts: int = 1
    loss: LossName = "ce"
    target_classes: int = 0
    rho: float = 0.75

    name: ClassVar[str] = "apgd"
    needs_gradient: ClassVar[bool] = True
    is_noise: ClassVar[bool] = False
    stops_when_fooled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require_positive_int("steps", self.steps)
        require_positive_int("restarts", self.restarts)
        require_positive_int("target_classes", self.target_classes, low=0)
        require_in("loss", self.loss, LOSSES)
        if require_range("rho", self.rho, 0, 1) == 0:
            raise ConfigError("`rho` must be in (0, 1], got 0; the step would never be halved for too few rises")

    def check_classes(self, n_classes: int, *, targeted: bool) -> None:
        """Refuses more classes to lead to than there are, and such classes beside targets.

        Raises:
            ConfigError: Either.
        """
        if self.target_classes and targeted:
            raise ConfigError("`target_classes` chooses the classes itself; leave it 0 where `targets` are given")
        if self.target_classes >= n_classes:
            raise ConfigError(
                f"`target_classes` must be below the number of classes, {n_classes}, got {self.target_classes}"
            )
        check_classes(self.loss, n_classes, towards=targeted or self.target_classes > 0)

    @property
    def runs(self) -> int:
        """Starts, times the classes that are tried."""
        return self.restarts * max(1, self.target_classes)

    @property
    def periods(self) -> tuple[int, ...]:
        """Steps from one checkpoint to the next."""
        period, found = max(int(0.22 * self.steps), 1), []
        while sum(found) + period <= self.steps:
            found.append(period)
            period = max(period - max(int(0.03 * self.steps), 1), int(0.06 * self.steps), 1)
        return tuple(found)

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """Numbers of steps after which the step size is looked at."""
        return tuple(int(end) for end in np.cumsum(self.periods))

    def init(self, problem: Problem, run: int) -> APGDState:
        """A random point on the border of each ball, and its gradient."""
        aim = problem.labels if not self.target_classes else self._aim(problem, run // self.restarts)
        images = _start(problem, run)
        slope = problem.slope(images, self.loss, aim if self.target_classes else None)
        always = torch.ones_like(slope.flat)
        return APGDState(
            images=images,
            found=images,
            fooled=problem.fooled(slope.logits),
            loss=slope.loss,
            flat=slope.flat,
            previous=images,
            gradient=slope.gradient,
            here=slope.loss,
            best=images,
            best_gradient=slope.gradient,
            best_loss=slope.loss,
            share=torch.full_like(slope.loss, _FIRST_STEP),
            rises=torch.zeros_like(slope.loss),
            checked_loss=slope.loss,
            halved=always,
            aim=aim,
        )

    def step(self, problem: Problem, state: APGDState, k: int) -> APGDState:
        """One step, the gradient there, and a look at the step size where it is due."""
        ball, alpha = problem.ball, _MOMENTUM if k else 1.0
        plain = ball.step(state.images, ball.steepest(state.gradient), _column(state.share).to(ball.reach.dtype))
        carried = (state.images - state.previous) * (1 - alpha)
        moved = ball.project(state.images + (plain - state.images) * alpha + carried)
        slope = problem.slope(moved, self.loss, state.aim if self.target_classes else None)
        state = _noted(problem, state, moved, slope)
        ends = self.checkpoints
        return self._checked(state, self.periods[ends.index(k + 1)]) if k + 1 in ends else state

    def judge(self, problem: Problem, state: State) -> State:
        """Nothing is left to find out."""
        return state

    def _aim(self, problem: Problem, place: int) -> Tensor:
        """The class with the largest logit but `place` others, the label aside."""
        logits = problem.values(problem.ball.centre)
        self.check_classes(logits.shape[1], targeted=problem.targets is not None)
        others = logits.scatter(1, problem.labels[:, None], -torch.inf)
        return others.argsort(dim=1, descending=True)[:, place]

    def _checked(self, state: APGDState, period: int) -> APGDState:
        """Halves the step of images that it no longer serves, and takes them back to their best."""
        stuck = ~state.halved & (state.checked_loss >= state.best_loss)
        halve = (state.rises <= period * self.rho) | stuck
        back = _column(halve)
        return replace(
            state,
            images=torch.where(back, state.best, state.images),
            gradient=torch.where(back, state.best_gradient, state.gradient),
            share=torch.where(halve, state.share / 2, state.share),
            rises=torch.zeros_like(state.rises),
            checked_loss=state.best_loss,
            halved=halve,
        )


def _start(problem: Problem, run: int) -> Tensor:
    """x + ε w t / ‖t‖ with t uniform in L∞ and normal in L2."""
    ball, shape = problem.ball, problem.ball.centre.shape[1:]
    if ball.norm == "linf":
        drawn = problem.draw("apgd start", run, lambda rng: rng.random(shape, dtype=np.float32)).mul_(2).sub_(1)
    else:
        drawn = problem.draw("apgd start", run, lambda rng: rng.standard_normal(shape, dtype=np.float32))
    return ball.project(torch.addcmul(ball.centre, ball.unit(drawn), ball.reach))


def _noted(problem: Problem, state: APGDState, moved: Tensor, slope: Slope) -> APGDState:
    """The state at the image that was moved to."""
    fools = problem.fooled(slope.logits)
    higher = slope.loss > state.best_loss
    best = torch.where(_column(higher), moved, state.best)
    ever = state.fooled | fools
    held = torch.where(_column(fools), moved, state.found)
    best_loss = torch.where(higher, slope.loss, state.best_loss)
    return replace(
        state,
        images=moved,
        found=torch.where(_column(ever), held, best),
        fooled=ever,
        loss=best_loss,
        flat=state.flat & slope.flat,
        previous=state.images,
        gradient=slope.gradient,
        here=slope.loss,
        best=best,
        best_gradient=torch.where(_column(higher), slope.gradient, state.best_gradient),
        best_loss=best_loss,
        rises=state.rises + (slope.loss > state.here),
    )


def _column(values_n: Tensor) -> Tensor:
    return values_n[:, None, None, None]
