"""Which images a look inside takes, and what the network says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.errors import DataError
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.random import generator
from shiftgauge.studies.explain_options import ExplainOptions
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
    """

    network: TorchClassifier
    dataset: ImageDataset
    classes: tuple[str, ...]
    rows: tuple[int, ...]
    places: tuple[int, ...]
    shown: int
    walkers: tuple[int, ...]

    def one(self, index: int) -> torch.Tensor:
        """One image (1, C, H, W) at the network's input size, values in [0, 1]."""
        pixels = torch.from_numpy(np.array(self.dataset.load(self.rows[index]), np.float32))
        return self.network.prepare(pixels[None])

    def several(self, indices: Sequence[int]) -> torch.Tensor:
        """Images (N, C, H, W) at the network's input size."""
        return torch.cat([self.one(index) for index in indices])

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each image."""
        return tuple(self.dataset.names[row] for row in self.rows)

    def label(self, index: int) -> str:
        """Class of an image as the data state it; several labels are joined."""
        row = self.rows[index]
        if self.dataset.label_matrix is None:
            return self.dataset.class_names[int(self.dataset.labels[row])]
        held = [n for n, on in zip(self.dataset.class_names, self.dataset.label_matrix[row], strict=True) if on]
        return ", ".join(held) or "none"


def choose_images(network: TorchClassifier, dataset: ImageDataset, options: ExplainOptions) -> ChosenImages:
    """Draws images of each class; a larger number keeps the images of a smaller one.

    Args:
        network: The network.
        dataset: Images labelled with the network's classes.
        options: How many, and of which classes.

    Raises:
        ConfigError: An unknown class.
        DataError: A class that was named has no image, or there are none at all.
    """
    classes = _classes(dataset, options)
    drawn: list[list[int]] = []
    taken: set[int] = set()
    for name in classes:
        members = [row for row in _members(dataset, name) if row not in taken]
        order = generator(options.seed, "explain images", name).permutation(len(members))
        drawn.append([members[k] for k in order[: options.counted]])
        taken.update(drawn[-1])
    shown = [(row, k, i < options.walk_per_class) for k, rows in enumerate(drawn) for i, row in enumerate(rows)
             if i < options.per_class]  # fmt: skip
    others = [(row, k, False) for k, rows in enumerate(drawn) for row in rows[options.per_class :]]
    both = [*shown, *others]
    return ChosenImages(
        network=network,
        dataset=dataset,
        classes=classes,
        rows=tuple(row for row, _, _ in both),
        places=tuple(k for _, k, _ in both),
        shown=len(shown),
        walkers=tuple(i for i, (_, _, walks) in enumerate(both) if walks),
    )


def image_arrays(chosen: ChosenImages) -> xr.Dataset:
    """The images that are shown, with what the network says of each.

    Args:
        chosen: The images.

    Returns:
        picture (image, channel, y, x) and, for each image, image_label, image_predicted and image_probability.
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
    named = [network.class_names[k] for k in place.tolist()]
    labels = [chosen.label(index) for index in range(chosen.shown)]
    variables = {
        "picture": (("image", "channel", "y", "x"), torch.cat(pictures).numpy().astype(np.float32)),
        "image_label": (("image",), np.array(labels, dtype=object)),
        "image_predicted": (("image",), np.array(named, dtype=object)),
        "image_probability": (("image",), probability.numpy()),
    }
    return xr.Dataset(variables, coords={"image": list(chosen.names[: chosen.shown])})


def _classes(dataset: ImageDataset, options: ExplainOptions) -> tuple[str, ...]:
    counts = dataset.class_counts
    if options.classes is None:
        found = tuple(name for name, count in counts.items() if count)[: options.most_classes]
        if not found:
            raise DataError("the data set holds no image of a class of the network")
        return found
    for name in options.classes:
        require_in("class", name, dataset.class_names)
        if not counts[name]:
            raise DataError(f"the data hold no image of the class `{name}`; leave it out of `classes`")
    return options.classes


def _members(dataset: ImageDataset, name: str) -> list[int]:
    place = dataset.class_names.index(name)
    held: npt.NDArray[np.bool_] = (
        dataset.labels == place if dataset.label_matrix is None else dataset.label_matrix[:, place] > 0
    )
    return np.flatnonzero(held).tolist()
