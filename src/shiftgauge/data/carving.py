"""Taking a validation part out of the training part, without taking a class away from training."""

import re

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import shortened
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import Units, connected, explain_units
from shiftgauge.data.stratification import deal_units, label_matrix
from shiftgauge.errors import DataError


def carve_validation(
    dataset: ImageDataset, rows: npt.NDArray[np.int64], units: Units, share: float, seed: int
) -> tuple[dict[str, npt.NDArray[np.int64]], npt.NDArray[np.int64], tuple[str, ...]]:
    """Divides training images into training and validation.

    Whole units are dealt out (`deal_units`), but the last unit of a class stays in training. A class that validation
    then lacks because all its training images are of one group (a recording) gives the end of that group, by name,
    to validation; that the cut goes through a group is said in the notes. The cut is made where no image on the one
    side is like one on the other, if there is such a place that gives at most twice the share. Else images that are
    like what stays in training stay there too, unless none would be left. Equal contents are never separated.

    Args:
        dataset: All images.
        rows: Those of the training part.
        units: Which belong together.
        share: Share of `rows` for validation, in (0, 1).
        seed: Seed of the lots.

    Returns:
        The parts `train` and `validation`, the images of validation whose group was cut, and sentences for the record.

    Raises:
        DataError: Validation stays empty.

    Example:
        >>> from shiftgauge.data.arrays import from_arrays
        >>> from shiftgauge.data.leaks import indivisible_units
        >>> pixels = np.random.default_rng(0).random((20, 8, 8))
        >>> data = from_arrays(pixels, ["a"] * 10 + ["b"] * 10, groups=["1"] * 10 + ["2"] * 10)
        >>> parts, cut, _ = carve_validation(data, np.arange(20), indivisible_units(data, False), 0.2, 0)
        >>> parts["validation"].tolist(), cut.tolist()
        ([8, 9, 18, 19], [8, 9, 18, 19])
    """
    labels, joint = label_matrix(dataset)[rows], units.joint[rows]
    kept_back = deal_units(labels, joint, [1 - share, share], seed=seed) == 1
    for k in np.flatnonzero(labels.any(axis=0) & ~labels[~kept_back].any(axis=0)):
        if labels[~kept_back, k].any():
            continue  # came with the unit of another class
        sizes = np.bincount(joint, weights=labels[:, k])
        kept_back &= joint != sizes.argmax()
    cut, classes = np.zeros(len(rows), bool), []
    for k in np.flatnonzero(labels.any(axis=0) & ~labels[kept_back].any(axis=0)):
        frames = _largest_group(dataset, rows, units, np.flatnonzero(labels[:, k]))
        block, left = _end(frames, ~kept_back, rows, units, share), ~kept_back
        left[block] = False
        if len(block) and (labels[left].any(axis=0) == labels[~kept_back].any(axis=0)).all():
            kept_back[block] = cut[block] = True
            classes.append(dataset.class_names[k])
    if not kept_back.any():
        raise DataError(f"the part `validation` of the split has no images: {explain_units(dataset, units, rows)}")
    parts = {"train": rows[~kept_back], "validation": rows[kept_back]}
    return parts, rows[cut], _caution(classes, int(cut.sum()), units.alike(rows[cut], parts["train"]))


def _largest_group(
    dataset: ImageDataset, rows: npt.NDArray[np.int64], units: Units, members: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The images, by name, of the group that holds most of a class; none where likeness joins its groups."""
    if "group" not in units.kinds:
        return members[:0]
    groups = units.kinds["group"][rows[members]]
    if len(np.unique(groups)) > 1 and len(np.unique(units.joint[rows[members]])) == 1:
        return members[:0]
    frames = members[groups == np.bincount(groups).argmax()]
    return np.array(sorted(frames.tolist(), key=lambda i: _natural(dataset.names[int(rows[i])])), np.int64)


def _end(
    frames: npt.NDArray[np.int64],
    left: npt.NDArray[np.bool_],
    rows: npt.NDArray[np.int64],
    units: Units,
    share: float,
) -> npt.NDArray[np.int64]:
    """The last of some images: about a share of them, with as little as can be among `left` that is like them."""
    n = min(max(round(share * len(frames)), 1), len(frames) - 1)
    if n < 1:
        return frames[:0]
    contents = units.kinds["content"][rows]
    alike = connected(units.kinds[kind][rows] for kind in ("content", "likeness") if kind in units.kinds)
    others = left.copy()
    others[frames] = False
    places = _clean_places(alike[frames], alike[others])
    places = places[places >= len(frames) - 2 * n]
    if len(places):
        return frames[places[np.abs(places - (len(frames) - n)).argmin()] :]
    block = frames[len(frames) - n :]
    left = left.copy()
    left[block] = False
    found = (block[~np.isin(numbers[block], numbers[left])] for numbers in (alike, contents))
    return next((loose for loose in found if len(loose)), block[:0])


def _clean_places(values: npt.NDArray[np.int64], others: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The places p > 0 where no value from p on stands before p or among the others."""
    _, inverse = np.unique(values, return_inverse=True)
    last = np.zeros(inverse.max() + 1, np.int64)
    np.maximum.at(last, inverse.reshape(-1), np.arange(len(values)))
    until = np.maximum.accumulate(last[inverse.reshape(-1)])
    taken = np.flatnonzero(np.isin(values, others))
    places = np.arange(taken.max(initial=0) + 1, len(values))
    return places[until[places - 1] < places]


def _natural(name: str) -> str:
    """A key that sorts `frame_9` before `frame_10`."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(12), name)


def _caution(classes: list[str], n_cut: int, n_alike: int | None) -> tuple[str, ...]:
    if not classes:
        return ()
    if n_alike is None:
        why = "images next to the cut may be near-duplicates, so"
    elif n_alike:
        why = f"{n_alike} of these have a near-duplicate in `train`, so"
    else:
        why = "none of these has a near-duplicate in `train`, but images of one group are of one kind, so"
    return (
        f"whole groups could not give validation an image of {shortened(classes)}: the end of a group, by name, is in "
        f"`validation` ({n_cut} images in all) and its beginning in `train`; {why} validation looks better than it is "
        "for them",
    )
