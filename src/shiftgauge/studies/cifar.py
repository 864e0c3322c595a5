"""The CIFAR-10 study: what each block of VGG-16 and ResNet-18 answers to a push of a pixel, and what raises a class.

The published study trains both networks, shows the sensitivity of their blocks for nine images of one class, and
climbs to images that raise a class. It reads two claims off the pictures: early blocks tell colours apart and later
ones do not; sensitivity decays with depth in VGG-16 and is preserved in ResNet-18. Here both are measured over images
of all classes, with intervals, and the pictures stand beside the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import ConfigError, InterruptedRunError
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.models.device import choose_device
from shiftgauge.report.cifar_figures import write_study_figures
from shiftgauge.report.cifar_page import write_study_page
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.cifar_ascent import PICTURE, as_bytes, clamped_share, pair_arrays, walk_arrays
from shiftgauge.studies.cifar_findings import find, headline, messages
from shiftgauge.studies.cifar_maps import PUBLISHED_LAW, measure_maps, repeatability
from shiftgauge.studies.cifar_recipe import NETWORKS, CifarRecipe, Network, cifar_data, split_options
from shiftgauge.studies.cifar_trainings import Plan, classifiers, require_test, train_both, training_arrays
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.train_data import divide
from shiftgauge.types import Classifier

MAPS: Final = "maps"
"""Folder within the study's that keeps what the maps of each few images come to."""
_LEVEL: Final = 0.95
_WALKED: Final = "deer"


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How much is looked at.

    Args:
        images: Test images whose maps are taken, of all classes alike; 100 or more for a verdict.
        shown: Images of the first class whose maps are drawn; 9 as published.
        pairs: Images that are pushed towards their class.
        steps: Of each ascent; 300 as published.

    Raises:
        ConfigError: A number outside its range.
    """

    images: int = 100
    shown: int = 9
    pairs: int = 20
    steps: int = 300

    def __post_init__(self) -> None:
        for name in ("images", "shown", "pairs", "steps"):
            require_positive_int(name, getattr(self, name))


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

    Trainings go on after the last epoch that an interrupted call finished, maps after the last few images.

    Args:
        data: See `cifar_data`: a folder with a train and a test NPZ file, of class folders, or one NPZ file.
        out: Folder of the study: run.json, results.nc, findings.csv, figures/, report.html, a folder for each training
            with page and model folder, and `maps`.
        quick: 200 images, one epoch, few maps: whether everything runs, and no result.
        full: The published training, 15 epochs of each network, instead of one for a small machine.
        trained: Network (`vgg16`, `resnet18`) → run folder of a finished training of the same images, taken as it is.
        epochs: Another number of epochs.
        looks: How much is looked at; default `Looks()`.
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
    looked = Looks(images=2, shown=1, pairs=2, steps=3) if quick and looks is None else looks or Looks()
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
        write_with_page(result, folder, write_study_figures, write_study_page)
    except KeyboardInterrupt as error:
        raise InterruptedRunError("interrupted; the same call goes on with what is not done yet") from error
    return result


def _result(plan: Plan, looks: Looks, started: datetime) -> StudyResult:
    clock, seed = time.perf_counter(), plan.recipe.seed
    trained = train_both(plan)
    trainings = round(time.perf_counter() - clock, 1)
    test = divide(plan.dataset, split_options(plan.dataset), seed).part("test")
    require_test(trained, test)
    networks = classifiers(plan, trained)
    arrays = xr.merge([training_arrays(trained), look(plan, looks, networks, test)], combine_attrs="drop")
    arrays.attrs = _attributes(plan, looks, trained, arrays)
    findings = find(arrays)
    weights = {f"weights of {name}": str(r.provenance["hashes"]["weights"]) for name, r in trained.items()}
    return StudyResult(
        study="cifar",
        config={"recipe": asdict(plan.recipe), "looks": asdict(looks), "given": sorted(plan.trained)},
        provenance=provenance(
            {"data": plan.dataset.fingerprint, **weights}, seed, started, device=str(choose_device(plan.device))
        ),
        cost={
            "trainings": len(trained) - len(plan.trained),
            "training_seconds": trainings,
            "seconds": round(time.perf_counter() - clock, 1),
        },
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )


def look(plan: Plan, looks: Looks, networks: Mapping[Network, Classifier], test: ImageDataset) -> xr.Dataset:
    """All that is measured of the trained networks, on test images alone.

    Args:
        plan: The study.
        looks: How much is looked at.
        networks: The networks.
        test: Test images.

    Returns:
        Arrays along `network`, whose blocks are numbered along `depth`.
    """
    chosen, shown = test.limit(looks.images, seed=plan.recipe.seed), _first_of(test, 0, looks.shown)
    name = _WALKED if _WALKED in test.class_names else test.class_names[0]
    walked = _first_of(test, test.class_names.index(name), 1)
    pairs = test.limit(looks.pairs, seed=plan.recipe.seed)
    climb = ActivationMaximization(steps=looks.steps)
    found = []
    for network, classifier in networks.items():
        parts = [_measured(plan, network, classifier, chosen), _shown(classifier, _pixels(classifier, shown))]
        with progress_bar(f"{network}, raising classes", wanted=plan.progress) as advance:
            parts.append(pair_arrays(classifier, _pixels(classifier, pairs), pairs.labels, climb, advance))
        with progress_bar(f"{network}, one image to every class", wanted=plan.progress) as advance:
            parts.append(walk_arrays(classifier, _pixels(classifier, walked)[0], climb, advance))
        found.append(xr.merge(parts))
    first = next(iter(networks.values()))
    joined: Any = xr.concat(found, dim=xr.IndexVariable("network", list(networks)))
    return joined.assign(
        shown_image=(("shown", *PICTURE), as_bytes(_pixels(first, shown).numpy())),
        clamped=("looked", clamped_share(_pixels(first, chosen))),
        looked_label=("looked", chosen.labels),
    )


def _measured(plan: Plan, network: Network, classifier: Classifier, chosen: ImageDataset) -> xr.Dataset:
    options, images = PerturbationOptions(), _pixels(classifier, chosen)
    with progress_bar(f"{network}, maps", wanted=plan.progress) as advance:
        found = measure_maps(
            classifier,
            images,
            options=options,
            folder=plan.folder / MAPS / network,
            identity=(classifier.fingerprint, chosen.fingerprint),
            progress=advance,
        )
    axes = ("looked", "depth")
    return xr.Dataset(
        {
            "block": ("depth", np.array(found.blocks)),
            "sensitivity": ((*axes, "colour"), found.sensitivity),
            "relative": ((*axes, "colour"), found.relative),
            "share": (axes, found.share),
            "channel_correlation": (axes, found.correlation),
            "edges": (axes, found.edges),
        }
    )


def _shown(classifier: Classifier, images: torch.Tensor) -> xr.Dataset:
    """Maps of the images that are drawn: by a fixed push, and by the published random one, twice."""
    ways = (PerturbationOptions(), *(PerturbationOptions(**PUBLISHED_LAW, seed=seed) for seed in (0, 1)))
    plain, law, other = (perturbation_maps(classifier, images, options=way).norm_of_difference for way in ways)
    axes, pair = ("shown", "depth", "colour", "y", "x"), ("shown", "depth")
    return xr.Dataset(
        {
            "map_fixed": (axes, plain),
            "map_published": (axes, law),
            "repeated": (pair, repeatability(law, other, 1)),
            "repeated_cells": (pair, repeatability(law, other, 4)),
        }
    )


def _first_of(test: ImageDataset, label: int, count: int) -> ImageDataset:
    return test.select(np.flatnonzero(test.labels == label)[:count])


def _pixels(classifier: Classifier, images: ImageDataset) -> torch.Tensor:
    """Images as the network takes them, values in [0, 1]."""
    return torch.cat([classifier.prepare(torch.from_numpy(images.load(k))[None]) for k in range(len(images))])


def _attributes(plan: Plan, looks: Looks, trained: Mapping[Network, TrainResult], arrays: xr.Dataset) -> dict[str, Any]:
    recipe, counts = plan.recipe, next(iter(trained.values())).arrays
    given = [name for name in trained if name in plan.trained]
    return {
        "title": "CIFAR-10 study",
        "quantity_of_interest": "sensitivity of blocks",
        "confidence_level": _LEVEL,
        "data_name": plan.name,
        "quick": int(recipe.quick),
        "published_recipe": int(recipe.published and not given),
        "recipe_text": _recipe_text(recipe, given),
        "classes": list(plan.dataset.class_names),
        "n_test": int(counts["n_images"].sel(part="test")),
        "n_looked": int(arrays.sizes["looked"]),
        "shown_class": plan.dataset.class_names[0],
        "steps": looks.steps,
        "seed": recipe.seed,
    }


def _recipe_text(recipe: CifarRecipe, given: Sequence[str]) -> str:
    if len(given) == len(NETWORKS):
        return "trainings that were given"
    kind = (
        "Adam at 0.001, batches of 64, images as they are"
        if recipe.name == "published"
        else ("one cosine, mirrored and moved images, smoothed labels")
    )
    epochs = ", ".join(f"{name} with {recipe.options(name).epochs} epoch(s)" for name in NETWORKS if name not in given)
    return f"{epochs}; {kind}"
