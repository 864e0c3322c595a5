"""Which training images make up each batch of an epoch: plain, exactly balanced, or with rare groups repeated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.random import generator

SamplingKind: TypeAlias = Literal["shuffle", "balanced", "oversample"]
Grouping: TypeAlias = Literal["label_sets", "labels"]
IndexArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How an epoch is cut into batches. It concerns training alone: validation sees every image once, as it is.

    Args:
        kind: `shuffle`: every image once, in random order. `balanced`: every batch holds the same number of every
            group; where that does not divide, the places left over go to each group in turn. `oversample`: images of
            rarer groups are repeated until every group is as large as the largest, then shuffled.
        batch_size: Images of a batch, ≥ 1.
        batches_per_epoch: Batches of an epoch; default as many as hold all images once (`oversample`: all repeats).
        drop_last: Leave out what is left over after the last full batch, rather than make a shorter batch of it
            (`balanced`: rather than fill one more batch). A rest of one image, on which batch normalisation cannot
            train, joins the batch before it.
        grouping: What a group is where an image may bear several labels. `label_sets`: images with the same set of
            labels, those without any included; fit where there are few sets. `labels`: for each label the images
            that bear it, and one more group of those without any; fit where labels go together in many ways. An
            image then stands in several groups, so a batch may bear a common companion more often than its share.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> SamplingOptions(kind="balanced", batch_size=32).drop_last
        False
    """

    kind: SamplingKind = "shuffle"
    batch_size: int = 64
    batches_per_epoch: int | None = None
    drop_last: bool = False
    grouping: Grouping = "label_sets"

    def __post_init__(self) -> None:
        require_in("sampling", self.kind, get_args(SamplingKind))
        require_in("grouping", self.grouping, get_args(Grouping))
        require_positive_int("batch_size", self.batch_size)
        if self.batches_per_epoch is not None:
            require_positive_int("batches_per_epoch", self.batches_per_epoch)
        if not isinstance(self.drop_last, bool):
            raise ConfigError(f"`drop_last` must be true or false, got {self.drop_last!r}")


