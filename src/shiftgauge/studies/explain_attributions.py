"""Attributions of a look inside: what they say, how far they agree, and whether they can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.explain.agreement import agreement, rank_correlation
from shiftgauge.explain.attribution import Attribution, attribute
from shiftgauge.explain.curves import Curves, deletion_insertion
from shiftgauge.explain.randomisation import cascading_randomisation
from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_maps import Part
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.part_store import Advance, PartStore

LEVEL = 0.95
"""Of all intervals of means over images."""
_AT_ONCE = 4
"""Images whose attributions are kept together."""
_UNCHECKED = "occlusion"
"""The method that asks for so many passes that it is not asked again and again of a network losing its weights."""
_STATED = ("completeness_error", "output_change")


def attribution_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Asks every method about one class of each image that is shown.

    Args:
        chosen: The images.
        options: Which methods, and how.
        store: Where each finished image of each method is kept.
        progress: Called with (images done, images in all), over all methods.
    """
    found, layer = _attributions(chosen, options, store, progress)
    both = {
        "attribution": np.stack([each.maps().astype(np.float32) for each in found.values()], axis=1),
        "attribution_signed": np.stack([each.maps("signed").astype(np.float32) for each in found.values()], axis=1),
    }
    variables: dict[str, Any] = {name: (("image", "method", "y", "x"), values) for name, values in both.items()}
    coords: dict[str, Any] = {"method": list(found), "image": list(chosen.names[: chosen.shown])}
    if len(found) > 1:
        between = agreement(found, confidence_level=LEVEL)
        pair = ("method", "method_2")
        variables["agreement"] = (("image", *pair), between.correlation)
        variables |= {
            f"agreement_{name}": (pair, getattr(between, name)) for name in ("mean", "low", "high", "counted")
        }
        coords["method_2"] = list(found)
    cost = {name: float(sum(each.cost[name] for each in found.values())) for name in ("evaluations", "seconds")}
    return xr.Dataset(variables, coords=coords, attrs=_facts(found, layer)), cost


def curve_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Draws deletion and insertion curves of every method; arguments as of `attribution_arrays`."""
    known, _ = _attributions(chosen, options, store, lambda done, total: None)
    asked_curves = options.curves
    if asked_curves is None:
        raise ValueError("the part `curves` was not asked for")
    shown, total = range(chosen.shown), chosen.shown * len(known)
    parts: dict[str, list[xr.Dataset]] = {}
    for m, (method, of_all) in enumerate(known.items()):
        entries = [(f"{method}-{chosen.rows[i]:06d}", {**_asked(chosen, options, method, i),
                    "curves": asked_curves.to_dict()}) for i in shown]  # fmt: skip

        def make(group: Sequence[int], tell: Advance, maps: Attribution = of_all) -> list[xr.Dataset]:
            return [
                deletion_insertion(
                    chosen.network, chosen.one(i), maps.maps(asked_curves.maps)[[i]], targets=[chosen.asked[i]],
                    options=asked_curves, batch_size=options.batch_size, progress=tell,
                ).dataset()
                for i in group
            ]  # fmt: skip

        before = m * chosen.shown
        parts[method] = store.each(
            "curve", entries, make, progress=lambda done, _, before=before: progress(before + done, total)
        )
    joined = {method: _joined_curves(each, chosen, options) for method, each in parts.items()}
    cost = {
        name: float(sum(p.attrs[name] for each in parts.values() for p in each)) for name in ("evaluations", "seconds")
    }
    return _curves(joined, chosen), cost


def randomisation_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Sees what becomes of the maps of each method as the network loses its weights.

    Args:
        chosen: The images, of which the first of each class are taken in turn.
        options: How many, and how weights are drawn.
        store: Where each finished method is kept.
        progress: Called with (attributions done, attributions in all), of each method.
    """
    taken = checked_images(chosen, options)
    methods = checked_methods(options)
    places = np.array([chosen.asked[i] for i in taken])
    if options.randomisation is None:
        raise ValueError("the part `randomisation` was not asked for")
    drawn = options.randomisation
    entries = [(method, {"rows": [chosen.rows[i] for i in taken], "asked": places.tolist(), "method": method,
                "law": drawn.to_dict(), "options": options.attribution.to_dict(), "layer": options.layer})
               for method in methods]  # fmt: skip

    def make(group: Sequence[int], tell: Advance) -> list[xr.Dataset]:
        found = cascading_randomisation(
            chosen.network, chosen.several(taken), places, methods=[methods[k] for k in group], options=drawn,
            attribution_options=options.attribution, batch_size=options.batch_size, progress=tell,
            cam_layer=options.layer if methods[group[0]] == "grad_cam" else None,
        )  # fmt: skip
        return [found.dataset()]

    parts = store.each("randomisation", entries, make, unit=1000, progress=progress)
    axes = ("checked_method", "weight_layer", "checked_image")
    variables: dict[str, Any] = {}
    for kind in ("magnitude", "signed"):
        values = np.concatenate([part[kind].values for part in parts])
        mean, low, high = mean_interval(values, drawn.confidence_level, axis=2)
        variables[f"randomised_{kind}"] = (axes, values)
        variables[f"randomised_{kind}_mean"] = (axes[:2], mean)
        variables[f"randomised_{kind}_low"] = (axes[:2], np.maximum(low, -1))
        variables[f"randomised_{kind}_high"] = (axes[:2], np.minimum(high, 1))
    coords = {
        "checked_method": list(methods),
        "weight_layer": parts[0]["layer"].values.tolist(),
        "checked_image": [chosen.names[i] for i in taken],
    }
    cost = {name: float(sum(part.attrs[name] for part in parts)) for name in ("evaluations", "seconds")}
    return xr.Dataset(variables, coords=coords, attrs={"randomisation_law": drawn.law}), cost


