"""Blocks of the page of the CIFAR-10 study."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from shiftgauge.report.format import duration, fixed, interval, number
from shiftgauge.report.pictures import data_uri
from shiftgauge.report.read import pick, strings
from shiftgauge.results.study import StudyResult

NAMES: Final = {"vgg16": "VGG-16", "resnet18": "ResNet-18"}
_ENLARGED: Final = 3
_PAIRS: Final = 8


def profile(result: StudyResult, network: str, figure: str) -> np.ndarray:
    """A figure of every block, mean over images with its interval: (3, block).

    Args:
        result: The study.
        network: Its name in the arrays.
        figure: `sensitivity`, `relative`, `share` (of the variance between colours) or `channel_correlation`.
    """
    mean = pick(result.arrays, "profile", network=network, figure=figure)
    return np.vstack([mean, pick(result.arrays, "profile_interval", network=network, figure=figure).T])


def build_depth(result: StudyResult) -> dict[str, Any]:
    """Returns sensitivity, raw and relative, and what of it depends on colour, block by block."""
    rows = []
    for network in strings(result.arrays, "network"):
        figures = ("sensitivity", "relative", "share", "channel_correlation")
        raw, own, share, alike = (profile(result, network, figure) for figure in figures)
        for b, name in enumerate(pick(result.arrays, "block", network=network)):
            cells = [f"{number(v[0, b])} [{number(v[1, b])}, {number(v[2, b])}]" for v in (raw, own)]
            cells += [f"{fixed(v[0, b])} {interval(v[1, b], v[2, b])}" for v in (share, alike)]
            rows.append([f"{NAMES.get(network, network)}, {name}", *cells])
    header = ["Block", "‖ΔB‖₂", "‖ΔB‖₂ / ‖B‖₂", "Variance between colours", "Correlation of colours"]
    return {"header": header, "rows": rows}


def build_trainings(result: StudyResult) -> dict[str, Any]:
    """Returns accuracy and epochs of both networks."""
    rows, data = [], result.arrays
    for network in strings(data, "network"):
        cells = []
        for part in ("validation", "test"):
            value = float(pick(data, "accuracy", network=network, part=part))
            low, high = pick(data, "accuracy_interval", network=network, part=part).tolist()
            cells.append(f"{fixed(value, 4)} {interval(low, high, 4)}")
        epochs = f"{int(pick(data, 'best_epoch', network=network))} of {int(pick(data, 'epochs', network=network))}"
        rows.append([NAMES.get(network, network), *cells, epochs])
    return {"header": ["Network", "Accuracy, validation", "Accuracy, test", "Epoch"], "rows": rows}


def build_walk(result: StudyResult) -> dict[str, Any]:
    """Returns how far one image had to go to every class, by both networks."""
    data, networks = result.arrays, strings(result.arrays, "network")
    rows = []
    for k, goal in enumerate(strings(data, "goal")):
        cells = []
        for network in networks:
            at = int(pick(data, "walk_reached_at", network=network)[k])
            rms, largest = (float(pick(data, f"walk_reached_{n}", network=network)[k]) for n in ("rms", "max"))
            left = "" if int(pick(data, "walk_stayed", network=network)[k]) else ", left again"
            cells += [f"{at}{left}", number(rms), number(largest)] if at >= 0 else ["not reached", "–", "–"]
        rows.append([goal, *cells])
    header = [f"{NAMES.get(n, n)}, {what}" for n in networks for what in ("step", "RMS", "largest")]
    return {"header": ["Class", *header], "rows": rows}


def build_pairs(result: StudyResult) -> list[dict[str, Any]]:
    """Returns pictures before and after for each network."""
    data, classes, found = result.arrays, list(result.arrays.attrs["classes"]), []
    for network in strings(data, "network"):
        before, after, labels = (
            np.asarray(pick(data, f"pair_{n}", network=network)) for n in ("start", "after", "label")
        )
        pictures = [
            {"before": enlarged(before[k]), "after": enlarged(after[k]), "name": classes[int(labels[k])]}
            for k in one_each(labels)
        ]
        found.append({"network": NAMES.get(network, network), "pictures": pictures})
    return found


def one_each(labels: np.ndarray) -> list[int]:
    """The first place of each label, of eight labels at most.

    Example:
        >>> one_each(np.array([0, 0, 3, 1, 3]))
        [0, 3, 2]
    """
    return np.unique(labels, return_index=True)[1][:_PAIRS].tolist()


def build_study_cost(result: StudyResult) -> dict[str, Any]:
    """Returns trainings and time."""
    cost = result.cost
    facts = [
        ("Trainings", str(cost["trainings"])),
        ("Time of the trainings, with their pages", duration(float(cost["training_seconds"]))),
        ("Time in all", duration(float(cost["seconds"]))),
        ("Run on", str(result.provenance.get("device", ""))),
    ]
    how = "What this call took; trainings and maps that were finished before are read and cost nothing again."
    return {"facts": facts, "trial": [], "how": how}


def enlarged(image_chw: np.ndarray) -> str:
    """An image as a data address, each pixel three by three."""
    large = np.repeat(np.repeat(np.moveaxis(image_chw, 0, -1), _ENLARGED, axis=0), _ENLARGED, axis=1)
    return data_uri(large)
