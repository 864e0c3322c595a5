"""A mean over images with its interval."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

from shiftgauge.types import FloatArray


def mean_interval(
    values: npt.ArrayLike, confidence_level: float = 0.95, *, axis: int = 0
) -> tuple[FloatArray, FloatArray, FloatArray]:
    r"""Returns the mean over images and Student's interval of it, leaving out what is not a number.

    $$ \bar v \pm t_{n-1} \, s / \sqrt{n} $$

    Args:
        values: Any shape; images along `axis`.
        confidence_level: In (0, 1).
        axis: That of the images.

    Returns:
        Mean, lower and upper end, without that axis; the ends are NaN where fewer than two values count.

    Example:
        >>> [round(float(v), 3) for v in mean_interval([1.0, 2.0, 3.0, np.nan])]
        [2.0, -0.484, 4.484]
    """
    array = np.asarray(values, dtype=np.float64)
    counted = np.isfinite(array)
    n = counted.sum(axis=axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(counted, array, 0).sum(axis=axis) / n
        squares = np.where(counted, (array - np.expand_dims(mean, axis)) ** 2, 0).sum(axis=axis)
        half = stats.t.ppf((1 + confidence_level) / 2, np.maximum(n - 1, 1)) * np.sqrt(squares / (n - 1) / n)
    half = np.where(n > 1, half, np.nan)
    return mean, mean - half, mean + half
