"""What bounds on total indices keep of gradients: four sums for each value of an image and each replicate."""

from __future__ import annotations

from math import pi
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.errors import NumericalError
from shiftgauge.estimate.points import Points
from shiftgauge.estimate.resampling import Grouping, Resampling
from shiftgauge.estimate.sobol import variance_floor
from shiftgauge.models.input_scale import ScaleName, input_scale
from shiftgauge.random import generator
from shiftgauge.types import Classifier, FloatArray

_SOBOL_MOST: Final = 21_201
"""Columns of a Sobol' sequence; images with more values get random points."""


def offsets_of(
    classifier: Classifier, images_nchw: torch.Tensor, delta: float, scale: ScaleName, clamp: bool
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of the offsets of every value, in units of [0, 1], axes (image, value).

    Args:
        classifier: Says the scale.
        images_nchw: The images.
        delta: Half width.
        scale: Unit of the half width.
        clamp: Cut where a value would leave [0, 1].
    """
    std = np.asarray(input_scale(classifier, scale).std, float)
    pixels = images_nchw.double().cpu().numpy()
    half = np.broadcast_to(delta * std[:, None, None], pixels.shape)
    low, high = -half, half
    if clamp:
        low, high = np.maximum(low, np.minimum(-pixels, 0)), np.minimum(high, np.maximum(1 - pixels, 0))
    return low.reshape(len(pixels), -1), high.reshape(len(pixels), -1)


class PixelSums:
    """Sums over replicates of scores and gradients, so that memory does not grow with the number of gradients.

    Args:
        n: Number of gradients.
        d: Values of an image.
        replicates: Row j belongs to the replicate j mod R, an independent scrambling.
        seed: Of the points.
        n_images: Images to draw from, each equally likely.
    """

    def __init__(self, n: int, d: int, replicates: int, seed: int, n_images: int = 1) -> None:
        self._points = Points(n, d, "sobol" if d <= _SOBOL_MOST else "random", seed, replicates)
        self._image = (generator(seed, "pixel bounds", "image").random(n) * n_images).astype(int)
        self._grouping, self._seed = Grouping(n, replicates), seed
        self._centre: float | None = None
        self._values = np.zeros((2, replicates))
        self._slopes = np.zeros((4, replicates, d))

    def points(self, start: int, stop: int) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Points of the unit cube [start, stop) (n, d), and the image of each (n,)."""
        return self._points.take(start, stop), self._image[start:stop]

    def add(self, start: int, scores: FloatArray, slopes: FloatArray, widths: FloatArray, unit: FloatArray) -> None:
        """Adds rows, the first being row `start`.

        Args:
            start: Number of the first row.
            scores: (n,).
            slopes: Derivatives by the offsets (n, d).
            widths: Lengths of their intervals (n, d).
            unit: Where in its interval each offset lay, in [0, 1] (n, d).

        Raises:
            NumericalError: One is not finite.
        """
        if not (np.isfinite(scores).all() and np.isfinite(slopes).all()):
            raise NumericalError("a score or its derivative is NaN or infinite; take the logit, or a smaller delta")
        if self._centre is None:
            self._centre = float(scores.mean())
        centred = scores - self._centre
        square = slopes**2
        scaled = square * widths**2
        columns = (slopes, square, scaled / pi**2, scaled * (unit * (1 - unit) / 2))
        replicates = len(self._values[0])
        for k in range(replicates):
            mine = slice((k - start) % replicates, None, replicates)
            self._values[:, k] += centred[mine].sum(), (centred[mine] ** 2).sum()
            for total, column in zip(self._slopes, columns, strict=True):
                total[k] += column[mine].sum(axis=0)

    def bounds(self, level: float) -> dict[str, FloatArray]:
        """Bounds (d,) with intervals (d, 2), means of gradients (d,), mean and variance (); NaN where nothing varies.

        Args:
            level: Of the intervals (Student's t over the replicates, wider upwards because squares are skewed).
        """
        grouping, centre = self._grouping, self._centre or 0.0
        n, counts = grouping.n, grouping.counts
        mean, square = self._values.sum(axis=1) / n
        variance = (square - mean**2) * n / (n - 1)
        varies = bool(variance > variance_floor(np.array([centre]), np.array([square]))[0])
        resampling = Resampling.of(grouping, 1, self._seed)
        left = resampling.means(self._values, counts)
        left_variance = left[1] - left[0] ** 2 if varies else 1.0
        means = self._slopes.sum(axis=1) / n
        found = {
            "gradient_mean": means[0],
            "gradient_square": means[1],
            "mean": np.array(mean + centre),
            "variance": np.array(variance if varies else 0.0),
        }
        for name, k in (("poincare_bound", 2), ("stein_bound", 3)):
            point = means[k] / variance if varies else np.full(len(means[k]), np.nan)
            resampled = resampling.means(np.ascontiguousarray(self._slopes[k].T), counts) / left_variance
            interval = resampling.interval(point, resampled, level, squares=True)
            found |= {name: point, f"{name}_interval": interval}
        return found
