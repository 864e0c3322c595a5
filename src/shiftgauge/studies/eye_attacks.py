"""The attacks of the eye-state study: each network on the crops held out of its fold, measured once and kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.budget import budgets_at
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.kinds import Attack
from shiftgauge.attack.natural import NaturalShift
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.one_scale import one_scale
from shiftgauge.attack.pgd import PGD
from shiftgauge.attack.snr import set_rms, snr_for_epsilon
from shiftgauge.attack.transfer import Transfer, transfer_matrix
from shiftgauge.data.dataset import stratified_order
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.files import hash_array
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.models.trained_model import TrainedClassifier
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.eye_models import SOURCE
from shiftgauge.studies.eye_trainings import Cell, Plan
from shiftgauge.studies.kept import kept_arrays

FGSM_NAME: Final = "FGSM"
PGD_NAME: Final = "PGD"
NOISE: Final = "uniform noise"
ATTACKS: Final = (FGSM_NAME, PGD_NAME, NOISE)
SHIFTS: Final[Mapping[str, tuple[tuple[float, ...], str]]] = {
    "rotation": ((1.0, 2.0, 5.0, 10.0, 20.0), "°"),
    "brightness": ((0.98, 0.95, 0.9, 0.8, 0.6), "×"),
    "gaussian_blur": ((0.3, 0.5, 0.8, 1.2), "px"),
}
"""Natural shift → strengths and their unit."""
MEASURED: Final = "measured"
Arrays = dict[str, npt.NDArray[Any]]


def images_of(plan: Plan, rows: npt.NDArray[np.int64]) -> Tensor:
    """Crops as the networks are given them, before standardising, float32 (N, 1, S, S)."""
    return plan.whole.pixels.batch(rows.copy())


def pgd_epsilons(plan: Plan, marked: Sequence[float]) -> tuple[float, ...]:
    """ε of PGD: every one of the curve where all images are attacked, else those of tables; 0 first.

    Args:
        plan: What was trained.
        marked: ε of tables.
    """
    return plan.recipe.curve if plan.recipe.pgd_images is None else (0.0, *marked)


def pgd_rows(plan: Plan, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places, among the crops held out of a fold, of those that PGD attacks; the same for every network."""
    most = plan.recipe.pgd_images
    if most is None or most >= len(rows):
        return np.arange(len(rows))
    return np.sort(stratified_order(plan.dataset.labels[rows], plan.recipe.seed)[:most])


def attack_models(
    plan: Plan, trained: Mapping[str, CrossValidation], marked: Sequence[float]
) -> dict[str, list[Arrays]]:
    """Attacks every network of every fold on itself and by images made on its plain source.

    Args:
        plan: What was trained.
        trained: The networks in folds.
        marked: ε of tables.

    Returns:
        Network → for each fold `rows`, `pgd_rows`, and for each way (`fgsm`, `noise`, `pgd`) whether it is right:
        `white_…` on its own images, `transfer_…` on those of its source (ε, image); the ratios `snr_…` (ε,) of the set;
        for PGD those of the ball; and for each natural shift `shift_…` (strength, image) and `shift_snr_…`.
    """
    found: dict[str, list[Arrays]] = {name: [] for name in trained}
    total, done = len(trained) * plan.recipe.k, 0
    with progress_bar("attacks", wanted=plan.progress) as advance:
        for fold in range(plan.recipe.k):
            opened = {
                name: load_model_folder(cv.outcomes[fold].model_folder, plan.device) for name, cv in trained.items()
            }
            cache = plan.folder / MEASURED / "attacked"
            for name, cv in trained.items():
                pair = {SOURCE[name]: opened[SOURCE[name]], name: opened[name]}
                found[name].append(_attacked(plan, pair, name, cv.outcomes[fold].rows, marked, cache))
                done += 1
                advance(done, total)
            shutil.rmtree(cache, ignore_errors=True)
    return found


def attack_cells(plan: Plan, trained: Mapping[Cell, CrossValidation]) -> dict[Cell, list[Arrays]]:
    """Attacks the networks of aim 1 on themselves at every ε of the copies, by one step and by noise.

    Returns:
        Way to enlarge → for each fold `white_fgsm` and `white_noise` (ε, image).
    """
    found: dict[Cell, list[Arrays]] = {cell: [] for cell in trained}
    total, done = len(trained) * plan.recipe.k, 0
    ways: dict[str, Attack] = {"fgsm": FGSM(), "noise": UniformNoise()}
    with progress_bar("attacks on enlarged sets", wanted=plan.progress) as advance:
        for cell, cv in trained.items():
            for outcome in cv.outcomes:
                model = load_model_folder(outcome.model_folder, plan.device)
                asked = [model.fingerprint, *_of_images(plan, outcome.rows), list(plan.recipe.copies)]

                def measure(model: TrainedClassifier = model, rows: npt.NDArray[np.int64] = outcome.rows) -> Arrays:
                    given = _transfer(plan, {"model": model}, "model", rows, ways, plan.recipe.copies, None)
                    return {f"white_{way}": given.right[a, :, 0, 0] for a, way in enumerate(ways)}

                found[cell].append(kept_arrays(plan.folder / MEASURED, "copies", asked, measure))
                done += 1
                advance(done, total)
    return found


