"""How far another way of running a model is from plain float32, in probability and against what is measured."""

from typing import Any, Final

import numpy as np

from shiftgauge.types import FloatArray

SPREAD_LIMIT: Final = 0.02
"""Largest root mean square difference of the quantity of interest, as a share of its standard deviation under the
shifts: independent rounding of this size adds 0.02² = 0.04 % to the variance, so no index moves by more than that."""


def largest_difference(found_nk: FloatArray, reference_nk: FloatArray) -> float:
    """Largest difference of a probability; 1 where other rows fail than in the reference, which is no agreement.

    Example:
        >>> round(largest_difference(np.array([[0.2, 0.8]]), np.array([[0.21, 0.79]])), 6)
        0.01
    """
    failed = np.isnan(reference_nk)
    if (np.isnan(found_nk) != failed).any():
        return 1.0
    return float(np.abs(found_nk - reference_nk)[~failed].max(initial=0.0))


def relative_difference(found_n: FloatArray, reference_n: FloatArray, image_n: np.ndarray | None = None) -> float:
    """Root mean square difference of a quantity over its standard deviation under the shifts.

    Args:
        found_n: The quantity at some rows (n,); rows that failed are NaN.
        reference_n: The same in plain float32.
        image_n: Image of each row, where images are fixed: what differs from image to image is then no part of the
            variance that is split, and is taken out (if any image has two rows).

    Returns:
        The ratio; 0 where nothing differs, infinity where a quantity without spread differs or other rows fail.

    Example:
        >>> relative_difference(np.array([0.1, 1.9]), np.array([0.0, 2.0])).__round__(3)
        0.071
    """
    known = ~np.isnan(reference_n)
    if (np.isnan(found_n) == known).any():
        return float("inf")
    values, away = reference_n[known], (found_n - reference_n)[known]
    if not away.any():
        return 0.0
    centred, degrees = values - values.mean(), len(values) - 1
    if image_n is not None:
        images, where = np.unique(image_n[known], return_inverse=True)
        if len(images) < len(values):
            means = np.bincount(where, values) / np.bincount(where)
            centred, degrees = values - means[where], len(values) - len(images)
    spread = np.sqrt((centred**2).sum() / max(degrees, 1))
    return float(np.sqrt((away**2).mean()) / spread) if spread > 0 else float("inf")


def verdict_on(difference: float, relative: float, tolerance: float) -> dict[str, Any]:
    """Both figures, whether they allow a setting, and which of them forbids it.

    Args:
        difference: Of a probability.
        relative: Of the quantity of interest against its spread; NaN where it is not known.
        tolerance: Largest allowed difference of a probability.

    Example:
        >>> verdict_on(0.0003, 0.76, 0.01)["refused_by"]
        'spread'
    """
    refused = "tolerance" if difference > tolerance else "spread" if relative > SPREAD_LIMIT else ""
    return {
        "max_difference": difference,
        "relative_difference": relative,
        "agrees": not refused,
        "refused_by": refused,
    }
