"""Images that are climbed to: those that raise classes and units, and images pushed towards every class."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from shiftgauge.explain.climb_state import ClimbState
from shiftgauge.explain.image_walk import image_walk
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.objectives import Objectives
from shiftgauge.explain.starts import class_means
from shiftgauge.random import generator
from shiftgauge.studies.explain_images import ChosenImages, class_rows
from shiftgauge.studies.explain_maps import Part
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.explain_units import told_apart
from shiftgauge.studies.part_store import Advance, PartStore

_AT_ONCE = 16
_BEGUN = ("maximize-begun", "walk-begun")
"""Names of what is kept of climbs on the way."""
_TRACES = ("activation", "penalty", "predicted", "slope", "distance_rms", "distance_max")

_NAMES: dict[str, str] = {
    "image": "maximized",
    "start": "maximized_start",
    "distance_rms": "maximized_rms",
    "distance_max": "maximized_max",
}


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Where climbs are kept on the way.

    Args:
        store: Of the run.
        name: Of the part.
        asked: What decides the climbs that are made together.
    """

    store: PartStore
    name: str
    asked: object

    def load(self) -> ClimbState | None:
        found = self.store.load(self.name, self.asked)
        return None if found is None else ClimbState.from_dataset(found)

    def save(self, state: ClimbState) -> None:
        self.store.save(self.name, self.asked, state.dataset())


def maximize_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Climbs to an image of each class and unit, a batch of them at a time, which is kept every few steps as well.

    Args:
        chosen: Whose classes are climbed to.
        options: How.
        store: Where each is kept when finished.
        progress: Called with (steps done, steps in all), counted image by image.
    """
    if options.maximize is None:
        raise ValueError("the part `maximize` was not asked for")
    climb = options.maximize
    targets = [*chosen.classes, *options.units]
    asked = Objectives(chosen.network, targets)
    starts = start_images(chosen, options)
    origin = {"start": options.start, "image": options.start_image, "most": options.mean_images, "seed": options.seed,
              "classes": chosen.classes if options.start != "noise" else None,
              "rows": chosen.rows[: chosen.shown] if options.start == "image" else None}  # fmt: skip
    entries = [(f"{k:03d}", {"options": climb.to_dict(), "target": target.to_dict(), "origin": origin})
               for k, target in enumerate(asked.targets)]  # fmt: skip

    def make(group: Sequence[int], tell: Advance) -> list[xr.Dataset]:
        made = maximize(
            chosen.network, [targets[k] for k in group], start=None if starts is None else starts[list(group)],
            options=climb, batch_size=options.batch_size or _AT_ONCE, progress=tell,
            keep=_Kept(store=store, name=_BEGUN[0], asked=[entries[k] for k in group]),
        )  # fmt: skip
        known = made.dataset()[["image", "start", *_TRACES]]
        attrs = {name: float(getattr(made, name)) / len(group) for name in ("evaluations", "seconds")}
        flat = (made.slope[:, :-1] == 0).all(axis=1)
        return [known.isel(target=k).drop_vars("target").assign_attrs(attrs, without_slope=int(flat[k]))
                for k in range(len(group))]  # fmt: skip

    parts = store.each(
        "maximize", entries, make, unit=climb.steps, at_once=options.batch_size or _AT_ONCE, progress=progress
    )
    store.remove(_BEGUN[0])
    names = told_apart(asked.names)
    joined = xr.concat([part.drop_attrs() for part in parts], "target", join="override")
    joined = joined.rename(_NAMES | {name: f"maximized_{name}" for name in _TRACES[:4]})
    flat = [name for name, part in zip(names, parts, strict=True) if part.attrs["without_slope"]]
    cost = {name: float(sum(part.attrs[name] for part in parts)) for name in ("evaluations", "seconds")}
    facts = {"without_slope": ", ".join(flat), "start": options.start}
    return joined.assign_coords(target=names).assign_attrs(facts), cost


def start_images(chosen: ChosenImages, options: ExplainOptions) -> torch.Tensor | None:
    """Where the climbs begin, a row for each class and then each unit; None for noise.

    Args:
        chosen: Whose classes are climbed to.
        options: Where climbs begin; `check_parts` has seen that the image is there.
    """
    if options.start == "noise":
        return None
    if options.start == "class_mean":
        of_class = _means(chosen, options)
    elif options.start_image is not None:
        row = list(chosen.dataset.names).index(options.start_image)
        of_class = chosen.of_row(row).expand(len(chosen.classes), -1, -1, -1)
    else:
        firsts = {chosen.places[i]: i for i in reversed(range(chosen.shown))}
        of_class = chosen.several([firsts.get(k, 0) for k in range(len(chosen.classes))])
    shared = of_class.mean(dim=0) if options.start == "class_mean" else of_class[0]
    return torch.cat([of_class, shared.expand(len(options.units), -1, -1, -1)])


def walk_arrays(chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance) -> Part:
    """Pushes images towards every class that is looked at.

    Args:
        chosen: The images.
        options: How they are pushed.
        store: Where each finished image is kept.
        progress: Called with (steps done, steps in all), counted image by image.
    """
    if options.walk is None:
        raise ValueError("the part `walk` was not asked for")
    climb, walkers = options.walk, chosen.walkers
    entries = [(f"{chosen.rows[i]:06d}", {"options": climb.to_dict(), "row": chosen.rows[i], "classes": chosen.classes})
               for i in walkers]  # fmt: skip

    def make(group: Sequence[int], tell: Advance) -> list[xr.Dataset]:
        walked = image_walk(
            chosen.network, chosen.one(walkers[group[0]]), classes=chosen.classes, options=climb,
            batch_size=options.batch_size or _AT_ONCE, progress=tell,
            keep=_Kept(store=store, name=_BEGUN[1], asked=[entries[k] for k in group]),
        )  # fmt: skip
        return [_walked(walked.dataset())]

    parts = store.each("walk", entries, make, unit=climb.steps * len(chosen.classes), progress=progress)
    store.remove(_BEGUN[1])
    cost = {name: float(sum(part.attrs[name] for part in parts)) for name in ("evaluations", "seconds")}
    joined = xr.concat([part.drop_attrs() for part in parts], "walker", join="override")
    joined = joined.assign(walk_source=(("walker",), np.array(walkers)))
    return joined.assign_coords(walker=[chosen.names[i] for i in walkers]).assign_attrs(walk_steps=climb.steps), cost


def _means(chosen: ChosenImages, options: ExplainOptions) -> torch.Tensor:
    """Mean image of each class, of at most so many images of it."""

    def batches(name: str) -> Any:
        rows = class_rows(chosen.dataset, name)
        order = generator(options.seed, "explain images", name).permutation(len(rows))[: options.mean_images]
        for place in order:
            yield chosen.of_row(rows[place]), [0]

    means = [class_means(batches(name), 1) for name in chosen.classes]
    return torch.from_numpy(np.concatenate(means))


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
