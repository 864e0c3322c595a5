"""Which images a look inside takes, and what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.random import generator
from shiftgauge.studies.explain_options import ABOUT, ExplainOptions
from shiftgauge.types import Execution


@dataclass(frozen=True, kw_only=True)
class ChosenImages:
    """Images of a data set, read when they are asked for.

    Args:
        network: Whose input they become.
        dataset: Where they come from.
        classes: Classes that are looked at.
        rows: Their places in the data set; those that are shown come first.
        places: Class for which each was drawn, a place in `classes`.
        shown: How many are shown.
        walkers: Places in `rows` of those that are pushed towards other classes.
        left_out: Classes with images that are not looked at, because none were named and there are too many.
        asked: For each image that is shown, the place among the outputs of the class that it is asked about.
    """

    network: TorchClassifier
    dataset: ImageDataset
    classes: tuple[str, ...]
    rows: tuple[int, ...]
    places: tuple[int, ...]
    shown: int
    walkers: tuple[int, ...]
    left_out: int = 0
    asked: tuple[int, ...] = ()

    def one(self, index: int, network: TorchClassifier | None = None) -> torch.Tensor:
        """One image (1, C, H, W) at the input size of the network, or of another one, values in [0, 1]."""
        return self.of_row(self.rows[index], network)

    def of_row(self, row: int, network: TorchClassifier | None = None) -> torch.Tensor:
        """An image of the data set (1, C, H, W) at the input size of the network, or of another one."""
        pixels = torch.from_numpy(np.array(self.dataset.load(row), np.float32))
        return (network or self.network).prepare(pixels[None])

    def several(self, indices: Sequence[int]) -> torch.Tensor:
        """Images (N, C, H, W) at the network's input size."""
        return torch.cat([self.one(index) for index in indices])

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return tuple(self.dataset.names[row] for row in self.rows)

    def held(self, index: int) -> tuple[int, ...]:
        """Classes of an image as the data state them, by their places."""
        row = self.rows[index]
        if self.dataset.label_matrix is None:
            return (int(self.dataset.labels[row]),)
        return tuple(np.flatnonzero(self.dataset.label_matrix[row] > 0).tolist())

    def label(self, index: int) -> str:
        """Class of an image as the data state it; several labels are joined."""
        return ", ".join(self.dataset.class_names[k] for k in self.held(index)) or "none"

    def first_of_each(self, per_class: int) -> tuple[int, ...]:
        """Places in `rows` of the first images of each class that are shown."""
        seen = [0] * len(self.classes)
        found = []
        for index, place in enumerate(self.places[: self.shown]):
            seen[place] += 1
            if seen[place] <= per_class:
                found.append(index)
        return tuple(found)


def choose_images(network: TorchClassifier, dataset: ImageDataset, options: ExplainOptions) -> ChosenImages:
    """Draws images of each class, class after class in turn; a larger number keeps the images of a smaller one.

    Args:
        network: The network.
        dataset: Images labelled with the network's classes.
        options: How many, and of which classes.

    Raises:
        ConfigError: An unknown class.
        DataError: A class that was named has no image, or there are none at all.
    """
    classes, left_out = _classes(dataset, options)
    drawn = _drawn(dataset, classes, options)
    shown = [(row, k) for k, rows in enumerate(drawn) for row in rows[: options.per_class]]
    both = [*shown, *((row, k) for k, rows in enumerate(drawn) for row in rows[options.per_class :])]
    chosen = ChosenImages(
        network=network,
        dataset=dataset,
        classes=classes,
        rows=tuple(row for row, _ in both),
        places=tuple(k for _, k in both),
        shown=len(shown),
        walkers=(),
        left_out=left_out,
    )
    return replace(chosen, walkers=chosen.first_of_each(options.walk_per_class))


