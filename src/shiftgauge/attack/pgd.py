"""Iterated gradient attacks: BIM, projected gradient descent with random starts, the method with momentum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.ball import Ball, rows_of
from shiftgauge.attack.losses import LOSSES, LossName, attack_loss
from shiftgauge.attack.problem import Problem, Slope
from shiftgauge.attack.steps import S, State
from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class PGD:
    r"""Steps along the steepest direction, each followed by a projection into the ball, from random starts.

    $$ x_{k+1} = P(x_k + \alpha \epsilon \, d_k), \qquad d_k = \mathrm{sign} \nabla_x L(x_k) \ (L_\infty), \quad
       \nabla_x L(x_k) / \lVert \nabla_x L(x_k) \rVert_2 \ (L_2) $$

    The last image of a run is given, as published; with several starts, of each image the one that fools, then the one
    with the larger loss. With `success_only` the first image on the way that fools is given.

    Args:
        steps: ≥ 1; default 10.
        relative_step: α > 0, length of a step as a share of ε; default 0.25, that is 2/255 at ε = 8/255.
        restarts: Starts, ≥ 1.
        random_start: Begin at a point drawn uniformly from the ball (default), or at the image; restarts need it.
        loss: What is raised; default the cross-entropy.

    Raises:
        ConfigError: A value outside its range, or restarts that would all be the same.

    Example:
        >>> PGD(steps=20, restarts=5).runs
        5

    References:
        Madry, A.; Makelov, A.; Schmidt, L.; Tsipras, D.; Vladu, A. (2018). Towards deep learning models resistant to
        adversarial attacks. ICLR 2018. arXiv:1706.06083
    """

    steps: int = 10
    relative_step: float = 0.25
    restarts: int = 1
    random_start: bool = True
    loss: LossName = "ce"

    name: ClassVar[str] = "pgd"
    needs_gradient: ClassVar[bool] = True
    is_noise: ClassVar[bool] = False
    stops_when_fooled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.steps, self.relative_step, self.loss)
        if require_positive_int("restarts", self.restarts) > 1 and not self.random_start:
            raise ConfigError(f"`restarts` is {self.restarts}, but all starts are the same without `random_start`")

    @property
    def runs(self) -> int:
        """The starts."""
        return self.restarts

    def init(self, problem: Problem, run: int) -> State:
        """Images at the start of a run."""
        return State.at(random_start(problem, run) if self.random_start else problem.ball.centre)

    def step(self, problem: Problem, state: State, k: int) -> State:
        """One gradient and one step."""
        slope = problem.slope(state.images, self.loss)
        return _moved(problem, state, slope, problem.ball.steepest(slope.gradient), self.relative_step)

    def judge(self, problem: Problem, state: State) -> State:
        """One pass for the last images."""
        return judged(problem, state, self.loss)


@dataclass(frozen=True, kw_only=True)
class BIM:
    """The basic iterative method: projected steps of the fast gradient sign method from the image itself.

    Args:
        steps: ≥ 1; default 10.
        relative_step: Length of a step as a share of ε; default 1 / steps, so that the border is just reached.
        loss: What is raised; default the cross-entropy.

    Raises:
        ConfigError: A value outside its range.

    Example:
        >>> BIM(steps=5).share
        0.2

    References:
        Kurakin, A.; Goodfellow, I. J.; Bengio, S. (2017). Adversarial examples in the physical world. ICLR 2017
        workshop. arXiv:1607.02533
    """

    steps: int = 10
    relative_step: float | None = None
    loss: LossName = "ce"

    name: ClassVar[str] = "bim"
    needs_gradient: ClassVar[bool] = True
    is_noise: ClassVar[bool] = False
    stops_when_fooled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.steps, self.relative_step, self.loss)

    @property
    def runs(self) -> int:
        """One: there is one start."""
        return 1

    @property
    def share(self) -> float:
        """Length of a step as a share of ε."""
        return 1 / self.steps if self.relative_step is None else self.relative_step

    def init(self, problem: Problem, run: int) -> State:
        """The images themselves."""
        return State.at(problem.ball.centre)

    def step(self, problem: Problem, state: State, k: int) -> State:
        """One gradient and one step."""
        slope = problem.slope(state.images, self.loss)
        return _moved(problem, state, slope, problem.ball.steepest(slope.gradient), self.share)

    def judge(self, problem: Problem, state: State) -> State:
        """One pass for the last images."""
        return judged(problem, state, self.loss)


@dataclass(frozen=True, kw_only=True, eq=False)
class MomentumState(State):
    """Where the method with momentum stands.

    Args:
        momentum: Decayed sum of normalised gradients, (n, C, H, W).
    """

    momentum: Tensor


@dataclass(frozen=True, kw_only=True)
class MomentumFGSM:
    r"""The iterated method along a decayed sum of gradients, whose images fool other networks more often.

    $$ g_{k+1} = \mu g_k + \nabla_x L(x_k) / \lVert \nabla_x L(x_k) \rVert_1, \qquad
       x_{k+1} = P(x_k + \alpha \epsilon \, d(g_{k+1})) $$

    with d the sign in L∞ and the unit vector in L2.

    Args:
        steps: ≥ 1; default 10.
        relative_step: α as a share of ε; default 1 / steps as published.
        decay: μ ≥ 0; default 1 as published.
        loss: What is raised; default the cross-entropy.

    Raises:
        ConfigError: A value outside its range.

    Example:
        >>> MomentumFGSM().decay
        1.0

    References:
        Dong, Y.; Liao, F.; Pang, T.; Su, H.; Zhu, J.; Hu, X.; Li, J. (2018). Boosting adversarial attacks with
        momentum. CVPR 2018. doi:10.1109/CVPR.2018.00957
    """

    steps: int = 10
    relative_step: float | None = None
    decay: float = 1.0
    loss: LossName = "ce"

    name: ClassVar[str] = "momentum_fgsm"
    needs_gradient: ClassVar[bool] = True
    is_noise: ClassVar[bool] = False
    stops_when_fooled: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self.steps, self.relative_step, self.loss)
        require_range("decay", self.decay, 0)

    @property
    def runs(self) -> int:
        """One: there is one start."""
        return 1

    @property
    def share(self) -> float:
        """Length of a step as a share of ε."""
        return 1 / self.steps if self.relative_step is None else self.relative_step

    def init(self, problem: Problem, run: int) -> MomentumState:
        """The images themselves, without momentum."""
        plain = State.at(problem.ball.centre)
        return MomentumState(**plain.__dict__, momentum=torch.zeros_like(problem.ball.centre))

    def step(self, problem: Problem, state: MomentumState, k: int) -> MomentumState:
        """One gradient, added to the momentum, and one step."""
        slope = problem.slope(state.images, self.loss)
        gradient = slope.gradient * problem.ball.span
        size = rows_of(gradient).abs().sum(dim=1).view(-1, 1, 1, 1)
        fresh = gradient / torch.where(size > 0, size, 1)
        momentum = torch.add(fresh, state.momentum, alpha=self.decay)
        direction = momentum.sign() if problem.ball.norm == "linf" else problem.ball.unit(momentum)
        return _moved(problem, replace(state, momentum=momentum), slope, direction, self.share)

    def judge(self, problem: Problem, state: State) -> State:
        """One pass for the last images."""
        return judged(problem, state, self.loss)


def random_start(problem: Problem, run: int) -> Tensor:
    """A point drawn uniformly from each image's ball, cut to the range."""
    ball, shape = problem.ball, problem.ball.centre.shape[1:]
    if ball.norm == "linf":
        drawn = problem.draw("start", run, lambda rng: rng.random(shape, dtype=np.float32))
        return ball.project(torch.addcmul(ball.centre, drawn.mul_(2).sub_(1), ball.reach))
    size = int(np.prod(shape))

    def draw(rng: np.random.Generator) -> np.ndarray:
        way = rng.standard_normal(shape)
        return way * (rng.random() ** (1 / size) / max(float(np.linalg.norm(way)), 1e-300))

    return ball.project(torch.addcmul(ball.centre, problem.draw("start", run, draw), ball.reach))


