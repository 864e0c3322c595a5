"""Activation maximisation beside Grad-CAM: the same frames, the same class, and what each shows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.map_shape import border_share, breadth, cell_means, half_area, map_correlation, raised_share
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import ClassLogit
from shiftgauge.explain.operators import Jitter
from shiftgauge.explain.random_steps import random_steps
from shiftgauge.explain.starts import class_means
from shiftgauge.models.device import choose_device
from shiftgauge.models.input_scale import input_scale
from shiftgauge.models.model_folder import load_folder
from shiftgauge.models.specification import ModelSpec
from shiftgauge.random import generator
from shiftgauge.studies.lung_folds import WHOLE, Plan
from shiftgauge.types import DifferentiableClassifier, FloatArray

ASCENT: Final = "activation maximisation"
CAM: Final = "Grad-CAM"
FRO: Final = "random steps"
STRAIGHT: Final = "random steps in one direction"
METHODS: Final = (ASCENT, CAM, FRO, STRAIGHT)
MEASURES: Final = ("breadth", "area of half", "on the border", "made brighter")
GRAINS: Final = ("pixels", "cells")
_MEANT: Final = 240
"""Most frames that the class means are taken over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What is shown of some frames.

    Args:
        rows: Numbers of the frames (n,).
        measures: (n, method, measure), see `METHODS` and `MEASURES`; NaN where a map is empty, and for what Grad-CAM
            makes brighter.
        repeats: Correlation of the map of activation maximisation with that of another seed (n, grain), of pixels and
            of cells; NaN where it was not asked for.
        frames: First frame of each class (K, y, x) in [0, 1].
        changes: What activation maximisation adds to it (K, y, x), signed.
        cams: What Grad-CAM shows of it (K, rows, columns), ≥ 0, at the size of its layer.
        layers: What Grad-CAM looked at.
        cells: Rows and columns of its maps, over which all maps are averaged.
    """

    rows: npt.NDArray[np.int64]
    measures: FloatArray
    repeats: FloatArray
    frames: npt.NDArray[np.float32]
    changes: npt.NDArray[np.float32]
    cams: npt.NDArray[np.float32]
    layers: tuple[str, ...]
    cells: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Seen:
    """The frames of one fold.

    Args:
        frames: (n, y, x).
        changes: What is added by activation maximisation, the same with another seed where it is asked for, random
            steps, and random steps in one direction: each (n, y, x).
        cams: (n, rows, columns).
        layer: What Grad-CAM looked at.
    """

    frames: npt.NDArray[np.float32]
    changes: dict[str, npt.NDArray[np.float32]]
    cams: npt.NDArray[np.float32]
    layer: str

    def measures(self) -> FloatArray:
        """(n, method, measure)."""
        cells, pixels = (self.cams.shape[1], self.cams.shape[2]), (self.frames.shape[1], self.frames.shape[2])
        found = []
        for method in METHODS:
            change = self.changes.get(method)
            maps = self.cams if change is None else cell_means(np.abs(change), cells)
            raised = np.full(len(maps), np.nan) if change is None else raised_share(change)
            found.append(np.stack([breadth(maps), half_area(maps), border_share(maps, pixels=pixels), raised], axis=1))
        return np.stack(found, axis=1)

    def repeats(self) -> FloatArray:
        """(n, grain)."""
        if _AGAIN not in self.changes:
            return np.full((len(self.frames), len(GRAINS)), np.nan)
        cells = (self.cams.shape[1], self.cams.shape[2])
        fine = [np.abs(self.changes[name]) for name in (ASCENT, _AGAIN)]
        coarse = [cell_means(m, cells) for m in fine]
        return np.stack([map_correlation(*fine), map_correlation(*coarse)], axis=1)


_AGAIN: Final = "another seed"


def look(plan: Plan, way: str, per_class: int, tell: Callable[[int, int], None] | None = None) -> Looks:
    """Looks at frames of every fold's test part with the network that was not trained on them.

    From each fold and class frames are drawn from different recordings, the same ones for every way. Activation
    maximisation begins at the frame and raises the logit of the frame's own class; its map is the absolute change of a
    pixel. Grad-CAM is asked about the same class. Random steps of the same number and length begin at the same frame.
    All maps are averaged over the cells of the layer that Grad-CAM looks at.

    Args:
        plan: What was trained.
        way: Whose networks; those of whole frames are asked again with another seed.
        per_class: Frames of each fold and class.
        tell: Called with (folds done, folds in all).
    """
    frames, numbers, seen = plan.frames(way), [], []
    for fold, split in enumerate(plan.folds):
        rows = drawn_frames(plan, split.parts["test"], per_class, fold)
        if len(rows):
            numbers.append(rows)
            seen.append(_see(plan, classifier_of(plan, way, fold), frames, rows, again=way == WHOLE))
        if tell is not None:
            tell(fold + 1, len(plan.folds))
    rows = np.concatenate(numbers)
    first = [int(np.flatnonzero(frames.labels[rows] == k)[0]) for k in np.unique(frames.labels[rows])]
    return Looks(
        rows=rows,
        measures=np.concatenate([part.measures() for part in seen]),
        repeats=np.concatenate([part.repeats() for part in seen]),
        frames=np.concatenate([part.frames for part in seen])[first],
        changes=np.concatenate([part.changes[ASCENT] for part in seen])[first],
        cams=np.concatenate([part.cams for part in seen])[first],
        layers=tuple(dict.fromkeys(part.layer for part in seen)),
        cells=(seen[0].cams.shape[1], seen[0].cams.shape[2]),
    )


def classifier_of(plan: Plan, way: str, fold: int) -> DifferentiableClassifier:
    """The network of a fold as a classifier."""
    spec = ModelSpec(kind="folder", path=plan.model_folder(way, fold))
    return load_folder(spec, choose_device(plan.device))


def dreams(plan: Plan, way: str) -> npt.NDArray[np.float32]:
    """What the first fold's network wants to see of each class: begun at noise and at the mean frame of the class.

    Args:
        plan: What was trained.
        way: Whose network.

    Returns:
        (2, K, y, x) grey pictures in [0, 1].
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
    return np.stack([noise.mean(axis=1), begun.mean(axis=1)])


