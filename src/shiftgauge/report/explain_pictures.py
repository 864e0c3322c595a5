"""Every picture of a look inside with the name of its file, and every array by the file that holds it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np

from shiftgauge.report.array_pictures import file_name, heat, picture, signed_heat
from shiftgauge.report.blocks.explain_global import bound_maps, mask_pictures
from shiftgauge.report.blocks.explain_maps import map_picture
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import STATISTICS, ExplainResult

ARRAYS: Final[Mapping[str, tuple[str, ...]]] = {
    "images": ("picture", "image_", "asked_class"),
    "attributions": ("attribution", "agreement", "map_agreement"),
    "maps": ("norm_of_difference", "difference_of_norms", "block_norm", "map_", "sensitivity", "relative_sensitivity",
             "channel_share"),
    "derivatives": ("norm_of_derivative", "derivative_", "relative_derivative"),
    "networks": ("compared_",),
    "curves": ("deletion", "insertion", "random_", "curve_"),
    "randomisation": ("randomised_",),
    "bounds": ("pixel_", "bound_"),
    "masks": ("mask_",),
    "maximized": ("maximized",),
    "walks": ("walk_",),
}  # fmt: skip
"""File below `arrays` → how the names of its variables begin; the first that fits holds a variable."""
KINDS: Final = ("image", "map", "change", "derivative", "signed-derivative", "class", "class-derivative", "attribution",
                "signed", "bound", "mask", "start", "maximized", "walk")  # fmt: skip
"""How the names of pictures begin."""


def explain_pictures(result: ExplainResult) -> Iterator[tuple[str, np.ndarray]]:
    """Every picture of a result with its file's name, one after another; maps have a brightness scale each."""
    seen: dict[str, int] = {}
    for parts, shown in _pictures(result):
        name = file_name(*parts)
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}", shown


def arrays_by_file(result: ExplainResult) -> dict[str, list[str]]:
    """File below `arrays` → names of the variables that it holds; every variable is in one."""
    found: dict[str, list[str]] = {}
    for variable in map(str, result.arrays.data_vars):
        file = next((file for file, begins in ARRAYS.items() if variable.startswith(begins)), "images")
        found.setdefault(file, []).append(variable)
    return found


def _pictures(result: ExplainResult) -> Iterator[tuple[tuple[object, ...], np.ndarray]]:
    data = result.arrays
    for k, name in enumerate(strings(data, "image")):
        yield ("image", k, name), picture(pick(data, "picture", image=k))
        yield from _of_image(result, k, name)
    yield from _of_classes(result)
    for k, name in enumerate(strings(data, "masked") if "mask_total_order" in data else []):
        for shown, label, _ in mask_pictures(result, k):
            yield ("mask", k, name, label.partition(" (")[0]), shown
    for k, name in enumerate(strings(data, "target") if "maximized" in data else []):
        yield ("start", k, name), picture(pick(data, "maximized_start", target=k))
        yield ("maximized", k, name), picture(pick(data, "maximized", target=k))
    for k, name in enumerate(strings(data, "walker") if "walk_image" in data else []):
        for t, target in enumerate(strings(data, "walked")):
            yield ("walk", k, name, target), picture(pick(data, "walk_image", walker=k, walked=t))


def _of_image(result: ExplainResult, image: int, name: str) -> Iterator[tuple[tuple[object, ...], np.ndarray]]:
    data = result.arrays
    for b, block in enumerate(strings(data, "block")):
        for kind, variable, other in (("map", "norm_of_difference", "difference_of_norms"),
                                      ("derivative", "norm_of_derivative", "derivative_of_norm")):  # fmt: skip
            if variable in data:
                yield (kind, image, name, block), map_picture(pick(data, variable, image=image, block=b))
                signed = signed_heat(pick(data, other, image=image, block=b).mean(axis=0))
                yield (("change" if kind == "map" else "signed-derivative"), image, name, block), signed
    for m, method in enumerate(strings(data, "method") if "attribution" in data else []):
        yield ("attribution", image, name, method), heat(pick(data, "attribution", image=image, method=m))
        yield ("signed", image, name, method), signed_heat(pick(data, "attribution_signed", image=image, method=m))
    if "pixel_bound" in data:
        low, bound, limit = bound_maps(result, image)
        top = max(float(np.nan_to_num(limit).max()), 1e-12)
        for shown, label in ((low, "low"), (bound, "bound"), (limit, "limit")):
            yield ("bound", image, name, label), heat(shown, top)


def _of_classes(result: ExplainResult) -> Iterator[tuple[tuple[object, ...], np.ndarray]]:
    data = result.arrays
    for prefix in ("map", "derivative"):
        if f"{prefix}_mean" not in data:
            continue
        for k, name in enumerate(strings(data, "class")):
            for b, block in enumerate(strings(data, "block")):
                for statistic in STATISTICS:
                    maps = pick(data, f"{prefix}_{statistic}", **{"class": k, "block": b})
                    kind = "class" if prefix == "map" else "class-derivative"
                    yield (kind, k, name, statistic.replace("_", "-"), block), map_picture(maps)
