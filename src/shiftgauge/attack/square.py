"""The square attack: random search that sees a classifier's outputs alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.ball import Ball
from shiftgauge.attack.losses import attack_loss
from shiftgauge.attack.problem import Problem
from shiftgauge.attack.square_windows import (
    square_pattern,
    square_side,
    tiled_pattern,
    window_index,
    window_mask,
)
from shiftgauge.attack.steps import State
from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError

_BLOCK = 100
"""Queries whose random numbers are drawn at once."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SquareState(State):
    """Where the square attack stands.

    Args:
        drawn: Uniform numbers of the queries of a block, (n, queries, numbers).
        run: Number of the run, (n,), all the same.
    """

    drawn: Tensor
    run: Tensor


@dataclass(frozen=True, kw_only=True)
class Square:
    r"""Squares at random places, kept where they lower the margin; no gradients are needed.

    L∞: the start is x + ε s with a random sign s for each column and channel; a query adds ±2ε, one sign for each
    channel, in a square, and projects back. L2: the start is a grid of patterns η (`square_pattern`) of random sign; a
    query moves the length that two squares hold, and what the ball has left, into one of them, along η added to what
    is there. Every image of the search lies in the ball and, where it is given, in the range of pixels. An image that
    fools costs no further query.

    Args:
        queries: Changes tried of each image, ≥ 1; default 5000, as in AutoAttack.
        restarts: Starts, ≥ 1.
        initial_share: Share of the image that the first squares cover, in (0, 1]; default 0.8, as in AutoAttack.
        loss: `margin` (default) or `ce`, of the logits, or of log-probabilities where a classifier gives no logits; the
            authors take the margin away from a class and the cross-entropy towards one.

    Raises:
        ConfigError: A value outside its range.

    Example:
        >>> Square(queries=100).steps
        100

    Deviations from the paper:
        None known. (The authors' code never places a square at the lower and right border, and AutoAttack's moves all
        images of a batch alike; the paper's algorithm does neither.)

    References:
        Andriushchenko, M.; Croce, F.; Flammarion, N.; Hein, M. (2020). Square attack: a query-efficient black-box
        adversarial attack via random search. ECCV 2020. doi:10.1007/978-3-030-58592-1_29
    """

    queries: int = 5000
    restarts: int = 1
    initial_share: float = 0.8
    loss: Literal["margin", "ce"] = "margin"

    name: ClassVar[str] = "square"
    needs_gradient: ClassVar[bool] = False
    is_noise: ClassVar[bool] = False
    stops_when_fooled: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require_positive_int("queries", self.queries)
        require_positive_int("restarts", self.restarts)
        require_in("loss", self.loss, ("margin", "ce"))
        if require_range("initial_share", self.initial_share, 0, 1) == 0:
            raise ConfigError("`initial_share` must be in (0, 1], got 0; the first squares would be empty")

    @property
    def steps(self) -> int:
        """The queries after the start."""
        return self.queries

    @property
    def runs(self) -> int:
        """The starts."""
        return self.restarts

    def init(self, problem: Problem, run: int) -> SquareState:
        """The start of each image, and what the classifier says of it."""
        ball = problem.ball
        images = _stripes(problem, run) if ball.norm == "linf" else _tiles(problem, run)
        images = ball.settle(images)
        logits = problem.values(images)
        plain = State.at(images)
        return SquareState(
            images=images,
            found=images,
            fooled=problem.fooled(logits),
            loss=attack_loss(self.loss, logits, problem.labels, problem.targets),
            flat=torch.zeros_like(plain.flat),
            drawn=torch.empty(len(problem), 0, 0, device=images.device),
            run=torch.full((len(problem),), run, device=images.device),
        )

    def step(self, problem: Problem, state: SquareState, k: int) -> SquareState:
        """One query."""
        if k % _BLOCK == 0:
            state = replace(state, drawn=_draw(problem, int(state.run[0]), k, min(_BLOCK, self.queries - k)))
        ball, (height, width) = problem.ball, problem.ball.centre.shape[2:]
        numbers = state.drawn[:, k % _BLOCK]
        side = square_side(k, self.queries, self.initial_share, height, width, odd=ball.norm == "l2")
        change = _square_linf if ball.norm == "linf" else _square_l2
        tried = ball.settle(change(ball, state.images, numbers, side))
        logits = problem.values(tried)
        loss = attack_loss(self.loss, logits, problem.labels, problem.targets)
        fools = problem.fooled(logits)
        taken = (loss > state.loss) | fools
        images = torch.where(taken[:, None, None, None], tried, state.images)
        return replace(
            state,
            images=images,
            found=images,
            fooled=state.fooled | fools,
            loss=torch.where(taken, loss, state.loss),
        )

    def judge(self, problem: Problem, state: State) -> State:
        """Nothing is left to find out."""
        return state


