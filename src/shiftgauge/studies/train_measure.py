"""What a trained network is worth: temperature and thresholds from validation, then the numbers of every part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr
from torch import nn

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.studies.train_arrays import (
    averaging_arrays,
    calibration_arrays,
    curve_arrays,
    figure_arrays,
    plain_figures,
    threshold_arrays,
)
from shiftgauge.studies.train_options import RECALL_FLOOR, ThresholdOptions
from shiftgauge.studies.train_predictions import Predicted, contradiction_arrays, mistake_arrays
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.calibration import Temperature, fit_temperature
from shiftgauge.train.images import Part
from shiftgauge.train.measured import Metrics
from shiftgauge.train.metrics import classification_metrics
from shiftgauge.train.predict import predict_logits, predict_probabilities, probabilities
from shiftgauge.train.thresholds import Thresholds, choose_thresholds
from shiftgauge.types import FloatArray

MEASURED: Final = ("validation", "test")
"""Parts that are measured; training images are not, their numbers mean nothing."""


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """How a trained network is measured.

    Args:
        thresholds: How thresholds of labels are chosen.
        averaging: Views whose probabilities are averaged, for comparison.
        calibration: Fit a temperature.
        resamples: Of the bootstrap, ≥ 100.
        confidence_level: Of every interval.
        seed: Of the bootstrap.
        batch_size: Images at once.
        no_defect: Label that says that an image has none of the others; how often decisions contradict it is counted.
    """

    thresholds: ThresholdOptions = field(default_factory=ThresholdOptions)
    averaging: AveragingOptions = field(default_factory=AveragingOptions)
    calibration: bool = True
    resamples: int = 1000
    confidence_level: float = 0.95
    seed: int = 0
    batch_size: int = 128
    no_defect: str | None = None

    def __post_init__(self) -> None:
        require_positive_int("resamples", self.resamples, low=100)
        require_range("confidence_level", self.confidence_level, 0.5, 0.999)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {
            "thresholds": self.thresholds.to_dict(),
            "averaging": self.averaging.to_list(),
            "calibration": self.calibration,
            "resamples": self.resamples,
            "confidence_level": self.confidence_level,
        }


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What was measured.

    Args:
        arrays: Figures, curves, thresholds, calibration; see `docs/reference/run-folder.md`.
        temperature: What logits are divided by; 1 where none was learned.
        thresholds: One for each label, None with one class an image.
        metrics: The figures of every part as plain values, for the model folder.
        notes: What went otherwise than asked.
        predicted: Part → what is said of each of its images.
    """

    arrays: xr.Dataset
    temperature: float
    thresholds: tuple[float, ...] | None
    metrics: Mapping[str, Any]
    notes: tuple[str, ...]
    predicted: Mapping[str, Predicted]


def measure_network(
    network: nn.Module,
    preprocessing: Preprocessing,
    parts: Mapping[str, Part],
    groups: Mapping[str, npt.NDArray[np.int64]],
    names: Sequence[str],
    options: MeasureOptions,
    device: torch.device,
    progress: bool | None = None,
) -> Measured:
    """Learns temperature and thresholds on validation, and measures validation and test at their own prevalence.

    Args:
        network: Trained; gives logits.
        preprocessing: How images reach it.
        parts: The parts of the split.
        groups: For each part, which images belong together; the bootstrap draws them as a whole.
        names: Names of the classes.
        options: How.
        device: Where the network runs.
        progress: Show a bar for every part; None only on a terminal.
    """
    measured = {name: parts[name] for name in MEASURED if name in parts}
    first = measured["validation"]
    targets = {name: part.targets.numpy() for name, part in measured.items()}
    run: dict[str, Any] = {"batch_size": options.batch_size, "device": device}
    logits = {}
    for name, part in measured.items():
        with progress_bar(f"{name} images, predicted", wanted=progress) as advance:
            logits[name] = predict_logits(network, part, preprocessing, **run, progress=advance)
    learned = Temperature(value=1.0)
    if options.calibration:
        learned = fit_temperature(logits["validation"], targets["validation"], first.task)
    said = {name: probabilities(values, first.task, learned.value) for name, values in logits.items()}
    chosen = _thresholds(said["validation"], first, names, options.thresholds)
    limits = None if chosen is None else chosen.values
    predicted = {name: Predicted.of(said[name], part, limits) for name, part in measured.items()}
    found = {name: _metrics(said[name], part, names, chosen, groups[name], options) for name, part in measured.items()}
    pieces = [
        figure_arrays(found, names),
        curve_arrays(found, names),
        calibration_arrays(logits, targets, first.task, learned.value, names),
        *([] if chosen is None else [threshold_arrays(chosen)]),
        mistake_arrays(predicted, list(measured.values())[-1], names),
        *([] if options.no_defect is None else [contradiction_arrays(predicted, names, options.no_defect)]),
    ]
    if not options.averaging.is_plain:
        run |= {"temperature": learned.value, "averaging": options.averaging}
        views = {}
        for name, part in measured.items():
            with progress_bar(f"{name} images, averaged over views", wanted=progress) as advance:
                views[name] = predict_probabilities(network, part, preprocessing, **run, progress=advance)
        pieces.append(averaging_arrays(found, _averaged(views, measured, names, groups, options)))
    network.to("cpu")
    return Measured(
        arrays=xr.merge(pieces, join="outer"),
        temperature=learned.value,
        thresholds=limits,
        metrics=plain_figures(found),
        predicted=predicted,
        notes=(*([learned.note] if learned.note else []), *(() if chosen is None else chosen.notes)),
    )


