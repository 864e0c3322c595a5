"""The batches of a training as Lightning takes them: of each, every device takes its share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from shiftgauge.errors import ConfigError
from shiftgauge.train.images import Part
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import IndexArray, epoch_batches

_BATCH_NORMS: Final = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def images_each(network: nn.Module) -> int:
    """Images that a device needs of every batch: two where the network normalises batches, else one.

    Example:
        >>> images_each(nn.Sequential(nn.Linear(4, 2))), images_each(nn.Sequential(nn.BatchNorm2d(3)))
        (1, 2)
    """
    return 2 if any(isinstance(module, _BATCH_NORMS) for module in network.modules()) else 1


def joined(batches: Sequence[IndexArray], least: int) -> list[IndexArray]:
    """The batches, with a rest of too few images joined to the batch before it.

    Args:
        batches: Rows of each; the last may be shorter than the others.
        least: Images that a batch needs.

    Example:
        >>> [batch.tolist() for batch in joined([np.array([3, 0]), np.array([2, 4]), np.array([1])], 2)]
        [[3, 0], [2, 4, 1]]
    """
    found = list(batches)
    if len(found) > 1 and len(found[-1]) < least:
        found[-2:] = [np.concatenate(found[-2:])]
    return found


def batches_of(part: Part, options: TrainOptions, epoch: int, *, each: int, n_devices: int) -> list[IndexArray]:
    """The batches of an epoch, all devices together; a function of seed and epoch.

    Args:
        part: Training images.
        options: Sampling and seed.
        epoch: Number of the epoch, from 0.
        each: Images that a device needs of every batch.
        n_devices: Devices that share each batch.

    Raises:
        ConfigError: Batches too small for the devices or for the network.
    """
    found, least = (
        epoch_batches(options.sampling, part.targets.numpy(), seed=options.seed, epoch=epoch),
        each * n_devices,
    )
    found = joined(found, least)
    if min(len(batch) for batch in found) < least:
        why = "batch normalisation needs two images of every batch" if each > 1 else "every batch needs an image"
        where = f" on each of {n_devices} devices" if n_devices > 1 else ""
        raise ConfigError(
            f"batches of {options.sampling.batch_size} from {len(part)} training images are too small: {why}{where}; "
            f"take a `batch_size` of {least} or more, and at least as many images"
        )
    return found


class Share(IterableDataset):  # type: ignore[type-arg]
    """What one device takes of every batch.

    Args:
        part: Training images.
        batches: Rows of each batch, all devices together.
        rank: Number of the device, from 0.
        n_devices: Devices that share each batch.
        replays: How often each batch is given in a row, ≥ 1; every time with its own number from 0.
    """

    def __init__(
        self, part: Part, batches: Sequence[IndexArray], rank: int, n_devices: int, *, replays: int = 1
    ) -> None:
        self.part, self.replays = part, replays
        self.steps = [(rows[rank::n_devices], step * n_devices + rank) for step, rows in enumerate(batches)]

    def __len__(self) -> int:
        return len(self.steps) * self.replays

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, int, int]]:
        found = self.part.pixels.batches(rows for rows, _ in self.steps)
        for images, (rows, step) in zip(found, self.steps, strict=True):
            targets = self.part.targets[torch.from_numpy(rows)]
            for replay in range(self.replays):
                yield images, targets, step, replay


class InOrder(IterableDataset):  # type: ignore[type-arg]
    """Every image of a part once, in order.

    Args:
        part: The images.
        size: Images of a batch.
    """

    def __init__(self, part: Part, size: int) -> None:
        self.part, self.size = part, size

    def __len__(self) -> int:
        return ceil(len(self.part) / self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.part.batches(self.size)
