"""The weld study: generalised polynomial chaos of an image classifier under shifts of its input, done again.

The published study fine-tunes ResNet-18 on images of TIG welds, shifts one test image by random brightness, rotation
and tilt, fits a polynomial chaos of order 6 to the probability of the true class, and reads Sobol' indices from it.
Here the same is done for one image and for all test images, with intervals, and where the publication has a
defect it is done right and the defect's worth is measured beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError
from shiftgauge.evaluate.options import ExecutionOptions
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_folder, read_model_record
from shiftgauge.models.specification import ModelSpec
from shiftgauge.random import check_seed
from shiftgauge.report.weld_figures import write_study_figures
from shiftgauge.report.weld_page import write_study_page
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.run_folder import require_own_folder
from shiftgauge.results.study import StudyResult
from shiftgauge.results.train import TrainResult
from shiftgauge.studies.audit import audit
from shiftgauge.studies.record import provenance, write_with_page
from shiftgauge.studies.train import train
from shiftgauge.studies.train_data import Divided, divide
from shiftgauge.studies.weld_findings import find, headline, messages
from shiftgauge.studies.weld_points import design_points, point_arrays, true_probability, variants
from shiftgauge.studies.weld_published import BOX
from shiftgauge.studies.weld_recipe import PUBLISHED_SIZE, WeldRecipe, is_weld, split_options, weld_data
from shiftgauge.studies.weld_watch import watch_arrays
from shiftgauge.types import FloatArray

TRAINING: Final = "training"
ONE: Final = "audit-one-image"
ALL: Final = "audit-all-images"
"""Folders within the study's: the training with its model folder, and the two audits."""
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
    points: int = 4096,
    watch: bool = True,
    quick: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> StudyResult:
    """Does the weld study again.

    Training and both audits go on where an interrupted call ended; what is measured after them starts again.

    Args:
        data: The folder `al5083` of TIG Aluminium 5083 (`train/train.json`, `test/test.json`), or any folder with one
            folder of images for each class, a manifest, or an NPZ file. Every page says which data it used.
        out: Folder of the study: run.json, results.nc, findings.csv, figures/, report.html, and the folders
            `training`, `audit-one-image` and `audit-all-images` with pages of their own.
        weights: `none` trains the published ResNet-18 from random weights; a path takes its weights from there;
            `packaged` trains EfficientNet-Lite0 from the ImageNet weights of the extra `demo`.
        size: Input size in pixels; default 224 as published, with `packaged` 128.
        epochs: Default 13 (the whole published schedule), with `packaged` 8.
        n_base: Base samples of each audit; one image costs 8 n_base evaluations, all images 10 n_base.
        points: Points at which each way of shifting is compared, at least 512 for the published 343 terms.
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
    started, folder = datetime.now(UTC), Path(out)
    n_base = _QUICK_BASE if quick else require_positive_int("n_base", n_base, low=32)
    points = _QUICK_POINTS if quick else require_positive_int("points", points, low=_QUICK_POINTS)
    recipe = WeldRecipe(weights=str(weights), size=size, epochs=epochs, quick=quick, seed=check_seed(seed))
    require_own_folder(folder, "study")
    dataset, name, spans = weld_data(data, quick=quick, seed=seed), "/".join(Path(data).resolve().parts[-2:]), _Spans()
    divided = divide(dataset, split_options(dataset), seed)
    trained = spans.time("training", lambda: _trained(recipe, dataset, folder / TRAINING, name, progress))
    test = divided.part("test")
    run = {"n_base": n_base, "seed": seed, "progress": progress, "data_name": f"{name}, test part"}
    run |= {"execution": _plain_execution()} if quick else {}
    one, every = _both_audits(trained, test, folder, spans, run)
    parts = [
        _training_arrays(trained, divided),
        _population_arrays(every),
        spans.time("ways of shifting", lambda: _points(trained, test, points, seed, progress)),
    ]
    if watch:
        parts.append(spans.time("watched training", lambda: watch_arrays(recipe, divided, progress)))
    arrays = _merged(one, parts)
    arrays.attrs |= _attributes(recipe, trained, dataset, name) | {"image_name": test.names[0], "points": points}
    counts = {"evaluations_one": one.cost["evaluations"], "evaluations_all": every.cost["evaluations"]}
    counts["evaluations_points"] = points * arrays.sizes["variant"]
    findings = find(arrays)
    result = StudyResult(
        study="weld",
        config={"data": name, "n_base": n_base, "points": points, "watch": watch, "quick": quick, "seed": seed}
        | {"weights": Path(recipe.weights).name, "size": recipe.input_size, "epochs": recipe.options.epochs},
        provenance=provenance(
            {"data": dataset.fingerprint, "model": trained.provenance["hashes"]["weights"]}, seed, started
        ),
        cost={"evaluations": sum(counts.values()), **counts, **spans.seconds},
        headline=headline(arrays, findings),
        findings=findings,
        arrays=arrays,
        messages=messages(arrays),
    )
    write_with_page(result, folder, write_study_figures, write_study_page)
    return result


def _attributes(recipe: WeldRecipe, trained: TrainResult, dataset: ImageDataset, name: str) -> dict[str, Any]:
    """What the page says of data, network and recipe."""
    return {
        "title": "Weld study",
        "data_name": name,
        "weld_data": int(is_weld(dataset)),
        "weights": Path(recipe.weights).name,
        "recipe": "published" if recipe.published else "own",
        "quick": int(recipe.quick),
        "network_name": trained.arrays.attrs["model_name"],
        "size": recipe.input_size,
        "other_size": recipe.other_size,
        "epochs": len(trained.history),
    }


def _trained(recipe: WeldRecipe, dataset: ImageDataset, folder: Path, name: str, progress: bool | None) -> TrainResult:
    return train(
        recipe.network,
        dataset,
        out=folder,
        split=split_options(dataset),
        options=recipe.options,
        progress=progress,
        title="Weld study, training",
        data_name=name,
    )


def _audited(
    trained: TrainResult, test: ImageDataset, folder: Path, images: Any, title: str, options: dict[str, Any]
) -> AuditResult:
    return audit(str(trained.model_folder), test, "weld", out=folder, images=images, title=title, **options)


def _both_audits(
    trained: TrainResult, test: ImageDataset, folder: Path, spans: _Spans, options: dict[str, Any]
) -> tuple[AuditResult, AuditResult]:
    """The audit of the first test image, and that of all."""
    one = spans.time(
        "audit of one image",
        lambda: _audited(trained, test, folder / ONE, [test.names[0]], "Weld study, one image", options),
    )
    every = spans.time(
        "audit of all images",
        lambda: _audited(trained, test, folder / ALL, "population", "Weld study, all test images", options),
    )
    return one, every


def _plain_execution() -> ExecutionOptions:
    return ExecutionOptions(batch_size=32, precision="float32", channels_last=False, compiled=False, streams=1)


def _points(trained: TrainResult, test: ImageDataset, n: int, seed: int, progress: bool | None) -> xr.Dataset:
    """The first test image at the same points under every way of shifting it."""
    path = trained.model_folder
    own = read_model_record(path).preprocessing.to_dict()
    larger = {**own, **{side: round(own[side] * BOX / PUBLISHED_SIZE) for side in ("height", "width")}}
    small, large = (
        load_folder(ModelSpec(kind="folder", path=path, preprocessing=p), choose_device()) for p in (own, larger)
    )
    models = {m.preprocessing.height: m for m in (small, large)}
    shown = variants(small.preprocessing, large.preprocessing)
    theta, picture = design_points(n, seed), torch.from_numpy(np.array(test.load(0)))
    label, values = int(test.labels[0]), dict[str, FloatArray]()
    with progress_bar("ways of shifting", wanted=progress) as advance:
        for k, variant in enumerate(shown):

            def moved(done: int, total: int, before: int = k * n) -> None:
                advance(before + done, total * len(shown))

            model = models[variant.size]
            values[variant.name] = true_probability(model, picture, label, theta, variant, moved)
    found = point_arrays(theta, values, shown)
    return found.assign(stored_size=("side", list(picture.shape[-2:])))


def _training_arrays(trained: TrainResult, divided: Divided) -> xr.Dataset:
    """Scores of the network, the images behind them, and the published class weights of these data."""
    data = trained.arrays
    names = ("accuracy", "macro_f1")
    found = np.array([[trained.metric(m, part=p) for m in names] for p in ("validation", "test")])
    counts = data["split_count"].sel(split_part="train").values.astype(float)
    return xr.Dataset(
        {
            "score": (("score_part", "score_name"), found[..., 0]),
            "score_interval": (("score_part", "score_name", "bound"), found[..., 1:]),
            "split_images": ("split_part", data["split_images"].values),
            "split_count": (("split_part", "class"), data["split_count"].values),
            "class_weight": ("class", counts.sum() / (len(counts) * counts)),
            "history_macro_f1": ("epoch", data["history_macro_f1"].values),
            "history_rate": ("epoch", data["history_learning_rate"].values),
            "history_loss": ("epoch", data["history_train_loss"].values),
        },
        coords={
            "score_part": ["validation", "test"],
            "score_name": list(names),
            "split_part": data["split_part"].values,
            "class": list(divided.dataset.class_names),
            "epoch": data["epoch"].values,
        },
        attrs={"best_epoch": trained.best_epoch},
    )


def _population_arrays(every: AuditResult) -> xr.Dataset:
    """What the audit of all images found for the quantity of interest, under names of its own."""
    data, quantity = every.arrays, every.quantity_of_interest
    at = data.sel(quantity=quantity)
    correct = data.sel(quantity="correct")
    return xr.Dataset(
        {
            "all_first_order": ("all_input", at["first_order"].values),
            "all_first_order_interval": (("all_input", "bound"), at["first_order_interval"].values),
            "all_total_order": ("all_input", at["total_order"].values),
            "all_total_order_interval": (("all_input", "bound"), at["total_order_interval"].values),
            "all_clean_accuracy": float(correct["image_clean"].mean()),
            "all_shifted_accuracy": float(correct["mean"]),
            "all_shifted_accuracy_interval": ("bound", correct["mean_interval"].values),
        },
        coords={"all_input": data["input"].values},
        attrs={"n_test": int(data.attrs["n_images"])},
    )


def _merged(one: AuditResult, parts: list[xr.Dataset]) -> xr.Dataset:
    """The arrays of the audit of one image, which the page draws, with everything else beside them."""
    pictures = [name for name in one.arrays.data_vars if str(name).startswith(("thumb", "strip"))]
    kept = one.arrays.drop_vars(pictures)
    bare = [part.drop_vars("shift") if "shift" in part.coords else part for part in parts]
    arrays = xr.merge([kept, *bare], join="outer", combine_attrs="drop")
    arrays.attrs = {**one.arrays.attrs}
    for part in parts:
        arrays.attrs |= part.attrs
    if list(arrays["shift"].values) != ["brightness", "rotation", "tilt"]:
        raise DataError("the weld preset no longer has the shifts brightness, rotation, tilt in this order")
    return arrays


class _Spans:
    """Seconds of each part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = work()
        self.seconds[f"seconds_{name.replace(' ', '_')}"] = round(time.perf_counter() - start, 3)
        return found
