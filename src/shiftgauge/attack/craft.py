"""Makes the images of an attack, batch by batch, for one budget or for several at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, cast

import torch
from torch import Tensor

from shiftgauge.attack.attacked import Crafted
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.cache import ImageCache
from shiftgauge.attack.case import Case
from shiftgauge.attack.kinds import Attack
from shiftgauge.attack.problem import Cost, Problem
from shiftgauge.attack.steps import DirectAttack, IteratedAttack, run_iterated
from shiftgauge.errors import ConfigError, ModelError, NumericalError

_LONG: Final = 16
"""Passes from which on memory is kept; a short attack would pay for fresh memory once more."""

Progress = Callable[[int, int], None]
"""Called with (images × steps × budgets done, all of them)."""


def craft(problem: Problem, attack: Attack, tell: Callable[[int], None] | None = None) -> Crafted:
    """The images of one batch and one budget."""
    return next(iter(craft_each([problem], attack, tell)))


def craft_each(
    problems: Sequence[Problem], attack: Attack, tell: Callable[[int], None] | None = None
) -> Iterator[Crafted]:
    """The images of one batch for each of several budgets; a direct attack looks at the network once for all.

    Args:
        problems: The same images in balls of one norm and unit.
        attack: What is done.
        tell: Called with images × steps done.
    """
    if not problems:
        return
    if not isinstance(attack, DirectAttack):
        iterated = cast("IteratedAttack[Any]", attack)
        for problem in problems:
            if not bool(problem.ball.epsilon.any()):
                yield _unmoved(problem, attack, tell)
                continue
            state = run_iterated(iterated, problem, tell)
            yield Crafted(images=state.found, flat=state.flat)
        return
    direction, logits, flat = attack.direction(problems[0])
    kept = None
    if problems[0].success_only and not problems[0].none_fools:
        seen = problems[0].values(problems[0].ball.centre) if logits is None else logits
        kept = problems[0].fooled(seen)
    for problem in problems:
        images = problem.ball.along(direction)
        if kept is not None:
            images = torch.where(kept[:, None, None, None], problem.ball.centre, images)
        if tell is not None:
            tell(len(problem))
        yield Crafted(images=images, flat=flat if kept is None else flat & ~kept)


def crafted_batches(
    case: Case,
    budgets: Sequence[Budget],
    radii: Sequence[Tensor],
    cost: Cost,
    *,
    cache: ImageCache | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[slice, int, Crafted]]:
    """All images of a case: (rows, number of the budget, images), budget by budget within each batch.

    Args:
        case: What is attacked.
        budgets: One or more, of one norm, unit and range.
        radii: ε of all images for each budget, as `Budget.radii` gives them.
        cost: Counts passes.
        cache: Where images are kept, and taken from where they are there.
        progress: Called as the work goes on.
    """
    done, whole = 0, len(case) * work_of(case.attack) * len(budgets)

    def tell(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, whole)

    for rows, problems in problems_of(case, budgets, radii, cost):
        held = [_held(cache, problem, case) for problem in problems]
        fresh = craft_each(
            [p for p, (_, there) in zip(problems, held, strict=True) if there is None], case.attack, tell
        )
        for number, (key, there) in enumerate(held):
            found = at_home(next(fresh) if there is None else there, case.images.device)
            if there is not None:
                tell(len(found.flat) * work_of(case.attack))
            elif cache is not None:
                cache.write(key, found)
            yield rows, number, found


def problems_of(
    case: Case, budgets: Sequence[Budget], radii: Sequence[Tensor], cost: Cost
) -> Iterator[tuple[slice, list[Problem]]]:
    """The batches of a case: rows, and one problem for each budget."""
    fast = case.fast and case.attack.needs_gradient and _takes_fast_way(case, budgets[0], radii[0])
    for rows in case.slices():
        make = case.problem(rows, cost, fast=fast)
        yield rows, [make(budget, radius) for budget, radius in zip(budgets, radii, strict=True)]


def work_of(attack: Attack) -> int:
    """Steps of an attack over all of its runs."""
    return 1 if isinstance(attack, DirectAttack) else attack.steps * attack.runs


def is_long(case: Case, budgets: int) -> bool:
    """Whether an attack takes so many passes that keeping freed memory between them pays."""
    return sum(1 for _ in case.slices()) * work_of(case.attack) * (budgets if work_of(case.attack) > 1 else 1) >= _LONG


def budgets_for(attack: Attack, budgets: Sequence[Budget]) -> tuple[Budget, ...]:
    """The budgets as an attack takes them, which must differ in size alone.

    Raises:
        ConfigError: None, or of several norms, units or ranges.
    """
    if not budgets:
        raise ConfigError("`budgets` must hold at least one budget, got none")
    kinds = {(b.norm, b.unit, b.bounds, b.snr_db is None) for b in budgets}
    if len(kinds) > 1:
        raise ConfigError(
            "`budgets` must share norm, unit, bounds, and the way their size is stated; ask for each kind"
        )
    return tuple(b.for_noise() for b in budgets) if attack.is_noise else tuple(budgets)


def _held(cache: ImageCache | None, problem: Problem, case: Case) -> tuple[str, Crafted | None]:
    """The key of a batch in a cache, and its images where they are there."""
    if cache is None:
        return "", None
    key = cache.key(problem, case.attack, case.classifier.fingerprint)
    return key, cache.read(key, tuple(problem.ball.centre.shape))


def _unmoved(problem: Problem, attack: Attack, tell: Callable[[int], None] | None) -> Crafted:
    """The images themselves, where ε = 0 allows nothing else."""
    if tell is not None:
        tell(len(problem) * work_of(attack))
    return Crafted(images=problem.ball.centre, flat=torch.zeros(len(problem), dtype=torch.bool))


def _takes_fast_way(case: Case, budget: Budget, radii: Tensor) -> bool:
    """Whether gradients can be taken with channels last: some networks reshape what they compute in another order."""
    problem = case.problem(slice(0, 1), Cost(), fast=True)(budget, radii)
    try:
        problem.slope(problem.ball.centre, "margin")
    except (ModelError, NumericalError, RuntimeError):
        return False  # what is wrong in any layout is told of the images themselves
    return True


def at_home(found: Crafted, device: torch.device) -> Crafted:
    """What was made, on the device of the images given, contiguous."""
    return Crafted(images=found.images.to(device).contiguous(), flat=found.flat.cpu())
