"""What must not lie on two sides of a split: groups, equal contents, near-duplicates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import shortened
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.near_duplicates import exact_groups, merge_groups, near_duplicate_groups
from shiftgauge.errors import DataError

_SHOWN = 3
_LARGE = 0.1
_Parts = Mapping[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Which images belong together.

    Args:
        kinds: Why (as a word for messages) → int64 (n,), a number per image.
        joint: int64 (n,), the units that no split may separate: connected by any of the kinds.
    """

    kinds: Mapping[str, npt.NDArray[np.int64]]
    joint: npt.NDArray[np.int64]

    def cut_off(self, rows: npt.NDArray[np.int64]) -> Units:
        """The units once some images are taken off their group and their like; equal contents stay together.

        Args:
            rows: Those images, `Split.cut`; those of one group stay together.
        """
        if not len(rows):
            return self
        kinds = dict(self.kinds)
        for kind, numbers in self.kinds.items():
            if kind != "content":
                kinds[kind] = numbers.copy()
                kinds[kind][rows] += numbers.max() + 1
        return Units(kinds=kinds, joint=connected(kinds.values()))

    def alike(self, rows: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> int | None:
        """How many of some images have a near-duplicate among others; None where none were looked for."""
        numbers = self.kinds.get("likeness")
        return None if numbers is None else int(np.isin(numbers[rows], numbers[others]).sum())


def indivisible_units(dataset: ImageDataset, near_duplicates: bool | npt.NDArray[np.int64]) -> Units:
    """Finds which images belong together: by group, by content and, if wanted, by likeness.

    Args:
        dataset: The images.
        near_duplicates: Whether to look for near-duplicates, or their groups (n,).

    Raises:
        DataError: Groups of the wrong length, or an image cannot be read.
    """
    kinds: dict[str, npt.NDArray[np.int64]] = {}
    if dataset.groups is not None:
        kinds["group"] = np.unique(np.array(dataset.groups), return_inverse=True)[1].reshape(-1).astype(np.int64)
    kinds["content"] = exact_groups(dataset)
    if isinstance(near_duplicates, np.ndarray):
        if near_duplicates.shape != (len(dataset),):
            raise DataError(f"`near_duplicates` must be ({len(dataset)},) numbers, got {near_duplicates.shape}")
        kinds["likeness"] = np.unique(near_duplicates, return_inverse=True)[1].reshape(-1).astype(np.int64)
    elif not isinstance(near_duplicates, (bool, np.bool_)):
        raise DataError(f"`near_duplicates` must be true, false or an array of groups, got {near_duplicates!r:.60}")
    elif near_duplicates:
        kinds["likeness"] = near_duplicate_groups(dataset)
    return Units(kinds=kinds, joint=connected(kinds.values()))


def connected(kinds: Iterable[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    """Numbers of what is connected: images with the same number in any of several numberings get the same one.

    Args:
        kinds: Numberings of the same images, each int64 (n,); one at least.

    Example:
        >>> connected([np.array([0, 0, 1, 2]), np.array([5, 6, 6, 7])]).tolist()
        [0, 0, 0, 1]
    """
    joint = np.zeros(0, np.int64)
    for numbers in kinds:
        joint = joint if len(joint) else np.arange(len(numbers), dtype=np.int64)
        _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
        joint = merge_groups(joint, np.arange(len(joint)), first[inverse.reshape(-1)])
    return joint


def describe_units(dataset: ImageDataset, units: Units) -> tuple[str, ...]:
    """Says how many near-duplicates were found, and which unit holds more than a tenth of all images, if any."""
    notes = []
    if "likeness" in units.kinds:
        sizes = np.bincount(units.kinds["likeness"])
        if sizes.max() > 1:
            notes.append(
                f"{sizes[sizes > 1].sum()} images have near-duplicates, in {(sizes > 1).sum()} groups of up to "
                f"{sizes.max()}; they are kept on one side"
            )
    sizes = np.bincount(units.joint)
    if sizes.max() > max(1, _LARGE * len(dataset)):
        members = np.flatnonzero(units.joint == sizes.argmax())
        notes.append(
            f"{sizes.max()} images ({sizes.max() / len(dataset):.0%}) belong together, by group, content or likeness, "
            "and are in one part: "
            f"{shortened([dataset.names[i] for i in members])}; if they should not, look at the pairs of "
            "near-duplicates and lower their `distance`, or set `near_duplicates: false`"
        )
    return tuple(notes)


def explain_units(dataset: ImageDataset, units: Units, rows: npt.NDArray[np.int64] | None = None) -> str:
    """Says into how many units images fall, what the largest holds, and what to do where near-duplicates make it.

    Args:
        dataset: The images.
        units: Which belong together.
        rows: The images in question; default all.
    """
    chosen = np.arange(len(dataset)) if rows is None else rows
    values, inverse, sizes = np.unique(units.joint[chosen], return_inverse=True, return_counts=True)
    members = chosen[inverse.reshape(-1) == sizes.argmax()]
    text = (
        f"{len(chosen)} images make {len(values)} unit(s) that may be separated; the largest holds {sizes.max()}: "
        f"{shortened([dataset.names[i] for i in members])}"
    )
    if "likeness" not in units.kinds or np.bincount(units.kinds["likeness"][chosen]).max() < 2:
        return f"{text}; it needs more images or groups"
    return (
        f"{text}; where near-duplicates join what should be separate, as with a fixed camera, set "
        "`split.near_duplicates: false`, or a lower `distance` or higher `correlation`"
    )


def refuse_leaks(dataset: ImageDataset, parts: _Parts, units: Units, cut: npt.NDArray[np.int64] | None = None) -> None:
    """Checks that no unit is on two sides.

    Args:
        dataset: The images.
        parts: Part → indices of its images.
        units: Which belong together.
        cut: Images of `validation` whose group was cut: they may be like training images, but not equal to them.

    Raises:
        DataError: One is; the first ones are named, with their parts.
    """
    if cut is not None and len(cut):
        refuse_leaks(dataset, parts, units.cut_off(cut))
        begun, rest = np.union1d(parts["train"], cut), np.setdiff1d(parts["validation"], cut)
        parts = {**parts, "train": begun, "validation": rest}
    for kind, numbers in units.kinds.items():
        on_two = _on_two_sides(parts, numbers)
        if len(on_two):
            shown = "; ".join(_describe(dataset, parts, numbers, int(u), kind) for u in on_two[:_SHOWN])
            more = f"; and {len(on_two) - _SHOWN} more" if len(on_two) > _SHOWN else ""
            what = {"group": "groups", "content": "images of equal content", "likeness": "near-duplicates"}[kind]
            loose = "; if they are not alike, lower their `distance` or set `near_duplicates: false`"
            raise DataError(
                f"the split leaks: {what} on two sides, {len(on_two)} time(s): {shown}{more}; split them together, or "
                f"drop those in training with `leaks: drop`{loose if kind == 'likeness' else ''}"
            )


def drop_leaks(dataset: ImageDataset, parts: _Parts, units: Units) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Leaves out images whose group, content or likeness is also in a later part of train, validation, test.

    Returns:
        The parts, and a sentence for each part that became smaller.
    """
    names = [name for name in ("train", "validation", "test") if name in parts]
    kept, notes = {name: np.asarray(rows) for name, rows in parts.items()}, []
    for i, name in enumerate(names[:-1]):
        later = np.concatenate([kept[other] for other in names[i + 1 :]])
        leaking = np.logical_or.reduce([np.isin(unit[kept[name]], unit[later]) for unit in units.kinds.values()])
        if leaking.any():
            lost = kept[name][leaking]
            names_lost = shortened([dataset.names[r] for r in lost])
            notes.append(f"{len(lost)} images left out of `{name}`; their like is in a later part: {names_lost}")
            kept[name] = kept[name][~leaking]
    return kept, tuple(notes)


def _on_two_sides(parts: _Parts, numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    sides = np.concatenate([np.unique(numbers[rows]) for rows in parts.values()])
    values, counts = np.unique(sides, return_counts=True)
    return values[counts > 1]


def _describe(dataset: ImageDataset, parts: _Parts, numbers: npt.NDArray[np.int64], unit: int, kind: str) -> str:
    found = [(name, rows[numbers[rows] == unit]) for name, rows in parts.items()]
    sides = " and ".join(f"`{dataset.names[rows[0]]}` in {name}" for name, rows in found if len(rows))
    if kind == "group" and dataset.groups is not None:
        return f"group `{dataset.groups[int(np.flatnonzero(numbers == unit)[0])]}` ({sides})"
    return sides
