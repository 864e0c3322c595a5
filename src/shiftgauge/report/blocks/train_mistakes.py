"""Blocks of a training's page about single images: the most confident mistakes, and decisions that contradict."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftgauge.report.format import clean, fixed, percent
from shiftgauge.report.pictures import data_uri
from shiftgauge.report.read import pick, strings
from shiftgauge.results.train import PREDICTIONS_FILE, TrainResult


def build_mistakes(result: TrainResult) -> dict[str, Any] | None:
    """Returns how many images are wrong and the worst of them with pictures, or None where that is not known."""
    data, part = result.arrays, result.part
    if "n_wrong" not in data:
        return None
    wrong, n = (int(pick(data, name, part=part)) for name in ("n_wrong", "n_images"))
    names = strings(data, "mistake_name")
    how = "have at least one label decided wrongly" if result.task == "multi" else "are decided wrongly"
    text = f"Of {n:,} {part} images {wrong:,} ({percent(wrong / n)}) {how}"
    text += f"; shown are the {len(names)} that the network is most sure of." if wrong > len(names) > 0 else "."
    return {"text": text, "file": PREDICTIONS_FILE, "cards": [_card(result, k, name) for k, name in enumerate(names)]}


def contradiction_text(result: TrainResult) -> str:
    """How many images are decided to have no defect and a defect, and how many to have no label; empty if unknown."""
    data, part = result.arrays, result.part
    if "inconsistent" not in data:
        return ""
    n, name = int(pick(data, "n_images", part=part)), clean(data.attrs.get("no_defect", ""))
    both, neither = (int(v) for v in pick(data, "inconsistent", part=part))
    bare = int(pick(data, "n_unlabelled", part=part))
    known = f" ({bare:,} indeed have none)" if bare else ""
    return (
        f"Of {n:,} {part} images {both:,} ({percent(both / n)}) are decided both “{name}” and another label, and "
        f"{neither:,} ({percent(neither / n)}) to have no label at all{known}."
    )


def _card(result: TrainResult, k: int, name: str) -> dict[str, Any]:
    data = result.arrays
    truth, decision, about = (strings(data, f"mistake_{kind}")[k] for kind in ("truth", "decision", "class"))
    probability = fixed(float(np.asarray(data["mistake_probability"].values)[k]))
    several = result.task == "multi"
    return {
        "name": clean(name),
        "src": data_uri(np.asarray(data["mistake_image"].values)[k]),
        "truth": clean(truth) or "no label",
        "decision": clean(decision) or "no label",
        "said": f"Probability of “{clean(about)}” {probability}" if several else f"Probability {probability}",
    }
