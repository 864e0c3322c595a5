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
    label count as a label of their own. The last units go to parts that would stay empty. Where each unit is one
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
    return part_u[unit_n]


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
