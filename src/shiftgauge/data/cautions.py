"""What a reader should know about labels and parts: contradictory labels, classes that are unevenly spread."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import shortened
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.near_duplicates import exact_groups
from shiftgauge.data.stratification import label_matrix

CONTRADICTORY: Final = "have contradictory labels"
"""What the note on images of one content with different classes says of them."""
_SHOWN: Final = 5


def contradictory_labels(dataset: ImageDataset, likeness: npt.NDArray[np.int64] | None = None) -> tuple[str, ...]:
    """Says which images of one content have different classes, and how many near-duplicates have.

    With several labels two images differ where one label does; an image without any is called `nothing`.

    Args:
        dataset: The images.
        likeness: int64 (n,), groups of near-duplicates; None where they were not looked for.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> contradictory_labels(from_arrays(np.zeros((2, 4, 4)), ["good", "scratch"], names=["a", "b"]))[0]
        '2 images of the same content have contradictory labels, in 1 group(s): `a (good)`, `b (scratch)`'
    """
    exact, notes, labels = exact_groups(dataset), [], dataset.labels
    if dataset.label_matrix is not None:
        labels = np.unique(dataset.label_matrix, axis=0, return_inverse=True)[1].reshape(-1)
    same = _disagreeing(exact, labels)
    if len(same):
        notes.append(
            f"{len(same)} images of the same content {CONTRADICTORY}, in {len(np.unique(exact[same]))} "
            f"group(s): {_labelled(dataset, same)}"
        )
    if likeness is not None:
        alike = _disagreeing(likeness, labels)
        alike = alike[~np.isin(likeness[alike], likeness[same])]
        if len(alike):
            notes.append(
                f"{len(alike)} near-duplicates have different labels, in {len(np.unique(likeness[alike]))} group(s), "
                f"which may be right: {_labelled(dataset, alike)}"
            )
    return tuple(notes)


def uneven_classes(
    dataset: ImageDataset, parts: Mapping[str, npt.NDArray[np.int64]], shares: Mapping[str, float] | None = None
) -> tuple[str, ...]:
    """Says which classes have half more or half less images in a part than its share of them, and one at least.

    Args:
        dataset: The images.
        parts: Part → indices of its images.
        shares: Part → wanted share of each class; None takes the share that the part has of all images in parts.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.zeros((20, 4, 4)), ["a"] * 10 + ["b"] * 10)
        >>> uneven_classes(data, {"train": np.arange(4, 14), "test": np.r_[0:4, 14:20]})
        ()
        >>> uneven_classes(data, {"train": np.arange(2, 16), "test": np.r_[0:2, 16:20]})
        ()
        >>> uneven_classes(data, {"train": np.arange(1, 16), "test": np.r_[0:1, 16:20]})[0].split(": ")[1]
        '`a` in `test` 1 instead of 2.5, `b` in `test` 4 instead of 2.5'
    """
    labels = label_matrix(dataset)
    total = labels[np.concatenate(list(parts.values()))].sum(axis=0)
    counts = {name: labels[rows].sum(axis=0) for name, rows in parts.items()}
    n = sum(len(rows) for rows in parts.values())
    off = []
    for name, rows in parts.items():
        wanted = total * (len(rows) / n if shares is None else shares[name])
        for k in np.flatnonzero((np.abs(counts[name] - wanted) >= 1) & (np.abs(counts[name] - wanted) > wanted / 2)):
            off.append(f"`{dataset.class_names[k]}` in `{name}` {int(counts[name][k])} instead of {wanted[k]:.3g}")
    if not off:
        return ()
    more = f" and {len(off) - _SHOWN} more" if len(off) > _SHOWN else ""
    return (f"classes are off by more than half of their share: {', '.join(off[:_SHOWN])}{more}",)


def _disagreeing(groups: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The images of the groups with more than one label, group by group."""
    low = np.full(int(groups.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    high = np.full(len(low), -1)
    np.minimum.at(low, groups, labels)
    np.maximum.at(high, groups, labels)
    rows = np.flatnonzero(low[groups] != high[groups])
    return rows[np.argsort(groups[rows], kind="stable")]


def _labelled(dataset: ImageDataset, rows: npt.NDArray[np.int64]) -> str:
    return shortened([f"{dataset.names[i]} ({_label(dataset, int(i))})" for i in rows], _SHOWN)


def _label(dataset: ImageDataset, row: int) -> str:
    if dataset.label_matrix is None:
        return dataset.class_names[dataset.labels[row]]
    held = np.flatnonzero(dataset.label_matrix[row])
    return ", ".join(dataset.class_names[k] for k in held) or "nothing"
