"""The CIFAR-10 study as one self-contained page."""

from __future__ import annotations

import base64
from typing import Any, Final

from matplotlib.figure import Figure

from shiftgauge.report import cifar_figures as drawn
from shiftgauge.report.blocks import cifar, record
from shiftgauge.report.figure_file import figure_bytes
from shiftgauge.report.format import clean, fixed, interval, percent
from shiftgauge.report.read import estimate, pick, strings
from shiftgauge.report.study_page import StudyPage
from shiftgauge.results.study import StudyResult

_SECTIONS: Final = (
    ("trainings", "Trainings"),
    ("depth", "Depth and colour"),
    ("maps", "Maps"),
    ("classes", "Raised classes"),
)
_PROVENANCE: Final = (
    "The trainings have pages and model folders of their own. On a CPU the same hashes, seed and versions give the "
    "same weights."
)


def study_sentence(result: StudyResult) -> str:
    """Returns one sentence: which networks, which images, how they were looked at."""
    at = result.arrays.attrs
    return (
        f"VGG-16 and ResNet-18 on {clean(at['data_name'])} ({clean(at['recipe_text'])}); maps of "
        f"{int(at['n_looked'])} test images, every pixel and colour pushed by 0.1 of the input scale. "
        f"{percent(result.confidence_level, 0)} intervals: accuracy by a bootstrap of test images, "
        "all else Student's over images."
    )


def _figures(result: StudyResult) -> list[dict[str, str]]:
    data, found = result.arrays, []
    for network in strings(data, "network"):
        value = float(pick(data, "accuracy", network=network, part="test"))
        low, high = pick(data, "accuracy_interval", network=network, part="test").tolist()
        title = f"{cifar.NAMES.get(network, network)}, accuracy"
        text = f"{interval(low, high)} on {int(data.attrs['n_test']):,} test images"
        found.append({"title": title, "value": fixed(value), "text": text, "tone": ""})
    for network in strings(data, "network"):
        ratio = estimate(data, "depth_ratio", network=network, kind="relative")
        numbers, blocks = (pick(data, name, network=network) for name in ("number", "block"))
        first = str(blocks[numbers.tolist().index(1)])
        text = f"{interval(ratio.low, ratio.high, 2)}: log10 of the relative sensitivity of {blocks[-1]} over {first}"
        title = f"{cifar.NAMES.get(network, network)}, depth"
        found.append({"title": title, "value": fixed(ratio.value, 2), "text": text, "tone": ""})
    return found


def _parts(result: StudyResult) -> dict[str, Any]:
    maps = [
        (f"Block {depth + 1}, cells of {side} × {side} (figure {n})", drawn.plot_block(result, depth, f"cells_{side}"))
        for n, (depth, side) in drawn.CELLS.items()
    ]
    maps.append(("Block 1 by the published random push", drawn.plot_block(result, 0, "cells_4_published")))
    maps.append(("ResNet-18, red (figure 13)", drawn.plot_resnet(result)))
    return {
        "quantities": [],
        "trainings": cifar.build_trainings(result),
        "depth": cifar.build_depth(result),
        "curves": [
            ("Sensitivity against depth", _embedded(drawn.plot_depth(result))),
            ("Colour against depth", _embedded(drawn.plot_colour(result))),
        ],
        "maps": [(title, _embedded(figure)) for title, figure in maps],
        "classes": cifar.build_pairs(result),
        "walk": cifar.build_walk(result),
        "walks": [
            (f"{cifar.NAMES.get(n, n)}", _embedded(drawn.plot_walk(result, n)))
            for n in strings(result.arrays, "network")
        ],
        "cost": cifar.build_study_cost(result),
        "provenance": {**record.build_provenance(result), "how": _PROVENANCE},
    }


def _embedded(figure: Figure) -> str:
    """A figure as the address of a picture."""
    return f"data:image/png;base64,{base64.b64encode(figure_bytes(figure, 'png')).decode('ascii')}"


PAGE: Final = StudyPage(
    template="cifar.html",
    title="CIFAR-10 study",
    sections=_SECTIONS,
    sentence=study_sentence,
    figures=_figures,
    parts=_parts,
)
