"""The networks of the glass study."""

from __future__ import annotations

from shiftgauge.checks import require_positive_int
from shiftgauge.engine.activations import ReLU, Sigmoid
from shiftgauge.engine.convolution import Conv2d
from shiftgauge.engine.layer import Layer
from shiftgauge.engine.linear import Flatten, Linear
from shiftgauge.engine.pooling import MaxPool2d
from shiftgauge.engine.sequential import Sequential


def glass_layers(*, side: int = 128, probabilities: bool = False, channels: int = 1, outputs: int = 1) -> Sequential:
    """The defect detector of the glass study: four convolutions, two matrix products, 585,025 parameters at 128 pixels.

    Args:
        side: Side of the square grey image, a multiple of 16 pixels.
        probabilities: End in a sigmoid, as published; otherwise in the logit, to train with
            `BinaryCrossEntropyWithLogits`.
        channels: Of the image, ≥ 1; 1 as published.
        outputs: Logits, ≥ 1; 1 as published.

    Example:
        >>> from shiftgauge.engine.network import Network
        >>> Network(glass_layers(), input_shape=(1, 128, 128)).n_parameters
        585025
    """
    require_positive_int("side", side, low=16)
    layers: list[Layer] = []
    for ins, outs, window in ((channels, 16, 5), (16, 32, 3), (32, 64, 3), (64, 64, 3)):
        layers += [Conv2d(ins, outs, window, padding=window // 2), ReLU(), MaxPool2d(2)]
    layers += [Flatten(), Linear(64 * (side // 16) ** 2, 128), ReLU(), Linear(128, outputs)]
    return Sequential(*layers, *([Sigmoid()] if probabilities else []))
