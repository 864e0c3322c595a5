"""One image of the weld study at the same points under every way of shifting it, and surrogates of the outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.chaos.basis import legendre
from shiftgauge.estimate.chaos.fit import fit_terms
from shiftgauge.estimate.chaos.index_set import IndexSet, tensor, total_degree
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.designs import PlainDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.evaluate.progress import nothing
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.models.trained_model import TrainedClassifier
from shiftgauge.shifts.catalog import get_preset
from shiftgauge.shifts.pipeline import ShiftPipeline
from shiftgauge.studies.setup import as_space
from shiftgauge.studies.weld_published import published_shift
from shiftgauge.types import Execution, FloatArray

SHIFTS: Final = ("brightness", "rotation", "tilt")
ORDERS: Final[Mapping[str, IndexSet]] = {
    "order 3, all products": tensor([3, 3, 3]),
    "order 6, all products (published)": tensor([6, 6, 6]),
    "total degree 4": total_degree(3, 4),
    "total degree 6": total_degree(3, 6),
    "total degree 8": total_degree(3, 8),
}
"""Sets of terms whose fit is measured; the second is the published one, with 343 terms."""
PUBLISHED_ORDER: Final = "order 6, all products (published)"
PLAIN: Final = "camera"
"""Name of the variant that the audits use."""
_BATCH: Final = 64
_ENLARGED: Final = 3


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One way of shifting the image.

    Args:
        name: Short name.
        text: What is done, in words.
        size: Input size of the network, in pixels.
        shift: (stored picture (1, C, h, w), values (N, 3)) → pictures in [0, 1], (N, C, h', w') of any size.
    """

    name: str
    text: str
    size: int
    shift: Callable[[Tensor, Tensor], Tensor]


def variants(own: Preprocessing, other: Preprocessing) -> tuple[Variant, ...]:
    """The ways that are compared, the one of the audits first.

    Args:
        own: How images reach the network in training and in the audits.
        other: The same at the larger input size of the published audit.
    """
    order = get_preset("weld").order
    small, large, box = own.height, other.height, float(other.height)
    sides = f"{large} × {large}"
    return (
        Variant(
            name=PLAIN,
            text=f"resized to {small} × {small} first; brightness, rotation, then tilt as a turned plane",
            size=small,
            shift=_camera(order, own),
        ),
        Variant(name="larger input", text=f"the same at {sides}", size=large, shift=_camera(order, other)),
        Variant(
            name="other order",
            text="tilt before rotation, brightness last",
            size=small,
            shift=_camera(("tilt", "rotation", "brightness"), own),
        ),
        Variant(
            name="corners after resizing",
            text=f"the published drag of corners, on the picture of {sides} that its box is made for",
            size=large,
            shift=lambda picture, theta: _dragged(other.prepare(picture), theta, box),
        ),
        Variant(
            name="as published",
            text=f"the drag with a box of {large} pixels on the picture as stored, resized to {sides} afterwards",
            size=large,
            shift=lambda picture, theta: _dragged(picture, theta, box),
        ),
        Variant(
            name="as published, large picture",
            text=f"the same on the picture enlarged to {_ENLARGED * large} pixels, as a camera might store it",
            size=large,
            shift=lambda picture, theta: _dragged(_enlarged(picture, _ENLARGED * large), theta, box),
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


def surrogate_of(theta_n3: FloatArray, values_n: FloatArray, terms: IndexSet) -> ChaosSurrogate:
    """Least squares in orthonormal Legendre polynomials over the ranges of the preset, with exact leave-one-out Q²."""
    space = as_space("weld")
    bases = tuple(legendre(*(float(p.ppf(np.array([q]))[0]) for q in (0, 1))) for p in space.parameters)
    found = fit_terms(bases, terms, theta_n3, values_n[:, None])
    return ChaosSurrogate(
        names=SHIFTS,
        outputs=("probability",),
        bases=bases,
        indices=terms,
        coefficients=found.coefficients,
        q2=found.q2,
        n_points=len(values_n),
    )


def point_arrays(theta_n3: FloatArray, values: Mapping[str, FloatArray], shown: tuple[Variant, ...]) -> xr.Dataset:
    """Indices of each variant and, for the variant of the audits, of each set of terms.

    Args:
        theta_n3: The points.
        values: Variant → probability of the true class (n,).
        shown: The variants.

    Raises:
        NumericalError: Too few points for the published 343 terms.
    """
    most = len(ORDERS[PUBLISHED_ORDER])
    if len(theta_n3) <= most:
        raise NumericalError(f"the published {most} terms need more points, got {len(theta_n3)}; try 4096")
    by_variant = [surrogate_of(theta_n3, values[v.name], ORDERS["total degree 8"]) for v in shown]
    by_order = [surrogate_of(theta_n3, values[PLAIN], terms) for terms in ORDERS.values()]
    plain = values[PLAIN]
    variables: dict[str, object] = {
        "variant_text": ("variant", np.array([v.text for v in shown], object)),
        "variant_size": ("variant", [v.size for v in shown]),
        "variant_mean": ("variant", [float(values[v.name].mean()) for v in shown]),
        "variant_std": ("variant", [float(values[v.name].std()) for v in shown]),
        "variant_difference": ("variant", [float(np.abs(values[v.name] - plain).mean()) for v in shown]),
        "variant_correlation": ("variant", [_correlation(values[v.name], plain) for v in shown]),
        "order_terms": ("order", [len(terms) for terms in ORDERS.values()]),
    }
    for axis, found in (("variant", by_variant), ("order", by_order)):
        variables[f"{axis}_q2"] = (axis, [float(s.q2[0]) for s in found])
        variables[f"{axis}_first_order"] = ((axis, "shift"), np.stack([s.first_order()[0] for s in found]))
        variables[f"{axis}_total_order"] = ((axis, "shift"), np.stack([s.total_order()[0] for s in found]))
    coords = {"variant": [v.name for v in shown], "order": list(ORDERS), "shift": list(SHIFTS)}
    return xr.Dataset(variables, coords=coords)


def _camera(order: tuple[str, ...], preprocessing: Preprocessing) -> Callable[[Tensor, Tensor], Tensor]:
    pipeline = ShiftPipeline(SHIFTS, order=order)

    def shift(picture: Tensor, theta: Tensor) -> Tensor:
        prepared = preprocessing.prepare(picture).expand(len(theta), -1, -1, -1)
        return pipeline(prepared, theta, torch.zeros(len(theta), dtype=torch.int64))

    return shift


def _dragged(picture: Tensor, theta: Tensor, box: float) -> Tensor:
    return published_shift(picture.expand(len(theta), -1, -1, -1), theta, box=box)


def _enlarged(picture: Tensor, size: int) -> Tensor:
    """Bilinear, in one channel where all are alike: large pictures cost time."""
    if picture.shape[1] == 3 and bool((picture[:, :1] == picture).all()):
        picture = picture[:, :1]
    return functional.interpolate(picture, size=(size, size), mode="bilinear", align_corners=False)


def _correlation(a: FloatArray, b: FloatArray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() and b.std() else float("nan")
