"""Aim 1 of the eye-state study: what adversarial copies add to clean accuracy beyond copies, and beyond more steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.eye_attacks import Arrays
from shiftgauge.studies.eye_recipe import EyeRecipe
from shiftgauge.studies.eye_trainings import Cell
from shiftgauge.train.crossval import compare_folds
from shiftgauge.types import FloatArray

POOLED: Final = "mean over shares and ε"
CONTRASTS: Final[Mapping[str, tuple[str, str]]] = {
    "FGSM copies less clean copies": ("fgsm", "clean"),
    "FGSM copies less as many steps": ("fgsm", "steps"),
    "FGSM copies less noisy copies": ("fgsm", "uniform_noise"),
    "noisy copies less clean copies": ("uniform_noise", "clean"),
    "clean copies less no copies": ("clean", "none"),
    "FGSM copies less no copies": ("fgsm", "none"),
}
"""What is compared with what: kinds of copies, `none` for the plain training."""


def copy_arrays(
    recipe: EyeRecipe,
    plain: CrossValidation,
    enlarged: Mapping[Cell, CrossValidation],
    attacked: Mapping[Cell, Sequence[Arrays]],
    *,
    level: float,
) -> xr.Dataset:
    """Clean and attacked accuracy of every way to enlarge, and the comparisons on the same folds.

    Args:
        recipe: How much was done.
        plain: The plain training in folds.
        enlarged: Way to enlarge → its training in the same folds.
        attacked: Way to enlarge → answers of each fold under attack, see `attack_cells`.
        level: Of intervals.

    Returns:
        copies_clean (copies, fold), copies_fgsm and copies_noise (copies, copy_epsilon, fold), copies_kind,
        copies_share, copies_of_epsilon (copies,); contrast_difference (contrast, scope) with `_interval`, contrast_p,
        contrast_flip_p. A scope is a share with an ε, or the mean over all of them.
    """
    clean = np.stack([cv.values("accuracy") for cv in enlarged.values()])
    ways = {
        f"copies_{way}": np.stack(
            [np.stack([found[f"white_{way}"].mean(axis=1) for found in folds], axis=1) for folds in attacked.values()]
        )
        for way in ("fgsm", "noise")
    }
    found = xr.Dataset(
        {
            "copies_clean": (("copies", "fold"), clean),
            **{name: (("copies", "copy_epsilon", "fold"), value) for name, value in ways.items()},
            "copies_kind": ("copies", [cell.kind for cell in enlarged]),
            "copies_share": ("copies", [cell.share for cell in enlarged]),
            "copies_of_epsilon": ("copies", [cell.epsilon or 0.0 for cell in enlarged]),
        },
        coords={
            "copies": [cell.name for cell in enlarged],
            "copy_epsilon": list(recipe.copies),
            "fold": np.arange(1, clean.shape[1] + 1),
        },
    )
    values = {cell: cv.values("accuracy") for cell, cv in enlarged.items()}
    return xr.merge([found, _contrasts(recipe, plain, values, level)])


def _contrasts(
    recipe: EyeRecipe, plain: CrossValidation, values: Mapping[Cell, FloatArray], level: float
) -> xr.Dataset:
    scopes = [f"{share:.0%}, ε {epsilon:g}" for share in recipe.shares for epsilon in recipe.copies]
    places = [(share, epsilon) for share in recipe.shares for epsilon in recipe.copies]
    names = [POOLED, *scopes]
    shape = (len(CONTRASTS), len(names))
    value, chance, flip = (np.full(shape, np.nan) for _ in range(3))
    ends = np.full((*shape, 2), np.nan)
    base = plain.values("accuracy")
    for c, kinds in enumerate(CONTRASTS.values()):
        columns = [[_values(kind, values, base, *at) for at in places] for kind in kinds]
        for s in range(len(names)):
            pair = [np.mean(column, axis=0) if s == 0 else column[s - 1] for column in columns]
            found = compare_folds(*pair, test_ratio=plain.test_ratio, confidence_level=level, seed=recipe.seed)
            value[c, s], ends[c, s] = found.difference, (found.low, found.high)
            chance[c, s], flip[c, s] = found.p_value, found.sign_flip_p
    axes = ("contrast", "scope")
    arrays: dict[str, Any] = {
        "contrast_difference": (axes, value),
        "contrast_difference_interval": ((*axes, "bound"), ends),
        "contrast_p": (axes, chance),
        "contrast_flip_p": (axes, flip),
    }
    return xr.Dataset(arrays, coords={"contrast": list(CONTRASTS), "scope": names, "bound": ["low", "high"]})


def _values(kind: str, values: Mapping[Cell, FloatArray], base: FloatArray, share: float, epsilon: float) -> FloatArray:
    """Accuracy of each fold with a kind of copies at a share and ε; controls have no ε."""
    if kind == "none":
        return base
    changed = kind not in ("clean", "steps")
    return next(
        found
        for cell, found in values.items()
        if cell.kind == kind and cell.share == share and (not changed or cell.epsilon == epsilon)
    )
