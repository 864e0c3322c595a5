"""The eye-state study: adversarial examples against wide residual, Parseval and plain convolutional networks.

The published study adds adversarial examples to the training crops of eyes, trains adversarially, and holds Parseval
networks against others, divided by image and with a transfer attack that it calls white-box. Here crops of a person
stay together, copies are held against clean copies and against more steps, every network is attacked on itself as well
as in the published way, and what a Parseval network promises is certified.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import InterruptedRunError
from shiftgauge.files import hash_array
from shiftgauge.models.device import choose_device
from shiftgauge.report.eye_figures import write_study_figures
from shiftgauge.report.eye_page import PAGE
from shiftgauge.report.eye_tables import write_tables
from shiftgauge.results.run_folder import claim_study, require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.studies.cross_validated import CrossValidation
from shiftgauge.studies.eye_attacks import ATTACKS, NOISE, PGD_NAME, SHIFTS, attack_cells, attack_models, pgd_epsilons
from shiftgauge.studies.eye_beside import published_arrays
from shiftgauge.studies.eye_certified import certified_arrays
from shiftgauge.studies.eye_compare import loss_arrays, order_arrays, pair_arrays
from shiftgauge.studies.eye_copies import copy_arrays
from shiftgauge.studies.eye_data import PixelScale, eye_data
from shiftgauge.studies.eye_facts import clean_right, curve_arrays, fold_arrays, picture_arrays
from shiftgauge.studies.eye_findings import find, headline, messages
from shiftgauge.studies.eye_models import HARDENED, PAIRS, SOURCE, WIDE
from shiftgauge.studies.eye_pooled import Pooled, accuracy_arrays, score_arrays, shift_arrays
from shiftgauge.studies.eye_recipe import LOUD, MARKED, EyeRecipe, RecipeName
from shiftgauge.studies.eye_trainings import Cell, Plan, train_cells, train_models
from shiftgauge.studies.record import provenance, told_of, write_with_page
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.images import read_part

_LEVEL: Final = 0.95


def eye(
    data: str | Path | Mapping[str, Any] | ImageDataset,
    *,
    out: str | Path,
    recipe: RecipeName = "published",
    epochs: int | None = None,
    folds: int | None = None,
    quick: bool = False,
    seed: int = 0,
    device: str | None = None,
    data_name: str | None = None,
    progress: bool | None = None,
) -> StudyResult:
    """Does the eye-state study again.

    Finished folds and measured attacks are read, an interrupted training goes on after its last epoch.

    Args:
        data: The published file, an NPZ file with `images`, `labels` and if wanted `group`, or a folder; see
            `eye_data`.
        out: Folder of the study: run.json, results.nc, scores.csv, findings.csv, tables/, figures/, report.html, and a
            folder for each training.
        recipe: `published`, or `small` for one processor core; see `EyeRecipe`.
        epochs: Another number of epochs.
        folds: Another number of folds, ≥ 2.
        quick: A few crops and one epoch of smaller networks: whether everything runs, and no verdict.
        seed: Of folds, weights, training and draws.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        data_name: What pages call the crops; default the name of the file or folder.
        progress: Show progress; default lines, or bars on a terminal.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Cisse, M., Bojanowski, P., Grave, E., Dauphin, Y., Usunier, N. (2017). Parseval networks: improving robustness
            to adversarial examples. arXiv:1704.08847
        Goodfellow, I. J., Shlens, J., Szegedy, C. (2015). Explaining and harnessing adversarial examples.
            arXiv:1412.6572
        Madry, A. et al. (2018). Towards deep learning models resistant to adversarial attacks. arXiv:1706.06083
    """
    started, folder = datetime.now(UTC), Path(out)
    chosen = EyeRecipe(name=recipe, epochs=epochs, folds=folds, quick=quick, seed=seed)
    require_own_folder(folder, KIND, study="eye")
    try:
        dataset = eye_data(data, quick=quick, seed=seed)
        require_apart(folder, dataset.searched)
        plan = make_plan(
            chosen,
            dataset,
            folder,
            name=data_name or (Path(data).stem if isinstance(data, str | Path) else "the given crops"),
            device=device,
            progress=progress,
        )
        claim_study(folder, "eye")
        result = _result(plan, started)
        write_tables(result, folder / "tables")
        write_with_page(result, folder, write_study_figures, PAGE.write)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not finished yet") from error
    return result


def make_plan(
    recipe: EyeRecipe, dataset: ImageDataset, folder: Path, *, name: str, device: str | None, progress: bool | None
) -> Plan:
    """Reads the crops at the networks' input size and standardises them.

    Args:
        recipe: How much.
        dataset: The crops.
        folder: That of the study.
        name: What pages call the crops.
        device: Where to run.
        progress: As of `eye`.
    """
    bare = NetworkChoice(
        architecture="wide_resnet_small",
        size=recipe.size,
        channels=1,
        preprocessing={"channel_conversion": "either"},
    )
    whole = read_part(dataset, bare.preprocessing_for(dataset.n_channels))
    scale = PixelScale.of(whole.pixels.batch(np.arange(len(dataset))).numpy())
    return Plan(
        recipe=recipe, dataset=dataset, whole=whole, scale=scale, folder=folder, name=name, device=device,
        progress=progress,
    )  # fmt: skip


def _result(plan: Plan, started: datetime) -> StudyResult:
    """Trains, attacks and judges."""
    clock = time.perf_counter()
    trained, enlarged = train_models(plan), train_cells(plan)
    training = round(time.perf_counter() - clock, 1)
    clock = time.perf_counter()
    arrays = _measured(plan, trained, enlarged)
    notes = tuple(dict.fromkeys(note for cv in trained.values() for note in cv.notes))
    spent = sum(o.seconds for cv in (*trained.values(), *enlarged.values()) for o in cv.outcomes)
    return StudyResult(
        study="eye",
        config={
            "recipe": asdict(plan.recipe),
            "copies": [cell.name for cell in enlarged],
            "data": told_of(plan.dataset),
        },
        provenance=provenance(
            {"data": plan.dataset.fingerprint, **_hashes(trained)},
            plan.recipe.seed,
            started,
            device=str(choose_device(plan.device)),
        ),
        cost={
            "trainings": (len(trained) + len(enlarged)) * plan.recipe.k,
            "trainings_seconds_in_all": round(spent, 1),
            "training_seconds": training,
            "attack_seconds": round(time.perf_counter() - clock, 1),
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
        },
        headline=headline(arrays),
        findings=find(arrays),
        arrays=arrays,
        messages=messages(arrays, notes),
    )


def _measured(
    plan: Plan, trained: Mapping[str, CrossValidation], enlarged: Mapping[Cell, CrossValidation]
) -> xr.Dataset:
    """Everything that is measured of the trained networks."""
    plain = trained[WIDE]
    attacked = attack_models(plan, trained, MARKED)
    curve = plan.recipe.curve
    pooled = Pooled(
        models=tuple(trained),
        folds=attacked,
        epsilon={attack: pgd_epsilons(plan, MARKED) if attack == PGD_NAME else curve for attack in ATTACKS},
        units_n=plain.units,
        level=_LEVEL,
        seed=plan.recipe.seed,
    )
    clean = {name: clean_right(cv) for name, cv in trained.items()}
    pieces = [
        accuracy_arrays(pooled),
        score_arrays(pooled, clean, LOUD),
        shift_arrays(pooled, SHIFTS),
        pair_arrays(pooled, PAIRS, plain.test_ratio),
        loss_arrays(pooled, HARDENED, LOUD),
        order_arrays(pooled, LOUD, plain.test_ratio),
        copy_arrays(plan.recipe, plain, enlarged, attack_cells(plan, enlarged), level=_LEVEL),
        certified_arrays(plan, trained),
        curve_arrays(trained),
        fold_arrays(plan, plain),
        picture_arrays(plan, plain),
        published_arrays(),
    ]
    found = xr.merge(pieces, join="outer", combine_attrs="drop")
    found["model_source"] = ("model", [SOURCE[str(name)] for name in found["model"].values])
    found["plain_fold"] = ("fold", plain.values("accuracy"))
    found.attrs = _attributes(plan, plain)
    return found


def _hashes(trained: Mapping[str, CrossValidation]) -> dict[str, str]:
    """Hash of what each network says of the crops held out, of all folds."""
    logits = {name: np.concatenate([o.logits_nk for o in cv.outcomes]) for name, cv in trained.items()}
    return {f"answers of {name}": hash_array(values) for name, values in logits.items()}


def _attributes(plan: Plan, plain: CrossValidation) -> dict[str, Any]:
    recipe = plan.recipe
    return {
        "title": "Eye-state study",
        "quantity_of_interest": "accuracy",
        "confidence_level": _LEVEL,
        "data_name": plan.name,
        "quick": int(recipe.quick),
        "published_recipe": int(recipe.published),
        "by_person": int(plan.by_person),
        "recipe_text": f"WRN-{recipe.depth}-1 and CNN at {recipe.size} × {recipe.size}, "
        f"{recipe.epochs_each} epoch{'s' * (recipe.epochs_each > 1)}",
        "n_crops": len(plan.dataset),
        "n_persons": len(set(plan.dataset.groups or ())),
        "n_units": len(np.unique(plain.units)),
        "n_classes": len(plan.dataset.class_names),
        "n_folds": recipe.k,
        "loud": LOUD,
        "marked": list(MARKED),
        "noise_way": NOISE,
        "plain_model": WIDE,
        "pgd_steps": recipe.pgd_steps,
        "pgd_images": recipe.pgd_images or 0,
        "mean": plan.scale.mean,
        "std": plan.scale.std,
        "seed": recipe.seed,
    }
