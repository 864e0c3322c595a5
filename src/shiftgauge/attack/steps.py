"""Runs an attack on one batch: all steps and restarts, what is kept of them, and who needs no further work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from shiftgauge.attack.problem import Problem

S = TypeVar("S", bound="State")


@dataclass(frozen=True, kw_only=True, eq=False)
class State:
    """Where an iterated attack stands; every tensor has the images along its first axis.

    Args:
        images: Where the next gradient is taken, (n, C, H, W).
        found: What would be given now, (n, C, H, W).
        fooled: Whether `found` is known to fool, (n,).
        loss: Loss at `found`, (n,); NaN where it is not known.
        flat: Whether every gradient so far was 0, (n,).
    """

    images: Tensor
    found: Tensor
    fooled: Tensor
    loss: Tensor
    flat: Tensor

    @classmethod
    def at(cls, images: Tensor) -> State:
        """Images of which nothing is known yet."""
        n, device = len(images), images.device
        return cls(
            images=images,
            found=images,
            fooled=torch.zeros(n, dtype=torch.bool, device=device),
            loss=torch.full((n,), torch.nan, device=device),
            flat=torch.ones(n, dtype=torch.bool, device=device),
        )

    def take(self: S, rows: Tensor) -> S:
        """The state of some of the images."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{name: v[rows] for name, v in values.items() if isinstance(v, Tensor)})


@runtime_checkable
class DirectAttack(Protocol):
    """An attack whose images for every ε lie along one direction: it needs one look at the network, or none."""

    name: ClassVar[str]
    needs_gradient: ClassVar[bool]
    is_noise: ClassVar[bool]

    def direction(self, problem: Problem) -> tuple[Tensor, Tensor | None, Tensor]:
        """Direction of length ≤ 1 in the ball's norm, logits of the images as given if known, and where it is 0."""
        ...


class IteratedAttack(Protocol[S]):
    """An attack that goes step by step, once or from several starts."""

    name: ClassVar[str]
    needs_gradient: ClassVar[bool]
    is_noise: ClassVar[bool]
    stops_when_fooled: ClassVar[bool]

    @property
    def steps(self) -> int:
        """Steps of one run."""
        ...

    @property
    def runs(self) -> int:
        """Runs from different starts or towards different classes, ≥ 1."""
        ...

    def init(self, problem: Problem, run: int) -> S:
        """The state before the first step of a run."""
        ...

    def step(self, problem: Problem, state: S, k: int) -> S:
        """Step k, from 0."""
        ...

    def judge(self, problem: Problem, state: State) -> State:
        """Makes `fooled` and `loss` of `found` known where they are not."""
        ...


def run_iterated(attack: IteratedAttack[S], problem: Problem, tell: Callable[[int], None] | None = None) -> State:
    """Does all runs of an attack on one batch and returns the best image of each.

    Better is what fools, then what has the larger loss. With `success_only`, an image that fools is worked on no more.
    A single run whose last image is given as it is, is not judged here, which would cost a pass.

    Args:
        attack: The options.
        problem: The batch.
        tell: Called with the number of images × steps that were done or became needless.
    """
    whole = len(problem) * attack.steps * attack.runs
    best, done = _judged_at_start(problem), 0
    for run in range(attack.runs):
        rows = (~best.fooled if problem.success_only else torch.ones_like(best.fooled)).nonzero()[:, 0]
        if not len(rows):
            break
        part = problem.take(rows) if len(rows) < len(problem) else problem
        state = _one_run(attack, part, run)
        if problem.success_only or attack.runs > 1:
            state = attack.judge(part, state)
        best = _better(best, rows, state, first=run == 0)
        done += len(problem) * attack.steps
        if tell is not None:
            tell(len(problem) * attack.steps)
    if tell is not None and done < whole:
        tell(whole - done)
    return replace(best, found=problem.ball.settle(best.found))


def _judged_at_start(problem: Problem) -> State:
    start = State.at(problem.ball.centre)
    if not problem.success_only or problem.none_fools:
        return start
    fools = problem.fooled(problem.values(problem.ball.centre))
    return replace(start, fooled=fools, flat=~fools)


def _one_run(attack: IteratedAttack[S], problem: Problem, run: int) -> State:
    """All steps of one run; images that fool leave it early where that is the attack's way or all that is asked."""
    state = attack.init(problem, run)
    if not (problem.success_only or attack.stops_when_fooled):
        for k in range(attack.steps):
            state = attack.step(problem, state, k)
        return _plain(state)
    rows, ended = torch.arange(len(problem), device=state.fooled.device), _plain(state)
    for k in range(attack.steps):
        state = attack.step(problem, state, k)
        if bool(state.fooled.any()):
            ended, on = _put(ended, rows, state), ~state.fooled
            rows, state, problem = rows[on], state.take(on), problem.take(on)
        if not len(rows):
            return ended
    return _put(ended, rows, state)


def _plain(state: State) -> State:
    """What every attack has, without what is one attack's own."""
    return State(**{f.name: getattr(state, f.name) for f in fields(State)})


def _put(whole: State, rows: Tensor, part: State) -> State:
    """The state of all images with that of some of them replaced."""
    rows = rows.to(whole.fooled.device)
    values = {f.name: (getattr(whole, f.name), getattr(part, f.name)) for f in fields(State)}
    return State(**{name: there.index_copy(0, rows, here) for name, (there, here) in values.items()})


def _better(best: State, rows: Tensor, fresh: State, *, first: bool) -> State:
    """What is kept after a run: of each image the one that fools, then the one with the larger loss."""
    if first:
        return _put(best, rows, fresh)
    held = best.take(rows)
    wins = (fresh.fooled & ~held.fooled) | ((fresh.fooled == held.fooled) & (fresh.loss > held.loss))
    chosen = {
        "images": torch.where(wins[:, None, None, None], fresh.images, held.images),
        "found": torch.where(wins[:, None, None, None], fresh.found, held.found),
        "fooled": torch.where(wins, fresh.fooled, held.fooled),
        "loss": torch.where(wins, fresh.loss, held.loss),
        "flat": fresh.flat & held.flat,
    }
    return _put(best, rows, State(**chosen))
