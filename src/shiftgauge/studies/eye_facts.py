"""What the eye-state study shows beside accuracies: ROC and learning curves by fold, folds, classes, pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import xarray as xr
from scipy.special import softmax

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.kinds import Attack
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.data.dataset import stratified_order
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.eye_attacks import images_of
from shiftgauge.studies.eye_trainings import Plan
from shiftgauge.types import FloatArray

FALSE_RATES: Final = np.logspace(-3, 0, 61)
"""False positive rates at which ROC curves are read."""
PANELS: Final = (50.0, 45.0, 40.0, 33.0)
"""Ratios of the panels of pictures, dB."""
_SHOWN: Final = 4


def micro_roc(probability_nk: FloatArray, labels_n: npt.NDArray[np.int64]) -> FloatArray:
    """True positive rate at `FALSE_RATES` of all classes taken together: every image counts once for each class.

    Args:
        probability_nk: (N, K).
        labels_n: Classes (N,).

    Returns:
        Rates (61,), a step function read from the left: the best that is reached at no more false positives.

    Example:
        >>> rates = micro_roc(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]))
        >>> rates[[0, -1]].tolist()
        [1.0, 1.0]
    """
    truth = np.eye(probability_nk.shape[1], dtype=bool)[labels_n].ravel()
    scores = probability_nk.ravel()
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)  # equal scores enter together
    hits, false = np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]
    x = np.concatenate([[0.0], false / max(1, int((~truth).sum()))])
    y = np.concatenate([[0.0], hits / max(1, int(truth.sum()))])
    return y[np.searchsorted(x, FALSE_RATES + 1e-12, side="right") - 1]


def curve_arrays(trained: Mapping[str, CrossValidation]) -> xr.Dataset:
    """ROC curves of clean crops and learning curves of every fold.

    Returns:
        roc (model, false_rate, fold); learned (model, curve, epoch, fold) with the curves `accuracy` and `loss` on
        validation crops and `train_loss`, NaN after the last epoch.
    """
    kinds = ("accuracy", "loss", "train_loss")
    roc, learned = [], []
    for cv in trained.values():
        found = [micro_roc(softmax(o.logits_nk.astype(float), axis=1), cv.targets[o.rows]) for o in cv.outcomes]
        roc.append(np.stack(found, axis=1))
        values = [[[epoch[kind] for epoch in o.history] for kind in kinds] for o in cv.outcomes]
        learned.append(np.moveaxis(np.array(values, float), 0, -1))
    k, epochs = roc[0].shape[1], max(found.shape[1] for found in learned)
    learned = [np.pad(f, ((0, 0), (0, epochs - f.shape[1]), (0, 0)), constant_values=np.nan) for f in learned]
    return xr.Dataset(
        {
            "roc": (("model", "false_rate", "fold"), np.stack(roc)),
            "learned": (("model", "curve", "epoch", "fold"), np.stack(learned)),
        },
        coords={
            "model": list(trained),
            "false_rate": FALSE_RATES,
            "curve": list(kinds),
            "epoch": np.arange(1, epochs + 1),
            "fold": np.arange(1, k + 1),
        },
    )


def fold_arrays(plan: Plan, plain: CrossValidation) -> xr.Dataset:
    """Crops of each class, and in each fold, and persons there.

    Returns:
        class_count (class,), fold_count (fold, class), fold_units (fold,).
    """
    names, labels = list(plan.dataset.class_names), plan.dataset.labels
    held = [outcome.rows for outcome in plain.outcomes]
    return xr.Dataset(
        {
            "class_count": ("class", np.bincount(labels, minlength=len(names))),
            "fold_count": (("fold", "class"), np.stack([np.bincount(labels[r], minlength=len(names)) for r in held])),
            "fold_units": ("fold", [len(np.unique(plain.units[r])) for r in held]),
        },
        coords={"class": names, "fold": np.arange(1, len(held) + 1)},
    )


def picture_arrays(plan: Plan, plain: CrossValidation) -> xr.Dataset:
    """A few crops, one of each class in turn, attacked on the plain network of the first fold at several ratios.

    Returns:
        picture (shown, y, x), attacked_picture (way, panel, shown, y, x) in [0, 1], attacked_said, attacked_epsilon,
        attacked_snr (way, panel, shown), shown_label and shown_said (shown,).
    """
    outcome, names = plain.outcomes[0], plan.dataset.class_names
    rows = outcome.rows[np.sort(stratified_order(plan.dataset.labels[outcome.rows], plan.recipe.seed)[:_SHOWN])]
    model, images = load_model_folder(outcome.model_folder, plan.device), images_of(plan, rows)
    labels = plan.dataset.labels[rows].tolist()
    ways: dict[str, Attack] = {"FGSM": FGSM(), "uniform noise": UniformNoise()}
    made = [
        [
            attack_images(model, images, labels, attack, Budget.from_snr(db, unit="input"), seed=plan.recipe.seed)
            for db in PANELS
        ]
        for attack in ways.values()
    ]
    said = attack_images(model, images, labels, FGSM(), Budget(epsilon=0.0, unit="input")).predicted
    axes = ("way", "panel", "shown")
    per = {"said": "predicted", "epsilon": "epsilon", "snr": "snr_db"}
    told = {key: np.stack([[getattr(found, field) for found in row] for row in made]) for key, field in per.items()}
    told["said"] = np.array(names)[told["said"]]
    pixels = np.stack([[found.images[:, 0].numpy() for found in row] for row in made]).clip(0, 1)
    return xr.Dataset(
        {
            "picture": (("shown", "picture_y", "picture_x"), images[:, 0].numpy()),
            "attacked_picture": ((*axes, "picture_y", "picture_x"), pixels),
            **{f"attacked_{key}": (axes, value) for key, value in told.items()},
            "shown_label": ("shown", [names[k] for k in labels]),
            "shown_said": ("shown", [names[k] for k in said]),
            "shown_name": ("shown", [plan.dataset.names[r] for r in rows]),
        },
        coords={"way": list(ways), "panel": list(PANELS), "shown": np.arange(len(rows))},
    )


def clean_right(cv: CrossValidation) -> npt.NDArray[np.bool_]:
    """Whether the networks of all folds are right about the crops held out, in the order of the folds."""
    return np.concatenate([cv.right(fold) for fold in range(len(cv.outcomes))])
