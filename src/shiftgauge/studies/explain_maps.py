"""Perturbation and derivative maps of many images: those that are shown whole, of the others what is counted."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.explain.depth_profile import share_of_moments
from shiftgauge.explain.map_statistics import MapStatistics
from shiftgauge.results.explain import STATISTICS
from shiftgauge.studies.explain_image_maps import MAP, MapWork, map_profile
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.part_store import Advance, PartStore

Part = tuple[xr.Dataset, dict[str, float]]
"""Arrays of a part, and what it cost: evaluations and seconds."""
_MAPS: Final = {
    "norm": "norm_of_difference",
    "signed": "difference_of_norms",
    "block_norm": "block_norm",
    "sensitivity": "sensitivity",
    "relative_sensitivity": "relative_sensitivity",
    "channel_share": "channel_share",
    "channel_share_of_images": "channel_share_of_images",
    "count": "map_count",
    **{name: f"map_{name}" for name in STATISTICS},
}
_DERIVATIVES: Final = {
    "norm": "norm_of_derivative",
    "signed": "derivative_of_norm",
    "sensitivity": "derivative_sensitivity",
    "relative_sensitivity": "relative_derivative_sensitivity",
    "count": "derivative_count",
    **{name: f"derivative_{name}" for name in STATISTICS},
}


def map_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Pushes the pixels of all chosen images; what is finished is taken from the store.

    Args:
        chosen: The images.
        options: How they are pushed.
        store: Where finished images are kept.
        progress: Called with (pushes done, pushes in all).

    Returns:
        The arrays of the part `maps` of a result, and their cost: evaluations and seconds.
    """
    return _all_maps(chosen, options, store, progress, "map", _MAPS, "block", "pushed")


def derivative_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Takes the derivatives of every block by the pixels of all chosen images; arguments as of `map_arrays`."""
    return _all_maps(chosen, options, store, progress, "derivative", _DERIVATIVES, "block", "direction")


def _all_maps(
    chosen: ChosenImages,
    options: ExplainOptions,
    store: PartStore,
    progress: Advance,
    name: str,
    names: dict[str, str],
    *axes: str,
) -> Part:
    asked = options.maps if name == "map" else options.derivatives
    if asked is None:
        raise ValueError(f"the part `{name}` was not asked for")
    work = MapWork(
        network=chosen.network, options=asked, blocks=options.blocks, batch_size=options.map_batch_size, store=store,
        name=name,
    )  # fmt: skip
    work = make_all(work, chosen, progress)
    found, cost = _reduced(work, chosen)
    known = found[[key for key in names if key in found]].rename({k: v for k, v in names.items() if k in found})
    return known.rename({"pushed": axes[1]}) if axes[1] != "pushed" else known, cost


def make_all(work: MapWork, chosen: ChosenImages, progress: Advance) -> MapWork:
    """Makes the maps of all images that are not there yet.

    Args:
        work: How.
        chosen: The images.
        progress: Called with (pushes done, pushes in all).

    Returns:
        The same work, with the batch size that was found.
    """
    left = [index for index, row in enumerate(chosen.rows) if not work.holds(row)]
    total, done = work.pushes * len(chosen.rows), work.pushes * (len(chosen.rows) - len(left))
    progress(done, total)
    for index in left:
        pixels = chosen.one(index, work.network)
        part = work.image(chosen.rows[index], pixels, lambda n, before=done: progress(before + n, total))
        work, done = work.with_batch_of(part), done + work.pushes
    return work


def _reduced(work: MapWork, chosen: ChosenImages) -> Part:
    """Statistics class by class, so that memory holds one class's at a time; the maps of those that are shown."""
    statistics, shown = [], dict[int, xr.Dataset]()
    profiles: dict[int, dict[str, np.ndarray]] = {}
    cost: dict[str, float] = dict.fromkeys(("evaluations", "seconds"), 0.0)
    for place, name in enumerate(chosen.classes):
        state: MapStatistics | None = None
        for index in (i for i, k in enumerate(chosen.places) if k == place):
            part = work.kept(chosen.rows[index], lambda i=index: chosen.one(i, work.network))
            norm = part["norm"].values
            if state is None:
                state = MapStatistics.start([name], part["block"].values.tolist(), norm.shape[1:])
            state.add(norm[None], [0])
            profiles[index] = map_profile(part)
            cost = {key: cost[key] + float(part.attrs[key]) for key in cost}
            if index < chosen.shown:
                shown[index] = part
        statistics.append(None if state is None else _float32(state))
    whole = _profile([profiles[i] for i in range(len(chosen.rows))])
    maps = xr.concat([shown[i].drop_attrs() for i in range(chosen.shown)], "image", join="override")
    empty = next(s for s in statistics if s is not None)
    rows = [s if s is not None else {k: np.full_like(v, np.nan) for k, v in empty.items()} for s in statistics]
    for key in STATISTICS:
        whole[key] = (("class", *MAP), np.stack([row[key] for row in rows]))
    whole["count"] = (("class",), np.array([chosen.places.count(k) for k in range(len(chosen.classes))]))
    coords = {
        "class": list(chosen.classes),
        "pushed": list(work.pushed),
        "counted": list(chosen.names),
        "image": list(chosen.names[: chosen.shown]),
    }
    return maps.assign(whole).assign_coords(coords), cost


def _float32(state: MapStatistics) -> dict[str, np.ndarray]:
    return {key: getattr(state, key)[0].astype(np.float32) for key in STATISTICS}


def _profile(rows: list[dict[str, np.ndarray]]) -> dict[str, Any]:
    axes = ("counted", "block", "pushed")
    counted = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    found: dict[str, Any] = {name: (axes, counted[name]) for name in ("sensitivity", "relative_sensitivity")}
    found["channel_share"] = (("block",), share_of_moments(counted["sensitivity"], counted["square"]))
    found["channel_share_of_images"] = (axes[:2], counted["share"])
    return found
