"""Perturbation maps of many images, one after another: those that are shown whole, of the others what is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.explain.depth_profile import depth_profile, share_of_moments
from shiftgauge.explain.map_statistics import MapStatistics
from shiftgauge.explain.perturbation import PerturbationMaps, PerturbationOptions, perturbation_maps
from shiftgauge.studies.explain_images import ChosenImages
from shiftgauge.studies.explain_options import ExplainOptions
from shiftgauge.studies.explain_store import PartStore

_STATE: Final = "maps"
_SAVE_EVERY: Final = 20.0
"""Seconds between two savings of the state where images are small."""
_STATISTICS: Final = ("mean", "standard_deviation", "mean_square", "minimum", "maximum")
_PER_IMAGE: Final = ("sensitivity", "relative_sensitivity", "channel_share_of_images", "square")
_COLOURS: Final = {1: ("grey",), 3: ("red", "green", "blue")}
_MAP: Final = ("block", "pushed", "y", "x")
Advance = Callable[[int, int], None]
"""Called with (done, in all)."""


def map_arrays(
    chosen: ChosenImages, options: ExplainOptions, store: PartStore, progress: Advance
) -> tuple[xr.Dataset, dict[str, float]]:
    """Pushes the pixels of all chosen images; what is finished is taken from the store.

    Args:
        chosen: The images.
        options: How they are pushed.
        store: Where finished images are kept.
        progress: Called with (images done, images in all).

    Returns:
        The arrays of the part `maps` of a result, and their cost: evaluations and seconds.
    """
    if options.maps is None:
        raise ConfigError("`maps` is left out, so that no pixel is pushed")
    asked = {"options": options.maps.to_dict(), "blocks": options.blocks, "rows": chosen.rows, "shown": chosen.shown,
             "classes": chosen.classes, "places": chosen.places}  # fmt: skip
    run = _Maps(chosen, options, options.maps, store, asked)
    run.go(progress)
    return run.arrays(), {"evaluations": run.evaluations, "seconds": run.seconds}


class _Maps:
    """One pass over the images, from where the last one ended."""

    def __init__(
        self, chosen: ChosenImages, options: ExplainOptions, push: PerturbationOptions, store: PartStore, asked: object
    ) -> None:
        self.chosen, self.options, self.push, self.store, self.asked = chosen, options, push, store, asked
        self.rows: dict[str, list[np.ndarray]] = {name: [] for name in _PER_IMAGE}
        self.statistics: MapStatistics | None = None
        self.blocks = options.blocks
        self.batch_size, self.evaluations, self.seconds = options.batch_size, 0, 0.0
        found = store.load(_STATE, asked)
        if found is not None:
            self.statistics = MapStatistics.from_dataset(found)
            self.rows = {name: list(found[name].values) for name in _PER_IMAGE}
            self.blocks = self.statistics.blocks
            self.batch_size, self.evaluations = int(found.attrs["batch_size"]), int(found.attrs["evaluations"])
            self.seconds = float(found.attrs["seconds"])

    def go(self, progress: Advance) -> None:
        """Does what is left, saving as it goes."""
        total, saved = len(self.chosen.rows), time.monotonic()
        progress(len(self.rows["square"]), total)
        for index in range(len(self.rows["square"]), total):
            self._one(index)
            progress(index + 1, total)
            if index + 1 == total or time.monotonic() - saved > _SAVE_EVERY:
                self._save()
                saved = time.monotonic()

    def _one(self, index: int) -> None:
        maps = perturbation_maps(
            self.chosen.network, self.chosen.one(index), blocks=self.blocks, options=self.push,
            batch_size=self.batch_size,
        )  # fmt: skip
        self.blocks, self.batch_size = maps.blocks, int(maps.cost["batch_size"])
        self.evaluations += int(maps.cost["evaluations"])
        self.seconds += float(maps.cost["seconds"])
        profile, values = depth_profile(maps), maps.norm_of_difference
        if self.statistics is None:
            self.statistics = MapStatistics.start(self.chosen.classes, maps.blocks, values.shape[2:])
        self.statistics = self.statistics.updated(values, [self.chosen.places[index]])
        square = (values[0].astype(np.float64) ** 2).mean(axis=(-2, -1))
        found = (profile.sensitivity[0], profile.relative[0], profile.channel_share_of_images[0], square)
        for name, row in zip(_PER_IMAGE, found, strict=True):
            self.rows[name].append(row)
        if index < self.chosen.shown:
            self.store.save(f"map-{index:04d}", self.asked, _shown(maps))

    def _save(self) -> None:
        if self.statistics is None:
            return
        state = self.statistics.dataset().drop_vars(["standard_deviation", "mean_square"])
        rows = {name: (("counted", "block", "pushed")[: 1 + values[0].ndim], np.stack(values))
                for name, values in self.rows.items()}  # fmt: skip
        attrs = {"batch_size": self.batch_size, "evaluations": self.evaluations, "seconds": self.seconds}
        self.store.save(_STATE, self.asked, state.assign(rows).assign_attrs(attrs))

    def arrays(self) -> xr.Dataset:
        """The part of the result."""
        if self.statistics is None:
            raise ConfigError("no image was pushed")
        known = self.statistics.dataset()
        counted = {name: np.stack(self.rows[name]) for name in _PER_IMAGE}
        axes = ("counted", "block", "pushed")
        found: dict[str, Any] = {name: (axes[: counted[name].ndim], counted[name]) for name in _PER_IMAGE[:-1]}
        found["channel_share"] = (("block",), share_of_moments(counted["sensitivity"], counted["square"]))
        found |= {f"map_{name}": (("class", *_MAP), known[name].values.astype(np.float32)) for name in _STATISTICS}
        found["map_count"] = (("class",), self.statistics.count)
        coords = {
            "block": list(self.statistics.blocks),
            "class": list(self.statistics.classes),
            "pushed": list(self._pushed()),
            "counted": list(self.chosen.names),
        }
        return xr.Dataset(found, coords=coords).merge(self._of_shown())

    def _pushed(self) -> tuple[str, ...]:
        count = self.rows["sensitivity"][0].shape[-1]
        if self.push.channels == "together":
            return ("together",)
        return _COLOURS.get(count, tuple(f"channel {k}" for k in range(count)))

    def _of_shown(self) -> xr.Dataset:
        parts = []
        for index in range(self.chosen.shown):
            part = self.store.load(f"map-{index:04d}", self.asked)
            if part is None:  # deleted or damaged since
                maps = perturbation_maps(
                    self.chosen.network, self.chosen.one(index), blocks=self.blocks, options=self.push,
                    batch_size=self.batch_size,
                )  # fmt: skip
                part = _shown(maps)
            parts.append(part)
        joined = xr.concat(parts, "image")
        return joined.assign_coords(image=list(self.chosen.names[: self.chosen.shown]), pushed=list(self._pushed()))


def _shown(maps: PerturbationMaps) -> xr.Dataset:
    variables = {
        "norm_of_difference": (("image", *_MAP), maps.norm_of_difference),
        "difference_of_norms": (("image", *_MAP), maps.difference_of_norms),
        "block_norm": (("image", "block"), maps.block_norm),
    }
    return xr.Dataset(variables, coords={"block": list(maps.blocks)})
