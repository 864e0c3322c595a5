"""Profiles over depth of several networks, on the same images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.explain.depth_profile import share_of_moments
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.studies.explain_image_maps import MapWork, map_profile
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_maps import Part, make_all
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.part_store import Advance, PartStore


def check_compared(names: Mapping[str, Any], own: str, options: ExplainOptions) -> None:
    """Refuses networks that cannot be compared.

    Raises:
        ConfigError: Without maps there is nothing to compare, or a name is that of the network that is looked inside.
    """
    if names and options.maps is None:
        raise ConfigError(
            "networks are compared by their maps, which are left out; ask for `maps`, or leave `compare` out"
        )
    if own in names:
        raise ConfigError(f"`compare` names `{own}`, which is the network that is looked inside; take another name")


def compared_arrays(
    own: str,
    others: Mapping[str, TorchClassifier],
    chosen: ChosenImages,
    options: ExplainOptions,
    store: PartStore,
    progress: Advance,
) -> Part:
    """Pushes the pixels of the same images for other networks, and sets their profiles beside that of the first.

    The maps of the first network are those of the part `maps`, which is done before.

    Args:
        own: Name of the network that is looked inside.
        others: Further networks by name; each sees the images at its own size, and has its own blocks.
        chosen: The images.
        options: How they are pushed.
        store: Where finished images are kept.
        progress: Called with (pushes done, pushes in all).

    Returns:
        Arrays with a row for each network and block (axis `row`), and what the other networks cost.
    """
    works = {own: _work(chosen.network, options, store, "map", options.blocks, "")}
    for k, (name, network) in enumerate(others.items()):
        works[name] = _work(network, options, store, f"map-other{k}", None, network.fingerprint)
    totals = [work.pushes * len(chosen.rows) for name, work in works.items() if name != own]
    parts, done = [], 0
    cost: dict[str, float] = dict.fromkeys(("evaluations", "seconds"), 0.0)
    for name, work in works.items():
        if name != own:
            work = make_all(work, chosen, lambda n, _, before=done: progress(before + n, sum(totals)))
            done += work.pushes * len(chosen.rows)
        part, spent = _rows(name, work, chosen, len(works[own].pushed))
        parts.append(part)
        cost = cost if name == own else {key: cost[key] + spent[key] for key in cost}
    return xr.concat(parts, "row", join="override").assign_coords(counted=list(chosen.names)), cost


def _work(
    network: TorchClassifier,
    options: ExplainOptions,
    store: PartStore,
    name: str,
    blocks: tuple[str, ...] | None,
    origin: str,
) -> MapWork:
    if options.maps is None:
        raise ConfigError("networks are compared by their maps, which are left out; ask for `maps`")
    return MapWork(
        network=network, options=options.maps, blocks=blocks, batch_size=options.map_batch_size, store=store, name=name,
        origin=origin,
    )  # fmt: skip


def _rows(name: str, work: MapWork, chosen: ChosenImages, pushed: int) -> tuple[xr.Dataset, dict[str, float]]:
    """One network's rows of the comparison; those of each channel only where it has as many as the first network."""
    rows, blocks = [], []
    cost: dict[str, float] = dict.fromkeys(("evaluations", "seconds"), 0.0)
    for index, row in enumerate(chosen.rows):
        part = work.kept(row, lambda i=index: chosen.one(i, work.network))
        blocks = part["block"].values.tolist()
        rows.append(map_profile(part))
        cost = {key: cost[key] + float(part.attrs[key]) for key in cost}
    stacked = {key: np.stack([found[key] for found in rows]) for key in rows[0]}
    share = share_of_moments(stacked["sensitivity"], stacked["square"])
    variables: dict[str, Any] = {
        "compared_network": (("row",), np.array([name] * len(blocks), dtype=object)),
        "compared_block": (("row",), np.array(blocks, dtype=object)),
        "compared_depth": (("row",), np.linspace(0, 1, len(blocks)) if len(blocks) > 1 else np.zeros(1)),
        "compared_share": (("row",), share),
        "compared_share_of_images": (("row", "counted"), stacked["share"].T),
    }
    for key in ("sensitivity", "relative_sensitivity"):
        values = np.moveaxis(stacked[key], 0, 1)
        variables[f"compared_{key}"] = (("row", "counted"), values.mean(axis=-1))
        same = values if values.shape[-1] == pushed else np.full((*values.shape[:2], pushed), np.nan)
        variables[f"compared_{key}_of_channel"] = (("row", "counted", "pushed"), same)
    return xr.Dataset(variables), cost