def checked_methods(options: ExplainOptions) -> tuple[str, ...]:
    """Methods that are asked while the network loses its weights."""
    return tuple(method for method in options.methods if method != _UNCHECKED)


def checked_images(chosen: ChosenImages, options: ExplainOptions) -> list[int]:
    """Places of the images that are asked about then: one of each class in turn."""
    turns = {
        index: list(chosen.places[:index]).count(place) for index, place in enumerate(chosen.places[: chosen.shown])
    }
    return sorted(sorted(turns, key=lambda index: (turns[index], index))[: options.checked_images])


def map_agreement(arrays: xr.Dataset) -> xr.Dataset:
    """Rank correlation of each block's map (mean over the pushed channels) with each method's map.

    Args:
        arrays: A result's arrays, with maps and attributions.

    Returns:
        They and map_agreement (image, block, method).
    """
    maps, said = arrays["norm_of_difference"], arrays["attribution"]
    found = np.full((arrays.sizes["image"], arrays.sizes["block"], arrays.sizes["method"]), np.nan)
    for i in range(found.shape[0]):
        methods = said.values[i].reshape(found.shape[2], -1)
        for b in range(found.shape[1]):
            found[i, b] = rank_correlation(maps.values[i, b].mean(axis=0).reshape(1, -1), methods)
    return arrays.assign(map_agreement=(("image", "block", "method"), found))


def _attributions(
    chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance
) -> tuple[dict[str, Attribution], str]:
    """What each method says of the images that are shown, and the layer of Grad-CAM."""
    found, layer, total = {}, "", chosen.shown * len(options.methods)
    for m, method in enumerate(options.methods):
        entries = [(f"{method}-{chosen.rows[i]:06d}", _asked(chosen, options, method, i)) for i in range(chosen.shown)]

        def make(group: Sequence[int], tell: Advance, method: str = method) -> list[xr.Dataset]:
            made = attribute(
                chosen.network, chosen.several(group), [chosen.asked[i] for i in group], method=method,
                options=options.attribution, layer=options.layer if method == "grad_cam" else None,
                batch_size=options.batch_size, progress=tell,
            )  # fmt: skip
            return [_one(made, k) for k in range(len(group))]

        before = m * chosen.shown
        parts = store.each(
            "attribution", entries, make, at_once=_AT_ONCE,
            progress=lambda done, _, before=before: progress(before + done, total),
        )  # fmt: skip
        found[method] = _joined(parts, chosen, options, method)
        layer = str(parts[0].attrs["layer"]) if method == "grad_cam" else layer
    return found, layer


