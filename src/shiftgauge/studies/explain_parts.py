"""The other parts of a look inside: attributions with their agreement, maximised images, walks to every class."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.explain.agreement import rank_correlation
from shiftgauge.explain.attribution import Attribution, attribute
from shiftgauge.explain.cam_layer import cam_layer, require_cam_layer
from shiftgauge.explain.captum_methods import captum_attributions
from shiftgauge.explain.image_walk import image_walk
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.mean_interval import mean_interval
from shiftgauge.explain.objectives import Objectives
from shiftgauge.explain.target_classes import target_classes
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_maps import Advance
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.explain_store import PartStore

Part = tuple[xr.Dataset, dict[str, float]]
"""Arrays of a part, and what it cost: evaluations and seconds."""
_AT_ONCE = 16
_PICTURE = ("channel", "y", "x")


def check_parts(chosen: ChosenImages, options: ExplainOptions) -> None:
    """Refuses what a later part would refuse, before the first one is begun.

    Raises:
        MissingExtraError: Captum is not installed.
        ConfigError: An unknown unit, or a place outside a block's output.
        ModelError: An unknown block or layer, or a network without the layer that Grad-CAM needs.
    """
    network, image = chosen.network, chosen.one(0)
    if options.methods:
        captum_attributions()
    if "grad_cam" in options.methods:
        if options.layer is None:
            cam_layer(network, image)
        else:
            require_cam_layer(network, options.layer, image)
    if options.maximize is not None:
        Objectives(network, [*chosen.classes, *options.units])
    if options.blocks is not None:
        network.block_shapes(options.blocks)


def attribution_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Asks every method about the class that the network says of each image that is shown.

    Args:
        chosen: The images.
        options: Which methods, and how.
        store: Where each finished method is kept.
        progress: Called with (methods done, methods in all).
    """
    images = chosen.several(range(chosen.shown))
    places = target_classes(chosen.network, images, None, batch_size=options.batch_size or _AT_ONCE)
    parts = []
    for k, method in enumerate(options.methods):
        progress(k, len(options.methods))
        asked = {"method": method, "options": options.attribution.to_dict(), "layer": options.layer,
                 "rows": chosen.rows[: chosen.shown]}  # fmt: skip
        part = store.load(f"attribution-{method}", asked)
        if part is None:
            found = attribute(
                chosen.network, images, places, method=method, options=options.attribution,
                layer=options.layer if method == "grad_cam" else None, batch_size=options.batch_size,
            )  # fmt: skip
            part = store.save(f"attribution-{method}", asked, _attributed(found))
        parts.append(part)
    progress(len(options.methods), len(options.methods))
    named = xr.Dataset(
        {
            "attribution": (("method", "image", "y", "x"), np.stack([part["map"].values for part in parts])),
            "asked_class": (("image",), np.array([chosen.network.class_names[k] for k in places], dtype=object)),
        },
        coords={"method": list(options.methods), "image": list(chosen.names[: chosen.shown])},
    ).transpose("image", "method", ...)
    cost = {name: float(sum(part.attrs[name] for part in parts)) for name in ("evaluations", "seconds")}
    return _facts(_agreeing(named, parts), options, parts), cost


def maximize_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Climbs to an image of each class and unit, all at once, from noise.

    Args:
        chosen: Whose classes are climbed to.
        options: How.
        store: Where it is kept when finished.
        progress: Called with (steps done, steps in all).
    """
    if options.maximize is None:
        raise ConfigError("`maximize` is left out")
    targets = [*chosen.classes, *options.units]
    asked = {"options": options.maximize.to_dict(), "classes": chosen.classes,
             "units": [unit.to_dict() for unit in options.units]}  # fmt: skip
    found = store.load("maximize", asked)
    if found is None:
        made = maximize(
            chosen.network, targets, options=options.maximize, batch_size=options.batch_size or _AT_ONCE,
            progress=progress,
        )  # fmt: skip
        known = made.dataset().rename(
            image="maximized",
            start="maximized_start",
            activation="maximized_activation",
            predicted="maximized_predicted",
            distance_rms="maximized_rms",
        )
        kept = [str(name) for name in known.data_vars if str(name).startswith("maximized")]
        found = known[kept].assign_attrs(without_slope=", ".join(made.without_slope))
        found = store.save("maximize", asked, found)
    cost = {name: float(found.attrs[name]) for name in ("evaluations", "seconds")}
    return found.drop_attrs().assign_attrs(without_slope=found.attrs["without_slope"]), cost


def walk_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Pushes images towards every class that is looked at.

    Args:
        chosen: The images.
        options: How they are pushed.
        store: Where each finished image is kept.
        progress: Called with (images done, images in all).
    """
    if options.walk is None:
        raise ConfigError("`walk` is left out")
    parts = []
    for done, index in enumerate(chosen.walkers):
        progress(done, len(chosen.walkers))
        asked = {"options": options.walk.to_dict(), "row": chosen.rows[index], "classes": chosen.classes}
        part = store.load(f"walk-{index:04d}", asked)
        if part is None:
            walked = image_walk(
                chosen.network, chosen.one(index), classes=chosen.classes, options=options.walk,
                batch_size=options.batch_size or _AT_ONCE,
            )  # fmt: skip
            part = store.save(f"walk-{index:04d}", asked, _walked(walked.dataset()))
        parts.append(part)
    progress(len(chosen.walkers), len(chosen.walkers))
    cost = {name: float(sum(part.attrs[name] for part in parts)) for name in ("evaluations", "seconds")}
    joined = xr.concat(parts, "walker", combine_attrs="drop")
    return joined.assign_coords(walker=[chosen.names[i] for i in chosen.walkers]), cost


