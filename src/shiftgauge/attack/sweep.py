"""Goes through all images at all budgets of a curve and notes what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.attacked import Crafted
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.cache import ImageCache
from shiftgauge.attack.case import Case
from shiftgauge.attack.craft import Progress, at_home, craft, craft_each, crafted_batches, problems_of
from shiftgauge.attack.images import seen_images
from shiftgauge.attack.problem import Cost, Problem
from shiftgauge.attack.snr import energies, snr_of_energies
from shiftgauge.attack.steps import DirectAttack
from shiftgauge.errors import ConfigError


class Tally:
    """What is noted of the images of each budget.

    Args:
        case: What is attacked.
        budgets: B.
        keep_images: Keep all attacked images.
    """

    def __init__(self, case: Case, budgets: int, *, keep_images: bool) -> None:
        n = len(case)
        self.case = case
        self.predicted = np.empty((budgets, n), np.int64)
        self.noise = np.empty((budgets, n))
        self.signal = np.empty(n)
        self.flat = np.zeros(n, bool)
        self.images = torch.empty(budgets, *case.images.shape) if keep_images else None

    def note(self, number: int, rows: slice, images: Tensor, predicted: Tensor, budget: Budget) -> None:
        """Notes the images of some rows at a budget."""
        self.predicted[number, rows] = predicted.cpu().numpy()
        clean = seen_images(self.case, budget, self.case.images[rows])
        self.signal[rows], self.noise[number, rows] = energies(clean, seen_images(self.case, budget, images))
        if self.images is not None:
            self.images[number, rows] = images

    def measures(self) -> dict[str, Any]:
        """What was noted, under the names of `BudgetCurve`."""
        return {
            "image_snr_db": snr_of_energies(self.signal, self.noise),
            "set_snr_db": snr_of_energies(self.signal.sum(), self.noise.sum(axis=1)),
            "predicted": self.predicted,
            "zero_gradient": self.flat,
            "images": self.images,
        }


def sweep(
    case: Case,
    budgets: Sequence[Budget],
    radii: Sequence[Tensor],
    tally: Tally,
    cost: Cost,
    *,
    cache: ImageCache | None,
    progress: Progress | None,
) -> None:
    """Each budget for itself."""
    for rows, number, found in crafted_batches(case, budgets, radii, cost, cache=cache, progress=progress):
        cost.evaluations += len(found.images)
        tally.note(number, rows, found.images, case.said(found.images), budgets[number])
        tally.flat[rows] |= found.flat.numpy() & (radii[number][rows] > 0).numpy()


def sweep_nested(
    case: Case,
    budgets: Sequence[Budget],
    radii: Sequence[Tensor],
    tally: Tally,
    cost: Cost,
    *,
    progress: Progress | None,
) -> None:
    """From the smallest budget to the largest; what fools is carried on."""
    order, done = _rising(radii), 0
    for rows, problems in problems_of(case, budgets, radii, cost):
        images, labels = case.images[rows].clone(), case.labels[rows]
        targets = None if case.targets is None else case.targets[rows]
        said = problems[0].values(problems[0].ball.centre).argmax(dim=1).cpu()
        made = _made_at_once(problems, case)
        for number in order:
            left = (said == labels if targets is None else said != targets).nonzero()[:, 0]
            if len(left):
                found = made[number] if made else _made(problems[number], left, case)
                fresh = found.images[left] if made else found.images
                cost.evaluations += len(left)
                images[left], said[left] = fresh, case.said(fresh)
                tally.flat[rows.start + left.numpy()] |= found.flat.numpy()[left if made else slice(None)]
            tally.note(number, rows, images, said, budgets[number])
            done += len(images)
            if progress is not None:
                progress(done, len(case) * len(budgets))


def _made_at_once(problems: Sequence[Problem], case: Case) -> list[Crafted]:
    """The images of all budgets where one direction gives them all; else none."""
    if not isinstance(case.attack, DirectAttack):
        return []
    known = [replace(problem, none_fools=True) for problem in problems]
    return [at_home(found, case.images.device) for found in craft_each(known, case.attack)]


def _made(problem: Problem, rows: Tensor, case: Case) -> Crafted:
    part = replace(problem.take(rows.to(problem.labels.device)), none_fools=True)
    return at_home(craft(part, case.attack), case.images.device)


def _rising(radii: Sequence[Tensor]) -> list[int]:
    """The budgets from small to large.

    Raises:
        ConfigError: One is larger for some images and smaller for others than another.
    """
    order = sorted(range(len(radii)), key=lambda number: float(radii[number].sum()))
    for smaller, larger in pairwise(order):
        if bool((radii[smaller] > radii[larger]).any()):
            raise ConfigError(
                "with `success_only`, each of `budgets` must be larger than another for all images or none"
            )
    return order