def _attacked(
    plan: Plan,
    pair: Mapping[str, TrainedClassifier],
    name: str,
    rows: npt.NDArray[np.int64],
    marked: Sequence[float],
    cache: Path,
) -> Arrays:
    """One network of one fold."""
    few, pgd = pgd_rows(plan, rows), pgd_epsilons(plan, marked)
    steps = plan.recipe.pgd_steps
    asked = [
        [pair[SOURCE[name]].fingerprint, pair[name].fingerprint],
        *_of_images(plan, rows), few.tolist(), list(plan.recipe.curve), list(pgd), steps,
        {key: list(levels) for key, (levels, _) in SHIFTS.items()},
    ]  # fmt: skip

    def measure() -> Arrays:
        often: Attack = PGD(steps=steps)
        tried = (rows[few], pgd, cache)
        return {
            **_sides(plan, pair, name, {"fgsm": FGSM(), "noise": UniformNoise()}, (rows, plan.recipe.curve, cache)),
            **_sides(plan, pair, name, {"pgd": often}, tried),
            "snr_pgd": ball_ratios(plan, rows[few], pgd),
            **_natural(plan, pair[name], rows),
        }

    found = kept_arrays(plan.folder / MEASURED, "attacks", asked, measure)
    return {"rows": rows, "pgd_rows": rows[few], **found}


def ball_ratios(plan: Plan, rows: npt.NDArray[np.int64], epsilons: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ratio of the loudest change within each ball, 20 log10(RMS/ε), over the set; an iterated attack is quieter.

    Args:
        plan: What was trained.
        rows: Crops.
        epsilons: Of the balls; 0 is infinite.
    """
    seen = (images_of(plan, rows) - plan.scale.mean) / plan.scale.std
    return np.array([snr_for_epsilon(e, set_rms(seen)) if e else np.inf for e in epsilons], np.float64)


def _of_images(plan: Plan, rows: npt.NDArray[np.int64]) -> list[Any]:
    return [plan.dataset.fingerprint, hash_array(rows), plan.recipe.size, plan.recipe.seed]


def _transfer(
    plan: Plan,
    models: Mapping[str, TrainedClassifier],
    target: str,
    rows: npt.NDArray[np.int64],
    ways: Mapping[str, Attack],
    epsilons: Sequence[float],
    cache: Path | None,
    *,
    sources: Sequence[str] | None = None,
) -> Transfer:
    return transfer_matrix(
        models,
        images_of(plan, rows),
        plan.dataset.labels[rows].tolist(),
        ways,
        budgets_at(epsilons, unit="input"),
        sources=sources,
        targets=[target],
        cache=cache,
        seed=plan.recipe.seed,
    )


def _sides(
    plan: Plan,
    pair: Mapping[str, TrainedClassifier],
    name: str,
    ways: Mapping[str, Attack],
    on: tuple[npt.NDArray[np.int64], Sequence[float], Path],
) -> Arrays:
    """Accuracy on a network's own images and on those of its source, image by image, with the ratios of the former.

    Images of a network that is a source of others are kept until they are tried; noise knows no network.
    """
    rows, epsilons, cache = on
    kept = cache if name in SOURCE.values() else None
    own = _transfer(plan, {name: pair[name]}, name, rows, ways, epsilons, kept)
    arrays: Arrays = {}
    for a, way in enumerate(ways):
        arrays[f"white_{way}"] = arrays[f"transfer_{way}"] = own.right[a, :, 0, 0]
        arrays[f"snr_{way}"] = own.set_snr_db[a, :, 0]
    made = {way: attack for way, attack in ways.items() if not attack.is_noise}
    if SOURCE[name] != name:
        other = _transfer(plan, pair, name, rows, made, epsilons, cache, sources=[SOURCE[name]])
        arrays |= {f"transfer_{way}": other.right[a, :, 0, 0] for a, way in enumerate(made)}
    return arrays


def _natural(plan: Plan, model: TrainedClassifier, rows: npt.NDArray[np.int64]) -> Arrays:
    """The network under natural shifts."""
    shifts = [_shift(key, plan.recipe.seed) for key in SHIFTS]
    labels = plan.dataset.labels[rows].tolist()
    found = one_scale(
        {"model": model}, images_of(plan, rows), labels, attacks={}, snr_db=(), unit="input", shifts=shifts
    )
    arrays: Arrays = {}
    for key in SHIFTS:
        curve = found.curve("model", key)
        arrays[f"shift_{key}"], arrays[f"shift_snr_{key}"] = curve.right, curve.set_snr_db
    return arrays


def _shift(key: str, seed: int) -> NaturalShift:
    pipeline = ShiftPipeline([key], fill="edge", seed=seed)
    levels, unit = SHIFTS[key]

    def apply(images_nchw: Tensor, level: float) -> Tensor:
        theta = torch.full((len(images_nchw), 1), level, dtype=torch.float64)
        return pipeline(images_nchw, theta, torch.arange(len(images_nchw)))

    return NaturalShift(name=key, levels=levels, apply=apply, unit=unit)
