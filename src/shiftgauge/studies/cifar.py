"""The CIFAR-10 study: what each block of VGG-16 and ResNet-18 answers to a push of a pixel, and what raises a class.

The published study trains both networks, shows the sensitivity of their blocks for nine images of one class, and
climbs to images that raise a class. It reads two claims off the pictures: early blocks tell colours apart and later
ones do not; sensitivity decays with depth in VGG-16 and is preserved in ResNet-18. Here both are measured over images
of all classes, with intervals, and the pictures stand beside the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, InterruptedRunError
from shiftgauge.models.device import choose_device
from shiftgauge.report.cifar_figures import write_study_figures
from shiftgauge.report.cifar_page import PAGE
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.cifar_findings import NAMES, find, headline, messages
from shiftgauge.studies.cifar_look import Looks, look
from shiftgauge.studies.cifar_recipe import NETWORKS, CifarRecipe, Network, cifar_data, is_published, recipe_text
from shiftgauge.studies.cifar_trainings import (
    Plan,
    classifiers,
    held_out,
    require_test,
    train_both,
    training_arrays,
)
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.train_finished import hashes_of

_LEVEL: Final = 0.95


def cifar(
    data: str | Path | Mapping[str, Any] | ImageDataset,
    *,
    out: str | Path,
    quick: bool = False,
    full: bool = False,
    trained: Mapping[str, str | Path] | None = None,
    epochs: int | None = None,
    looks: Looks | None = None,
    seed: int = 0,
    device: str | None = None,
    data_name: str | None = None,
    progress: bool | None = None,
) -> StudyResult:
    """Does the CIFAR-10 study again.

    Trainings go on after the last epoch that an interrupted call finished, maps after the last few images; what is
    finished is read.

    Args:
        data: See `cifar_data`: a folder with a train and a test NPZ file, of class folders, or one NPZ file.
        out: Folder of the study: run.json, results.nc, depth.csv, findings.csv, figures/, report.html, a folder for
            each training with page and model folder, and `maps` with what was measured of each network.
        quick: 200 images, one epoch, few maps: whether everything runs, and no result.
        full: The published training, 15 epochs of each network, instead of one for a small machine.
        trained: Network (`vgg16`, `resnet18`) → run folder of a finished training of the same images, taken as it is.
        epochs: Another number of epochs.
        looks: How much is looked at; default `Looks.usual(quick=quick)`.
        seed: Of split, weights and training.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        data_name: What pages call the images; default the name of the file or folder.
        progress: Show progress; default only on a terminal.

    Returns:
        The result, as written.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Krizhevsky, A. (2009). Learning multiple layers of features from tiny images. University of Toronto.
        Pizarroso, J.; Portela, J.; Muñoz, A. (2022). NeuralSens: Sensitivity Analysis of Neural Networks. Journal of
            Statistical Software 102(7). doi:10.18637/jss.v102.i07
    """
    if quick and full:
        raise ConfigError("`quick` and `full` exclude each other; choose one")
    for name in trained or {}:
        if name not in NETWORKS:
            raise ConfigError(f"`trained` names the network `{name}`; there are {', '.join(NETWORKS)}")
    started, folder = datetime.now(UTC), Path(out)
    recipe = CifarRecipe(name="published" if full else "small", epochs=epochs, quick=quick, seed=seed)
    given = trained or {}
    looked = looks or Looks.usual(quick=quick)
    require_own_folder(folder, KIND, study="cifar")
    try:
        dataset = cifar_data(data, quick=quick, seed=seed)
        require_apart(folder, dataset.searched)
        plan = Plan(
            recipe=recipe,
            dataset=dataset,
            folder=folder,
            name=data_name or (Path(data).stem if isinstance(data, str | Path) else "the given images"),
            trained={name: Path(given[name]) for name in NETWORKS if name in given},
            device=device,
            progress=progress,
        )
        result = _result(plan, looked, started)
        write_with_page(result, folder, write_study_figures, PAGE.write)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not done yet") from error
    return result


def _result(plan: Plan, looks: Looks, started: datetime) -> StudyResult:
    clock, seed = time.perf_counter(), plan.recipe.seed
    trained, worked_on = train_both(plan)
    trainings = round(time.perf_counter() - clock, 1)
    test = held_out(plan, trained)
    require_test(trained, test)
    networks = classifiers(plan, trained)
    arrays = xr.merge([training_arrays(trained), look(plan, looks, networks, test)], combine_attrs="drop")
    arrays.attrs = _attributes(plan, looks, trained, arrays)
    findings = find(arrays)
    return StudyResult(
        study="cifar",
        config={"recipe": asdict(plan.recipe), "looks": asdict(looks), "given": sorted(plan.trained)},
        provenance=provenance(
            {"data": plan.dataset.fingerprint, **hashes_of(trained)},
            seed,
            started,
            device=str(choose_device(plan.device)),
        ),
        cost={
            "trainings": worked_on,
            "training_seconds": trainings,
            "seconds": round(time.perf_counter() - clock, 1),
        },
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )


def _attributes(plan: Plan, looks: Looks, trained: Mapping[Network, TrainResult], arrays: xr.Dataset) -> dict[str, Any]:
    recipe, counts = plan.recipe, next(iter(trained.values())).arrays
    resolved: dict[Network, Any] = {name: result.config["resolved"] for name, result in trained.items()}
    return {
        "title": "CIFAR-10 study",
        "quantity_of_interest": "sensitivity of blocks",
        "confidence_level": _LEVEL,
        "data_name": plan.name,
        "quick": int(recipe.quick),
        "published_recipe": int(not recipe.quick and all(is_published(name, r) for name, r in resolved.items())),
        "recipe_text": "; ".join(f"{NAMES[name]}: {recipe_text(r)}" for name, r in resolved.items()),
        "classes": list(plan.dataset.class_names),
        "n_test": int(counts["n_images"].sel(part="test")),
        "n_looked": int(arrays.sizes["looked"]),
        "shown_class": plan.dataset.class_names[int(arrays["shown_label"][0])],
        "steps": looks.steps,
        "seed": recipe.seed,
    }
