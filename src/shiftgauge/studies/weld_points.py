"""One image of the weld study at the same points under every way of shifting it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from shiftgauge.estimate.designs import PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.evaluate.progress import nothing
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.trained_model import TrainedClassifier
from shiftgauge.shifts.catalog import get_preset
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies.setup import as_space
from shiftgauge.studies.weld_published import dragged_shift, published_shift
from shiftgauge.types import Execution, FloatArray

SHIFTS: Final = ("brightness", "rotation", "tilt")
PLAIN: Final = "camera"
"""Name of the variant that the audits use."""
LARGER: Final = "larger input"
"""Name of the same at the input size of the published audit."""
_BATCH: Final = 64
_ENLARGED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of shifting the image.

    Args:
        name: Short name.
        text: What is done, in words.
        size: Input size of the network, in pixels.
        reference: Name of the variant that it is compared with, of the same size where that is not what differs.
        shift: (stored picture (1, C, h, w), values (N, 3)) → pictures in [0, 1], (N, C, h', w') of any size.
    """

    name: str
    text: str
    size: int
    reference: str
    shift: Callable[[Tensor, Tensor], Tensor]


def variants(own: Preprocessing, other: Preprocessing) -> tuple[Variant, ...]:
    """The ways that are compared, the one of the audits first.

    Args:
        own: How images reach the network in training and in the audits.
        other: The same at the larger input size of the published audit.
    """
    order = get_preset("weld").order
    small, large = own.height, other.height
    sides = f"{large} × {large}"
    return (
        Variant(
            name=PLAIN,
            text=f"resized to {small} × {small} first; brightness, rotation, then tilt as a turned plane",
            size=small,
            reference=PLAIN,
            shift=_camera(order, own),
        ),
        Variant(name=LARGER, text=f"the same at {sides}", size=large, reference=PLAIN, shift=_camera(order, other)),
        Variant(
            name="other order",
            text="tilt before rotation, brightness last",
            size=small,
            reference=PLAIN,
            shift=_camera(("tilt", "rotation", "brightness"), own),
        ),
        Variant(
            name="corners after resizing",
            text=f"the published drag of corners for the turned plane, on the picture of {small} × {small}, with a box "
            "of that size; nothing else differs",
            size=small,
            reference=PLAIN,
            shift=lambda picture, theta: dragged_shift(_repeated(own.prepare(picture), theta), theta),
        ),
        *_published(large, float(other.height)),
    )


def _published(large: int, box: float) -> tuple[Variant, Variant]:
    return (
        Variant(
            name="as published",
            text=f"the drag with a box of {large} pixels on the picture as stored, resized to {large} × {large} "
            f"afterwards; rotation takes the nearest pixel, as the published code does, where “{LARGER}” interpolates",
            size=large,
            reference=LARGER,
            shift=lambda picture, theta: published_shift(_repeated(picture, theta), theta, box=box),
        ),
        Variant(
            name="as published, large picture",
            text=f"the same on the picture enlarged to {_ENLARGED * large} pixels, as a camera might store it",
            size=large,
            reference=LARGER,
            shift=lambda picture, theta: published_shift(
                _repeated(_enlarged(picture, _ENLARGED * large), theta), theta, box=box
            ),
        ),
    )


def design_points(n: int, seed: int) -> FloatArray:
    """Scrambled Sobol' points of the weld preset, columns `SHIFTS`, (n, 3)."""
    design = PlainDesign(inputs=Inputs(space=as_space("weld"), n_images=0), n=n, seed=seed)
    return design.rows(0, n).theta


def true_probability(
    classifier: TrainedClassifier,
    picture_chw: Tensor,
    label: int,
    theta_n3: FloatArray,
    variant: Variant,
    advance: Callable[[int, int], None] = nothing,
) -> FloatArray:
    """Probability of the true class of a shifted picture, (n,).

    Args:
        classifier: The network at the input size of the variant.
        picture_chw: As stored, in [0, 1].
        label: Its class.
        theta_n3: Values, columns `SHIFTS`.
        variant: How it is shifted.
        advance: Told (done, in all).
    """
    rows = []
    for start in range(0, len(theta_n3), _BATCH):
        theta = torch.from_numpy(theta_n3[start : start + _BATCH])
        moved = classifier.prepare(variant.shift(picture_chw[None], theta))
        logits = classifier.outputs(moved, Execution(batch_size=_BATCH))
        rows.append(torch.softmax(logits.double(), dim=1)[:, label].cpu().numpy())
        advance(min(start + _BATCH, len(theta_n3)), len(theta_n3))
    return np.concatenate(rows)


def _camera(order: tuple[str, ...], preprocessing: Preprocessing) -> Callable[[Tensor, Tensor], Tensor]:
    pipeline = ShiftPipeline(SHIFTS, order=order)

    def shift(picture: Tensor, theta: Tensor) -> Tensor:
        prepared = preprocessing.prepare(picture).expand(len(theta), -1, -1, -1)
        return pipeline(prepared, theta, torch.zeros(len(theta), dtype=torch.int64))

    return shift


def _repeated(picture: Tensor, theta: Tensor) -> Tensor:
    return picture.expand(len(theta), -1, -1, -1)


def _enlarged(picture: Tensor, size: int) -> Tensor:
    """Bilinear, in one channel where all are alike: large pictures cost time."""
    if picture.shape[1] == 3 and bool((picture[:, :1] == picture).all()):
        picture = picture[:, :1]
    return functional.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False)
