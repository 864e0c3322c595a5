"""Builds realistic results for tests: a synthetic classifier with known structure, measured in plain NumPy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from shiftgauge.results.audit import AuditResult
from shiftgauge.results.status import Gate, Message
from weld_names import HOSTILE_CLASSES, HOSTILE_TITLE, QUANTITIES, SHIFTS
from weld_world import World, nice

__all__ = ["HOSTILE_CLASSES", "HOSTILE_TITLE", "QUANTITIES", "SHIFTS", "audit_result"]


def audit_result(
    *,
    shifts: Sequence[str] = tuple(SHIFTS),
    estimator: str = "assisted",
    images_mode: str = "population",
    share: float = 0.94,
    hostile: bool = False,
    constant: bool = False,
    second_order: bool = True,
    n_base: int = 1024,
    seed: int = 0,
) -> AuditResult:
    """Builds an audit of a made-up weld classifier.

    Args:
        shifts: Names out of `SHIFTS` that vary.
        estimator: `assisted`, `pick_freeze` or `gpc`.
        images_mode: `population` (the image is an input) or `fixed`.
        share: Share of the variance that the surrogate explains, Q².
        hostile: Put `HOSTILE_CLASSES` and the like wherever outside text can stand.
        constant: The output never changes: every index is NaN.
        second_order: Whether second-order indices are there.
        n_base: Rows of the base sample of the plain pick-freeze that gives the indices.
        seed: Seed of everything.
    """
    world = World(tuple(shifts), images_mode, hostile, constant, n_base, np.random.default_rng(seed), share)
    arrays = _arrays(world, images_mode, second_order)
    arrays.attrs = world.attrs(estimator, seed)
    least = HOSTILE_CLASSES[1] if hostile else "blur"
    return AuditResult(
        config={
            "title": arrays.attrs["title"],
            "model": {"timm": "resnet18"},
            "shifts": list(shifts),
            "seed": seed,
            "note": HOSTILE_TITLE if hostile else "",
        },
        provenance=_provenance(seed, hostile),
        cost=_cost(n_base * (len(world.inputs) + 2)),
        headline=_headline(estimator, share, shifts[0], least),
        arrays=arrays,
        messages=_messages(estimator, share, constant, hostile),
        gates=_gates(shifts[0]),
    )


def _headline(estimator, share, first, least):
    if estimator == "gpc" and share < 0.9:
        return f"What moves the classifier cannot be stated: the surrogate explains only {share:.0%} of the variance."
    return f"{nice(first)} moves the classifier's output most, and {least} hardly at all."


def _arrays(world, images_mode, second_order):
    arrays = xr.Dataset(coords=world.coords())
    parts = [
        world.indices(second_order),
        world.facts(),
        world.effects(),
        world.surfaces(),
        world.strips(),
        world.images(),
    ]
    for part in parts:
        arrays = arrays.merge(xr.Dataset(part), join="exact")
    extra = world.gauge(arrays) if images_mode == "population" else world.per_image(arrays)
    return arrays.merge(xr.Dataset(extra))


def _messages(estimator, share, constant, hostile):
    found = [Message(level="info", code="intervals", text="Every interval is a 95 % bootstrap interval.")]
    if constant:
        found.insert(
            0, Message(level="alarm", code="constant", text="The output never changes: indices are undefined.")
        )
    if share < 0.9:
        level = "alarm" if estimator == "gpc" else "caution"
        text = f"The smooth surrogate explains {share:.0%} of the variance; do not read its drawings as facts."
        found.insert(0, Message(level=level, code="surrogate_poor", text=text))
    if hostile:
        found.append(Message(level="caution", code="x", text=f"Class {HOSTILE_CLASSES[1]} is rare."))
    return tuple(found)


def _gates(name):
    text = f"{nice(name)} has a total index of 0.52, the limit is 0.30."
    return (
        Gate(name=f"max_total_order.{name}", limit=0.3, value=0.52, passed=False, text=text),
        Gate(name="min_mean.probability", limit=0.4, value=0.6, passed=True, text="Mean probability 0.60 ≥ 0.40."),
    )


def _cost(evaluations):
    plain = {"batch_size": 32, "channels_last": False, "precision": "float32", "compiled": False, "streams": 1}
    fast = {"batch_size": 32, "channels_last": True, "precision": "bfloat16", "compiled": False, "streams": 2}
    rough = {**fast, "batch_size": 64}
    return {
        "evaluations": evaluations,
        "seconds": evaluations / 97.0,
        "images_per_second": 97.0,
        "execution": fast,
        "trial": [
            {**plain, "images_per_second": 31.4, "max_difference": 0.0, "agrees": True},
            {**fast, "images_per_second": 97.0, "max_difference": 0.0008, "agrees": True},
            {**rough, "images_per_second": float("nan"), "max_difference": 0.04, "agrees": False},
        ],
        "rows_from_store": 0,
    }


def _provenance(seed, hostile):
    return {
        "hashes": {k: f"{i:032x}" for i, k in enumerate(("model", "data", "space", "shifts", "design", "code"), 11)},
        "versions": {"python": "3.11.9", "shiftgauge": "0.1.0", "torch": "2.6.0", "numpy": "2.2.0"},
        "seed": seed,
        "device": "cpu, 2 cores",
        "started": "2025-03-04T08:15:00+00:00",
        "finished": "2025-03-04T08:19:42+00:00",
        "skipped": [["<svg onload=alert(4)>.png", "truncated"]] if hostile else [["seam_099.png", "truncated"]],
    }
