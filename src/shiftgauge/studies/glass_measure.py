"""Scores of several ways of deciding about the same test images, with intervals that are paired across the ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_model_folder
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.consistency import consistency_arrays as consistency_arrays
from shiftgauge.train.decisions import HALF
from shiftgauge.train.f1 import f1_of, macro
from shiftgauge.train.images import Part
from shiftgauge.train.predict import predict_probabilities
from shiftgauge.train.thresholds import Thresholds, choose_thresholds
from shiftgauge.types import FloatArray

SUMMARIES: Final = ("micro F1", "macro F1", "macro F1 of defects")
RESAMPLES: Final = 1000
Decisions = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Probabilities:
    """What one network says of the validation and the test images.

    Args:
        validation_nk: Probabilities (n, K).
        test_nk: Probabilities (m, K).
        truth_nk: 0 and 1 of the validation images (n, K).
        names: Names of the labels.
    """

    validation_nk: FloatArray
    test_nk: FloatArray
    truth_nk: FloatArray
    names: tuple[str, ...]

    def chosen(self, grid: Sequence[float] | None = None) -> Thresholds:
        """Thresholds of the largest F1 on validation: on a grid, or with None of every score."""
        return thresholds_of(self.validation_nk, self.truth_nk, self.names, grid)

    def thresholds(self, grid: Sequence[float] | None = None) -> FloatArray:
        """The same as numbers (K,)."""
        return np.array(self.chosen(grid).values)

    def decided(self, threshold_k: float | FloatArray = HALF) -> Decisions:
        """Which labels hold on the test images (m, K)."""
        return self.test_nk >= threshold_k


def thresholds_of(
    probabilities_nk: FloatArray, truth_nk: FloatArray, names: Sequence[str], grid: Sequence[float] | None
) -> Thresholds:
    """Thresholds of the largest F1 on the given images: on a grid, or with None of every score."""
    if grid is None:
        return choose_thresholds(probabilities_nk, truth_nk, class_names=names, search="exact")
    return choose_thresholds(probabilities_nk, truth_nk, class_names=names, search="grid", grid=grid)


def folder_probabilities(
    folder: Path,
    parts: Callable[[Preprocessing], Mapping[str, Part]],
    averaging: AveragingOptions,
    *,
    device: str | None = None,
    batch_size: int = 128,
) -> tuple[Probabilities, Probabilities]:
    """What a trained model says: run once, and averaged over views.

    Args:
        folder: The model folder.
        parts: Gives `validation` and `test` at the input size of the model.
        averaging: The views.
        device: Where to run.
        batch_size: Images at once.
    """
    place = choose_device(device)
    model = load_model_folder(folder, place)
    read = parts(model.record.preprocessing)
    truth = np.asarray(read["validation"].targets.numpy(), float)

    def run(part: Part, views: AveragingOptions | None) -> FloatArray:
        return predict_probabilities(
            model.module,
            part,
            model.record.preprocessing,
            temperature=model.record.temperature,
            averaging=views,
            batch_size=batch_size,
            device=place,
        )

    said = [
        Probabilities(
            validation_nk=run(read["validation"], views),
            test_nk=run(read["test"], views),
            truth_nk=truth,
            names=model.record.classes,
        )
        for views in (None, averaging)
    ]
    return said[0], said[1]


def score_arrays(
    decided: Mapping[str, Decisions],
    truth_nk: FloatArray,
    units_n: npt.NDArray[np.int64],
    names: Sequence[str],
    *,
    no_defect: int,
    against: str,
    level: float,
    seed: int,
    prefix: str,
) -> xr.Dataset:
    """F1 of every way of deciding, and its difference from one of them, with intervals.

    F1_k = 2 TP_k / (2 TP_k + FP_k + FN_k); micro F1 sums TP, FP and FN over the labels first, macro F1 is the mean of
    F1_k over labels that occur or are decided. Whole units are drawn with replacement, the same for every way, so that
    a difference is free of what all ways have in common.

    Args:
        decided: Way → which labels hold (n, K).
        truth_nk: 0 and 1 (n, K).
        units_n: Images with the same number are drawn together.
        names: Names of the labels.
        no_defect: Number of the label that says that there is none.
        against: The way that the others are compared with.
        level: Of the intervals.
        seed: Of the draws.
        prefix: Of the variables and of the axis of ways.

    Returns:
        PREFIX_score, PREFIX_score_interval, PREFIX_difference, PREFIX_difference_interval over (PREFIX, figure).
    """
    drawn = GroupBootstrap.of([str(u) for u in units_n], len(units_n), resamples=RESAMPLES, seed=seed)
    truth = np.asarray(truth_nk) > HALF
    rows, resampled = [], []
    for way in decided.values():
        cells = _cells(way, truth)
        rows.append(_figures(cells.sum(axis=0)[None], no_defect)[0])
        resampled.append(_figures(drawn.sums(cells), no_defect))
    place = list(decided).index(against)
    value, spread = np.array(rows), np.stack(resampled)  # (W, F), (W, R, F)
    gap, gaps = value - value[place], spread - spread[place]
    axes = (prefix, "figure")
    return xr.Dataset(
        {
            f"{prefix}_score": (axes, value),
            f"{prefix}_score_interval": ((*axes, "bound"), _interval(spread, level)),
            f"{prefix}_difference": (axes, gap),
            f"{prefix}_difference_interval": ((*axes, "bound"), _interval(gaps, level)),
        },
        coords={prefix: list(decided), "figure": [*SUMMARIES, *names], "bound": ["low", "high"]},
    )


def micro_f1(decided_nk: Decisions, truth_nk: FloatArray) -> float:
    """2 TP / (2 TP + FP + FN), counted over all labels; 0 where there is nothing.

    Example:
        >>> micro_f1(np.array([[True, False]]), np.array([[1, 1]])).__round__(3)
        0.667
    """
    truth = np.asarray(truth_nk) > HALF
    return float(np.nan_to_num(f1_of((decided_nk & truth).sum(), decided_nk.sum(), truth.sum())))


def _cells(decided_nk: Decisions, truth_nk: Decisions) -> npt.NDArray[np.float64]:
    """TP, FP and FN of each image and label, (n, 3 K)."""
    return np.hstack([decided_nk & truth_nk, decided_nk & ~truth_nk, ~decided_nk & truth_nk]).astype(float)


def _figures(cells_r3k: npt.NDArray[Any], no_defect: int) -> FloatArray:
    """Micro F1, macro F1, macro F1 of defects, F1 of each label, (R, 3 + K)."""
    hit, false, missed = np.split(np.asarray(cells_r3k, float), 3, axis=1)
    counts = (hit, hit + false, hit + missed)
    f1, micro = f1_of(*counts), f1_of(*(part.sum(axis=1) for part in counts))
    defects = np.delete(f1, no_defect, axis=1)
    return np.column_stack([micro, macro(f1), macro(defects), f1])


def _interval(values_wrf: FloatArray, level: float) -> FloatArray:
    return percentile_interval(np.moveaxis(values_wrf, 1, -1), level)
