"""What the CIFAR-10 study measures of its two networks on test images: maps, raised classes, one image to all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.evaluate.progress import progress_bar
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps, pixelised
from shiftgauge.studies.cifar_ascent import PICTURE, as_bytes, clamped_share, pair_arrays, walk_arrays
from shiftgauge.studies.cifar_maps import PUBLISHED_LAW, measure_maps, repeatability
from shiftgauge.studies.cifar_numbers import profile_arrays
from shiftgauge.studies.cifar_recipe import Network
from shiftgauge.studies.cifar_trainings import Plan
from shiftgauge.studies.kept import MAPS, kept
from shiftgauge.types import Classifier

PUSHES: Final = (PerturbationOptions(), *(PerturbationOptions(**PUBLISHED_LAW, seed=seed) for seed in (0, 1)))
"""How pixels are pushed for the maps that are drawn; another push is another version of what is kept of them."""
_SHOWN_VERSION: Final = 1
_WALKED: Final = "deer"


@dataclass(frozen=True, kw_only=True)
class Looks:
    """How much is looked at.

    Args:
        images: Test images whose maps are taken, of all classes alike; 100 or more for a verdict.
        shown: Images of the first class whose maps are drawn; 9 as published.
        pairs: Images that are pushed towards their class; 100 or more for a verdict.
        steps: Of each ascent; 300 as published.

    Raises:
        ConfigError: A number outside its range.
    """

    images: int = 100
    shown: int = 9
    pairs: int = 100
    steps: int = 300

    def __post_init__(self) -> None:
        for name in ("images", "shown", "pairs", "steps"):
            require_positive_int(name, getattr(self, name))

    @classmethod
    def usual(cls, *, quick: bool, images: int | None = None) -> Looks:
        """As much as is customary.

        Args:
            quick: As little as shows that everything runs.
            images: Another number of images whose maps are taken.

        Example:
            >>> Looks.usual(quick=True, images=5)
            Looks(images=5, shown=1, pairs=2, steps=3)
        """
        found = cls(images=2, shown=1, pairs=2, steps=3) if quick else cls()
        return found if images is None else replace(found, images=images)


def look(plan: Plan, looks: Looks, networks: Mapping[Network, Classifier], test: ImageDataset) -> xr.Dataset:
    """All that is measured of the trained networks, on test images alone; what an earlier call measured is read.

    Args:
        plan: The study.
        looks: How much is looked at.
        networks: The networks.
        test: Test images.

    Returns:
        Arrays along `network`, whose blocks are numbered along `depth`.
    """
    chosen, pairs = (test.limit(n, seed=plan.recipe.seed) for n in (looks.images, looks.pairs))
    shown, walked = first_of(test, test.class_names[0], looks.shown), first_of(test, _WALKED, 1)
    found = [
        xr.merge([_measured(plan, name, one, chosen), *_pictured(plan, name, one, looks, (shown, pairs, walked))])
        for name, one in networks.items()
    ]
    first = next(iter(networks.values()))
    joined: Any = xr.concat(found, dim=xr.IndexVariable("network", list(networks)))
    joined = joined.assign(
        shown_image=(("shown", *PICTURE), as_bytes(_pixels(first, shown).numpy())),
        shown_label=("shown", shown.labels),
        clamped=("looked", clamped_share(_pixels(first, chosen))),
        looked_label=("looked", chosen.labels),
    )
    return xr.merge([joined, profile_arrays(joined)])


def first_of(test: ImageDataset, wanted: str, count: int) -> ImageDataset:
    """The first images of a class; where there are none, of the first class that has some.

    Args:
        test: Test images.
        wanted: Name of the class.
        count: Images at most.
    """
    names = sorted(test.class_names, key=lambda name: name != wanted)
    found = (np.flatnonzero(test.labels == test.class_names.index(name)) for name in names)
    return test.select(next(rows for rows in found if len(rows))[:count])


def _measured(plan: Plan, network: Network, classifier: Classifier, chosen: ImageDataset) -> xr.Dataset:
    options, images = PerturbationOptions(), _pixels(classifier, chosen)
    with progress_bar(f"{network}, maps", wanted=plan.progress) as advance:
        found = measure_maps(
            classifier,
            images,
            options=options,
            folder=plan.folder / MAPS / network,
            identity=(classifier.fingerprint, chosen.fingerprint),
            progress=advance,
        )
    axes = ("looked", "depth")
    return xr.Dataset(
        {
            "block": ("depth", np.array(found.blocks)),
            "sensitivity": ((*axes, "colour"), found.sensitivity),
            "relative": ((*axes, "colour"), found.relative),
            "share": (axes, found.share),
            "channel_correlation": (axes, found.correlation),
            "edges": (axes, found.edges),
        }
    )


def _pictured(
    plan: Plan,
    network: Network,
    classifier: Classifier,
    looks: Looks,
    images: tuple[ImageDataset, ImageDataset, ImageDataset],
) -> list[xr.Dataset]:
    """Maps of the images that are drawn, images pushed towards their class, and one towards every class."""
    (shown, pairs, walked), climb = images, ActivationMaximization(steps=looks.steps)

    def raised() -> xr.Dataset:
        with progress_bar(f"{network}, raising classes", wanted=plan.progress) as advance:
            return pair_arrays(classifier, _pixels(classifier, pairs), pairs.labels, climb, advance)

    def walk() -> xr.Dataset:
        with progress_bar(f"{network}, one image to every class", wanted=plan.progress) as advance:
            return walk_arrays(classifier, _pixels(classifier, walked)[0], climb, advance)

    wanted = {
        "shown": (shown, lambda: _shown(classifier, _pixels(classifier, shown))),
        "pairs": (pairs, raised),
        "walk": (walked, walk),
    }
    folder, options = plan.folder / MAPS / network, climb.to_dict()
    return [
        kept(
            folder,
            name,
            [name, classifier.fingerprint, of.fingerprint, options],
            measure,
            version=_SHOWN_VERSION if name == "shown" else 1,
        )
        for name, (of, measure) in wanted.items()
    ]


def _shown(classifier: Classifier, images: torch.Tensor) -> xr.Dataset:
    """Maps of the images that are drawn: by a fixed push, and by the published random one, twice; means of cells."""
    plain, law, other = (perturbation_maps(classifier, images, options=way).norm_of_difference for way in PUSHES)
    axes, pair = ("shown", "depth", "colour"), ("shown", "depth")
    return xr.Dataset(
        {
            "map_fixed": ((*axes, "y", "x"), plain),
            "map_published": ((*axes, "y", "x"), law),
            "cells_4": ((*axes, "y_4", "x_4"), _cells(plain, 4)),
            "cells_8": ((*axes, "y_8", "x_8"), _cells(plain, 8)),
            "cells_4_published": ((*axes, "y_4", "x_4"), _cells(law, 4)),
            "repeated": (pair, repeatability(law, other, 1)),
            "repeated_cells": (pair, repeatability(law, other, 4)),
        }
    )


def _cells(maps: np.ndarray, side: int) -> np.ndarray:
    """One mean for each square cell."""
    return pixelised(maps, side)[..., ::side, ::side]


def _pixels(classifier: Classifier, images: ImageDataset) -> torch.Tensor:
    """Images as the network takes them, values in [0, 1]."""
    return torch.cat([classifier.prepare(torch.from_numpy(images.load(k))[None]) for k in range(len(images))])