def map_agreement(arrays: xr.Dataset) -> xr.Dataset:
    """Rank correlation of each block's map (mean over the pushed channels) with each method's map.

    Args:
        arrays: A result's arrays, with maps and attributions.

    Returns:
        They and map_agreement (image, block, method).
    """
    maps = arrays["norm_of_difference"].mean("pushed").values
    flat = maps.reshape(*maps.shape[:2], 1, -1)
    values = arrays["attribution"].values
    other = values.reshape(values.shape[0], 1, values.shape[1], -1)
    return arrays.assign(map_agreement=(("image", "block", "method"), rank_correlation(flat, other)))


def _attributed(found: Attribution) -> xr.Dataset:
    known = found.dataset().drop_vars("target")
    return known.assign(map=(("image", "y", "x"), found.maps().astype(np.float32)))


def _agreeing(arrays: xr.Dataset, parts: list[xr.Dataset]) -> xr.Dataset:
    """With the rank correlation between the methods, where there are several."""
    if len(parts) < 2:
        return arrays
    between = agreement_of(arrays["attribution"].values)
    pair = ("method", "method_2")
    found: dict[str, Any] = {
        f"agreement_{name}": (pair, values) for name, values in between.items() if name != "correlation"
    }
    found["agreement"] = (("image", *pair), between["correlation"])
    return arrays.assign(found).assign_coords(method_2=arrays["method"].values)


def agreement_of(maps_imyx: np.ndarray) -> dict[str, np.ndarray]:
    """Rank correlation between methods: each image's, and their mean with Student's interval.

    Args:
        maps_imyx: Axes (image, method, y, x), ≥ 0.
    """
    flat = maps_imyx.reshape(*maps_imyx.shape[:2], -1)
    correlation = rank_correlation(flat[:, :, None], flat[:, None])
    mean, low, high = mean_interval(correlation, 0.95)
    return {"correlation": correlation, "mean": mean, "low": np.maximum(low, -1), "high": np.minimum(high, 1)}


def _facts(arrays: xr.Dataset, options: ExplainOptions, parts: list[xr.Dataset]) -> xr.Dataset:
    """With the layer of Grad-CAM, and how far integrated gradients miss the change that they explain."""
    facts: dict[str, object] = {}
    for method, part in zip(options.methods, parts, strict=True):
        if method == "grad_cam":
            facts["cam_layer"] = part.attrs["layer"]
        if method == "integrated_gradients":
            change = np.abs(part["output_change"].values)
            missed = np.abs(part["completeness_error"].values)
            facts["completeness_error"] = float(missed.sum() / change.sum()) if change.sum() > 0 else float("nan")
    return arrays.assign_attrs(facts)


def _walked(known: xr.Dataset) -> xr.Dataset:
    """One image's walks under the names of a result."""
    names = {
        "image_after": "walk_image",
        "distance_rms": "walk_rms",
        "distance_l2": "walk_l2",
        "distance_max": "walk_max",
        **{name: f"walk_{name}" for name in ("reached_at", "reached_rms", "reached_max", "stayed", "final")},
    }
    kept = known[list(names)].rename(names).rename(image="walker", target="walked")
    classes = np.array(json.loads(known.attrs["class_names"]), dtype=object)
    final = classes[kept["walk_final"].values]
    stayed = kept["walk_stayed"].astype(np.int8)
    return kept.assign(walk_final=(("walker", "walked"), final), walk_stayed=stayed)
