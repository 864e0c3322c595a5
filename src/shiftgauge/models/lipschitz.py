"""A certified Lipschitz constant of a whole network in evaluation: its parts' bounds, carried through its graph."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from torch import nn

from shiftgauge.checks import require_positive_int, require_range
from shiftgauge.errors import ConfigError, ModelError, NumericalError
from shiftgauge.models.conv_norm import generator
from shiftgauge.models.conversion import evaluation_mode
from shiftgauge.models.lipschitz_linear import NoBoundError
from shiftgauge.models.lipschitz_rules import Change
from shiftgauge.models.lipschitz_walk import LipschitzStep, LipschitzWalk
from shiftgauge.models.weights import one_line
from shiftgauge.models.wrapper import FORWARD_ERRORS
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class LipschitzBound:
    """What is certain of how much the outputs of a network can change with its input.

    Args:
        value: L with ‖z(x) − z(x′)‖₂ ≤ L ‖x − x′‖₂ for all images x, x′ and the outputs z; infinite where none follows.
        reason: Why none follows, with the part that stands in the way; empty where one does.
        steps: The parts in the order in which they are run, as far as it went.
        pairs_kk: How much the difference of two outputs z_i − z_j can change, axes (output, output); at most √2 L, and
            less where the last part is a linear layer. Empty where no bound follows.
        scale: `input`: x is what the network is given (normalised). `pixel`: x is the image in [0, 1].
        input_shape: (C, H, W) of x.
        norm: `l2`: the root of the sum of squares over all values of an image, and over all outputs.
    """

    value: float
    reason: str
    steps: tuple[LipschitzStep, ...]
    pairs_kk: FloatArray
    scale: Literal["input", "pixel"]
    input_shape: tuple[int, int, int]
    norm: Literal["l2"] = "l2"

    @property
    def follows(self) -> bool:
        """Whether there is a finite bound."""
        return math.isfinite(self.value)

    def table(self) -> pd.DataFrame:
        """A row for each part: name, kind, constant."""
        rows = [(step.name, step.kind, step.constant) for step in self.steps]
        return pd.DataFrame(rows, columns=["name", "kind", "constant"])

    def to_dict(self) -> dict[str, Any]:
        """What a record keeps: value (None where none follows), reason, norm and scale, as plain values."""
        return {
            "value": self.value if self.follows else None,
            "reason": self.reason,
            "norm": self.norm,
            "scale": self.scale,
            "input_shape": list(self.input_shape),
        }


def lipschitz_bound(
    network: nn.Module, input_shape: Sequence[int], *, std: Sequence[float] | None = None, tolerance: float = 1e-3
) -> LipschitzBound:
    r"""Returns a Lipschitz constant of a network in evaluation that holds for certain, in l2.

    Bounds of the parts are multiplied along the network and added where branches meet: of convolutions (zero padding,
    any stride) by `norm_bound`; of linear layers by their largest singular value; of batch normalisation by its true
    gains |γ| / √(σ² + ε), taken into the convolution before or the layer after it, channel by channel; of ReLU and
    other activations by their slope; of pooling by how often a value is read; of a convex aggregation by its weights.

    It is an upper bound, as a rule far above what the network does near real images, and sure but for the rounding of
    the network's own float32. Time grows with the cube of the channels: seconds for WRN-16-2, minutes for ResNet-18.

    Args:
        network: Takes images (N, C, H, W), gives outputs (N, K). Its mode and flags are as before afterwards.
        input_shape: (C, H, W) of an image.
        std: Standard deviation of the normalisation per channel, or one for all, when the bound is to hold for images
            in [0, 1] before normalisation (`scale` is then `pixel`); None for what the network is given.
        tolerance: Most that the bound of one convolution may lie above its supremum, relative, in [1e-6, 0.5]; 0.05
            takes half the time.

    Raises:
        ConfigError: No shape of an image, or a number outside its range.
        ModelError: The network fails on images of this shape.
        NumericalError: The weights hold NaN or infinity.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> _ = net[1].weight.data.copy_(torch.tensor([[3.0, 0, 0, 0], [0, 4.0, 0, 0]]))
        >>> found = lipschitz_bound(net, (1, 2, 2))
        >>> round(found.value, 6), found.pairs_kk.round(6).tolist()
        (4.0, [[0.0, 5.0], [5.0, 0.0]])
        >>> lipschitz_bound(nn.Sequential(nn.LayerNorm(4)), (1, 4, 4)).reason[:72]
        '`0` stands in the way: it divides by the standard deviation of the image'

    References:
        Szegedy, C. et al. (2014). Intriguing properties of neural networks. arXiv:1312.6199 (section 4.3)
        Tsuzuku, Y.; Sato, I.; Sugiyama, M. (2018). Lipschitz-Margin Training. arXiv:1802.04034
    """
    shape = _image_shape(input_shape)
    start = Change(constant=1.0, channels=None if std is None else _per_pixel(std, shape[0]))
    first = next(network.parameters(), torch.empty(0))
    example = torch.rand(1, *shape, generator=generator(0)).to(first)
    walk, reason = LipschitzWalk(start, require_range("tolerance", tolerance, 1e-6, 0.5)), ""
    with evaluation_mode(network), torch.no_grad():
        try:
            walk.through(network, example)
        except NoBoundError as error:
            reason = str(error)
        except NumericalError:
            raise
        except FORWARD_ERRORS as error:
            raise ModelError(f"the network fails on images of the shape {shape}: {one_line(error)}") from error
    return LipschitzBound(
        value=math.inf if reason else walk.value,
        reason=reason,
        steps=tuple(walk.steps),
        pairs_kk=np.empty((0, 0)) if reason else walk.pairs_kk,
        scale="input" if std is None else "pixel",
        input_shape=shape,
    )


def _image_shape(given: Sequence[int]) -> tuple[int, int, int]:
    if len(given) != 3:
        raise ConfigError(f"`input_shape` must be (channels, rows, columns), got {tuple(given)}")
    channels, rows, columns = (require_positive_int("input_shape", n) for n in given)
    return channels, rows, columns


def _per_pixel(std: Sequence[float], channels: int) -> torch.Tensor:
    """1 / σ of each channel: how much a change of a pixel is in what the network is given."""
    given = [require_range("std", value, 0) for value in std]
    given = given * channels if len(given) == 1 else given
    if len(given) != channels or min(given) == 0:
        raise ConfigError(f"`std` must be {channels} numbers above 0, or one, got {tuple(std)}")
    return 1 / torch.tensor(given, dtype=torch.float64)
