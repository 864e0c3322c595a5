"""The pictures of an audit: strips along each shift, and the images most and least affected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
import xarray as xr

from shiftgauge.evaluate.evaluator import Evaluator, Points
from shiftgauge.evaluate.quantities import PREDICTED
from shiftgauge.space import Space
from shiftgauge.studies.arrays import texts
from shiftgauge.types import Execution

LEVELS: Final = 7
"""Pictures along each shift."""
STRIPS: Final = 3
"""Images that are shown along each shift."""
THUMBS: Final = 6
"""Images shown as most and as least affected."""
_STRIP_PIXELS: Final = 112
_THUMB_PIXELS: Final = 144


@dataclass(frozen=True, kw_only=True)
class Affected:
    """How each image fares under the shifts, and its worst row of the design.

    Args:
        order: Image indices, most affected first.
        worst_row: Row of the design with the lowest value of the quantity for each image; -1 when it was never drawn.
        worst_value: The value there.
    """

    order: np.ndarray
    worst_row: np.ndarray
    worst_value: np.ndarray


def strips(evaluator: Evaluator, space: Space, execution: Execution, chosen: Sequence[int]) -> xr.Dataset:
    """Transforms chosen images along each shift, the others at their nominal value.

    Args:
        evaluator: The classifier with its images and shifts.
        space: The shifts and their ranges.
        execution: How the classifier is run.
        chosen: Indices of the images.

    Returns:
        `strip_image` (strip, shift, level, row, column, rgb) as uint8, `strip_theta`, `strip_probability`,
        `strip_predicted`, `strip_name`, `strip_label`.
    """
    levels = np.stack([_levels(space, i) for i in space.varying])
    pictures, probability, predicted = [], [], []
    for image in chosen:
        for column, index in enumerate(space.varying):
            theta = np.tile(space.nominal, (LEVELS, 1))
            theta[:, index] = levels[column]
            points = Points(image_n=np.full(LEVELS, image), theta_np=theta, stream_n=np.zeros(LEVELS, np.int64))
            pictures.append(small_rgb(evaluator.shifted(points), _STRIP_PIXELS))
            raw = evaluator.outputs(points, execution)
            values = evaluator.truth.measure(raw, points.image_n)
            probability.append(values[:, 0])
            predicted.append(evaluator.truth.told(values[:, PREDICTED]))
    shape = (len(chosen), space.n_varying, LEVELS)
    return xr.Dataset(
        {
            "strip_theta": (("shift", "level"), levels),
            "strip_image": (
                ("strip", "shift", "level", "strip_row", "strip_column", "rgb"),
                np.stack(pictures).reshape(*shape, *pictures[0].shape[1:]),
            ),
            "strip_probability": (("strip", "shift", "level"), np.array(probability).reshape(shape)),
            "strip_predicted": (("strip", "shift", "level"), np.array(predicted, dtype=object).reshape(shape)),
            "strip_name": ("strip", texts(evaluator.source.names[i] for i in chosen)),
            "strip_label": ("strip", texts(evaluator.truth.texts[i] for i in chosen)),
        }
    )


def affected(image_n: np.ndarray, value_n: np.ndarray, clean_i: np.ndarray, *, smaller_is_worse: bool) -> Affected:
    """Ranks images by the mean absolute change of a quantity against its value without any shift.

    Args:
        image_n: Image of each row (N,).
        value_n: The quantity of each row (N,); rows of NaN do not count.
        clean_i: The quantity of each image without any shift (n_images,).
        smaller_is_worse: Whether small values are the bad ones.
    """
    n, known = len(clean_i), np.flatnonzero(np.isfinite(value_n))
    image_n, value_n = image_n[known], value_n[known]
    count = np.bincount(image_n, minlength=n)
    change = np.bincount(image_n, np.abs(value_n - clean_i[image_n]), minlength=n) / np.maximum(count, 1)
    signed = value_n if smaller_is_worse else -value_n
    by_image = np.lexsort((signed, image_n))
    first = np.searchsorted(image_n[by_image], np.arange(n))
    seen = count > 0
    worst = np.full(n, -1)
    worst[seen] = by_image[first[seen]]
    value = np.where(seen, value_n[worst], np.nan)
    worst[seen] = known[worst[seen]]
    order = np.argsort(np.where(seen, -change, np.inf), kind="stable")[: int(seen.sum())]
    return Affected(order=order, worst_row=worst, worst_value=value)


def thumbs(evaluator: Evaluator, design_points: Any, found: Affected, clean_i: np.ndarray, quantity: str) -> xr.Dataset:
    """Shows the most and the least affected images, at rest and under their worst sampled shift.

    Args:
        evaluator: The classifier with its images and shifts.
        design_points: Callable (start, stop) → points of the design.
        found: What `affected` gave.
        clean_i: The quantity of each image without any shift.
        quantity: Its name, for the captions.
    """
    n = len(found.order)
    most = found.order[: min(THUMBS, (n + 1) // 2)]
    least = found.order[n - min(THUMBS, n // 2) :][::-1]
    at_rest, at_worst, captions = [], [], []
    for image in [*most, *least]:
        points = design_points(int(found.worst_row[image]), int(found.worst_row[image]) + 1)
        nominal = Points(image_n=points.image_n, theta_np=_nominal_like(evaluator, points), stream_n=points.stream_n)
        at_rest.append(small_rgb(evaluator.shifted(nominal), _THUMB_PIXELS)[0])
        at_worst.append(small_rgb(evaluator.shifted(points), _THUMB_PIXELS)[0])
        where = ", ".join(f"{name} {v:.3g}" for name, v in zip(evaluator.names, points.theta_np[0], strict=True))
        captions.append(f"{where}: {quantity} {clean_i[image]:.3g} → {found.worst_value[image]:.3g}")
    axes = ("thumb", "thumb_row", "thumb_column", "rgb")
    names = [evaluator.source.names[i] for i in [*most, *least]]
    return xr.Dataset(
        {
            "thumb_of": ("thumb", texts(names)),
            "thumb_role": ("thumb", texts(["most"] * len(most) + ["least"] * len(least))),
            "thumb_image": (axes, np.stack(at_rest)),
            "thumb_worst": (axes, np.stack(at_worst)),
            "thumb_worst_text": ("thumb", texts(captions)),
        }
    )


def small_rgb(images_nchw: torch.Tensor, pixels: int) -> np.ndarray:
    """Shrinks images to at most `pixels` a side and returns them as uint8 (N, h, w, 3).

    One channel becomes grey, more than three show the first three.
    """
    height, width = images_nchw.shape[-2:]
    factor = min(1.0, pixels / max(height, width))
    if factor < 1:
        size = (max(1, round(height * factor)), max(1, round(width * factor)))
        images_nchw = F.interpolate(images_nchw, size=size, mode="bilinear", antialias=True)
    channels = images_nchw.shape[1]
    rgb = images_nchw[:, :3] if channels >= 3 else images_nchw[:, :1].expand(-1, 3, -1, -1)
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _levels(space: Space, index: int) -> np.ndarray:
    """Values along one shift: spread over its range, its choices repeated when they are fewer."""
    parameter = space.parameters[index]
    if parameter.levels is not None:
        values = parameter.levels[0]
        return values[np.linspace(0, len(values) - 1, LEVELS).round().astype(int)]
    if parameter.distribution == "loguniform":
        return np.geomspace(*parameter.display_range(), LEVELS)
    return np.linspace(*parameter.display_range(), LEVELS)


def _nominal_like(evaluator: Evaluator, points: Points) -> np.ndarray:
    return np.tile(np.asarray(evaluator.nominal, float), (len(points), 1))