def _averaged(
    views: Mapping[str, FloatArray],
    parts: Mapping[str, Part],
    names: Sequence[str],
    groups: Mapping[str, npt.NDArray[np.int64]],
    options: MeasureOptions,
) -> dict[str, Metrics]:
    """Figures of probabilities that were averaged over views, with thresholds of their own."""
    own = _thresholds(views["validation"], parts["validation"], names, options.thresholds)
    return {name: _metrics(views[name], part, names, own, groups[name], options) for name, part in parts.items()}


def check_measuring(
    options: MeasureOptions, task: Literal["single", "multi"], names: Sequence[str], preprocessing: Preprocessing
) -> None:
    """Checks before a training what would otherwise fail after it: thresholds of the labels, and views of an image.

    Args:
        options: How the network will be measured.
        task: One class an image, or several labels.
        names: Names of the classes.
        preprocessing: How images will reach the network.

    Raises:
        ConfigError: Numbers that do not fit the labels, an empty grid, quarter turns of oblong images.
    """
    if task == "multi":
        both = np.repeat([[1.0], [0.0]], len(names), axis=1)
        _choose(both, both, names, options.thresholds)
    image = torch.zeros(1, preprocessing.channels, preprocessing.height, preprocessing.width)
    for view in options.averaging.views:
        view.of(image, options.averaging.fill)


def views_text(averaging: AveragingOptions) -> str:
    """The views that are averaged, in words; empty for the image alone.

    Example:
        >>> views_text(AveragingOptions(flips=("horizontal",), rotations_deg=(5,)))
        'the image, flipped horizontal, rotated by 5°'
    """
    if averaging.is_plain:
        return ""
    parts = ["the image", *(f"flipped {flip}" for flip in averaging.flips)]
    parts += [f"turned by {90 * turns}°" for turns in averaging.quarter_turns]
    parts += [f"rotated by {angle:g}°" for angle in averaging.rotations_deg]
    return ", ".join([*parts, *(f"scaled by {scale:g}" for scale in averaging.scales)])


def _thresholds(said_nk: FloatArray, part: Part, names: Sequence[str], options: ThresholdOptions) -> Thresholds | None:
    return None if part.task == "single" else _choose(said_nk, part.targets.numpy(), names, options)


def _choose(
    said_nk: FloatArray, targets_nk: npt.NDArray[np.generic], names: Sequence[str], options: ThresholdOptions
) -> Thresholds:
    return choose_thresholds(
        said_nk,
        targets_nk,
        class_names=names,
        aim=options.aim,
        recall_floor=RECALL_FLOOR if options.recall_floor is None else options.recall_floor,
        cost_ratio=1.0 if options.cost_ratio is None else options.cost_ratio,
        search=options.search,
        grid=options.grid,
    )


def _metrics(
    said_nk: FloatArray,
    part: Part,
    names: Sequence[str],
    chosen: Thresholds | None,
    groups: npt.NDArray[np.int64],
    options: MeasureOptions,
) -> Metrics:
    return classification_metrics(
        part.task,
        said_nk,
        part.targets.numpy(),
        names,
        thresholds=None if chosen is None else chosen.values,
        groups=[f"unit {number}" for number in groups.tolist()],
        resamples=options.resamples,
        confidence_level=options.confidence_level,
        seed=options.seed,
    )
