"""A training from data to a model folder: split, fit, thresholds, calibration, honest numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.splits import Split
from shiftgauge.errors import ConfigError
from shiftgauge.models.architectures import BuiltNetwork
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import write_model_folder
from shiftgauge.models.model_record import plain
from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.report.train_figures import write_train_figures
from shiftgauge.report.train_page import write_train_page
from shiftgauge.results.run_folder import require_apart, require_own_folder
from shiftgauge.results.train import KIND, MODEL_FOLDER, TrainResult
from shiftgauge.studies.additions_messages import additions_messages
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.studies.enlargement import EnlargeOptions
from shiftgauge.studies.recipe import Added, Additions, add_to, check_additions
from shiftgauge.studies.record import write_with_page
from shiftgauge.studies.train_arguments import as_choice, as_options, as_train_options
from shiftgauge.studies.train_data import Divided, divide, no_defect_label, task_of, training_data
from shiftgauge.studies.train_measure import MeasureOptions, measure_network
from shiftgauge.studies.train_messages import find_train_messages
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions, as_splitting
from shiftgauge.studies.train_predictions import write_predictions
from shiftgauge.studies.train_probe import begun
from shiftgauge.studies.train_run import (
    TrainRun,
    model_record,
    run_arrays,
    run_config,
    run_cost,
    run_provenance,
)
from shiftgauge.studies.train_setup import measuring_for, network_for, read_parts
from shiftgauge.studies.train_split import by_level, write_split
from shiftgauge.studies.train_verdict import (
    check_train_gates,
    judge_train_gates,
    train_headline,
)
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.fit import FitResult, fit
from shiftgauge.train.images import MEMORY_GB, Part
from shiftgauge.train.keeper import Watch
from shiftgauge.train.objectives import Perturb
from shiftgauge.train.options import TrainOptions

CHECKPOINTS: Final = "training"
"""Where the checkpoint lies within the run folder."""


def train(
    model: str | Mapping[str, Any] | NetworkChoice,
    data: Any,
    *,
    out: str | Path,
    classes: Sequence[str] | None = None,
    split: SplitOptions | Split | Divided | Mapping[str, Any] | None = None,
    options: TrainOptions | Mapping[str, Any] | None = None,
    thresholds: ThresholdOptions | Mapping[str, Any] | None = None,
    averaging: AveragingOptions | Mapping[str, Any] | None = None,
    calibration: bool = True,
    device: str | None = None,
    n_devices: int = 1,
    memory_gb: float = MEMORY_GB,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    gates: Mapping[str, Any] | None = None,
    progress: bool | None = None,
    adversarial: AdversarialOptions | Mapping[str, Any] | None = None,
    constraint: ParsevalOptions | Mapping[str, Any] | None = None,
    enlarge: EnlargeOptions | Mapping[str, Any] | None = None,
    perturb: Perturb | None = None,
    perturb_record: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
    title: str = "",
    data_name: str = "the given images",
    no_defect: str | None = None,
    record: Mapping[str, Any] | None = None,
) -> TrainResult:
    """Trains a classifier and measures it on images that neither it nor any choice has seen.

    The images are divided so that no object, no content and no near-duplicate is on two sides. The epoch, the
    temperature and the thresholds of labels are chosen on validation alone; test is looked at once, at its own
    prevalence. Intervals come from a bootstrap of whole groups of images that belong together. The same call goes on
    where an interrupted one ended, and comes to the same weights bit for bit on a CPU.

    Args:
        model: Name of an architecture, or a `NetworkChoice` or its keywords.
        data: What `shiftgauge.load_data` takes: a path, a mapping, or an `ImageDataset`.
        out: Run folder: run.json, results.nc, metrics.csv, history.csv, split.csv, predictions.csv, figures/,
            report.html, the model folder `model`, and `training` with the checkpoint.
        classes: Classes to train on, in the order of the outputs; default those of the data.
        split: How images are divided; default 60/20/20, stratified. Or a ready `Split`, such as one of `k_folds`.
            Like the next three it may be a mapping of its keys, such as those of a configuration file. A study that
            has divided its images gives them as `Divided`, so that it is done once.
        options: Everything about the training itself.
        thresholds: Several labels: how thresholds are chosen; default for the largest F1.
        averaging: Views of an image over which probabilities are averaged; what that gains is reported beside the
            network run once, which is what verdict, model folder and audits are about.
        calibration: Fit a temperature on validation, by which logits are divided in the model folder.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        n_devices: Devices that share every batch; the command is started once for each, and returns in the first.
        memory_gb: A part that needs less is held in memory, a larger one is read for every batch.
        resamples: Of the bootstrap.
        confidence_level: Of every interval.
        gates: Limits on the test part: `min_macro_f1`, `min_accuracy`, `min_recall`, `min_precision` (a number, or
            {class: number}).
        progress: Show progress; default on a terminal, and elsewhere a line for every epoch.
        adversarial: Training on adversarial images; see `AdversarialOptions`.
        constraint: Retraction of kernels towards tight frames after every step; see `ParsevalOptions`. In a mapping
            `kind: parseval` may stand beside its keys.
        enlarge: Copies of training images, adversarial, noisy, or clean as their control; see `EnlargeOptions`.
        perturb: Changes a training batch in the light of the network, after all other changes; not with `adversarial`.
        perturb_record: Plain values that say what `perturb` does; they decide whether a checkpoint may be gone on with.
        watch: Called after every epoch with what is validated and kept, and the number of epochs done.
        title: Title of the page.
        data_name: What the page calls the images.
        no_defect: Several labels: the one that says that an image has none of the others, against which decisions are
            held; default what the data say, see `no_defect_label`.
        record: The configuration as it shall stand in `run.json`, where `resolved` is added: the options of the fit
            with all that the data decide; default: these arguments.

    Returns:
        The result; `result.model_folder` is what every command takes as a model.

    Raises:
        ShiftgaugeError: Whatever is wrong with the input, in one line.
        InterruptedRunError: It was stopped; the same call goes on.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> import shiftgauge
        >>> from shiftgauge.data.arrays import from_arrays
        >>> grey = np.random.default_rng(0).random((40, 16, 16)) / 2
        >>> grey[20:] += 0.5
        >>> data = from_arrays(grey, ["dark"] * 20 + ["bright"] * 20)
        >>> network, short = {"architecture": "test_resnet", "size": 16}, {"epochs": 1, "precision": "float32"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     result = shiftgauge.train(network, data, out=folder, options=short, device="cpu", progress=False)
        ...     kept = result.model_folder.is_dir()
        >>> result.part, result.arrays["split_images"].values.tolist(), kept
        ('test', [24, 8, 8], True)

    References:
        Guo, C., Pleiss, G., Sun, Y., Weinberger, K. Q. (2017). On calibration of modern neural networks.
        arXiv:1706.04599
    """
    started, folder = datetime.now(UTC), Path(out)
    require_own_folder(folder, KIND)
    measuring = MeasureOptions(calibration=calibration, resamples=resamples, confidence_level=confidence_level)
    thresholds = as_options("thresholds", thresholds, ThresholdOptions)
    splitting, averaging = _splitting(split), as_options("averaging", averaging, AveragingOptions)
    choice, dataset = as_choice(model), training_data(data, classes)
    require_apart(folder, dataset.searched)
    chosen = as_train_options(options, task_of(dataset)).resolved(task_of(dataset))
    limits = check_train_gates(gates, dataset.class_names)
    additions = Additions.of(adversarial=adversarial, constraint=constraint, enlarge=enlarge)
    measuring = measuring_for(measuring, dataset, chosen, thresholds, averaging)
    measuring = replace(measuring, no_defect=no_defect_label(dataset, no_defect, data))
    preprocessing, architecture = network_for(choice, dataset, chosen, measuring)
    built = architecture.build()
    check_additions(additions, built.network, task_of(dataset), perturb)
    divided = _divided(dataset, splitting, chosen.seed)
    parts = read_parts(divided, preprocessing, memory_gb, progress)
    names = dataset.class_names
    named = {"data": dataset.fingerprint, "perturb": plain(perturb_record or {}), "network": choice.to_dict()}
    where = {"device": device, "n_devices": n_devices, "progress": progress, "perturb": perturb, "watch": watch}
    where |= {"folder": folder / CHECKPOINTS, "identity": named}
    built, added, found = _worked(choice.head, additions, built, parts, chosen, preprocessing, names, where)
    groups, place = {name: divided.groups(name) for name in parts}, choose_device(device)
    run = TrainRun(
        choice=choice,
        architecture=architecture,
        preprocessing=preprocessing,
        divided=divided,
        options=added.options,
        splitting=divided.options,
        measuring=measuring,
        found=found,
        measured=measure_network(built.network, preprocessing, parts, groups, names, measuring, place, progress),
        perturb=dict(perturb_record or {}),
        additions=additions,
        added=added,
    )
    write_model_folder(folder / MODEL_FOLDER, built.network, model_record(run))
    arrays = run_arrays(run, title=title, data_name=data_name, notes=built.notes)
    return _written(run, arrays, limits, folder, started, record)


def _divided(dataset: ImageDataset, split: SplitOptions | Divided, seed: int) -> Divided:
    """The data set in parts; what is divided already is taken as it is."""
    if isinstance(split, SplitOptions):
        return divide(dataset, split, seed)
    if split.dataset is not dataset:
        raise ConfigError("`split` is of other images; give its own `dataset` as the data, and no `classes`")
    return split


def _splitting(split: SplitOptions | Split | Divided | Mapping[str, Any] | None) -> SplitOptions | Divided:
    if isinstance(split, Divided):
        return split
    return as_splitting(split if isinstance(split, Split) else as_options("split", split, SplitOptions))


def _worked(
    head: str,
    additions: Additions,
    built: BuiltNetwork,
    parts: Mapping[str, Part],
    options: TrainOptions,
    preprocessing: Preprocessing,
    names: Sequence[str],
    where: Mapping[str, Any],
) -> tuple[BuiltNetwork, Added, FitResult]:
    """Begins the head, adds what is wanted besides, and trains; `where` is as of `_fitted`."""
    built = begun(head, built, parts, options, preprocessing, tuple(names), where)
    added = add_to(additions, parts, built.network, options, preprocessing, names, device=where["device"])
    where = {**where, "identity": {**where["identity"], **added.identity}, **added.arguments}
    return built, added, _fitted(built, added.parts, added.options, preprocessing, names, where)


def _fitted(
    built: BuiltNetwork,
    parts: Mapping[str, Part],
    options: TrainOptions,
    preprocessing: Preprocessing,
    names: Sequence[str],
    where: Mapping[str, Any],
) -> FitResult:
    """Trains on the parts; `where` holds folder, identity, devices, progress and `perturb`."""
    return fit(
        built.network,
        parts["train"],
        parts["validation"],
        options,
        preprocessing=preprocessing,
        n_classes=len(names),
        heads=built.heads,
        class_names=names,
        **where,
    )


def _written(
    run: TrainRun,
    arrays: xr.Dataset,
    limits: Mapping[str, float],
    folder: Path,
    started: datetime,
    record: Mapping[str, Any] | None,
) -> TrainResult:
    """The result, after it is written with its page."""
    divided, measured = run.divided, run.measured
    held_out = [int(row) for name, rows in divided.split.parts.items() if name != "train" for row in rows]
    about = additions_messages(run.additions, run.added, run.options, divided.dataset, held_out)
    found = find_train_messages(
        arrays,
        notes=(*divided.warnings, *measured.notes),
        data_notes=divided.dataset.notes,
        kept=divided.kept,
        facts=divided.facts,
        stopped=run.found.stopped,
        skipped=len(divided.dataset.skipped),
    )
    result = TrainResult(
        config={**(record or run_config(run, limits)), "resolved": plain(run.options.to_dict())},
        provenance=run_provenance(run, folder, started),
        cost=run_cost(run, started),
        headline=train_headline(arrays),
        arrays=arrays,
        messages=by_level((*found, *about)),
        gates=judge_train_gates(limits, arrays),
        folder=folder,
    )
    write_split(divided, folder)
    write_predictions(measured.predicted, divided, folder)
    write_with_page(result, folder, write_train_figures, write_train_page)
    return result