def _asked(chosen: ChosenImages, options: ExplainOptions, method: str, index: int) -> dict[str, Any]:
    return {"method": method, "options": options.attribution.to_dict(), "row": chosen.rows[index],
            "layer": options.layer if method == "grad_cam" else None, "asked": chosen.asked[index]}  # fmt: skip


def _one(made: Attribution, index: int) -> xr.Dataset:
    """One image of an attribution; what all cost is shared out."""
    variables: dict[str, Any] = {"values": (("channel", "y", "x"), made.values[index])}
    variables |= {name: ((), float(getattr(made, name)[index])) for name in _STATED}
    attrs = {name: float(made.cost[name]) / len(made.values) for name in ("evaluations", "seconds")}
    return xr.Dataset(variables, attrs={**attrs, "layer": made.layer or ""})


def _joined(parts: list[xr.Dataset], chosen: ChosenImages, options: ExplainOptions, method: str) -> Attribution:
    return Attribution(
        values=np.stack([part["values"].values for part in parts]),
        method=method,
        targets=tuple(chosen.network.class_names[k] for k in chosen.asked),
        places=np.array(chosen.asked, np.int64),
        layer=str(parts[0].attrs["layer"]) or None,
        completeness_error=np.array([float(part["completeness_error"]) for part in parts]),
        output_change=np.array([float(part["output_change"]) for part in parts]),
        options=options.attribution,
        fingerprint=chosen.network.fingerprint,
        cost={name: sum(float(part.attrs[name]) for part in parts) for name in ("evaluations", "seconds")},
    )


def _joined_curves(parts: list[xr.Dataset], chosen: ChosenImages, options: ExplainOptions) -> Curves:
    if options.curves is None:
        raise ValueError("the part `curves` was not asked for")
    names = ("deletion", "insertion", "random_deletion", "random_insertion")
    scores: dict[str, Any] = {name: np.concatenate([part[name].values for part in parts]) for name in names}
    return Curves(
        **scores,
        fraction=parts[0]["fraction"].values,
        places=np.array(chosen.asked, np.int64),
        options=options.curves,
        fingerprint=chosen.network.fingerprint,
    )


def _curves(joined: dict[str, Curves], chosen: ChosenImages) -> xr.Dataset:
    first = next(iter(joined.values()))
    one, many = ("image", "method", "fraction"), ("image", "method", "order", "fraction")
    variables: dict[str, Any] = {}
    for name, axes in (("deletion", one), ("insertion", one), ("random_deletion", many), ("random_insertion", many)):
        variables[name] = (axes, np.stack([getattr(curves, name) for curves in joined.values()], axis=1))
    tables = [curves.table().set_index("curve") for curves in joined.values()]
    for column in ("area", "random_area", "gain", "gain_low", "gain_high"):
        values = np.array([table.loc[["deletion", "insertion"], column].to_numpy(float) for table in tables])
        variables[f"curve_{column}"] = (("method", "curve"), values)
    coords = {
        "fraction": first.fraction, "method": list(joined), "curve": ["deletion", "insertion"],
        "image": list(chosen.names[: chosen.shown]),
    }  # fmt: skip
    return xr.Dataset(variables, coords=coords, attrs={"curve_quantity": first.options.quantity})


def _facts(found: dict[str, Attribution], layer: str) -> dict[str, Any]:
    """The layer of Grad-CAM, and how far integrated gradients miss the change that they explain."""
    facts: dict[str, Any] = {"cam_layer": layer} if layer else {}
    if "integrated_gradients" in found:
        change = np.abs(found["integrated_gradients"].output_change).sum()
        missed = np.abs(found["integrated_gradients"].completeness_error).sum()
        facts["completeness_error"] = float(missed / change) if change > 0 else float("nan")
    return facts
