"""What is seen of a few frames by one network: an ascent, Grad-CAM, random steps, and what of a map comes back.

Whatever two maps of one frame have in common need not come of what was asked: the frame and the network shape them too.
An ascent is therefore held against one with another seed, and that one against one towards another class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.attribution import attribute
from shiftgauge.explain.attribution_options import AttributionOptions
from shiftgauge.explain.map_shape import border_share, breadth, cell_means, half_area, map_correlation, raised_share
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import ClassLogit
from shiftgauge.explain.operators import Jitter
from shiftgauge.explain.random_steps import random_steps
from shiftgauge.models.input_scale import input_scale
from shiftgauge.types import DifferentiableClassifier, FloatArray

ASCENT: Final = "activation maximisation"
CAM: Final = "Grad-CAM"
FRO: Final = "random steps"
STRAIGHT: Final = "random steps in one direction"
METHODS: Final = (ASCENT, CAM, FRO, STRAIGHT)
MEASURES: Final = ("breadth", "area of half", "on the border", "made brighter")
GRAINS: Final = ("pixels", "cells")
SAME_CLASS: Final = "the same class, another seed"
OTHER_CLASS: Final = "another class, another seed"
_FRO_AGAIN: Final = f"{FRO}, another seed"
_STRAIGHT_AGAIN: Final = f"{STRAIGHT}, another seed"
_PAIRS: Final[Mapping[str, tuple[str, str]]] = {
    SAME_CLASS: (ASCENT, SAME_CLASS),
    OTHER_CLASS: (ASCENT, OTHER_CLASS),
    _FRO_AGAIN: (FRO, _FRO_AGAIN),
    _STRAIGHT_AGAIN: (STRAIGHT, _STRAIGHT_AGAIN),
}
REPEATS: Final = tuple(_PAIRS)
"""What the map of a frame is correlated with: that of an ascent again, or of random steps with those of other draws."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """The frames of one fold.

    Args:
        frames: (n, y, x).
        changes: What is added by activation maximisation, by random steps, and by random steps in one direction; where
            it is asked again, also by each of `REPEATS`: each (n, y, x).
        cams: (n, rows, columns).
        layer: What Grad-CAM looked at.
    """

    frames: npt.NDArray[np.float32]
    changes: Mapping[str, npt.NDArray[np.float32]]
    cams: npt.NDArray[np.float32]
    layer: str

    @classmethod
    def of(cls, arrays: xr.Dataset) -> Seen:
        """From what `to_arrays` gave."""
        changes = {str(name): arrays["change"].sel(by=name).values for name in arrays["by"].values}
        return cls(
            frames=arrays["frame"].values, changes=changes, cams=arrays["cam"].values, layer=str(arrays.attrs["layer"])
        )

    def to_arrays(self) -> xr.Dataset:
        """To be kept in a file."""
        axes = ("shown", "y", "x")
        return xr.Dataset(
            {
                "frame": (axes, self.frames),
                "change": (("by", *axes), np.stack(list(self.changes.values()))),
                "cam": (("shown", "row", "column"), self.cams),
            },
            coords={"by": list(self.changes)},
            attrs={"layer": self.layer},
        )

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
        """(n, repeat, grain); NaN where it was not asked again."""
        if SAME_CLASS not in self.changes:
            return np.full((len(self.frames), len(REPEATS), len(GRAINS)), np.nan)
        cells, found = (self.cams.shape[1], self.cams.shape[2]), []
        for pair in _PAIRS.values():
            fine = [np.abs(self.changes[name]) for name in pair]
            coarse = [cell_means(m, cells) for m in fine]
            found.append(np.stack([map_correlation(*fine), map_correlation(*coarse)], axis=1))
        return np.stack(found, axis=1)


def see(
    classifier: DifferentiableClassifier,
    images_nchw: torch.Tensor,
    labels: list[int],
    options: ActivationMaximization,
    *,
    layer: str | None,
    again: bool,
) -> Seen:
    """Asks one network about frames by both methods, and goes random steps from them.

    Args:
        classifier: The network.
        images_nchw: The frames, pixels in [0, 1].
        labels: Their classes.
        options: How to climb.
        layer: What Grad-CAM looks at; None for the last convolutional layer.
        again: Ask for `REPEATS` too; the other class is the next one, after the last the first.
    """
    before, other_seed = images_nchw.numpy().mean(axis=1), replace(options, seed=options.seed + 1)

    def climbed(chosen: ActivationMaximization, asked: list[int]) -> npt.NDArray[np.float32]:
        targets = [ClassLogit(label=k) for k in asked]
        return maximize(classifier, targets, start=images_nchw, options=chosen).images.mean(axis=1) - before

    def strayed(chosen: ActivationMaximization, *, anew: bool) -> npt.NDArray[np.float32]:
        in_place = replace(chosen, views=tuple(view for view in chosen.views if not isinstance(view, Jitter)))
        return random_steps(images_nchw, input_scale(classifier), in_place, anew=anew).mean(axis=1) - before

    changes: dict[str, Any] = {ASCENT: climbed(options, labels)}
    changes |= {FRO: strayed(options, anew=True), STRAIGHT: strayed(options, anew=False)}
    if again:
        changes[SAME_CLASS] = climbed(other_seed, labels)
        changes[OTHER_CLASS] = climbed(other_seed, [(k + 1) % classifier.n_classes for k in labels])
        changes[_FRO_AGAIN] = strayed(other_seed, anew=True)
        changes[_STRAIGHT_AGAIN] = strayed(other_seed, anew=False)
    asked = AttributionOptions(enlarge=False)
    cam = attribute(classifier, images_nchw, labels, method="grad_cam", options=asked, layer=layer)
    return Seen(frames=before, changes=changes, cams=cam.values[:, 0], layer=str(cam.layer))
