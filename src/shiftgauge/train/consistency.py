"""Decisions that contradict themselves: “no defect” and a defect on one image, or no label at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import xarray as xr


def consistency_arrays(decided_nk: npt.NDArray[np.bool_], no_defect: int) -> xr.Dataset:
    """How many images are said to have no defect and a defect, and how many are said to have neither.

    Args:
        decided_nk: Which labels hold on each image (n, K).
        no_defect: Number of the label that says that there is none.

    Returns:
        `inconsistent` over `way_wrong` (both, neither).

    Example:
        >>> decided = np.array([[True, True], [False, False], [False, True]])
        >>> consistency_arrays(decided, 0)["inconsistent"].values.tolist()
        [1, 1]
    """
    none = decided_nk[:, no_defect]
    some = np.delete(decided_nk, no_defect, axis=1).any(axis=1)
    counts = [int((none & some).sum()), int((~none & ~some).sum())]
    return xr.Dataset({"inconsistent": ("way_wrong", counts)}, {"way_wrong": ["both", "neither"]})
