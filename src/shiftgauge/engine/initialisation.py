"""First weights: drawn so that signals keep their size from layer to layer."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch

from shiftgauge.checks import require_in
from shiftgauge.engine.layer import Layer, walk
from shiftgauge.engine.workspace import Shape
from shiftgauge.random import generator

Initialisation: TypeAlias = Literal["he_normal", "he_uniform", "xavier_normal", "xavier_uniform"]


def initialise(layer: Layer, *, kind: Initialisation = "he_normal", seed: int = 0) -> None:
    """Draws the weights of a layer and of all layers within it; biases become 0, scales of normalisations stay 1.

    The variance of a weight is 2 / f for `he`, which makes up for the half that a ReLU cuts off, and 2 / (f + f') for
    `xavier`; f is the number of inputs that an output adds up, f' the number of outputs that an input goes to. Uniform
    weights have the same variance: they lie within ± √3 standard deviations.

    Args:
        layer: Changed in place. Each weight has its own stream of random numbers, told by its path.
        kind: Which variance, and which distribution.
        seed: ≥ 0.

    Raises:
        ConfigError: An unknown kind or a negative seed.

    Example:
        >>> from shiftgauge.engine.linear import Linear
        >>> layer = Linear(5000, 2)
        >>> initialise(layer, seed=1)
        >>> round(float(layer.parameters["weight"].std()) ** 2 * 5000)
        2

    References:
        He, K., Zhang, X., Ren, S., Sun, J. (2015). Delving deep into rectifiers. arXiv:1502.01852
        Glorot, X., Bengio, Y. (2010). Understanding the difficulty of training deep feedforward neural networks.
        Proceedings of Machine Learning Research 9, 249–256.
    """
    require_in("initialisation", kind, get_args(Initialisation))
    rule, distribution = kind.split("_")
    for path, inner in walk(layer):
        for name, value in inner.parameters.items():
            if value.ndim == 1:
                value.fill_(1.0 if name == "weight" else 0.0)
                continue
            ins, outs = fans(tuple(value.shape), getattr(inner, "groups", 1))
            sd = math.sqrt(2 / ins if rule == "he" else 2 / (ins + outs))
            rng = generator(seed, "engine", path + name)
            drawn = _standard(rng, tuple(value.shape), distribution) * sd
            value.copy_(torch.from_numpy(drawn))


def fans(shape: Shape, groups: int = 1) -> tuple[int, int]:
    """Inputs that one output adds up, and outputs that one input goes to, of weights (…, inputs, outputs).

    Example:
        >>> fans((5, 5, 1, 16))
        (25, 400)
    """
    *window, ins, outs = shape
    return math.prod(window) * ins, math.prod(window) * outs // groups


def _standard(rng: np.random.Generator, shape: Shape, distribution: str) -> np.ndarray:
    """Numbers of mean 0 and variance 1."""
    if distribution == "normal":
        return rng.standard_normal(shape)
    return rng.uniform(-math.sqrt(3), math.sqrt(3), shape)