def judged(problem: Problem, state: State, loss: LossName) -> State:
    """The state with `fooled` and `loss` of `found`, by one pass of the images that are not known to fool."""
    open_rows = (~state.fooled).nonzero()[:, 0]
    if not len(open_rows):
        return state
    part = problem.take(open_rows)
    logits = part.values(part.ball.settle(state.found[open_rows]))
    values = attack_loss(loss, logits, part.labels, part.targets).to(state.loss.dtype)
    return replace(
        state,
        fooled=state.fooled.index_copy(0, open_rows, part.fooled(logits)),
        loss=state.loss.index_copy(0, open_rows, values),
    )


def _moved(problem: Problem, state: S, slope: Slope, direction: Tensor, share: float) -> S:
    """The state after a step; with `success_only`, images that fool where the gradient was taken stay there."""
    ball: Ball = problem.ball
    moved = ball.step(state.images, direction, share)
    flat = state.flat & slope.flat
    if not problem.success_only:
        return replace(state, images=moved, found=moved, flat=flat)
    fools = problem.fooled(slope.logits)
    kept = torch.where(fools[:, None, None, None], state.images, moved)
    loss = torch.where(fools, slope.loss, torch.nan)
    return replace(state, images=kept, found=kept, fooled=fools, loss=loss, flat=flat)


def _check(steps: int, relative_step: float | None, loss: str) -> None:
    require_positive_int("steps", steps)
    require_in("loss", loss, LOSSES)
    if relative_step is not None:
        require_range("relative_step", relative_step, 1e-6)
