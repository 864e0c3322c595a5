"""Functions whose indices are known exactly, to check estimators against."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import pi, prod, sqrt
from typing import Final

import numpy as np
from scipy.special import ndtri

from shiftgauge.estimate.inputs import DesignRows
from shiftgauge.random import generator
from shiftgauge.space import Parameter, Space
from shiftgauge.types import FloatArray, ThetaNP


def _uniform(names: str, low: float, high: float) -> Space:
    options = {"low": low, "high": high}
    return Space([Parameter(name=n, distribution="uniform", options=options) for n in names.split()])


@dataclass(frozen=True, kw_only=True)
class ReferenceFunction:
    """A function of a space with its exact variance components.

    Args:
        name: What it is called.
        space: Its independent inputs.
        function: Physical values (n, d) → values (n,).
        mean: Exact mean.
        components: Set of inputs, ascending → exact variance of the term that depends on just these.

    Example:
        >>> ISHIGAMI.first_order.round(4).tolist()
        [0.3139, 0.4424, 0.0]
    """

    name: str
    space: Space
    function: Callable[[ThetaNP], FloatArray]
    mean: float
    components: Mapping[tuple[int, ...], float]

    @cached_property
    def variance(self) -> float:
        """Exact variance."""
        return sum(self.components.values())

    @property
    def first_order(self) -> FloatArray:
        """Exact S_i (d,)."""
        return np.array([self.components.get((i,), 0.0) for i in range(self.space.n_varying)]) / self.variance

    @property
    def total_order(self) -> FloatArray:
        """Exact S_Ti (d,)."""
        d = self.space.n_varying
        return np.array([sum(v for u, v in self.components.items() if i in u) for i in range(d)]) / self.variance

    @property
    def second_order(self) -> FloatArray:
        """Exact S_ij (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: u == pair)

    @property
    def total_interaction(self) -> FloatArray:
        """Exact share of the terms that hold both inputs (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: set(pair) <= set(u))

    @property
    def closed(self) -> FloatArray:
        """Exact S_i + S_j + S_ij (d, d), NaN on the diagonal."""
        return self._pairs(lambda u, pair: set(u) <= set(pair))

    def _pairs(self, holds: Callable[[tuple[int, ...], tuple[int, ...]], bool]) -> FloatArray:
        d = self.space.n_varying
        out = np.full((d, d), np.nan)
        for pair in combinations(range(d), 2):
            share = sum(v for u, v in self.components.items() if holds(u, pair)) / self.variance
            out[pair] = out[pair[::-1]] = share
        return out


def ishigami(a: float = 7.0, b: float = 0.1) -> ReferenceFunction:
    """sin x1 + a sin² x2 + b x3⁴ sin x1 on [-π, π]³: strongly curved, one interaction.

    References:
        Ishigami, T., Homma, T. (1990). Uncertainty analysis of computer models. doi:10.1109/ISUMA.1990.151285
    """
    return ReferenceFunction(
        name="ishigami",
        space=_uniform("x1 x2 x3", -pi, pi),
        function=lambda x: np.sin(x[:, 0]) * (1 + b * x[:, 2] ** 4) + a * np.sin(x[:, 1]) ** 2,
        mean=a / 2,
        components={
            (0,): 0.5 * (1 + b * pi**4 / 5) ** 2,
            (1,): a**2 / 8,
            (0, 2): b**2 * pi**8 * (1 / 18 - 1 / 50),
        },
    )


def rough_ishigami(share: float = 0.25, frequency: int = 20) -> ReferenceFunction:
    """Ishigami plus c sin(k x1) sin(k x2): a rough interaction that no polynomial of moderate degree can follow.

    Args:
        share: Part of the variance that the rough term has, in [0, 1).
        frequency: k, a whole number ≥ 3, so that the term is orthogonal to the others.
    """
    smooth = ishigami()
    rough = smooth.variance * share / (1 - share)
    c = 2 * sqrt(rough)

    def function(x: ThetaNP) -> FloatArray:
        return smooth.function(x) + c * np.sin(frequency * x[:, 0]) * np.sin(frequency * x[:, 1])

    return ReferenceFunction(
        name="rough_ishigami",
        space=smooth.space,
        function=function,
        mean=smooth.mean,
        components={**smooth.components, (0, 1): rough},
    )


def sobol_g(a: tuple[float, ...] = (0.0, 1.0, 4.5, 9.0, 99.0, 99.0, 99.0, 99.0)) -> ReferenceFunction:
    """∏ (|4 x_i - 2| + a_i) / (1 + a_i) on [0, 1]^d: kinked, with interactions of every order.

    References:
        Saltelli, A., Sobol', I. M. (1995). About the use of rank transformation. doi:10.1016/0951-8320(95)00099-2
    """
    weight = np.asarray(a, float)
    alone = 1 / (3 * (1 + weight) ** 2)
    sets = [u for k in range(1, len(a) + 1) for u in combinations(range(len(a)), k)]
    return ReferenceFunction(
        name="sobol_g",
        space=_uniform(" ".join(f"x{i + 1}" for i in range(len(a))), 0, 1),
        function=lambda x: np.prod((np.abs(4 * x - 2) + weight) / (1 + weight), axis=1),
        mean=1.0,
        components={u: float(prod(alone[list(u)])) for u in sets},
    )


def weld_polynomial() -> ReferenceFunction:
    """r + 2 b² + 3 r t of rotation, brightness and tilt scaled to [-1, 1]: exact in any basis of degree 2."""
    limits = {"rotation": (-90, 90), "brightness": (0, 2), "tilt": (-20, 20)}
    space = Space(
        [
            Parameter(name=name, distribution="uniform", options={"low": low, "high": high})
            for name, (low, high) in limits.items()
        ]
    )

    def function(x: ThetaNP) -> FloatArray:
        r, b, t = x[:, 0] / 90, x[:, 1] - 1, x[:, 2] / 20
        return r + 2 * b**2 + 3 * r * t

    return ReferenceFunction(
        name="weld_polynomial",
        space=space,
        function=function,
        mean=2 / 3,
        components={(0,): 1 / 3, (1,): 16 / 45, (0, 2): 1.0},
    )


def linear_gaussian(weights: tuple[float, ...] = (1.0, 2.0, 3.0)) -> ReferenceFunction:
    """Σ w_i x_i of independent standard normal inputs: first and total order coincide."""
    w = np.asarray(weights, float)
    options = {"mean": 0, "std": 1}
    space = Space([Parameter(name=f"x{i + 1}", distribution="normal", options=options) for i in range(len(w))])
    return ReferenceFunction(
        name="linear_gaussian",
        space=space,
        function=lambda x: x @ w,
        mean=0.0,
        components={(i,): float(v**2) for i, v in enumerate(w)},
    )


ISHIGAMI: Final = ishigami()


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
