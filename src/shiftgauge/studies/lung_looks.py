"""Activation maximisation beside Grad-CAM: the same frames, the same class, and how broad each is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import ClassLogit
from shiftgauge.explain.starts import class_means
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_folder
from shiftgauge.models.specification import ModelSpec
from shiftgauge.random import generator
from shiftgauge.studies.lung_border import border_share, breadth, half_area
from shiftgauge.studies.lung_folds import Plan
from shiftgauge.studies.lung_scores import RESAMPLES
from shiftgauge.train.group_bootstrap import GroupBootstrap
from shiftgauge.types import DifferentiableClassifier, FloatArray

ASCENT: Final = "activation maximisation"
CAM: Final = "Grad-CAM"
MEASURES: Final = ("breadth", "area of half", "on the border")
_PIXELS: Final = 128
_MEANT: Final = 240
"""Most frames that the class means are taken over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What two methods show of some frames.

    Args:
        rows: Numbers of the frames (n,).
        measures: (n, method, measure); see `MEASURES`.
        brightening: Share of the change by activation maximisation that makes pixels brighter (n,).
        frames: First frame of each class (K, y, x) in [0, 1].
        changes: What activation maximisation adds to it (K, y, x), signed.
        cams: What Grad-CAM shows of it (K, y, x), ≥ 0.
        layers: What Grad-CAM looked at.
    """

    rows: npt.NDArray[np.int64]
    measures: FloatArray
    brightening: FloatArray
    frames: npt.NDArray[np.float32]
    changes: npt.NDArray[np.float32]
    cams: npt.NDArray[np.float32]
    layers: tuple[str, ...]


def look(plan: Plan, way: str, per_class: int, tell: Callable[[int, int], None] | None = None) -> Looks:
    """Looks at frames of every fold's test part with the network that was not trained on them.

    From each fold and class frames are drawn from different recordings. Activation maximisation begins at the frame
    and raises the logit of the frame's own class; its map is the absolute change of a pixel. Grad-CAM is asked about
    the same class.

    Args:
        plan: What was trained.
        way: Whose networks.
        per_class: Frames of each fold and class.
        tell: Called with (folds done, folds in all).
    """
    frames, found = plan.frames(way), []
    for fold, split in enumerate(plan.folds):
        classifier = classifier_of(plan, way, fold)
        rows = _drawn(plan, split.parts["test"], per_class, fold)
        if len(rows):
            found.append((rows, *_maps(plan, classifier, frames, rows)))
        if tell is not None:
            tell(fold + 1, len(plan.folds))
    rows = np.concatenate([part[0] for part in found])
    pictures, changes, cams = (np.concatenate([part[k] for part in found]) for k in (1, 2, 3))
    maps = (np.abs(changes), cams)
    measured = np.stack([np.stack([breadth(m), half_area(m), border_share(m)], axis=1) for m in maps], axis=1)
    first = [int(np.flatnonzero(frames.labels[rows] == k)[0]) for k in np.unique(frames.labels[rows])]
    return Looks(
        rows=rows,
        measures=measured,
        brightening=_brightening(changes),
        frames=pictures[first],
        changes=changes[first],
        cams=cams[first],
        layers=tuple(dict.fromkeys(str(part[4]) for part in found)),
    )


def classifier_of(plan: Plan, way: str, fold: int) -> DifferentiableClassifier:
    """The network of a fold as a classifier."""
    spec = ModelSpec(kind="folder", path=plan.model_folder(way, fold))
    return load_folder(spec, choose_device(plan.device))


def dreams(plan: Plan, way: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What the first fold's network wants to see of each class: begun at noise and at the mean frame of the class.

    Args:
        plan: What was trained.
        way: Whose network.

    Returns:
        (2, K, y, x) grey pictures in [0, 1], and the class means (K, y, x).
    """
    classifier, frames = classifier_of(plan, way, 0), plan.frames(way)
    rows = plan.folds[0].parts["train"]
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, _MEANT).astype(int))]
    missing = set(range(len(frames.class_names))) - set(frames.labels[rows].tolist())
    extra = [int(np.flatnonzero(frames.labels == k)[0]) for k in missing]
    rows = np.concatenate([rows, np.array(extra, np.int64)])
    means = class_means(((_prepared(classifier, frames, [r]), [frames.labels[r]]) for r in rows), classifier.n_classes)
    targets = [ClassLogit(label=k) for k in range(classifier.n_classes)]
    options = plan.recipe.ascent()
    noise = maximize(classifier, targets, options=options).images
    begun = maximize(classifier, targets, start=means, options=options).images
    return np.stack([noise.mean(axis=1), begun.mean(axis=1)]), means.mean(axis=1)


