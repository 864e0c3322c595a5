"""The images of a training: read, divided into parts that share nothing, and what is said of that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import describe_units, indivisible_units
from shiftgauge.data.load import load_data
from shiftgauge.data.near_duplicates import near_duplicate_groups
from shiftgauge.data.splits import PARTS, Split, check_leaks, split_dataset
from shiftgauge.data.stratification import deal_units, label_matrix
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.studies.train_options import SplitOptions, as_splitting

_NO_DEFECT: Final = "no defect"
"""What the label is called where the data do not say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Divided:
    """A data set in parts.

    Args:
        dataset: All images.
        split: Which image is in which part.
        units: int64 (n,), images with the same number belong together and are in one part; the two sides of a group
            that was cut (`Split.cut`) have numbers of their own.
        facts: How many images are alike, what a plain split would have torn apart, and how many images are the end of
            a group that was cut; plain numbers. What was not looked for has no entry.
        options: How they were divided.
        kept: Sentences on what was kept together.
    """

    dataset: ImageDataset
    split: Split
    units: npt.NDArray[np.int64]
    facts: Mapping[str, int]
    options: SplitOptions
    kept: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the split could not do: shares that were not met, classes that a part lacks, images left out."""
        return tuple(note for note in self.split.notes if note not in self.kept)

    def part(self, name: str) -> ImageDataset:
        """The images of a part."""
        return self.split.select(self.dataset, name)

    def groups(self, name: str) -> npt.NDArray[np.int64]:
        """The unit of each image of a part: what a bootstrap must draw as a whole."""
        return self.units[self.split.parts[name]]

    def arrays(self) -> xr.Dataset:
        """Images, units and classes of each part."""
        names = list(self.split.parts)
        labels = label_matrix(self.dataset)
        rows = [self.split.parts[name] for name in names]
        return xr.Dataset(
            {
                "split_images": ("split_part", [len(r) for r in rows]),
                "split_units": ("split_part", [len(np.unique(self.units[r])) for r in rows]),
                "split_count": (("split_part", "class"), [labels[r].sum(axis=0).astype(int) for r in rows]),
            },
            coords={"split_part": names, "class": list(self.dataset.class_names)},
        )


def training_data(data: Any, classes: Sequence[str] | None) -> ImageDataset:
    """Reads the data and, if wanted, keeps some classes in a stated order.

    Args:
        data: What `shiftgauge.data.load.load_data` takes.
        classes: Names of the classes in the order of the outputs; default those of the data. Images that have none
            of them are left out; of several labels those not named are dropped.

    Raises:
        ConfigError: A class twice, or an unknown one.
        DataError: No images, or fewer than two classes.
    """
    dataset = load_data(data)
    if not isinstance(dataset, ImageDataset):
        raise DataError("a training needs images, and these data are a table; give a folder or a manifest of images")
    if classes is not None:
        dataset = _chosen(dataset, tuple(classes))
    if not len(dataset):
        raise DataError("the data hold no image")
    if len(dataset.class_names) < 2:
        raise DataError(
            f"a training needs two classes or labels at least, the data have {len(dataset.class_names)}: "
            f"{', '.join(dataset.class_names) or 'none'}"
        )
    return dataset


def task_of(dataset: ImageDataset) -> Literal["single", "multi"]:
    """`multi` where images have any number of labels, else `single`."""
    return "single" if dataset.label_matrix is None else "multi"


def no_defect_label(dataset: ImageDataset, stated: str | None = None, data: Any = None) -> str | None:
    """Which of several labels says that an image has none of the others; None where none does.

    Without a word it is the label that images have exactly where they have no other. Where every image has one label
    that holds for each of them, and only one named “no defect” is taken; of two labels either serves.

    Args:
        dataset: The images.
        stated: Its name.
        data: What was given for the images, whose key `no_defect` may name it.

    Raises:
        ConfigError: `stated` is no label of the data.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> rows = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 1]])
        >>> no_defect_label(from_arrays(np.zeros((3, 4, 4), np.uint8), rows, ["good", "chip", "stain"]))
        'good'
    """
    if dataset.label_matrix is None:
        return None
    if stated is not None:
        return require_in("label for `no_defect`", stated, dataset.class_names)
    named = data.get("no_defect") if isinstance(data, Mapping) else None
    if named in dataset.class_names:
        return named
    held = dataset.label_matrix == 1
    alone = held == (held.sum(axis=1, keepdims=True) - held == 0)
    fits = alone.all(axis=0) & held.any(axis=0)
    found = [dataset.class_names[k] for k in np.flatnonzero(fits)]
    if _NO_DEFECT in found:
        return _NO_DEFECT
    return found[0] if len(found) == 1 or len(found) == len(dataset.class_names) == 2 else None


def divide(dataset: ImageDataset, options: SplitOptions | Split, seed: int) -> Divided:
    """Divides a data set; what belongs together stays together.

    Args:
        dataset: The images.
        options: How, or the parts themselves, such as one of `shiftgauge.data.splits.k_folds`.
        seed: Seed of the split.

    Raises:
        ConfigError: Shares that make no split.
        DataError: An empty part, a class missing from training, a leak in a given split.
    """
    options = as_splitting(options)
    alike: bool | npt.NDArray[np.int64] = False
    if options.near_duplicates:
        alike = near_duplicate_groups(
            dataset, distance=options.distance, correlation=options.correlation, flips=options.flips
        )
    if isinstance(options.by, Split):
        split = _checked(dataset, options.by, alike)
    else:
        split = split_dataset(
            dataset, parts=options.parts, by=options.by, near_duplicates=alike, leaks=options.leaks, seed=seed
        )
    whole = indivisible_units(dataset, alike)
    found = whole.cut_off(split.cut)
    facts = {
        "copies": _in_company(whole.kinds["content"]),
        "units": len(np.unique(found.joint)),
        "cut": len(split.cut),
    }
    if options.by in ("stratified", "group"):
        facts["torn_by_a_plain_split"] = _torn(dataset, whole.joint, options, seed)
    if not isinstance(alike, bool):
        facts["near_duplicates"] = _in_company(alike)
        facts["cut_near_duplicates"] = whole.alike(split.cut, split.parts["train"]) or 0
    kept = describe_units(dataset, found)
    return Divided(dataset=dataset, split=split, units=found.joint, facts=facts, options=options, kept=kept)


def _checked(dataset: ImageDataset, split: Split, alike: bool | npt.NDArray[np.int64]) -> Split:
    """A ready split, with notes on classes that a part lacks.

    Raises:
        DataError: It leaks, is of more images, or its training part lacks a class.
    """
    check_leaks(dataset, split, near_duplicates=alike)
    labels, notes = label_matrix(dataset), list(split.notes)
    for name, rows in split.parts.items():
        for k in np.flatnonzero(labels[rows].sum(axis=0) == 0):
            text = f"class `{dataset.class_names[k]}` has no image in `{name}`, {int(labels[:, k].sum())} in all"
            if name == "train":
                raise DataError(f"{text}; add images of it or leave the class out")
            notes.append(text)
    parts = {name: split.parts[name] for name in PARTS if name in split.parts}
    return replace(split, parts=parts, notes=tuple(dict.fromkeys(notes)))


def _in_company(groups: npt.NDArray[np.int64]) -> int:
    """Images whose group has more than one."""
    counts = np.bincount(groups)
    return int(counts[counts > 1].sum())


def _torn(dataset: ImageDataset, units: npt.NDArray[np.int64], options: SplitOptions, seed: int) -> int:
    """Images whose like would lie in another part, had every image been dealt out alone."""
    alone = deal_units(label_matrix(dataset), np.arange(len(dataset)), list(options.parts.values()), seed=seed)
    low, high = np.full(units.max() + 1, len(options.parts)), np.full(units.max() + 1, -1)
    np.minimum.at(low, units, alone)
    np.maximum.at(high, units, alone)
    return int((low[units] != high[units]).sum())


def _chosen(dataset: ImageDataset, classes: tuple[str, ...]) -> ImageDataset:
    for name in classes:
        require_in("class", name, dataset.class_names)
        if classes.count(name) > 1:
            raise ConfigError(f"`classes` names `{name}` {classes.count(name)} times; name it once")
    columns = [dataset.class_names.index(name) for name in classes]
    if dataset.label_matrix is not None:
        matrix = dataset.label_matrix[:, columns]
        single = np.where(matrix.sum(axis=1) == 1, matrix.argmax(axis=1), -1)
        return replace(dataset, label_matrix=matrix, labels=single, class_names=classes)
    kept = dataset.select(np.flatnonzero(np.isin(dataset.labels, columns)))
    place = np.full(len(dataset.class_names), -1)
    place[columns] = np.arange(len(classes))
    left_out = len(dataset) - len(kept)
    note = (f"{left_out} images of other classes left out",) if left_out else ()
    return replace(kept, labels=place[kept.labels], class_names=classes, notes=(*dataset.notes, *note))
