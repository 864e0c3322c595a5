"""Taking a validation part out of the training part, without taking a class away from training."""

import re

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import shortened
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import Units, explain_units
from shiftgauge.data.stratification import deal_units, label_matrix
from shiftgauge.errors import DataError


def carve_validation(
    dataset: ImageDataset, rows: npt.NDArray[np.int64], units: Units, share: float, seed: int
) -> tuple[dict[str, npt.NDArray[np.int64]], tuple[str, ...]]:
    """Divides training images into training and validation.

    Whole units are dealt out (`deal_units`), but the last unit of a class stays in training. A class that validation
    then lacks because all its training images are of one group (a recording) gives the end of that group, by name,
    to validation; that the cut goes through a group is said in the notes. Equal contents are never separated.

    Args:
        dataset: All images.
        rows: Those of the training part.
        units: Which belong together.
        share: Share of `rows` for validation, in (0, 1).
        seed: Seed of the lots.

    Returns:
        The parts `train` and `validation`, and sentences for the record.

    Raises:
        DataError: Validation stays empty.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> from shiftgauge.data.leaks import indivisible_units
        >>> pixels = np.random.default_rng(0).random((20, 8, 8))
        >>> data = from_arrays(pixels, ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10)
        >>> parts, _ = carve_validation(data, np.arange(20), indivisible_units(data, False), 0.2, 0)
        >>> parts["validation"].tolist()
        [8, 9, 18, 19]
    """
    labels, joint = label_matrix(dataset)[rows], units.joint[rows]
    kept_back = deal_units(labels, joint, [1 - share, share], seed=seed) == 1
    for k in np.flatnonzero(labels.any(axis=0) & ~labels[~kept_back].any(axis=0)):
        if labels[~kept_back, k].any():
            continue  # came with the unit of another class
        sizes = np.bincount(joint, weights=labels[:, k])
        kept_back &= joint != sizes.argmax()
    cut = []
    for k in np.flatnonzero(labels.any(axis=0) & ~labels[kept_back].any(axis=0)):
        block = _end_of_group(dataset, rows, units, np.flatnonzero(labels[:, k]), share)
        left = ~kept_back
        left[block] = False
        contents = units.kinds["content"][rows]
        block = block[~np.isin(contents[block], contents[left])]
        left[block] = False
        if len(block) and (labels[left].any(axis=0) == labels[~kept_back].any(axis=0)).all():
            kept_back[block] = True
            cut.append(dataset.class_names[k])
    if not kept_back.any():
        raise DataError(f"the part `validation` of the split has no images: {explain_units(dataset, units, rows)}")
    return {"train": rows[~kept_back], "validation": rows[kept_back]}, _caution(cut)


def _end_of_group(
    dataset: ImageDataset,
    rows: npt.NDArray[np.int64],
    units: Units,
    members: npt.NDArray[np.int64],
    share: float,
) -> npt.NDArray[np.int64]:
    """The last images, by name, of the group that holds most of a class; none where likeness joins its groups."""
    if "group" not in units.kinds:
        return members[:0]
    groups = units.kinds["group"][rows[members]]
    if len(np.unique(groups)) > 1 and len(np.unique(units.joint[rows[members]])) == 1:
        return members[:0]
    frames = members[groups == np.bincount(groups).argmax()]
    frames = np.array(sorted(frames.tolist(), key=lambda i: _natural(dataset.names[int(rows[i])])), np.int64)
    n = min(max(round(share * len(frames)), 1), len(frames) - 1)
    return frames[len(frames) - n :]


def _natural(name: str) -> str:
    """A key that sorts `frame_9` before `frame_10`."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name)


def _caution(classes: list[str]) -> tuple[str, ...]:
    if not classes:
        return ()
    return (
        f"whole groups could not give validation an image of {shortened(classes)}: the end of a group, by name, is in "
        "`validation` and its beginning in `train`; images next to the cut may be near-duplicates, so validation looks "
        "better than it is for them",
    )
