"""The weld study: generalised polynomial chaos of an image classifier under shifts of its input, done again.

The published study fine-tunes ResNet-18 on images of TIG welds, shifts one test image by random brightness, rotation
and tilt, fits a polynomial chaos of order 6 to the probability of the true class, and reads Sobol' indices from it.
Here the same is done for one image and for all test images, with intervals, and where the publication has a
defect it is done right and the defect's worth is measured beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import InterruptedRunError
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_folder, read_model_record
from shiftgauge.models.specification import ModelSpec
from shiftgauge.random import check_seed
from shiftgauge.report.weld_figures import write_study_figures
from shiftgauge.report.weld_page import PAGE
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.study import KIND, StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.audit import audit
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import divide
from shiftgauge.studies.weld_arrays import merged, population_arrays, training_arrays
from shiftgauge.studies.weld_compare import PUBLISHED_POINTS, point_arrays
from shiftgauge.studies.weld_findings import find
from shiftgauge.studies.weld_messages import headline, messages
from shiftgauge.studies.weld_points import design_points, true_probability, variants
from shiftgauge.studies.weld_published import BOX
from shiftgauge.studies.weld_recipe import PUBLISHED_SIZE, WeldRecipe, is_weld, split_options, weld_data
from shiftgauge.studies.weld_watch import watch_arrays
from shiftgauge.types import FloatArray

TRAINING: Final = "training"
ONE: Final = "audit-one-image"
ALL: Final = "audit-all-images"
WATCHED: Final = "watched"
"""Folders within the study's: the training with its model folder, the two audits, and the watched training."""
_QUICK_BASE: Final = 32
_QUICK_POINTS: Final = 512