def look_arrays(looks: Looks, plan: Plan, way: str, *, level: float, seed: int) -> xr.Dataset:
    """Means of the measures with intervals over recordings, and the paired difference of the two methods.

    Args:
        looks: What was seen.
        plan: What was trained.
        way: Whose networks.
        level: Of the intervals.
        seed: Of the draws.

    Returns:
        look_value (look_way, method, measure), look_gap (look_way, measure), both with `_interval`; look_class,
        the means of each class; look_frames and look_empty, frames with a map and without.
    """
    known = np.isfinite(looks.measures).all(axis=(1, 2))
    units, values = plan.units_n[looks.rows][known], looks.measures[known]
    drawn = GroupBootstrap.of([str(u) for u in units], len(units), resamples=RESAMPLES, seed=seed)
    flat = values.reshape(len(values), -1)
    sums = drawn.sums(np.column_stack([flat, np.ones(len(flat))]))
    spread = (sums[:, :-1] / sums[:, -1:]).reshape(-1, 2, len(MEASURES))
    mean = flat.mean(axis=0).reshape(2, len(MEASURES)) if len(flat) else np.full((2, len(MEASURES)), np.nan)
    axes = ("look_way", "method", "measure")
    return xr.Dataset(
        {
            "look_value": (axes, mean[None]),
            "look_value_interval": ((*axes, "bound"), _interval(spread, level)[None]),
            "look_gap": (("look_way", "measure"), (mean[0] - mean[1])[None]),
            "look_gap_interval": (
                ("look_way", "measure", "bound"),
                _interval(spread[:, 0] - spread[:, 1], level)[None],
            ),
            "look_frames": ("look_way", [int(known.sum())]),
            "look_empty": ("look_way", [int((~known).sum())]),
            "look_brightening": ("look_way", [float(np.nanmean(looks.brightening))]),
            "look_class": ((*axes, "class"), _of_classes(values, plan, looks.rows[known])[None]),
        },
        coords={
            "look_way": [way],
            "method": [ASCENT, CAM],
            "measure": list(MEASURES),
            "bound": ["low", "high"],
            "class": list(plan.dataset.class_names),
        },
    )


def picture_arrays(looks: Looks, plan: Plan, dreamt: npt.NDArray[np.float32]) -> xr.Dataset:
    """Pictures of figures 15 and 16 as bytes; maps are scaled to their own largest value.

    Args:
        looks: Of whole frames.
        plan: What was trained.
        dreamt: (2, K, y, x), from `dreams`.
    """
    names = plan.dataset.class_names
    shown = [names[k] for k in np.unique(plan.dataset.labels[looks.rows])]
    axes, strongest = ("shown_class", "picture_y", "picture_x"), np.abs(looks.changes).max(axis=(1, 2), keepdims=True)
    change = 0.5 + 0.5 * looks.changes / np.where(strongest > 0, strongest, 1)
    top = looks.cams.max(axis=(1, 2), keepdims=True)
    return xr.Dataset(
        {
            "shown_frame": (axes, _bytes(looks.frames)),
            "shown_ascent": (axes, _bytes(looks.frames + looks.changes)),
            "shown_change": (axes, _bytes(change)),
            "shown_cam": (axes, _bytes(looks.cams / np.where(top > 0, top, 1))),
            "dream": (("dream_start", "dream_class", "picture_y", "picture_x"), _bytes(dreamt)),
        },
        coords={"shown_class": shown, "dream_start": ["noise", "class mean"], "dream_class": list(names)},
    )


def _maps(
    plan: Plan, classifier: DifferentiableClassifier, frames: ImageDataset, rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], str]:
    images = _prepared(classifier, frames, rows)
    places = [int(label) for label in frames.labels[rows]]
    raised = maximize(classifier, [ClassLogit(label=k) for k in places], start=images, options=plan.recipe.ascent())
    cam = attribute(classifier, images, places, method="grad_cam")
    before = images.numpy().mean(axis=1)
    return before, raised.images.mean(axis=1) - before, cam.values[:, 0], str(cam.layer)


def _prepared(
    classifier: DifferentiableClassifier, frames: ImageDataset, rows: npt.NDArray[np.int64] | list[int]
) -> torch.Tensor:
    read = [classifier.prepare(torch.from_numpy(np.array(frames.load(int(row))))[None]) for row in rows]
    return torch.cat(read)


def _drawn(plan: Plan, test: npt.NDArray[np.int64], per_class: int, fold: int) -> npt.NDArray[np.int64]:
    """Frames of each class from different units, drawn at random."""
    labels, found = plan.dataset.labels, []
    mixed = generator(plan.recipe.seed, "lung frames", fold).permutation(test)
    for k in range(len(plan.dataset.class_names)):
        rows = mixed[labels[mixed] == k]
        _, first = np.unique(plan.units_n[rows], return_index=True)
        found.append(rows[np.sort(first)[:per_class]])
    return np.concatenate(found).astype(np.int64)


def _of_classes(values_nmk: FloatArray, plan: Plan, rows: npt.NDArray[np.int64]) -> FloatArray:
    """Mean of each measure over the frames of each class (method, measure, class), NaN for a class without frames."""
    labels, found = plan.dataset.labels[rows], np.full((*values_nmk.shape[1:], len(plan.dataset.class_names)), np.nan)
    for k in np.unique(labels):
        found[..., k] = values_nmk[labels == k].mean(axis=0)
    return found


def _brightening(changes_nyx: npt.NDArray[np.float32]) -> FloatArray:
    whole = np.abs(changes_nyx).sum(axis=(1, 2), dtype=np.float64)
    up = np.maximum(changes_nyx, 0).sum(axis=(1, 2), dtype=np.float64)
    return np.where(whole > 0, up / np.where(whole > 0, whole, 1), np.nan)


def _bytes(pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Pictures in [0, 1] as bytes, made small enough for a page."""
    given = torch.from_numpy(np.ascontiguousarray(pictures, np.float32))
    flat = given.reshape(-1, 1, *given.shape[-2:])
    if flat.shape[-1] > _PIXELS:
        flat = torch.nn.functional.interpolate(flat, size=(_PIXELS, _PIXELS), mode="area")
    grey = flat.reshape(*given.shape[:-2], *flat.shape[-2:])
    return grey.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def _interval(values_r: FloatArray, level: float) -> FloatArray:
    return percentile_interval(np.moveaxis(values_r, 0, -1), level)
