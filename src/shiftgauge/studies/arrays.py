"""Estimates and samples of an audit as one xarray data set with named axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.estimate.joint import joint_share
from shiftgauge.estimate.result import Indices, SurrogateInfo
from shiftgauge.evaluate.truth import Truth
from shiftgauge.results.status import TRUSTED_SHARE
from shiftgauge.shifts.catalog import get
from shiftgauge.space import Space
from shiftgauge.types import OutputsNQ

SAMPLES: Final = 4000
"""Rows of the design that a result keeps for its figures."""
_BOUNDS: Final = ["low", "high"]


def index_arrays(indices: Indices) -> xr.Dataset:
    """Indices of every quantity with their intervals, and those of the surrogate alone."""
    q, i, pair = ("quantity",), ("quantity", "input"), ("quantity", "input", "input_2")
    found = {
        "mean": (q, indices.mean, indices.mean_interval),
        "variance": (q, indices.variance, indices.variance_interval),
        "first_order": (i, indices.first_order, indices.first_order_interval),
        "total_order": (i, indices.total_order, indices.total_order_interval),
        "total_interaction": (pair, indices.total_interaction, indices.total_interaction_interval),
        "second_order": (pair, indices.second_order, indices.second_order_interval),
        "joint_share": (q, *joint_share(indices)),
    }
    variables = {}
    for name, (axes, value, interval) in found.items():
        if value is not None and interval is not None:
            variables[name] = (axes, value)
            variables[f"{name}_interval"] = ((*axes, "bound"), interval)
    if indices.surrogate is not None:
        s = indices.surrogate
        variables |= {
            "surrogate_share": (q, s.q2),
            "surrogate_terms": (q, np.asarray(s.terms)),
            "surrogate_label": (q, texts(s.label)),
            "surrogate_first_order": (i, s.first_order),
            "surrogate_total_order": (i, s.total_order),
            "surrogate_trusted": (q, (s.q2 >= TRUSTED_SHARE).astype(np.int8)),
        } | surrogate_addition(s)
    names = list(indices.names)
    return xr.Dataset(
        variables, coords={"quantity": list(indices.outputs), "input": names, "input_2": names, "bound": _BOUNDS}
    )


def surrogate_addition(surrogate: SurrogateInfo) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    """What sharpened the indices beyond the polynomial; nothing where nothing could be added to it."""
    if not surrogate.residual or surrogate.assisted_q2 is None:
        return {}
    return {
        "surrogate_residual": (("quantity",), texts(surrogate.residual)),
        "surrogate_assisted_share": (("quantity",), surrogate.assisted_q2),
    }


def shift_arrays(space: Space) -> xr.Dataset:
    """What each varying shift is: unit, range, identity, distribution in words."""
    parameters = [space.parameters[i] for i in space.varying]
    ranges = np.array([p.display_range() for p in parameters])
    return xr.Dataset(
        {
            "shift_unit": ("shift", texts(p.unit for p in parameters)),
            "shift_low": ("shift", ranges[:, 0]),
            "shift_high": ("shift", ranges[:, 1]),
            "shift_nominal": ("shift", np.array([p.nominal_value for p in parameters])),
            "shift_text": ("shift", texts(p.describe() for p in parameters)),
            "shift_stage": ("shift", texts(get(p.name).stage for p in parameters)),
            "shift_summary": ("shift", texts(get(p.name).summary for p in parameters)),
        },
        coords={"shift": list(space.varying_names)},
    )


def sample_arrays(
    space: Space, theta_np: np.ndarray, image_n: np.ndarray, values_nq: OutputsNQ, quantities: Sequence[str]
) -> xr.Dataset:
    """An evenly spaced part of the independent rows, for figures."""
    keep = np.linspace(0, len(theta_np) - 1, min(SAMPLES, len(theta_np))).round().astype(int)
    return xr.Dataset(
        {
            "sample_theta": (("sample", "shift"), theta_np[keep][:, list(space.varying)]),
            "sample_image": ("sample", image_n[keep]),
            "sample_value": (("quantity", "sample"), values_nq[keep, : len(quantities)].T),
        },
        coords={"quantity": list(quantities), "shift": list(space.varying_names)},
    )


def image_arrays(
    names: Sequence[str],
    truth: Truth,
    clean: OutputsNQ,
    image_n: np.ndarray,
    values_nq: OutputsNQ,
    quantities: Sequence[str],
    chosen: Sequence[int] | None = None,
) -> xr.Dataset:
    """How each image fares: its values at rest, and mean and standard deviation under the shifts.

    Args:
        names: Name of each image.
        truth: What is true of each image.
        clean: Values at rest (n_images, Q + 1 or more), the code of what was predicted after the quantities.
        image_n: Image of each row (N,).
        values_nq: Values of each row (N, Q + 1 or more).
        quantities: Names of the Q columns.
        chosen: The images that were shifted, over which alone `clean_mean` is then formed; default all.
    """
    n, width = len(names), len(quantities)
    count = np.bincount(image_n, minlength=n)
    seen = np.maximum(count, 1)
    mean = np.stack([np.bincount(image_n, values_nq[:, q], minlength=n) / seen for q in range(width)])
    shifted = slice(None) if chosen is None else list(chosen)
    centred = [(values_nq[:, q] - mean[q][image_n]) ** 2 for q in range(width)]
    spread = np.sqrt(np.stack([np.bincount(image_n, c, minlength=n) / seen for c in centred]))
    mean[:, count == 0] = np.nan
    spread[:, count == 0] = np.nan
    return xr.Dataset(
        {
            "image_label": ("image", texts(truth.texts)),
            "image_predicted": ("image", texts(truth.told(clean[:, width]))),
            "image_clean": (("quantity", "image"), clean[:, :width].T),
            "image_mean": (("quantity", "image"), mean),
            "image_std": (("quantity", "image"), spread),
            "image_count": ("image", count),
            "clean_mean": ("quantity", clean[shifted, :width].mean(axis=0)),
        },
        coords={"quantity": list(quantities), "image": list(names)},
    )


def texts(values: Iterable[object]) -> np.ndarray:
    """Makes a one-dimensional array of strings."""
    return np.array([str(value) for value in values], dtype=object)
