"""Maps of one image after another, band of rows after band, each kept as soon as it is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.explain.depth_profile import channel_share, relative_to
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.studies.explain_options import DerivativeOptions
from shiftgauge.studies.part_store import PartStore

BAND: Final = 12288
"""Pushes after which what is finished of an image is kept."""
MAP: Final = ("block", "pushed", "y", "x")
COLOURS: Final = {1: ("grey",), 3: ("red", "green", "blue")}


@dataclass(frozen=True, kw_only=True)
class MapWork:
    """How maps of images are made, and where they are kept.

    Args:
        network: The network.
        options: How pixels are pushed, or derivatives taken.
        blocks: Module paths; None for those that are found by themselves.
        batch_size: Pushes in one batch; None finds it by a short trial.
        store: Where they are kept.
        name: Of the kind of maps in the store.
        origin: What decides the maps besides, such as another network's hash.
    """

    network: TorchClassifier
    options: PerturbationOptions | DerivativeOptions
    blocks: tuple[str, ...] | None
    batch_size: int | None
    store: PartStore
    name: str
    origin: str = ""

    @property
    def pushes(self) -> int:
        """Pushes of one image."""
        channels, height, width = self.network.input_shape
        sides = self.options.sides if isinstance(self.options, PerturbationOptions) else 1
        return sides * (channels if self.options.channels == "each" else 1) * height * width

    @property
    def pushed(self) -> tuple[str, ...]:
        """Names of what is pushed of a pixel."""
        if self.options.channels == "together":
            return ("together",)
        channels = self.network.input_shape[0]
        return COLOURS.get(channels, tuple(f"channel {k}" for k in range(channels)))

    def asked(self, row: int) -> dict[str, Any]:
        """What decides the maps of an image."""
        return {"options": self.options.to_dict(), "blocks": self.blocks, "row": row, "origin": self.origin}

    def holds(self, row: int) -> bool:
        """Whether the maps of an image are there."""
        return self.store.holds(self._name(row), self.asked(row))

    def kept(self, row: int, pixels: Callable[[], torch.Tensor]) -> xr.Dataset:
        """The maps of an image from the store; made again where they were deleted or damaged since."""
        found = self.store.load(self._name(row), self.asked(row))
        return self.image(row, pixels(), _untold) if found is None else found

    def image(self, row: int, pixels: torch.Tensor, tell: Callable[[int], None]) -> xr.Dataset:
        """Makes the maps of an image from where they were left, and keeps them.

        Args:
            row: Of the data set.
            pixels: The image (1, C, H, W).
            tell: Called with the pushes done.

        Returns:
            norm and signed, axes of `MAP`, block_norm (block,), and what it cost as attributes.
        """
        found, height, done, batch_size = [], pixels.shape[2], 0, self.batch_size
        bands = self._bands(height)
        for first, last in bands:
            name, asked = f"{self._name(row)}-{first:04d}", {**self.asked(row), "rows": [first, last]}
            part = self.store.load(name, asked)
            if part is None:
                part = self._band(pixels, first, last, batch_size, lambda n, _, before=done: tell(before + n))
                if len(bands) > 1:
                    part = self.store.save(name, asked, part)
            done += self.pushes * (last - first) // height
            tell(done)
            batch_size = int(part.attrs["batch_size"])
            found.append(part)
        whole = xr.concat(found, "y", data_vars="minimal", coords="minimal", compat="override", join="override")
        whole = whole.assign_attrs(
            {name: sum(part.attrs[name] for part in found) for name in ("evaluations", "seconds")}
        )
        whole = self.store.save(self._name(row), self.asked(row), whole)
        for first, _ in bands if len(bands) > 1 else ():
            self.store.remove(f"{self._name(row)}-{first:04d}")
        return whole

    def with_batch_of(self, part: xr.Dataset) -> MapWork:
        """The same work without another trial."""
        return replace(self, batch_size=int(part.attrs["batch_size"]))

    def _name(self, row: int) -> str:
        return f"{self.name}-{row:06d}"

    def _bands(self, height: int) -> list[tuple[int, int]]:
        """Rows that are worked on together, whole cells of `pixelise` each."""
        cell = self.options.pixelise if isinstance(self.options, PerturbationOptions) else 1
        side = max(1, BAND * height // self.pushes)
        side = -(-side // cell) * cell
        return [(first, min(first + side, height)) for first in range(0, height, side)]

    def _band(
        self, pixels: torch.Tensor, first: int, last: int, batch_size: int | None, tell: Callable[[int, int], None]
    ) -> xr.Dataset:
        given: Any = {"blocks": self.blocks, "rows": (first, last), "batch_size": batch_size, "progress": tell}
        if isinstance(self.options, PerturbationOptions):
            maps = perturbation_maps(self.network, pixels, options=self.options, **given)
            norm, signed = maps.norm_of_difference, maps.difference_of_norms
        else:
            scale, channels = self.options.scale, self.options.channels
            maps = derivative_maps(self.network, pixels, scale=scale, channels=channels, **given)
            norm, signed = maps.norm_of_derivative, maps.derivative_of_norm
        variables = {"norm": (MAP, norm[0]), "signed": (MAP, signed[0]), "block_norm": (("block",), maps.block_norm[0])}
        attrs = {name: maps.cost[name] for name in ("evaluations", "seconds", "batch_size")}
        return xr.Dataset(variables, coords={"block": list(maps.blocks)}, attrs=attrs)


def map_profile(part: xr.Dataset) -> dict[str, np.ndarray]:
    """What a profile over depth needs of one image's maps.

    Args:
        part: As of `MapWork.image`.

    Returns:
        sensitivity, relative_sensitivity and square (mean of the squares), axes (block, pushed); share of the
        variance between the pushed channels, axes (block,).
    """
    norm, rest = part["norm"].values.astype(np.float64), part["block_norm"].values[:, None]
    mean = norm.mean(axis=(-2, -1))
    found = {"sensitivity": mean, "relative_sensitivity": relative_to(mean, rest)}
    found["square"] = (norm**2).mean(axis=(-2, -1))
    return found | {"share": channel_share(norm.reshape(*norm.shape[:2], -1))}


def _untold(done: int) -> None:
    """Tells nobody."""
