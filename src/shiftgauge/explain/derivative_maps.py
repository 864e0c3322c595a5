r"""Derivative maps: the exact limit of perturbation maps for small pushes.

Column $ijc$ of the Jacobian of block $q$ is $\partial B_q / \partial x_{ijc}$, a vector as long as the block's output.
Its length is the limit of the norm of the difference divided by the push, and

$$ \frac{\partial \lVert B_q \rVert_2}{\partial x_{ijc}}
   = \frac{\langle B_q, \partial B_q / \partial x_{ijc} \rangle}{\lVert B_q \rVert_2} $$

that of the difference of the norms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.explain.perturbation import Maps, cost_of, maps_dataset
from shiftgauge.explain.push import Progress, answers
from shiftgauge.explain.window_change import Way
from shiftgauge.models.input_scale import input_scale
from shiftgauge.models.inputs import require_network
from shiftgauge.types import Classifier


@dataclass(frozen=True, kw_only=True)
class DerivativeMaps:
    """Sensitivity of every block to every pixel.

    Args:
        norm_of_derivative: ‖∂B/∂x‖₂ ≥ 0, axes (image, block, channel, y, x).
        derivative_of_norm: ∂‖B‖₂/∂x, same axes; where B is zero, the derivative in the direction of the push.
        block_norm: ‖B(x)‖₂, axes (image, block).
        blocks: Names of the blocks, in the order in which the network runs them.
        scale: Unit of x: `input` (as the network sees it) or `pixel` ([0, 1]).
        channels: `each`, or `together` (the derivative in the direction of all channels at once).
        cost: As of perturbation maps.
    """

    norm_of_derivative: Maps
    derivative_of_norm: Maps
    block_norm: npt.NDArray[np.float64]
    blocks: tuple[str, ...]
    scale: str
    channels: str
    cost: Mapping[str, Any] = field(default_factory=dict)

    def dataset(self) -> xr.Dataset:
        """The arrays with named axes; scale, channels and cost are its attributes."""
        named = {"norm_of_derivative": self.norm_of_derivative, "derivative_of_norm": self.derivative_of_norm}
        facts = {"scale": self.scale, "channels": self.channels, **self.cost}
        return maps_dataset(named, self.block_norm, self.blocks, facts)


def derivative_maps(
    classifier: Classifier,
    images: torch.Tensor,
    *,
    blocks: Sequence[str] | None = None,
    scale: Literal["input", "pixel"] = "input",
    channels: Literal["each", "together"] = "each",
    rows: tuple[int, int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> DerivativeMaps:
    """Computes the length of every column of every block's Jacobian.

    Forward mode: a tangent for each pixel and channel passes through the network once for all blocks, in the window
    that it reaches. Reverse mode would need a pass for each output of each block (16,384 for the first block of VGG-16
    at 32×32) against 3,072 here. Where a network has a kink (ReLU at 0, equal values in a pooling) torch's choice of
    the derivative holds.

    Args:
        classifier: A torch network as a classifier.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        blocks: Module paths in any order; default the classifier's main blocks.
        scale: Unit of a pixel: `input` (default, as published) or `pixel`.
        channels: `each` or `together`.
        rows: First row of pixels whose maps are wanted, and the one after the last; default all. A long image can so be
            worked on in parts.
        batch_size: Tangents in one batch, ≥ 1; None finds the fastest by a short trial.
        progress: Called with (tangents done, tangents in all).

    Raises:
        ConfigError: An unknown scale or way to take the channels.
        ModelError: No torch network, or an unknown block.
        DataError: Images of another shape, or none.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 4, bias=False))
        >>> torch.nn.init.constant_(net[1].weight, 3.0).shape
        torch.Size([4, 4])
        >>> p = Preprocessing(height=2, width=2, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> derivative_maps(c, torch.rand(1, 1, 2, 2), blocks=["1"]).norm_of_derivative[0, 0, 0].tolist()
        [[6.0, 6.0], [6.0, 6.0]]
    """
    require_in("scale", scale, ("input", "pixel"))
    require_in("channels", channels, ("each", "together"))
    network = require_network(classifier)
    unit = input_scale(network).per_pixel if scale == "pixel" else torch.ones(1, 1, 1)
    found = answers(
        network,
        images,
        lambda image: [torch.ones_like(image) * unit.to(image)],
        blocks=blocks,
        together=channels == "together",
        way=Way(is_derivative=True),
        rows=rows,
        batch_size=batch_size,
        progress=progress,
    )
    return DerivativeMaps(
        norm_of_derivative=found.norm[0],
        derivative_of_norm=found.signed[0],
        block_norm=found.block_norm,
        blocks=found.blocks,
        scale=scale,
        channels=channels,
        cost=cost_of(found),
    )
