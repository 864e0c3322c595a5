"""What every section of the page of a look inside needs: tiles, heads of images, names, cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.report.array_pictures import picture, png_uri
from shiftgauge.report.format import clean, duration, percent
from shiftgauge.report.read import pick, strings
from shiftgauge.results.explain import PARTS, ExplainResult

METHOD_LABEL: Final = {
    "saliency": "saliency",
    "input_x_gradient": "input × gradient",
    "integrated_gradients": "integrated gradients",
    "smooth_grad": "SmoothGrad",
    "grad_cam": "Grad-CAM",
    "occlusion": "occlusion",
}
MOST_IMAGES: Final = 16
"""Images on the page; the folder of figures has all."""
HUES: Final = ("first", "total", "hued green", "hued purple", "hued brown", "part")
"""Colours of lines that stand beside each other."""
_PART_LABEL: Final = {
    "maps": "Maps of blocks",
    "compare": "Other networks",
    "derivatives": "Derivatives",
    "attribution": "Attributions",
    "curves": "Curves",
    "randomisation": "Weights drawn anew",
    "bounds": "Bounds of pixels",
    "masks": "Masks",
    "maximize": "Maximised images",
    "walk": "Walks",
}


def tile(shown: np.ndarray, title: str, text: str, alt: str, *, cells: bool = False, most: int = 160) -> dict[str, Any]:
    """A picture with its title and numbers; `cells` keeps the edges of its pixels sharp."""
    uri = png_uri(shown, most)
    return {"src": uri, "title": title, "text": text, "alt": alt, "cells": cells, "wrong": False}


def image_tile(result: ExplainResult, image: int, name: str) -> dict[str, Any]:
    """The image itself."""
    return tile(picture(pick(result.arrays, "picture", image=image)), "the image", "", name)


def heads(result: ExplainResult) -> list[dict[str, str]]:
    """Name, label and the network's answer of each image that is shown."""
    data = result.arrays
    return [
        {
            "name": name,
            "label": str(pick(data, "image_label", image=k)),
            "said": str(pick(data, "image_predicted", image=k)),
            "probability": percent(float(pick(data, "image_probability", image=k))),
            "asked": str(pick(data, "asked_class", image=k)),
        }
        for k, name in enumerate(strings(data, "image"))
    ]


def class_names(result: ExplainResult) -> list[str]:
    """Names of the network's classes, in the order of its outputs."""
    return [clean(name) for name in str(result.arrays.attrs.get("class_names", "")).split("\n")]


def method_label(name: object) -> str:
    """Name of a method of attribution as papers write it."""
    return METHOD_LABEL.get(str(name), str(name))


def legend(labels: Sequence[str], kinds: Sequence[str] = HUES) -> list[tuple[str, str]]:
    """Colour and text of each line."""
    return [(kinds[k % len(kinds)], label) for k, label in enumerate(labels)]


def build_explain_cost(result: ExplainResult) -> dict[str, Any]:
    """Returns images that passed through the network and time, of each part."""
    parts = dict(result.cost.get("parts") or {})
    facts = [
        (_PART_LABEL[name], f"{int(parts[name]['evaluations']):,} passes, {duration(float(parts[name]['seconds']))}")
        for name in PARTS
        if name in parts
    ]
    how = (
        "What each part took when it was made; a part that was finished before is taken from the run folder. A pass is "
        "one image through the network, of maps one push, of which only what it can reach is computed."
    )
    return {"facts": facts, "trial": [], "how": how}