def weld(
    data: str | Path,
    *,
    out: str | Path,
    weights: str = "none",
    size: int | None = None,
    epochs: int | None = None,
    n_base: int = 512,
    points: int = PUBLISHED_POINTS,
    watch: bool = True,
    quick: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> StudyResult:
    """Does the weld study again.

    Both trainings and both audits go on where an interrupted call ended; the ways of shifting are measured again.

    Args:
        data: The folder `al5083` of TIG Aluminium 5083 (`train/train.json`, `test/test.json`), or any folder with one
            folder of images for each class, a manifest, or an NPZ file. Every page says which data it used.
        out: Folder of the study: run.json, results.nc, findings.csv, figures/, report.html, the folders
            `training`, `audit-one-image` and `audit-all-images` with pages of their own, and `watched`, which keeps the
            second training.
        weights: `none` trains the published ResNet-18 from random weights; a path takes its weights from there;
            `packaged` trains EfficientNet-Lite0 from the ImageNet weights of the extra `demo`.
        size: Input size in pixels; default 224 as published, with `packaged` 128.
        epochs: Default 13 (the whole published schedule), with `packaged` 8.
        n_base: Base samples of each audit; one image costs 8 n_base evaluations, all images 10 n_base.
        points: Points of the surrogates and of each way of shifting, 10,000 as published; at least 512 for its 343
            terms. Fewer make overfitting look like a property of the publication.
        watch: Measure what watching the test images costs, by one more training.
        quick: A few small images, two epochs, few points: whether everything runs, and no result.
        seed: Of split, training, designs and intervals.
        progress: Show progress bars; default only on a terminal.

    Returns:
        The result, as written.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    References:
        Bahr, L., Possner, L., Weise, K., Gröger, S., Daub, R. (2025). Sensitivity analysis of image classification
            models using generalized polynomial chaos. arXiv:2506.18751
    """
    n_base = _QUICK_BASE if quick else require_positive_int("n_base", n_base, low=32)
    points = _QUICK_POINTS if quick else require_positive_int("points", points, low=_QUICK_POINTS)
    recipe = WeldRecipe(weights=str(weights), size=size, epochs=epochs, quick=quick, seed=check_seed(seed))
    require_own_folder(out, KIND, study="weld")
    dataset, name = weld_data(data, quick=quick, seed=seed), "/".join(Path(data).resolve().parts[-2:])
    require_apart(out, dataset.searched)
    asked = _Asked(
        folder=Path(out), name=name, recipe=recipe, n_base=n_base, points=points, watch=watch, progress=progress
    )
    try:
        return _study(asked, dataset)
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            "interrupted; the same call goes on: trainings and audits after what they have kept, the ways of shifting "
            "from their start"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a study is asked to do."""

    folder: Path
    name: str
    recipe: WeldRecipe
    n_base: int
    points: int
    watch: bool
    progress: bool | None


def _study(asked: _Asked, dataset: ImageDataset) -> StudyResult:
    started, spans, recipe = datetime.now(UTC), _Spans(), asked.recipe
    divided = divide(dataset, split_options(dataset), recipe.seed)
    trained = spans.time("training", lambda: _trained(asked, dataset))
    test = divided.part("test")
    one, every = _both_audits(asked, trained, test, spans)
    parts = [training_arrays(trained, divided), population_arrays(every)]
    if asked.watch:
        kept = asked.folder / WATCHED
        parts.append(spans.time("watched training", lambda: watch_arrays(recipe, divided, kept, asked.progress)))
    parts.append(spans.time("ways of shifting", lambda: _points(asked, trained, test, one.confidence_level)))
    arrays = merged(one, parts)
    arrays.attrs |= _attributes(asked, trained, dataset) | {"image_name": test.names[0]}
    counts = {"evaluations_one": one.cost["evaluations"], "evaluations_all": every.cost["evaluations"]}
    counts["evaluations_points"] = asked.points * arrays.sizes["variant"]
    findings = find(arrays)
    result = StudyResult(
        study="weld",
        config=_config(asked),
        provenance=provenance(
            {"data": dataset.fingerprint, "model": trained.provenance["hashes"]["weights"]}, recipe.seed, started
        ),
        cost={"evaluations": sum(counts.values()), **counts, **spans.seconds},
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )
    write_with_page(result, asked.folder, write_study_figures, PAGE.write)
    return result


def _config(asked: _Asked) -> dict[str, Any]:
    recipe = asked.recipe
    return {
        "data": asked.name,
        "n_base": asked.n_base,
        "points": asked.points,
        "watch": asked.watch,
        "quick": recipe.quick,
        "seed": recipe.seed,
        "weights": Path(recipe.weights).name,
        "size": recipe.input_size,
        "epochs": recipe.options.epochs,
    }


def _attributes(asked: _Asked, trained: TrainResult, dataset: ImageDataset) -> dict[str, Any]:
    """What the page says of data, network and recipe."""
    recipe = asked.recipe
    return {
        "title": "Weld study",
        "data_name": asked.name,
        "points": asked.points,
        "weld_data": int(is_weld(dataset)),
        "weights": Path(recipe.weights).name,
        "recipe": "published" if recipe.published else "own",
        "quick": int(recipe.quick),
        "network_name": trained.arrays.attrs["model_name"],
        "size": recipe.input_size,
        "other_size": recipe.other_size,
        "epochs": len(trained.history),
    }


def _trained(asked: _Asked, dataset: ImageDataset) -> TrainResult:
    return train(
        asked.recipe.network,
        dataset,
        out=asked.folder / TRAINING,
        split=split_options(dataset),
        options=asked.recipe.options,
        progress=asked.progress,
        title="Weld study, training",
        data_name=asked.name,
    )


def _both_audits(
    asked: _Asked, trained: TrainResult, test: ImageDataset, spans: _Spans
) -> tuple[AuditResult, AuditResult]:
    """The audit of the first test image, and that of all."""
    options: dict[str, Any] = {"n_base": asked.n_base, "seed": asked.recipe.seed, "progress": asked.progress}
    options["data_name"] = f"{asked.name}, test part"
    if asked.recipe.quick:
        options["execution"] = _plain_execution()

    def audited(folder: str, images: Any, title: str) -> AuditResult:
        model, place = str(trained.model_folder), asked.folder / folder
        return audit(model, test, "weld", out=place, images=images, title=title, **options)

    one = spans.time("audit of one image", lambda: audited(ONE, [test.names[0]], "Weld study, one image"))
    every = spans.time("audit of all images", lambda: audited(ALL, "population", "Weld study, all test images"))
    return one, every


def _plain_execution() -> ExecutionOptions:
    return ExecutionOptions(batch_size=32, precision="float32", channels_last=False, compiled=False, streams=1)


def _points(asked: _Asked, trained: TrainResult, test: ImageDataset, level: float) -> xr.Dataset:
    """The first test image at the same points under every way of shifting it."""
    path, n, seed = trained.model_folder, asked.points, asked.recipe.seed
    own = read_model_record(path).preprocessing.to_dict()
    larger = {**own, **{side: round(own[side] * BOX / PUBLISHED_SIZE) for side in ("height", "width")}}
    small, large = (
        load_folder(ModelSpec(kind="folder", path=path, preprocessing=p), choose_device()) for p in (own, larger)
    )
    models = {m.preprocessing.height: m for m in (small, large)}
    shown = variants(small.preprocessing, large.preprocessing)
    theta, picture = design_points(n, seed), torch.from_numpy(np.array(test.load(0)))
    label, values = int(test.labels[0]), dict[str, FloatArray]()
    with progress_bar("ways of shifting", wanted=asked.progress) as advance:
        for k, variant in enumerate(shown):

            def moved(done: int, total: int, before: int = k * n) -> None:
                advance(before + done, total * len(shown))

            model = models[variant.size]
            values[variant.name] = true_probability(model, picture, label, theta, variant, moved)
    found = point_arrays(theta, values, shown, level=level, seed=seed)
    return found.assign(stored_size=("side", list(picture.shape[-2:])))


class _Spans:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = work()
        self.seconds[f"seconds_{name.replace(' ', '_')}"] = round(time.perf_counter() - start, 3)
        return found
