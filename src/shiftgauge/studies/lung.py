"""The lung-ultrasound study: a classifier of COVID-19, pneumonia and healthy lungs, measured by recording.

The published study trains VGG-16 on frames of recordings, reports 94 % on the frames of training, and looks at three
pictures of activation maximisation beside Grad-CAM. Here recordings are divided into folds, no recording is on both
sides, the networks are held against what needs none, and what the pictures show is measured over many frames: how broad
the maps are, how much falls on the border, and what taking the border away changes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.data.border import border_mask
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import InterruptedRunError
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.explain.captum_methods import captum_attributions
from shiftgauge.models.device import choose_device
from shiftgauge.report.lung_figures import write_study_figures
from shiftgauge.report.lung_page import PAGE
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.studies.lung_baselines import FROZEN
from shiftgauge.studies.lung_findings import find, headline, messages
from shiftgauge.studies.lung_folds import (
    CUT,
    PAINTED,
    POOLED,
    WHOLE,
    Plan,
    Said,
    folds_of,
    pooled_folds,
    say_folds,
    train_folds,
)
from shiftgauge.studies.lung_look_arrays import look_arrays, picture_arrays
from shiftgauge.studies.lung_looks import dreams, look
from shiftgauge.studies.lung_recipe import LungRecipe, RecipeName, lung_data
from shiftgauge.studies.lung_scores import confusion, of_recordings, score_arrays
from shiftgauge.studies.record import provenance, write_with_page

_LEVEL: Final = 0.95
BORDERS: Final[Mapping[str, tuple[str, ...]]] = {
    "both": (PAINTED, CUT),
    "paint": (PAINTED,),
    "cut": (CUT,),
    "none": (),
}
"""Word for the option → further ways to train."""


def lung(
    data: str | Path | Mapping[str, Any] | ImageDataset,
    *,
    out: str | Path,
    recipe: RecipeName = "published",
    weights: str = "imagenet",
    epochs: int | None = None,
    folds: int | None = None,
    border: str = "paint",
    at_random: bool = True,
    frames: int | None = None,
    steps: int | None = None,
    quick: bool = False,
    seed: int = 0,
    device: str | None = None,
    data_name: str | None = None,
    progress: bool | None = None,
) -> StudyResult:
    """Does the lung-ultrasound study again.

    A finished training is not trained again, an interrupted one goes on after its last epoch. What networks say
    and show is kept and read.

    Args:
        data: NPZ file with `images`, `labels`, `group` (the recording), or its folder; see `lung_data`.
        out: Folder of the study: run.json, results.nc, scores.csv, findings.csv, figures/, report.html, and a folder
            for each training with a page and a model folder of its own.
        recipe: `published`, or `small` for a processor without accelerator; see `LungRecipe`.
        weights: `imagenet`, `none`, or a file of weights.
        epochs: Another number of epochs.
        folds: Number of folds, ≥ 2, default 5, quick 2; each is one training, one more for each treatment of the
            border, and one more with frames divided at random.
        border: Trainings without the border: `paint` (black), `cut`, `both`, or `none`.
        at_random: Train as many networks on frames divided without regard to recordings: what such a division claims.
        frames: Frames of each fold and class that are looked at by activation maximisation and Grad-CAM, default 4,
            quick 2.
        steps: Another number of steps of activation maximisation.
        quick: A few small frames and a small network from random weights: whether everything runs.
        seed: Of folds, weights, training, draws.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        data_name: What pages call the frames; default the name of the file or folder.
        progress: Show progress; default only on a terminal.

    Returns:
        The result.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        MissingExtraError: Captum, which gives Grad-CAM, is not installed.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Born, J. et al. (2021). Accelerating detection of lung pathologies with explainable ultrasound image analysis.
            Applied Sciences 11(2), 672. doi:10.3390/app11020672
        Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via gradient-based
            localization. arXiv:1610.02391
    """
    started, folder = datetime.now(UTC), Path(out)
    chosen = LungRecipe(name=recipe, weights=str(weights), epochs=epochs, steps=steps, quick=quick, seed=seed)
    further = BORDERS[require_in("border", border, BORDERS)]
    folds = require_positive_int("folds", (2 if quick else 5) if folds is None else folds, low=2)
    frames = require_positive_int("frames", (2 if quick else 4) if frames is None else frames)
    captum_attributions()  # its maps come last, and what it needs must not be missed then
    require_own_folder(folder, KIND, study="lung")
    try:
        dataset = lung_data(data, quick=quick, seed=seed)
        require_apart(folder, dataset.searched)
        divided = _divided(dataset, folds, seed, at_random=at_random)
        plan = Plan(
            recipe=chosen,
            dataset=dataset,
            **divided,
            ways=(WHOLE, *further, *([POOLED] if at_random else [])),
            folder=folder,
            name=data_name or (Path(data).stem if isinstance(data, str | Path) else "the given frames"),
            device=device,
            progress=progress,
        )
        result = _result(plan, started, frames=frames)
        write_with_page(result, folder, write_study_figures, PAGE.write)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not trained yet") from error
    return result


def _divided(dataset: ImageDataset, k: int, seed: int, *, at_random: bool) -> dict[str, Any]:
    """Folds by recording, those at random where they are wanted, and the unit of each frame."""
    folds, units = folds_of(dataset, k, seed)
    return {"folds": folds, "pooled": pooled_folds(dataset, k, seed) if at_random else (), "units_n": units}


def _result(plan: Plan, started: datetime, *, frames: int) -> StudyResult:
    """Trains, measures, looks and judges."""
    clock = time.perf_counter()
    hashes, worked_on = train_folds(plan)
    trainings = round(time.perf_counter() - clock, 1)
    said = say_folds(plan)
    clock = time.perf_counter()
    looks = _looks(plan, frames)
    looking = round(time.perf_counter() - clock, 1)
    arrays = xr.merge([_scores(plan, said), _facts(plan, said), looks], join="outer", combine_attrs="drop")
    arrays.attrs = _attributes(plan) | looks.attrs
    notes = tuple(dict.fromkeys(note for split in plan.folds for note in split.notes))
    asked = asdict(plan.recipe) | {"weights": Path(plan.recipe.weights).name}
    return StudyResult(
        study="lung",
        config={"recipe": asked, "folds": len(plan.folds), "ways": list(plan.ways), "frames": frames},
        provenance=provenance(
            {"data": plan.dataset.fingerprint, **hashes},
            plan.recipe.seed,
            started,
            device=str(choose_device(plan.device)),
        ),
        cost={
            "trainings": worked_on,
            "training_seconds": trainings,
            "looking_seconds": looking,
            "seconds": round((datetime.now(UTC) - started).total_seconds(), 1),
        },
        headline=headline(arrays),
        findings=find(arrays),
        arrays=arrays,
        messages=messages(arrays, notes),
    )


def _scores(plan: Plan, said: Said) -> xr.Dataset:
    """Scores of frames, and of recordings."""
    dataset, seed = plan.dataset, plan.recipe.seed
    ways = dict(said.test_nk)
    by_frame = score_arrays(
        ways, dataset.labels, plan.units_n, dataset.class_names, level=_LEVEL, seed=seed, prefix="way"
    )
    recordings = dataset.groups or tuple(str(i) for i in range(len(dataset)))
    means, labels, units = of_recordings(ways, dataset.labels, plan.units_n, recordings)
    by_recording = score_arrays(means, labels, units, dataset.class_names, level=_LEVEL, seed=seed, prefix="recording")
    return xr.merge([by_frame, by_recording])


def _facts(plan: Plan, said: Said) -> xr.Dataset:
    """Images of each fold, training accuracy, confusion."""
    dataset, names = plan.dataset, list(plan.dataset.class_names)
    rows = [split.parts["test"] for split in plan.folds]
    counts = [np.bincount(dataset.labels[r], minlength=len(names)) for r in rows]
    recordings = np.array(dataset.groups)
    whole = said.test_nk[WHOLE].argmax(axis=1) == dataset.labels
    return xr.Dataset(
        {
            "fold_frames": (("fold", "class"), np.stack(counts)),
            "fold_recordings": ("fold", [len(np.unique(recordings[r])) for r in rows]),
            "fold_balanced": (
                "fold",
                [
                    float(np.mean([whole[r][dataset.labels[r] == k].mean() for k in np.unique(dataset.labels[r])]))
                    for r in rows
                ],
            ),
            "training_accuracy": (("training_way", "fold"), np.stack([said.training_f[w] for w in plan.ways])),
            "confusion": (("class", "said_class"), confusion(said.test_nk[WHOLE], dataset.labels)),
        },
        coords={
            "fold": np.arange(1, len(rows) + 1),
            "class": names,
            "said_class": names,
            "training_way": list(plan.ways),
        },
    )


def _looks(plan: Plan, frames: int) -> xr.Dataset:
    """Measures of the maps for every way to train, and pictures of whole frames."""
    ways, seen = [way for way in plan.ways if way != POOLED], []
    with progress_bar("looking inside", wanted=plan.progress) as advance:
        for k, way in enumerate(ways):

            def tell(done: int, total: int, before: int = k * len(plan.folds)) -> None:
                advance(before + done, total * len(ways))

            seen.append(look(plan, way, frames, tell))
    whole = seen[0]
    pieces = [
        look_arrays(looks, whole, plan, way, level=_LEVEL, seed=plan.recipe.seed)
        for way, looks in zip(ways, seen, strict=True)
    ]
    measures = xr.combine_nested(pieces, "look_way", join="outer", compat="equals")
    found = xr.merge([measures, picture_arrays(whole, plan, dreams(plan, WHOLE))])
    return found.assign_attrs(cam_layer=", ".join(whole.layers), cam_rows=whole.cells[0], cam_columns=whole.cells[1])


def _attributes(plan: Plan) -> dict[str, Any]:
    network, options = plan.recipe.network(), plan.recipe.options()
    begin = {"False": "random weights", "True": "ImageNet weights", "packaged": "ImageNet weights"}
    start = begin.get(str(network.pretrained), "given weights")
    size = plan.recipe.size
    return {
        "title": "Lung-ultrasound study",
        "quantity_of_interest": "balanced accuracy",
        "confidence_level": _LEVEL,
        "data_name": plan.name,
        "quick": int(plan.recipe.quick),
        "published_recipe": int(plan.recipe.published),
        "frozen_way": FROZEN,
        "pooled_way": POOLED,
        "recipe_text": f"{network.architecture} from {start} at {size} × {size}, {options.epochs} epochs",
        "border_area": float(border_mask(size, size).mean()),
        "n_frames": len(plan.dataset),
        "n_recordings": _count(plan.dataset.groups),
        "n_units": len(np.unique(plan.units_n)),
        "largest_unit": int(np.bincount(plan.units_n).max()),
        "n_folds": len(plan.folds),
        "steps": plan.recipe.ascent().steps,
        "seed": plan.recipe.seed,
    }


def _count(groups: Sequence[str] | None) -> int:
    return len(set(groups or ()))
