"""Splits of a data set into parts that share no image, no object and no near-duplicate."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_positive_int, require_range, unknown_name
from shiftgauge.data.carving import carve_validation
from shiftgauge.data.cautions import contradictory_labels, uneven_classes
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import Units, describe_units, drop_leaks, explain_units, indivisible_units, refuse_leaks
from shiftgauge.data.stratification import deal_units, label_matrix
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.random import check_seed

PARTS: Mapping[str, float] = MappingProxyType({"train": 0.6, "validation": 0.2, "test": 0.2})
"""Default shares of the parts."""

_LEAVE_OUT = ": a training by `keep` under `data`, in Python `classes`; a study by data without it"

PART_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("train", "training", "trainval"), "train"),
        **dict.fromkeys(("validation", "valid", "val", "dev"), "validation"),
        **dict.fromkeys(("test", "testing"), "test"),
    }
)
"""Usual names of the parts, in lower case, and which part each is."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Which images are in which part; images may be in none, never in two.

    Args:
        parts: Part → indices of its images; each is kept sorted.
        by: How the split was made, for the record.
        notes: Sentences for the record: shares that could not be met, classes that a part lacks, images left out.
        cut: The images of `validation` whose group begins in `train`, see `carve_validation`; any other is a leak.

    Raises:
        DataError: A part is empty or holds something else than image numbers, or an image is in two parts or twice.
    """

    parts: Mapping[str, npt.NDArray[np.int64]]
    by: str = "own"
    notes: tuple[str, ...] = ()
    cut: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def __post_init__(self) -> None:
        parts = {name: _whole(name, rows) for name, rows in self.parts.items()}
        empty = next((name for name, rows in parts.items() if len(rows) == 0), None)
        if empty is not None or not parts:
            raise DataError(
                f"the part `{empty or 'train'}` of the split has no images; "
                "it needs a larger share, or more images that may be separated"
            )
        together = np.concatenate(list(parts.values()))
        values, counts = np.unique(together, return_counts=True)
        if counts.max() > 1:
            row = int(values[counts.argmax()])
            where = " and ".join(f"`{name}`" for name, rows in parts.items() if row in rows)
            raise DataError(f"image number {row} is in the split more than once, in {where}; each may be in one part")
        cut = _whole("cut", self.cut)
        if not np.isin(cut, parts.get("validation", ())).all():
            raise DataError("`cut` names images that are not in `validation`; only those can be the end of a cut group")
        for rows in (*parts.values(), cut):
            rows.setflags(write=False)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "cut", cut)

    def select(self, dataset: ImageDataset, part: str) -> ImageDataset:
        """Returns the images of one part.

        Raises:
            DataError: There is no such part, or the data set is smaller than the split's.
        """
        require_in("part of the split", part, self.parts, DataError)
        return dataset.select(self.parts[part])

    def record(self, dataset: ImageDataset) -> dict[str, Any]:
        """Returns what a model record keeps: for each part its images, classes and content hash; and the notes."""
        chosen = {name: self.select(dataset, name) for name in self.parts}
        facts = {
            name: {"n_images": len(part), "classes": part.class_counts, "fingerprint": part.fingerprint}
            for name, part in chosen.items()
        }
        return {"by": self.by, "parts": facts, "notes": list(self.notes)}


def split_dataset(
    dataset: ImageDataset,
    *,
    parts: Mapping[str, float] = PARTS,
    by: Literal["stratified", "group", "given"] = "stratified",
    near_duplicates: bool | npt.NDArray[np.int64] = True,
    leaks: Literal["error", "drop"] = "error",
    seed: int = 0,
) -> Split:
    """Splits a data set so that each class has its share in every part and nothing leaks.

    Images of one group (`dataset.groups`: object, person, recording, board), images of the same content, and near-
    duplicates stay together, whatever `by` says; see `shiftgauge.data.stratification.deal_units` for how the units
    are dealt out, for data with one label or several.

    Args:
        dataset: The images.
        parts: Part → share; positive, with the sum 1; `train` must be among them.
        by: `stratified`; `group`, the same but an error where the data set has no groups; or `given`: the parts that
            the data set states (`dataset.splits`: train, validation, test and their usual other names). A validation
            part that is wanted but not stated is taken from the training part, in the proportion of the two shares.
        near_duplicates: Find near-duplicates with the defaults of `near_duplicate_groups` (each image is read once);
            or their groups, int64 (n,), found with other options. False keeps only equal contents together.
        leaks: What happens to images of a given split that have their like in another part: an `error` with their
            names, or `drop` them, from training before validation and from validation before test.
        seed: Seed, ≥ 0.

    Raises:
        ConfigError: A share, a part or an option is not allowed.
        DataError: A part stays empty, a class is missing from training, the data set has no groups or states no
            parts, or a given split leaks.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> pixels = np.random.default_rng(0).random((20, 16, 16))
        >>> data = from_arrays(pixels, ["a", "b"] * 10, groups=[str(i // 4) for i in range(20)])
        >>> split = split_dataset(data, parts={"train": 0.8, "test": 0.2}, by="group")
        >>> {name: len(rows) for name, rows in split.parts.items()}
        {'train': 16, 'test': 4}
    """
    _check_options(dataset, parts, by, leaks, seed)
    units = indivisible_units(dataset, near_duplicates)
    if by == "given":
        split = _given(dataset, parts, units, leaks, seed)
    else:
        rows = {name: float(share) for name, share in parts.items()}
        split = _dealt(dataset, rows, units, by, seed)
    return _checked(dataset, split, units, None if by == "given" else parts)


def k_folds(
    dataset: ImageDataset,
    k: int,
    *,
    validation: float = 0.0,
    near_duplicates: bool | npt.NDArray[np.int64] = True,
    seed: int = 0,
) -> tuple[Split, ...]:
    """Splits a data set k times, so that every image is in the test part once; otherwise as `split_dataset`.

    Args:
        dataset: The images.
        k: Number of folds, ≥ 2.
        validation: Share of the images outside the fold that becomes a validation part, in [0, 1); 0 for none.
        near_duplicates: As in `split_dataset`; they are found once.
        seed: Seed, ≥ 0.

    Returns:
        k splits with the parts `train`, `test`, and `validation` if wanted.

    Raises:
        ConfigError: `k` or `validation` is out of range.
        DataError: There are fewer indivisible units than folds, or a class is missing from training.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> data = from_arrays(np.random.default_rng(0).random((6, 16, 16)), ["a", "b"] * 3)
        >>> [len(fold.parts["test"]) for fold in k_folds(data, 3)]
        [2, 2, 2]
    """
    require_positive_int("k", k, low=2)
    require_range("validation", validation, 0.0, 0.99)
    check_seed(seed)
    found = indivisible_units(dataset, near_duplicates)
    units = found.joint
    if len(np.unique(units)) < k:
        raise DataError(f"{k} folds need as many units that may be separated: {explain_units(dataset, found)}")
    fold_n = deal_units(label_matrix(dataset), units, [1 / k] * k, seed=seed)
    splits = []
    for fold in range(k):
        parts = {"train": np.flatnonzero(fold_n != fold), "test": np.flatnonzero(fold_n == fold)}
        cut, notes = units[:0], ()
        if validation > 0:
            carved, cut, notes = carve_validation(dataset, parts["train"], found, validation, seed)
            parts |= carved
        split = Split(parts=parts, by=f"fold {fold + 1} of {k}", notes=notes, cut=cut)
        splits.append(_checked(dataset, split, found))
    return tuple(splits)


def check_leaks(dataset: ImageDataset, split: Split, *, near_duplicates: bool | npt.NDArray[np.int64] = True) -> None:
    """Checks that no group, no content and no near-duplicate is on two sides of a split, but for a group that was cut.

    Args:
        dataset: The images.
        split: Its parts; of the images in `split.cut` only an equal content may not be in training.
        near_duplicates: As in `split_dataset`.

    Raises:
        DataError: Something is; the first such groups or images are named, with their parts.
    """
    last = max(int(rows[-1]) for rows in split.parts.values())
    if last >= len(dataset):
        raise DataError(f"the split has image number {last}, the data set only {len(dataset)} images")
    refuse_leaks(dataset, split.parts, indivisible_units(dataset, near_duplicates), split.cut)


def _whole(name: str, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
    given = np.asarray(rows)
    if given.ndim != 1 or (given.size and (not np.issubdtype(given.dtype, np.integer) or given.min() < 0)):
        raise DataError(f"the part `{name}` must be a list of image numbers ≥ 0, got {given.dtype} of {given.shape}")
    return np.sort(given.astype(np.int64))


def _check_options(dataset: ImageDataset, parts: Mapping[str, float], by: str, leaks: str, seed: int) -> None:
    require_in("way to split", by, ("stratified", "group", "given"))
    require_in("value of `leaks`", leaks, ("error", "drop"))
    check_seed(seed)
    if "train" not in parts:
        raise ConfigError(f"`parts` must hold `train`, got {', '.join(parts) or 'nothing'}")
    for name, share in parts.items():
        if require_range(f"parts.{name}", share, 0.0, 1.0) == 0:
            raise ConfigError(f"`parts.{name}` must be more than 0; leave the part out")
    total = sum(parts.values())
    if abs(total - 1) > 1e-6:
        raise ConfigError(f"the shares of `parts` must have the sum 1, got {total:g}")
    if by == "group" and dataset.groups is None:
        raise DataError(
            "the data set has no groups; name their column, key or `group_pattern`, or split `by` stratified"
        )
    other = next((name for name in parts if name not in PART_NAMES.values()), None)
    if by == "given" and other is not None:
        raise ConfigError(f"with `by` given the parts are train, validation and test; got `{other}`")
    if by == "given" and dataset.splits is None:
        raise DataError("the data set states no parts; name their column or key, or split `by` stratified")


def _dealt(dataset: ImageDataset, shares: Mapping[str, float], units: Units, by: str, seed: int) -> Split:
    part_n = deal_units(label_matrix(dataset), units.joint, list(shares.values()), seed=seed)
    parts = {name: np.flatnonzero(part_n == p) for p, name in enumerate(shares)}
    empty = next((name for name, rows in parts.items() if not len(rows)), None)
    if empty is not None:
        raise DataError(f"the part `{empty}` of the split has no images: {explain_units(dataset, units)}")
    off = [
        f"`{name}` has {len(parts[name]) / len(dataset):.1%} of the images instead of {share:.1%}, "
        "because images that belong together are not separated"
        for name, share in shares.items()
        if abs(len(parts[name]) / len(dataset) - share) > 0.02 and len(np.unique(units.joint)) < len(dataset)
    ]
    return Split(parts=parts, by=by, notes=tuple(off))


def _given(dataset: ImageDataset, shares: Mapping[str, float], units: Units, leaks: str, seed: int) -> Split:
    stated = dataset.splits or ()
    unknown = next((name for name in stated if name.lower() not in PART_NAMES), None)
    if unknown is not None:
        raise DataError(unknown_name("part in the data", unknown, PART_NAMES))
    part_n = np.array([PART_NAMES[name.lower()] for name in stated])
    parts = {name: np.flatnonzero(part_n == name) for name in ("train", "validation", "test") if name in part_n}
    missing = [name for name in shares if name not in parts and name != "validation"]
    if missing:
        raise DataError(f"the data set states no part `{missing[0]}`; it has {', '.join(sorted(set(stated)))}")
    notes, cut = (), units.joint[:0]
    if leaks == "drop":
        parts, notes = drop_leaks(dataset, parts, units)
    else:
        refuse_leaks(dataset, parts, units)
    if "validation" in shares and "validation" not in parts:
        share = shares["validation"] / (shares["train"] + shares["validation"])
        carved, cut, cautions = carve_validation(dataset, parts["train"], units, share, seed)
        parts, notes = parts | carved, (*notes, *cautions)
    return Split(parts=parts, by="given", notes=notes, cut=cut)


def _checked(dataset: ImageDataset, split: Split, units: Units, shares: Mapping[str, float] | None = None) -> Split:
    """Returns the split with notes on what was kept together, on labels, and on classes that a part has too few of.

    Raises:
        DataError: The training part lacks a class.
    """
    labels, notes = label_matrix(dataset), list(describe_units(dataset, units.cut_off(split.cut)))
    for name, rows in split.parts.items():
        for k in np.flatnonzero(labels[rows].sum(axis=0) == 0):
            text = f"class `{dataset.class_names[k]}` has no image in `{name}`, {int(labels[:, k].sum())} in all"
            together = len(np.unique(units.joint[labels[:, k] > 0]))
            text += f", in {together} unit(s) that may be separated" if together < labels[:, k].sum() else ""
            if name == "train":
                raise DataError(f"{text}; add images of it, or leave the class out{_LEAVE_OUT}")
            notes.append(text)
    notes += [
        *contradictory_labels(dataset, units.kinds.get("likeness")),
        *uneven_classes(dataset, split.parts, shares),
    ]
    return replace(split, notes=(*split.notes, *notes))