def drawn_frames(plan: Plan, test: npt.NDArray[np.int64], per_class: int, fold: int) -> npt.NDArray[np.int64]:
    """Frames of each class from different units, drawn at random.

    Args:
        plan: Frames and units.
        test: Numbers of the frames to draw from.
        per_class: How many of each class, at most.
        fold: Part of the seed.
    """
    labels, found = plan.dataset.labels, []
    mixed = generator(plan.recipe.seed, "lung frames", fold).permutation(test)
    for k in range(len(plan.dataset.class_names)):
        rows = mixed[labels[mixed] == k]
        _, first = np.unique(plan.units_n[rows], return_index=True)
        found.append(rows[np.sort(first)[:per_class]])
    return np.concatenate(found).astype(np.int64)


def _see(
    plan: Plan,
    classifier: DifferentiableClassifier,
    frames: ImageDataset,
    rows: npt.NDArray[np.int64],
    *,
    again: bool,
) -> _Seen:
    """Asks one network about frames by both methods, and goes random steps from them."""
    images, places = _prepared(classifier, frames, rows), [int(label) for label in frames.labels[rows]]
    before, options = images.numpy().mean(axis=1), plan.recipe.ascent()

    def climbed(chosen: ActivationMaximization) -> npt.NDArray[np.float32]:
        found = maximize(classifier, [ClassLogit(label=k) for k in places], start=images, options=chosen)
        return found.images.mean(axis=1) - before

    in_place = replace(options, views=tuple(view for view in options.views if not isinstance(view, Jitter)))
    scale = input_scale(classifier)
    strayed = {way: random_steps(images, scale, in_place, anew=way == FRO).mean(axis=1) for way in (FRO, STRAIGHT)}
    changes = {ASCENT: climbed(options), **{way: found - before for way, found in strayed.items()}}
    if again:
        changes[_AGAIN] = climbed(replace(options, seed=options.seed + 1))
    asked = AttributionOptions(enlarge=False)
    cam = attribute(classifier, images, places, method="grad_cam", options=asked, layer=plan.recipe.cam_layer)
    return _Seen(frames=before, changes=changes, cams=cam.values[:, 0], layer=str(cam.layer))


def _prepared(
    classifier: DifferentiableClassifier, frames: ImageDataset, rows: npt.NDArray[np.int64] | list[int]
) -> torch.Tensor:
    read = [classifier.prepare(torch.from_numpy(np.array(frames.load(int(row))))[None]) for row in rows]
    return torch.cat(read)
