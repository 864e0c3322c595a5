"""A made-up score of images under shifts, with exact gauge components."""

from dataclasses import dataclass
from functools import cached_property
from math import pi, sqrt

import numpy as np
from scipy.special import ndtri

from shiftgauge.estimate.inputs import DesignRows
from shiftgauge.parameter import Parameter
from shiftgauge.random import generator
from shiftgauge.space import Space
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class ImageStudy:
    """A made-up score f(image, rotation, brightness, noise) with exact gauge components.

    f = class + image + slope(rotation) + bend(brightness) + rotation × brightness + image × rotation + noise; the
    effects of the images are centred within their classes, so that the components are exact for this set of images.

    Args:
        n_images: Number of images, a multiple of `n_classes`.
        n_classes: Number of classes.
        noise: Standard deviation of the repeatability.
        roughness: Standard deviation of an added ripple in rotation, too fast for polynomials.
        seed: Of the images' effects.

    Example:
        >>> study = ImageStudy(n_images=8, n_classes=2)
        >>> sorted(study.components)
        ['brightness', 'image', 'image × rotation', 'rotation', 'rotation × brightness']
    """

    n_images: int = 40
    n_classes: int = 4
    noise: float = 0.0
    roughness: float = 0.0
    seed: int = 0

    @property
    def space(self) -> Space:
        """Rotation on ±90 and brightness on [0, 2]."""
        limits = {"rotation": (-90, 90), "brightness": (0, 2)}
        return Space(
            [Parameter(name=n, distribution="uniform", options={"low": a, "high": b}) for n, (a, b) in limits.items()]
        )

    @cached_property
    def labels(self) -> np.ndarray:
        """Class of each image, int64 (n_images,)."""
        return np.arange(self.n_images, dtype=np.int64) % self.n_classes

    @cached_property
    def class_effect(self) -> FloatArray:
        """Effect of each image's class (n_images,)."""
        effect = np.linspace(-1, 1, self.n_classes)
        return effect[self.labels]

    @cached_property
    def image_effect(self) -> FloatArray:
        """Effect of each image within its class (n_images,)."""
        return 0.8 * self._within("image")

    @cached_property
    def image_slope(self) -> FloatArray:
        """How much each image's score changes with rotation, beyond the common part (n_images,)."""
        return 0.6 * self._within("slope")

    def _within(self, name: str) -> FloatArray:
        raw = generator(self.seed, "reference", name).normal(size=self.n_images)
        for label in range(self.n_classes):
            raw[self.labels == label] -= raw[self.labels == label].mean()
        return raw

    def function(self, rows: DesignRows) -> FloatArray:
        """Score at rows of a design (n,)."""
        r, b = rows.theta[:, 0] / 90, rows.theta[:, 1] - 1
        score = self.class_effect[rows.image] + self.image_effect[rows.image]
        score = score + r + 1.5 * b**2 + 1.2 * r * b + self.image_slope[rows.image] * r
        score = score + self.roughness * sqrt(2) * np.sin(31 * pi * r)
        if self.noise:
            mixed = (rows.stream.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(32)
            unit = (mixed >> np.uint64(11)).astype(float) / 2.0**53
            score = score + self.noise * ndtri(np.clip(unit, 1e-12, 1 - 1e-12))
        return score

    @property
    def components(self) -> dict[str, float]:
        """Exact variance of each gauge component that is not zero."""
        # the ripple sin(31πr) and r overlap: E[r sin(31πr)] = 1/(31π)
        ripple = self.roughness**2 + 2 * self.roughness * sqrt(2) / (31 * pi)
        found = {
            "image": float(np.var(self.class_effect + self.image_effect)),
            "rotation": 1 / 3 + ripple,
            "brightness": 1.5**2 * 4 / 45,
            "rotation × brightness": 1.2**2 / 9,
            "image × rotation": float(np.mean(self.image_slope**2)) / 3,
        }
        if self.noise:
            found["repeat"] = self.noise**2
        return found

    @property
    def class_variance(self) -> float:
        """Exact part of the image component that lies between classes."""
        return float(np.var(self.class_effect))