def _draw(problem: Problem, run: int, k: int, count: int) -> Tensor:
    """Numbers of a block of queries: four for places, one for the way a pattern lies, one sign for each channel."""
    channels = problem.ball.centre.shape[1]
    return problem.draw(f"square {k}", run, lambda rng: rng.random((count, 5 + channels), dtype=np.float32))


def _places(uniform_n: Tensor, side: int, length: int) -> Tensor:
    """Uniform numbers in [0, 1) → places 0 … length − side."""
    return (uniform_n * (length - side + 1)).long().clamp_(max=length - side)


def _signs(uniform: Tensor) -> Tensor:
    return torch.where(uniform < 0.5, -1.0, 1.0)


def _stripes(problem: Problem, run: int) -> Tensor:
    ball, (channels, _, width) = problem.ball, problem.ball.centre.shape[1:]
    drawn = problem.draw("square start", run, lambda rng: rng.random((channels, 1, width), dtype=np.float32))
    return ball.project(ball.centre + ball.reach * _signs(drawn))


def _tiles(problem: Problem, run: int) -> Tensor:
    ball, (channels, height, width) = problem.ball, problem.ball.centre.shape[1:]
    pattern, places, side = tiled_pattern(height, width)
    shape = (len(places), channels + 1)
    drawn = problem.draw("square start", run, lambda rng: rng.random(shape, dtype=np.float32))
    both = _both_ways(pattern, ball.centre)
    start = torch.zeros_like(ball.centre)
    for i, (top, left) in enumerate(places):
        tile = both[(drawn[:, i, 0] < 0.5).long()][:, None]
        start[:, :, top : top + side, left : left + side] = tile * _signs(drawn[:, i, 1:])[:, :, None, None]
    return ball.centre + ball.unit(start) * ball.reach


def _both_ways(pattern: np.ndarray, like: Tensor) -> Tensor:
    """A pattern and its transpose, (2, side, side)."""
    return torch.from_numpy(np.stack([pattern, pattern.T])).to(like.device, like.dtype)


def _square_linf(ball: Ball, images: Tensor, numbers: Tensor, side: int) -> Tensor:
    """Adds ±2ε in a square of each image and projects back."""
    height, width = images.shape[2:]
    top, left = _places(numbers[:, 0], side, height), _places(numbers[:, 1], side, width)
    signs = _signs(numbers[:, 5:])[:, :, None, None]
    mask = window_mask(top, left, side, height, width)
    return torch.where(mask, ball.project(images + 2 * ball.reach * signs), images)


def _square_l2(ball: Ball, images: Tensor, numbers: Tensor, side: int) -> Tensor:
    """Moves length into a square of each image; see the paper's algorithm 3. All in units of the ball."""
    n, channels, height, width = images.shape
    places = [_places(numbers[:, i], side, (height, width)[i % 2]) for i in range(4)]
    away = (images - ball.centre) / ball.span
    here, there = (window_mask(places[i], places[i + 1], side, height, width) for i in (0, 2))
    limit = ball.epsilon.to(away.dtype).view(n, 1, 1, 1)
    unused = (limit**2 - (away**2).sum(dim=(1, 2, 3), keepdim=True)).clamp_min(0)
    held = (away**2 * (here | there)).sum(dim=(2, 3), keepdim=True)
    index = window_index(places[0], places[1], side, channels)
    old = away[index]
    pattern = _both_ways(square_pattern(side), away)[(numbers[:, 4] < 0.5).long()][:, None]
    fresh = _unit_square(pattern * _signs(numbers[:, 5:])[:, :, None, None] + _unit_square(old))
    away = away.masked_fill(there, 0)
    away[index] = fresh * (held + unused / channels).sqrt()
    return ball.centre + ball.unit(away) * ball.reach


def _unit_square(values: Tensor) -> Tensor:
    """Each channel's square over its length; zeros stay."""
    length = torch.linalg.vector_norm(values, 2, dim=(2, 3), keepdim=True)
    return values / torch.where(length > 0, length, 1)
