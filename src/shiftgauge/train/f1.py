"""F1 of counts, in one place: of classes, of labels, of resamples, of halves."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from shiftgauge.types import FloatArray


def f1_of(hits: npt.ArrayLike, decided: npt.ArrayLike, true: npt.ArrayLike) -> FloatArray:
    """F1 = 2 TP / (decided + true) = 2 TP / (2 TP + FP + FN); NaN where a class is neither decided nor true.

    Args:
        hits: Images of the class that are decided to be of it, TP; any shape.
        decided: Images decided to be of it, TP + FP; of a shape that goes with it.
        true: Images of it, TP + FN.

    Returns:
        Of the joint shape, in [0, 1] or NaN.

    Example:
        >>> f1_of([1, 0, 0], [2, 1, 0], [1, 0, 0]).round(3).tolist()
        [0.667, 0.0, nan]
    """
    whole = np.asarray(decided, float) + np.asarray(true, float)
    return np.where(whole > 0, 2 * np.asarray(hits, float) / np.where(whole > 0, whole, 1), np.nan)


def macro(values: npt.ArrayLike) -> FloatArray:
    """Mean over the last axis of what is defined; NaN where nothing is.

    Args:
        values: Such as F1 of each class, (…, K), NaN where a class has none.

    Returns:
        (…).

    Example:
        >>> macro([[0.5, 1.0, np.nan], [np.nan, np.nan, np.nan]]).tolist()
        [0.75, nan]
    """
    given = np.asarray(values, float)
    known = np.isfinite(given)
    count = known.sum(axis=-1)
    return np.where(count > 0, np.where(known, given, 0.0).sum(axis=-1) / np.maximum(count, 1), np.nan)
