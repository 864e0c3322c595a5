"""Global sensitivity of an image: bounds for every pixel, Sobol' indices of masks on the cells left open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.estimate.result import Status
from shiftgauge.explain.mask_sobol import mask_sobol
from shiftgauge.explain.pixel_bounds import pixel_bounds
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_maps import Part
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.part_store import Advance, PartStore

_BATCH = 32
_UNIT = 1000
"""Steps of progress in one image."""
_BOUND = ("image", "channel", "y", "x")
_GRID = ("masked", "row_of_cells", "column_of_cells")


def bound_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Bounds the total index of every value of each image that is shown.

    Args:
        chosen: The images.
        options: How their pixels vary.
        store: Where each finished image is kept.
        progress: Called with (thousandths of images done, in all).
    """
    asked = options.bounds
    if asked is None:
        raise ValueError("the part `bounds` was not asked for")
    entries = [(f"{chosen.rows[i]:06d}", {"options": asked.to_dict(), "row": chosen.rows[i], "asked": chosen.asked[i]})
               for i in range(chosen.shown)]  # fmt: skip

    def make(group: Sequence[int], tell: Advance) -> list[xr.Dataset]:
        found = pixel_bounds(
            chosen.network, chosen.one(group[0]), [chosen.asked[group[0]]], options=asked,
            batch_size=options.batch_size, progress=tell,
        )  # fmt: skip
        ends = [found.poincare_bound_interval, found.stein_bound_interval]
        values = {"pixel_bound": found.bound, "pixel_bound_limit": found.limit,
                  "pixel_bound_low": np.minimum(ends[0][..., 0], ends[1][..., 0]),
                  "pixel_gradient_square": found.gradient_square}  # fmt: skip
        variables: dict[str, Any] = {name: (_BOUND, kept.astype(np.float32)) for name, kept in values.items()}
        variables["bound_variance"] = (("image",), found.variance)
        return [xr.Dataset(variables, attrs=_facts(found.cost, found.status))]

    parts = store.each("bounds", entries, make, unit=_UNIT, progress=progress)
    joined = xr.concat([part.drop_attrs() for part in parts], "image", join="override")
    return _with_facts(joined.assign_coords(image=list(chosen.names[: chosen.shown])), parts, "bounds")


def mask_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Finds Sobol' indices of masks of the first images of each class; arguments as of `bound_arrays`."""
    asked, taken = options.masks, chosen.first_of_each(options.masks_per_class)
    if asked is None:
        raise ValueError("the part `masks` was not asked for")
    entries = [(f"{chosen.rows[i]:06d}", {"options": asked.to_dict(), "row": chosen.rows[i], "asked": chosen.asked[i]})
               for i in taken]  # fmt: skip

    def make(group: Sequence[int], tell: Advance) -> list[xr.Dataset]:
        index = taken[group[0]]
        found = mask_sobol(
            chosen.network, chosen.one(index), [chosen.asked[index]], options=asked,
            batch_size=options.batch_size or _BATCH, progress=tell,
        )  # fmt: skip
        variables: dict[str, Any] = {"mask_is_open": (_GRID, found.is_open.astype(np.int8))}
        for kind in ("total_order", "first_order"):
            interval = getattr(found, f"{kind}_interval")
            variables[f"mask_{kind}"] = (_GRID, getattr(found, kind))
            variables[f"mask_{kind}_low"], variables[f"mask_{kind}_high"] = ((_GRID, interval[..., k]) for k in (0, 1))
        for name in ("rest_total_order", "rest_limit", "variance"):
            variables[f"mask_{name}"] = (_GRID[:1], getattr(found, name))
        return [xr.Dataset(variables, attrs=_facts(found.cost, found.status))]

    parts = store.each("masks", entries, make, unit=_UNIT, progress=progress)
    joined = xr.concat([part.drop_attrs() for part in parts], "masked", join="override")
    joined = joined.assign(mask_source=(_GRID[:1], np.array(taken)))
    joined = joined.assign_attrs(mask_threshold=asked.threshold, mask_confidence_level=asked.confidence_level)
    return _with_facts(joined.assign_coords(masked=[chosen.names[i] for i in taken]), parts, "masks")


def _facts(cost: Mapping[str, Any], status: Sequence[Status]) -> dict[str, Any]:
    gradients = int(cost.get("gradients", 0))
    return {"evaluations": int(cost["evaluations"]) + gradients, "seconds": float(cost["seconds"]),
            "notes": "\n".join(s.message for s in status if s.level != "info")}  # fmt: skip


def _with_facts(arrays: xr.Dataset, parts: list[xr.Dataset], name: str) -> Part:
    """What was found; as attributes the first thing to know about it, and of how many images there is something."""
    said = [line for part in parts for line in str(part.attrs["notes"]).split("\n")[:1] if line]
    cost = {key: float(sum(part.attrs[key] for part in parts)) for key in ("evaluations", "seconds")}
    first = said[0].removeprefix("image 0: ") if said else ""
    return arrays.assign_attrs({f"{name}_note": first, f"{name}_noted": len(said)}), cost