def epoch_batches(options: SamplingOptions, targets: np.ndarray, *, seed: int, epoch: int) -> list[IndexArray]:
    """Returns the batches of one epoch as indices of training images: a function of seed and epoch alone.

    Images of a group are drawn without replacement until all were drawn, then all over again in a new order, so
    within an epoch the numbers of times that two images of a group are drawn differ by one at most. That is unlike
    drawing as many with replacement, which misses 37 % of the images of an epoch.

    Args:
        options: How to draw.
        targets: Class indices (N,), or 0 and 1 of shape (N, K).
        seed: The one seed of the training, ≥ 0.
        epoch: Number of the epoch, from 0.

    Returns:
        One array for each batch, each int64 (batch_size,); without `drop_last` the last may be shorter.

    Raises:
        DataError: No image, or targets of another form.
        ConfigError: A negative epoch, or `drop_last` with fewer images than one batch.

    Example:
        >>> options = SamplingOptions(kind="balanced", batch_size=4)
        >>> targets = np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> [sorted(targets[batch].tolist()) for batch in epoch_batches(options, targets, seed=0, epoch=0)]
        [[0, 0, 1, 1], [0, 0, 1, 1]]

    References:
        Shen, L., Lin, Z., Huang, Q. (2016). Relay backpropagation for effective learning of deep convolutional
        neural networks. arXiv:1512.05830 (class-aware sampling)
    """
    require_positive_int("epoch", epoch, low=0)
    targets = _checked(targets)
    rng = generator(seed, "train", "batches", epoch)
    if options.kind == "balanced":
        return _balanced(options, sample_groups(targets, options.grouping), len(targets), epoch, rng)
    if options.kind == "shuffle":
        groups = [np.arange(len(targets))]
    else:
        groups = sample_groups(targets, options.grouping)
    largest = max(len(group) for group in groups)
    count = len(groups) * largest
    wanted = count if options.batches_per_epoch is None else options.batches_per_epoch * options.batch_size
    rounds = -(-wanted // count)
    orders = []
    for _ in range(rounds):
        drawn = groups if options.kind == "shuffle" else [_cycled(group, largest, rng) for group in groups]
        orders.append(rng.permutation(np.concatenate(drawn)))
    return _cut(np.concatenate(orders)[:wanted], options)


def sample_groups(targets: np.ndarray, grouping: Grouping = "label_sets") -> list[IndexArray]:
    """Returns the groups between which batches are balanced, as indices of images.

    Args:
        targets: Class indices (N,), or 0 and 1 of shape (N, K).
        grouping: See `SamplingOptions`; it matters only for targets (N, K).

    Returns:
        One ascending int64 array for each group that has an image. Classes come in order; label sets in the order of
        their rows; labels in order, with the images without any label last.

    Example:
        >>> targets = np.array([[0, 0], [1, 0], [1, 1], [0, 0]])
        >>> [group.tolist() for group in sample_groups(targets)]
        [[0, 3], [1], [2]]
        >>> [group.tolist() for group in sample_groups(targets, "labels")]
        [[1, 2], [2], [0, 3]]
    """
    targets = _checked(targets)
    if targets.ndim == 2 and grouping == "labels":
        columns = [*targets.T.astype(bool), ~targets.astype(bool).any(axis=1)]
        return [np.flatnonzero(column).astype(np.int64) for column in columns if column.any()]
    _, group_n, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(group_n.ravel(), kind="stable").astype(np.int64)
    return np.split(order, np.cumsum(counts)[:-1])


def _balanced(
    options: SamplingOptions, groups: list[IndexArray], count: int, epoch: int, rng: np.random.Generator
) -> list[IndexArray]:
    """Batches with the same number of every group, the remainder going round."""
    size, n_groups = options.batch_size, len(groups)
    n_batches = options.batches_per_epoch or (count // size if options.drop_last else -(-count // size))
    _require_a_batch(n_batches, count, size)
    each, rest = divmod(size, n_groups)
    number = epoch * n_batches + np.arange(n_batches)  # counted over all epochs, so that nobody always comes first
    extra = (number[:, None] * rest + np.arange(rest)) % n_groups
    fixed = np.broadcast_to(np.repeat(np.arange(n_groups), each), (n_batches, each * n_groups))
    group_bs = rng.permuted(np.concatenate([fixed, extra], axis=1), axis=1)
    # every group's places, in the order of the batches, take that group's images one after another
    drawn = np.bincount(group_bs.ravel(), minlength=n_groups)
    images = np.empty(n_batches * size, np.int64)
    images[np.argsort(group_bs.ravel(), kind="stable")] = np.concatenate(
        [_cycled(group, int(times), rng) for group, times in zip(groups, drawn, strict=True)]
    )
    return list(images.reshape(n_batches, size))


def _cycled(group: IndexArray, count: int, rng: np.random.Generator) -> IndexArray:
    """`count` images of a group: all of them in random order, again and again."""
    rounds = -(-count // len(group))
    return np.concatenate([group[:0], *(rng.permutation(group) for _ in range(rounds))])[:count]


def _cut(order: IndexArray, options: SamplingOptions) -> list[IndexArray]:
    size = options.batch_size
    full = len(order) // size * size
    stop = full if options.drop_last else len(order)
    _require_a_batch(stop, len(order), size)
    return [order[start : min(start + size, stop)] for start in range(0, stop, size)]


def _require_a_batch(count: int, images: int, size: int) -> None:
    if count < 1:
        raise ConfigError(
            f"{images} images do not fill one batch of {size}, and `drop_last` leaves out shorter ones; "
            "lower `batch_size` or take `drop_last` away"
        )


def _checked(targets: np.ndarray) -> np.ndarray:
    targets = np.asarray(targets)
    if targets.ndim not in (1, 2) or not len(targets):
        raise DataError(
            f"targets must be class indices (N,) or labels (N, K) of at least one image, got {targets.shape}"
        )
    if targets.ndim == 1 and not np.issubdtype(targets.dtype, np.integer):
        raise DataError(f"class indices must be whole numbers, got {targets.dtype}; labels 0/1 have shape (N, K)")
    if targets.ndim == 2 and not np.isin(targets, (0, 1)).all():
        raise DataError("labels must be 0 or 1, one column for each; class indices have shape (N,)")
    return targets
