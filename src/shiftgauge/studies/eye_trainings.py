"""The trainings of the eye-state study: ten networks in folds, and one network with copies of its training images."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.cross_validation import FoldOptions, cross_validate
from shiftgauge.studies.enlargement import CopyKind, EnlargeOptions
from shiftgauge.studies.eye_data import PixelScale
from shiftgauge.studies.eye_models import WIDE, EyeModel, eye_models
from shiftgauge.studies.eye_recipe import EyeRecipe
from shiftgauge.train.images import Part

CHANGED: Final[tuple[CopyKind, ...]] = ("fgsm", "uniform_noise")
"""Kinds of copies that differ from their originals, by ε."""
CONTROLS: Final[tuple[CopyKind, ...]] = ("clean", "steps")
"""Copies as they are, and as many steps without copies."""
_WORDS: Final = {"fgsm": "FGSM copies", "uniform_noise": "noisy copies", "clean": "clean copies", "steps": "more steps"}
_VALIDATION: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One way to enlarge the training images.

    Args:
        kind: What is added.
        share: Copies over training images.
        epsilon: Of the copies; None where they are not changed.
    """

    kind: CopyKind
    share: float
    epsilon: float | None = None

    @property
    def name(self) -> str:
        """For tables."""
        at = "" if self.epsilon is None else f", ε {self.epsilon:g}"
        return f"{_WORDS[self.kind]}, {self.share:.0%}{at}"

    @property
    def folder(self) -> str:
        """Name of its folder."""
        at = "" if self.epsilon is None else f"-{self.epsilon:g}"
        return f"copies-{self.kind.replace('_', '-')}-{100 * self.share:g}{at}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """What is trained on which crops, and where it lies.

    Args:
        recipe: How much.
        dataset: All crops.
        whole: The same at the networks' input size.
        scale: What makes their pixels standardised ones.
        folder: That of the study.
        name: What pages call the crops.
        device: Where to run.
        progress: As of the study.
    """

    recipe: EyeRecipe
    dataset: ImageDataset
    whole: Part
    scale: PixelScale
    folder: Path
    name: str
    device: str | None
    progress: bool | None

    @property
    def by_person(self) -> bool:
        """Whether crops of one person, or face, stay together."""
        return self.dataset.groups is not None

    @property
    def models(self) -> dict[str, EyeModel]:
        """The networks."""
        return eye_models(self.recipe, self.scale)

    def folds(self) -> FoldOptions:
        """How crops are divided, the same for every training.

        Near-duplicates are not looked for: all crops show one thing, and those of different persons would be joined.
        """
        by: Any = "group" if self.by_person else "stratified"
        return FoldOptions(k=self.recipe.k, validation=_VALIDATION, by=by, near_duplicates=False, seed=self.recipe.seed)


def cells(recipe: EyeRecipe) -> tuple[Cell, ...]:
    """All ways to enlarge, the controls first.

    Args:
        recipe: How much.

    Example:
        >>> [cell.name for cell in cells(EyeRecipe(quick=True))]
        ['clean copies, 100%', 'more steps, 100%', 'FGSM copies, 100%, ε 0.03', 'noisy copies, 100%, ε 0.03']
    """
    controls = [Cell(kind=kind, share=share) for kind in CONTROLS for share in recipe.shares]
    changed = [
        Cell(kind=kind, share=share, epsilon=epsilon)
        for kind in CHANGED
        for epsilon in recipe.copies
        for share in recipe.shares
    ]
    return (*controls, *changed)


def train_models(plan: Plan) -> dict[str, CrossValidation]:
    """Trains all networks in folds, or goes on where an earlier call ended; finished folds are read.

    Raises:
        InterruptedRunError: It was stopped; the same call goes on.
    """
    found = {}
    for name in _told(plan, plan.models):
        model = plan.models[name]
        more = {"adversarial": model.adversarial, "constraint": model.constraint}
        found[name] = _cross_validated(plan, model, plan.folder / "models" / model.folder, more)
    return found


def train_cells(plan: Plan) -> dict[Cell, CrossValidation]:
    """Trains the plain network with every kind of copies; FGSM copies are those of the plain one of the same fold.

    Raises:
        InterruptedRunError: It was stopped; the same call goes on.
    """
    plain, found = plan.models[WIDE], {}
    asked = {cell.name: cell for cell in cells(plan.recipe)}
    for name in _told(plan, asked):
        cell = asked[name]
        enlarge = EnlargeOptions(
            kind=cell.kind,
            share=cell.share,
            epsilon=cell.epsilon,
            unit="input" if cell.epsilon is not None else "pixel",
            clip=False,
            source=plan.folder / "models" / plain.folder if cell.kind == "fgsm" else None,
            seed=plan.recipe.seed,
        )
        found[cell] = _cross_validated(plan, plain, plan.folder / "copies" / cell.folder, {"enlarge": enlarge})
    return found


def _cross_validated(plan: Plan, model: EyeModel, place: Path, more: Mapping[str, Any]) -> CrossValidation:
    return cross_validate(
        model.network,
        plan.dataset,
        out=place,
        folds=plan.folds(),
        options=model.options,
        device=plan.device,
        progress=plan.progress,
        **more,
    )


def _told(plan: Plan, names: Mapping[str, Any]) -> Iterator[str]:
    """The names, each told before its folds are."""
    for number, name in enumerate(names):
        if plan.progress is not False:
            sys.stderr.write(f"{name} ({number + 1} of {len(names)})\n")
            sys.stderr.flush()
        yield name