def _drawn(dataset: ImageDataset, classes: tuple[str, ...], options: ExplainOptions) -> list[list[int]]:
    """Rows of each class; an image of several classes belongs to the one that takes it first."""
    orders = []
    for name in classes:
        members = class_rows(dataset, name)
        order = generator(options.seed, "explain images", name).permutation(len(members))
        orders.append(iter([members[k] for k in order]))
    drawn: list[list[int]] = [[] for _ in classes]
    taken: set[int] = set()
    for _ in range(options.counted):
        for k, rows in enumerate(orders):
            row = next((row for row in rows if row not in taken), None)
            if row is not None:
                drawn[k].append(row)
                taken.add(row)
    return drawn


def image_arrays(chosen: ChosenImages, options: ExplainOptions) -> tuple[ChosenImages, xr.Dataset]:
    """The images that are shown, with what the network says of each and which class each is asked about.

    Args:
        chosen: The images.
        options: Which class that is.

    Returns:
        The images with `asked`; and picture (image, channel, y, x) and, for each image, image_label, image_predicted,
        image_probability, image_right (1 where the data say the same) and asked_class.

    Raises:
        ConfigError: An unknown class.
    """
    network, pictures, outputs = chosen.network, [], []
    for index in range(chosen.shown):
        pictures.append(chosen.one(index))
        outputs.append(network.outputs(pictures[-1], Execution(batch_size=1)).cpu())
    values = torch.cat(outputs).double()
    several = chosen.dataset.label_matrix is not None
    if network.output_kind == "logits":
        values = values.sigmoid() if several else values.softmax(dim=1)
    probability, place = values.max(dim=1)
    said = place.tolist()
    asked = _asked(chosen, options, said)
    right = [k in chosen.held(index) for index, k in enumerate(said)]
    variables = {
        "picture": (("image", "channel", "y", "x"), torch.cat(pictures).numpy().astype(np.float32)),
        "image_label": (("image",), _names([chosen.label(index) for index in range(chosen.shown)])),
        "image_predicted": (("image",), _names([network.class_names[k] for k in said])),
        "image_probability": (("image",), probability.numpy()),
        "image_right": (("image",), np.array(right, np.int8)),
        "asked_class": (("image",), _names([network.class_names[k] for k in asked])),
    }
    arrays = xr.Dataset(variables, coords={"image": list(chosen.names[: chosen.shown])})
    return replace(chosen, asked=asked), arrays


def require_about(about: str, class_names: Sequence[str]) -> None:
    """Refuses what images cannot be asked about.

    Raises:
        ConfigError: Neither `predicted` nor `label` nor a class.
    """
    if about not in ABOUT:
        require_in("about", about, (*ABOUT, *class_names))


def class_rows(dataset: ImageDataset, name: str) -> list[int]:
    """Rows of a data set whose images are of a class."""
    place = dataset.class_names.index(name)
    held: npt.NDArray[np.bool_] = (
        dataset.labels == place if dataset.label_matrix is None else dataset.label_matrix[:, place] > 0
    )
    return np.flatnonzero(held).tolist()


def _asked(chosen: ChosenImages, options: ExplainOptions, said: Sequence[int]) -> tuple[int, ...]:
    names = chosen.network.class_names
    if options.about == "predicted":
        return tuple(said)
    if options.about == "label":
        return tuple(names.index(chosen.classes[k]) for k in chosen.places[: chosen.shown])
    return (names.index(options.about),) * chosen.shown


def _names(values: Sequence[str]) -> npt.NDArray[np.object_]:
    return np.array(values, dtype=object)


def _classes(dataset: ImageDataset, options: ExplainOptions) -> tuple[tuple[str, ...], int]:
    """The classes that are looked at, and how many others have images."""
    counts = dataset.class_counts
    if options.classes is None:
        held = tuple(name for name, count in counts.items() if count)
        if not held:
            raise DataError("the data set holds no image of a class of the network")
        return held[: options.most_classes], max(0, len(held) - options.most_classes)
    for name in options.classes:
        require_in("class", name, dataset.class_names)
        if not counts[name]:
            raise DataError(f"the data hold no image of the class `{name}`; leave it out of `classes`")
    return options.classes, 0
