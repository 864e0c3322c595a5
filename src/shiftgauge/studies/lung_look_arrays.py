"""What was seen in the frames as arrays: means of the measures with intervals, and pictures."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.resampling import percentile_interval
from shiftgauge.studies.lung_folds import Plan
from shiftgauge.studies.lung_looks import Looks
from shiftgauge.studies.lung_scores import RESAMPLES
from shiftgauge.studies.lung_seen import GRAINS, MEASURES, METHODS, REPEATS
from shiftgauge.types import FloatArray

_BORDER: Final = MEASURES.index("on the border")
_PIXELS: Final = 128


def look_arrays(looks: Looks, whole: Looks, plan: Plan, way: str, *, level: float, seed: int) -> xr.Dataset:
    """Means of the measures with intervals over recordings, and paired differences of activation maximisation.

    A frame whose map by one method is empty counts for the other methods; pairs are made of frames with both.

    Args:
        looks: What was seen by the networks of a way.
        whole: What those of whole frames saw, of the same frames.
        plan: What was trained.
        way: Whose networks.
        level: Of the intervals.
        seed: Of the draws.

    Returns:
        look_value (look_way, method, measure); look_gap (look_way, other, measure), activation maximisation less
        another method; look_change (look_way, other), by how much that gap on the border is larger than with whole
        frames; look_repeat (look_way, repeat, grain), correlations of maps, and look_repeat_gap (look_way, reference,
        grain), by how much the first of them is above the others: all with `_interval`. look_class, the means of each
        class; look_frames and look_empty (look_way, method), frames with a map and without.
    """
    values, units = looks.measures, plan.units_n[looks.rows]
    gaps = values[:, :1] - values[:, 1:]
    before = whole.measures[:, :1, _BORDER] - whole.measures[:, 1:, _BORDER]
    known = np.isfinite(values[:, :, 0])
    axes = ("look_way", "method", "measure")
    parts = {
        "look_value": (axes, values),
        "look_gap": (("look_way", "other", "measure"), gaps),
        "look_change": (("look_way", "other"), gaps[:, :, _BORDER] - before),
        "look_repeat": (("look_way", "repeat", "grain"), looks.repeats),
        "look_repeat_gap": (("look_way", "reference", "grain"), looks.repeats[:, :1] - looks.repeats[:, 1:]),
    }
    found = {}
    for name, (over, given) in parts.items():
        mean, bounds = _means(given, units, level=level, seed=seed)
        found[name], found[f"{name}_interval"] = (over, mean[None]), ((*over, "bound"), bounds[None])
    return xr.Dataset(
        {
            **found,
            "look_frames": (("look_way", "method"), known.sum(axis=0)[None]),
            "look_empty": (("look_way", "method"), (~known).sum(axis=0)[None]),
            "look_class": ((*axes, "class"), _of_classes(values, plan, looks.rows)[None]),
        },
        coords={
            "look_way": [way],
            "method": list(METHODS),
            "other": list(METHODS[1:]),
            "measure": list(MEASURES),
            "repeat": list(REPEATS),
            "reference": list(REPEATS[1:]),
            "grain": list(GRAINS),
            "bound": ["low", "high"],
            "class": list(plan.dataset.class_names),
        },
    )


def picture_arrays(looks: Looks, plan: Plan, dreamt: npt.NDArray[np.float32]) -> xr.Dataset:
    """Pictures of figures 15 and 16 as bytes; maps are scaled to their own largest value.

    A byte of 128 in `shown_change` is no change.

    Args:
        looks: Of whole frames.
        plan: What was trained.
        dreamt: (2, K, y, x), from `dreams`.
    """
    names = plan.dataset.class_names
    shown = [names[k] for k in np.unique(plan.dataset.labels[looks.rows])]
    axes, strongest = ("shown_class", "picture_y", "picture_x"), np.abs(looks.changes).max(axis=(1, 2), keepdims=True)
    change = (128 + 127 * looks.changes / np.where(strongest > 0, strongest, 1)) / 255
    cams = _enlarged(looks.cams, looks.frames.shape[1:])
    top = cams.max(axis=(1, 2), keepdims=True)
    return xr.Dataset(
        {
            "shown_frame": (axes, _bytes(looks.frames)),
            "shown_ascent": (axes, _bytes(looks.frames + looks.changes)),
            "shown_change": (axes, _bytes(change)),
            "shown_cam": (axes, _bytes(cams / np.where(top > 0, top, 1))),
            "dream": (("dream_start", "dream_class", "picture_y", "picture_x"), _bytes(dreamt)),
        },
        coords={"shown_class": shown, "dream_start": ["noise", "class mean"], "dream_class": list(names)},
    )


def _means(
    values_n: FloatArray, units_n: npt.NDArray[np.int64], *, level: float, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Means over frames (…) and their intervals (…, 2); each leaves out the frames that it is not known of."""
    flat = values_n.reshape(len(values_n), -1)
    known = np.isfinite(flat)
    drawn = GroupBootstrap.of([str(u) for u in units_n], len(flat), resamples=RESAMPLES, seed=seed)
    cells = np.hstack([np.where(known, flat, 0), known])

    def ratio(sums_r2c: FloatArray) -> FloatArray:
        total, count = np.split(sums_r2c, 2, axis=1)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)

    mean, spread = ratio(cells.sum(axis=0)[None])[0], ratio(drawn.sums(cells))
    shape = values_n.shape[1:]
    return mean.reshape(shape), percentile_interval(spread.T, level).reshape(*shape, 2)


def _of_classes(values_nmk: FloatArray, plan: Plan, rows: npt.NDArray[np.int64]) -> FloatArray:
    """Mean of each measure over the frames of each class (method, measure, class), NaN for a class without a map."""
    labels, found = plan.dataset.labels[rows], np.full((*values_nmk.shape[1:], len(plan.dataset.class_names)), np.nan)
    for k in np.unique(labels):
        given = values_nmk[labels == k]
        known = np.isfinite(given)
        count = known.sum(axis=0)
        found[..., k] = np.where(count > 0, np.where(known, given, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    return found


def _bytes(pictures: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Pictures in [0, 1] as bytes, made small enough for a page."""
    given = torch.from_numpy(np.ascontiguousarray(pictures, np.float32))
    flat = given.reshape(-1, 1, *given.shape[-2:])
    if flat.shape[-1] > _PIXELS:
        flat = torch.nn.functional.interpolate(flat, size=(_PIXELS, _PIXELS), mode="area")
    grey = flat.reshape(*given.shape[:-2], *flat.shape[-2:])
    return grey.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()


def _enlarged(maps_nyx: npt.NDArray[np.float32], size: tuple[int, ...]) -> npt.NDArray[np.float32]:
    given = torch.from_numpy(np.ascontiguousarray(maps_nyx, np.float32))[:, None]
    return torch.nn.functional.interpolate(given, size=size, mode="bilinear")[:, 0].numpy()
