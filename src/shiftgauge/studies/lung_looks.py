"""Activation maximisation beside Grad-CAM: the same frames, the same class, and what each shows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import ClassLogit
from shiftgauge.explain.starts import class_means
from shiftgauge.models.device import choose_device
from shiftgauge.models.model_folder import load_folder
from shiftgauge.models.specification import ModelSpec
from shiftgauge.random import generator
from shiftgauge.studies.kept import MAPS, kept
from shiftgauge.studies.lung_folds import WHOLE, Plan
from shiftgauge.studies.lung_seen import ASCENT, Seen, see
from shiftgauge.types import DifferentiableClassifier, FloatArray

_MEANT: Final = 240
"""Most frames that the class means are taken over."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """What is shown of some frames.

    Args:
        rows: Numbers of the frames (n,).
        measures: (n, method, measure), see `METHODS` and `MEASURES`; NaN where a map is empty, and for what Grad-CAM
            makes brighter.
        repeats: Correlation of maps with those of `REPEATS` (n, repeat, grain), of pixels and of cells; NaN where it
            was not asked for.
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


def look(plan: Plan, way: str, per_class: int, tell: Callable[[int, int], None] | None = None) -> Looks:
    """Looks at frames of every fold's test part with the network that was not trained on them.

    From each fold and class frames are drawn from different recordings, the same ones for every way. Activation
    maximisation begins at the frame and raises the logit of the frame's own class; its map is the absolute change of a
    pixel. Grad-CAM is asked about the same class. Random steps of the same number and length begin at the same frame.
    All maps are averaged over the cells of the layer that Grad-CAM looks at. What was seen in a fold is kept, and read
    by a later call.

    Args:
        plan: What was trained.
        way: Whose networks; those of whole frames are asked again with another seed, and about another class.
        per_class: Frames of each fold and class.
        tell: Called with (folds done, folds in all).
    """
    frames, numbers, seen = plan.frames(way), [], []
    for fold, split in enumerate(plan.folds):
        rows = drawn_frames(plan, split.parts["test"], per_class, fold)
        if len(rows):
            numbers.append(rows)
            seen.append(_seen(plan, classifier_of(plan, way, fold), frames.select(rows), again=way == WHOLE))
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
    chosen, options = frames.select(np.concatenate([rows, np.array(extra, np.int64)])), plan.recipe.ascent()

    def measure() -> xr.Dataset:
        each = ((_prepared(classifier, chosen.select([i])), [chosen.labels[i]]) for i in range(len(chosen)))
        targets = [ClassLogit(label=k) for k in range(classifier.n_classes)]
        noise = maximize(classifier, targets, options=options).images
        begun = maximize(classifier, targets, start=class_means(each, classifier.n_classes), options=options).images
        return xr.Dataset({"dream": (("begin", "class", "y", "x"), np.stack([noise, begun]).mean(axis=2))})

    identity = [classifier.fingerprint, chosen.fingerprint, options.to_dict()]
    return kept(plan.folder / MAPS, "dreams", identity, measure)["dream"].values


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


def _seen(plan: Plan, classifier: DifferentiableClassifier, frames: ImageDataset, *, again: bool) -> Seen:
    """What one network shows of frames, measured or read."""
    labels, options, layer = [int(label) for label in frames.labels], plan.recipe.ascent(), plan.recipe.cam_layer

    def measure() -> xr.Dataset:
        return see(classifier, _prepared(classifier, frames), labels, options, layer=layer, again=again).to_arrays()

    asked = {"ascent": options.to_dict(), "layer": layer, "again": again}
    identity = {"of": [classifier.fingerprint, frames.fingerprint], "labels": labels, **asked}
    return Seen.of(kept(plan.folder / MAPS, "looks", identity, measure))


def _prepared(classifier: DifferentiableClassifier, frames: ImageDataset) -> torch.Tensor:
    return torch.cat([classifier.prepare(torch.from_numpy(np.array(frames.load(i)))[None]) for i in range(len(frames))])
