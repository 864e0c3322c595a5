"""A training part with copies of some of its images: adversarial, noisy, or clean ones as their control."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.data.dataset import strata, stratified_order
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.random import stream_key
from shiftgauge.train.batches import batches_of
from shiftgauge.train.images import Part, Progress
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.pixels import ChosenPixels, FloatPixels, JoinedPixels
from shiftgauge.train.sampling import IndexArray

MakeCopies: TypeAlias = Callable[[Tensor, Tensor, IndexArray], Tensor]
"""(images (N, C, H, W) in [0, 1], targets, numbers of the images in the part) → copies of the same shape, float32."""
_BATCH = 128


def originals(targets: np.ndarray, share: float, *, seed: int = 0) -> IndexArray:
    r"""Returns which images are copied: a share of every class, drawn at random.

    $m = \mathrm{round}(s n)$ of n images, at least one. A larger share holds the images of a smaller one, so that
    shares can be compared on the same images.

    Args:
        targets: Classes (n,), or 0 and 1 (n, K), where every set of labels counts as a class.
        share: s in (0, 1].
        seed: Of the draw, ≥ 0.

    Returns:
        Numbers of the images, int64 (m,), rising.

    Raises:
        ConfigError: A share outside its range.
        DataError: No image.

    Example:
        >>> rows = originals(np.repeat([0, 1], 50), 0.1)
        >>> len(rows), (rows < 50).sum().item()
        (10, 5)
    """
    if require_range("share", share, 0, 1) == 0:
        raise ConfigError("`share` must be above 0, got 0; 0.5 adds a copy of every second image")
    if not len(targets):
        raise DataError("there is no image to copy")
    matrix = targets if targets.ndim == 2 else None
    classes = strata(np.asarray(targets).astype(np.int64) if matrix is None else np.zeros(0, np.int64), matrix)
    order = stratified_order(classes, stream_key(seed, "train", "copies"))
    return np.sort(order[: max(1, round(share * len(targets)))])


def with_copies(part: Part, rows: IndexArray, make: MakeCopies | None, *, progress: Progress | None = None) -> Part:
    """Returns a part with copies of some of its images behind them.

    A copy has targets and group of its original, and the part is one side of a split: nothing of it reaches another.
    Where images have no groups, an image and its copies become one.

    The control of adversarial or noisy copies are clean ones (`make` None): the same images twice, so that both
    trainings make the same number of steps on batches of the same originals and differ in what was added alone.

    Args:
        part: The training part.
        rows: Numbers of the images to copy, such as `originals` gives.
        make: Makes the copies, in float32; None for clean ones.
        progress: Called with the copies made and their number.

    Returns:
        n + m images; the first n are those of the part.

    Raises:
        DataError: A row that there is not, or copies of another shape.
        NumericalError: A copy holds NaN or infinity.

    Example:
        >>> from shiftgauge.train.images import HeldPixels
        >>> held = HeldPixels(torch.zeros(2, 1, 1, 1, dtype=torch.uint8))
        >>> part = Part(pixels=held, targets=torch.tensor([0, 1]), names=("a", "b"))
        >>> larger = with_copies(part, np.array([1]), lambda images, targets, rows: images + 0.001)
        >>> larger.names, larger.groups, larger.targets.tolist(), round(larger.pixels.batch([2]).item(), 4)
        (('a', 'b', 'b, copy'), ('a', 'b', 'b'), [0, 1, 1], 0.001)
    """
    rows = np.asarray(rows, np.int64)
    added = ChosenPixels(part.pixels, rows)
    groups = part.groups or part.names
    return replace(
        part,
        pixels=JoinedPixels(part.pixels, added if make is None else _made(part, rows, make, progress)),
        targets=torch.cat([part.targets, part.targets[torch.from_numpy(rows)]]),
        names=(*part.names, *(f"{part.names[row]}, copy" for row in rows)),
        groups=(*groups, *(groups[row] for row in rows)),
    )


def equal_updates(options: TrainOptions, part: Part, larger: Part, *, each: int = 1) -> TrainOptions:
    """Returns options with which a part makes as many steps in an epoch as a larger one with the given options.

    The second control: what more steps alone are worth. Images are then drawn all over again within an epoch.

    Args:
        options: Those of the training on the larger part.
        part: Images without the copies.
        larger: Images with them.
        each: Images that the network needs of every batch, see `train.batches.images_each`.

    Raises:
        ConfigError: The larger part is smaller, or batches are too small.

    Example:
        >>> from shiftgauge.train.images import HeldPixels
        >>> held = HeldPixels(torch.zeros(100, 1, 1, 1, dtype=torch.uint8))
        >>> names = tuple(map(str, range(100)))
        >>> part = Part(pixels=held, targets=torch.zeros(100, dtype=torch.int64), names=names)
        >>> larger = with_copies(part, np.arange(100), None)
        >>> equal_updates(TrainOptions(), part, larger).sampling.batches_per_epoch
        4
    """
    require_positive_int("each", each)
    if len(larger) < len(part):
        raise ConfigError(f"the larger part has {len(larger)} images, fewer than {len(part)}; give them the other way")
    steps = len(batches_of(larger, options, 0, each=each, n_devices=1))
    return replace(options, sampling=replace(options.sampling, batches_per_epoch=steps))


def _made(part: Part, rows: IndexArray, make: MakeCopies, progress: Progress | None) -> FloatPixels:
    """The copies, made batch by batch."""
    found: Tensor | None = None
    pieces = [rows[start : start + _BATCH] for start in range(0, len(rows), _BATCH)]
    for place, (images, of) in enumerate(zip(part.pixels.batches(pieces), pieces, strict=True)):
        copies = make(images, part.targets[torch.from_numpy(of)], of).detach().float().cpu()
        if copies.shape != images.shape:
            raise DataError(f"copies must be {tuple(images.shape)}, got {tuple(copies.shape)}")
        if found is None:
            found = torch.empty((len(rows), *images.shape[1:]))
        found[place * _BATCH : place * _BATCH + len(of)] = copies
        if progress is not None:
            progress(place * _BATCH + len(of), len(rows))
    if found is None:
        raise DataError("there is no image to copy")
    return FloatPixels(found)
