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
    label count as a label of their own. Where each unit is one image and each image has one label, every part has
    each label within less than one image of what it wants; larger units make that as even as they allow.

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
    left_k, part_u = labels.sum(axis=0), np.full(len(sizes_u), -1, np.int64)
    while (left_k > 0).any():
        label = int(np.argmin(np.where(left_k > 0, left_k, np.inf)))
        members = np.flatnonzero((part_u < 0) & (counts_uk[:, label] > 0))
        for unit in members[np.lexsort((lots[members], -counts_uk[members, label]))]:
            part = _neediest(wanted_pk[:, label], wanted_p, int(lots[unit]))
            part_u[unit] = part
            wanted_pk[part] -= counts_uk[unit]
            wanted_p[part] -= sizes_u[unit]
            left_k = left_k - counts_uk[unit]
    return part_u[unit_n]


def label_matrix(dataset: ImageDataset) -> npt.NDArray[np.float64]:
    """Returns the labels as (n, K) of 0 and 1, for single-label data one 1 in each row."""
    if dataset.label_matrix is not None:
        return dataset.label_matrix
    return np.eye(len(dataset.class_names))[dataset.labels]


def _neediest(wanted_label_p: npt.NDArray[np.float64], wanted_p: npt.NDArray[np.float64], lot: int) -> int:
    best = np.flatnonzero(wanted_label_p >= wanted_label_p.max() - 1e-9)
    best = best[wanted_p[best] >= wanted_p[best].max() - 1e-9]
    return int(best[lot % len(best)])
