"""Dealing out indivisible units of images so that every class is spread in the wanted shares."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from shiftgauge.data.dataset import ImageDataset
from shiftgauge.random import generator


def deal_units(
    labels_nk: npt.NDArray[np.float64], units: npt.NDArray[np.int64], shares: Sequence[float], *, seed: int
) -> npt.NDArray[np.int64]:
    """Returns the part of each image: iterative stratification of whole units.

    With N_k images of label k, part p wants s_p N_k of them. Again and again the label that is left in the fewest
    images is taken; its units, those with the most of it first, go one after the other to the part that lacks most
    images of the label, at a tie to the part that lacks most images altogether, then by lot. Images without any
    label count as a label of their own. The last units go to parts that would stay empty. A label in at least as many
    units as there are parts then gets one in every part, wherever a unit can be moved without taking another label's
    last one from its part (`spread_labels`). Where each unit is one
    image and each image has one label, every part has each label within less than one image of what it wants (unless
    it would have been empty); larger units make that as even as they allow.

    Args:
        labels_nk: (n, K) of 0 and 1.
        units: int64 (n,), images with the same number stay together.
        shares: Share of each part, positive, with the sum 1.
        seed: Seed of the lots, ≥ 0.

    Returns:
        int64 (n,), index into `shares`.

    Example:
        >>> found = deal_units(np.eye(2)[[0, 0, 0, 0, 1, 1]], np.arange(6), [0.5, 0.5], seed=0)
        >>> np.bincount(found).tolist(), np.bincount(found[:4]).tolist()
        ([3, 3], [2, 2])

    References:
        K. Sechidis, G. Tsoumakas, I. Vlahavas, On the stratification of multi-label data, ECML PKDD 2011,
        doi:10.1007/978-3-642-23808-6_10 (here for units of several images).
    """
    none = labels_nk.sum(axis=1, keepdims=True) == 0
    labels = np.concatenate([labels_nk, none], axis=1)
    _, unit_n = np.unique(units, return_inverse=True)
    counts_uk = np.zeros((int(unit_n.max(initial=-1)) + 1, labels.shape[1]))
    np.add.at(counts_uk, unit_n, labels)
    sizes_u = np.bincount(unit_n).astype(np.float64)
    whole_pk = np.asarray(shares, np.float64)[:, None] * labels.sum(axis=0)
    lots = generator(seed, "split lots").permutation(len(sizes_u))
    share_p = np.asarray(shares, np.float64)
    wanted_pk, wanted_p = share_p[:, None] * labels.sum(axis=0), share_p * len(labels)
    left_k, part_u, empty = labels.sum(axis=0), np.full(len(sizes_u), -1, np.int64), list(range(len(share_p)))
    left_u = len(sizes_u)
    while left_u:
        label = int(np.argmin(np.where(left_k > 0, left_k, np.inf)))
        members = np.flatnonzero((part_u < 0) & (counts_uk[:, label] > 0))
        for unit in members[np.lexsort((lots[members], -counts_uk[members, label]))].tolist():
            allowed = empty if left_u <= len(empty) else range(len(share_p))
            part = _neediest(allowed, wanted_pk[:, label].tolist(), wanted_p.tolist(), int(lots[unit]))
            empty = [p for p in empty if p != part]
            part_u[unit] = part
            wanted_pk[part] -= counts_uk[unit]
            wanted_p[part] -= sizes_u[unit]
            left_k -= counts_uk[unit]
            left_u -= 1
    return spread_labels(part_u, counts_uk, whole_pk, lots)[unit_n]


def spread_labels(
    part_u: npt.NDArray[np.int64],
    counts_uk: npt.NDArray[np.float64],
    wanted_pk: npt.NDArray[np.float64],
    lots: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Returns the parts of the units after giving each label, where it can be done, a unit in every part.

    Labels in fewer units than there are parts are left as they are. For each other label that a part lacks, one unit
    is moved there: the one whose move brings the counts of the two parts closest to what is wanted. No unit leaves
    a part in which it is the last one of any of its labels.

    Args:
        part_u: int64 (units,), the part of each unit.
        counts_uk: (units, K), images of each label in each unit.
        wanted_pk: (parts, K), images of each label that each part wants.
        lots: int64 (units,), decides between equals.

    Example:
        >>> one = np.ones((3, 1))
        >>> spread_labels(np.array([0, 0, 0]), one, np.array([[2.7], [0.3]]), np.arange(3)).tolist()
        [1, 0, 0]
    """
    part_u, present_uk = part_u.copy(), counts_uk > 0
    n_parts = len(wanted_pk)
    have_pk, units_pk = np.zeros_like(wanted_pk), np.zeros(wanted_pk.shape, np.int64)
    np.add.at(have_pk, part_u, counts_uk)
    np.add.at(units_pk, part_u, present_uk)
    n_units_k = present_uk.sum(axis=0)
    for label in np.argsort(n_units_k, kind="stable"):
        if n_units_k[label] < n_parts:
            continue
        for part in np.flatnonzero(units_pk[:, label] == 0):
            members = np.flatnonzero(present_uk[:, label])
            free = ((units_pk[part_u[members]] > 1) | ~present_uk[members]).all(axis=1)
            if not free.any():
                continue
            members = members[free]
            lack_uk, moved = (wanted_pk - have_pk)[part_u[members]], counts_uk[members]
            there = (wanted_pk - have_pk)[part]
            cost = (np.abs(lack_uk + moved) - np.abs(lack_uk) + np.abs(there - moved)).sum(axis=1).round(9)
            unit = members[np.lexsort((lots[members], cost))[0]]
            for p, sign in ((part_u[unit], -1), (part, 1)):
                have_pk[p] += sign * counts_uk[unit]
                units_pk[p] += sign * present_uk[unit]
            part_u[unit] = part
    return part_u


def label_matrix(dataset: ImageDataset) -> npt.NDArray[np.float64]:
    """Returns the labels as (n, K) of 0 and 1, for single-label data one 1 in each row."""
    if dataset.label_matrix is not None:
        return dataset.label_matrix
    return np.eye(len(dataset.class_names))[dataset.labels]


def _neediest(allowed: Sequence[int], wanted_label: list[float], wanted: list[float], lot: int) -> int:
    """The allowed part that lacks most of the label, then most of all; what differs by rounding alone is a tie."""
    need = max(wanted_label[p] for p in allowed) - 1e-9
    best = [p for p in allowed if wanted_label[p] >= need]
    need = max(wanted[p] for p in best) - 1e-9
    best = [p for p in best if wanted[p] >= need]
    return best[lot % len(best)]
