r"""Perturbation maps: how far a push of each pixel moves the output of each block.

With $B_q$ the output of block $q$ and $a_{ijc}$ the push of channel $c$ of the pixel in row $i$ and column $j$,

$$ n_{ijcq} = \lVert B_q(x + a_{ijc} e_{ijc}) - B_q(x) \rVert_2, \qquad
   s_{ijcq} = \lVert B_q(x + a_{ijc} e_{ijc}) \rVert_2 - \lVert B_q(x) \rVert_2 . $$

The two differ: a push that turns the output without lengthening it has $s = 0$ and $n > 0$. Both are given, under
their names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_bool, require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.explain.push import Answers, Progress, answers
from shiftgauge.files import hash_array
from shiftgauge.models.input_scale import input_scale
from shiftgauge.models.inputs import require_network
from shiftgauge.random import check_seed, generator
from shiftgauge.types import Classifier

Maps = npt.NDArray[np.float32]
"""Axes (image, block, channel, y, x)."""


@dataclass(frozen=True, kw_only=True)
class PerturbationOptions:
    r"""How the pixels are pushed.

    Args:
        epsilon: Size ε of the push, > 0; default 0.1, as published.
        law: `fixed` pushes by ε, `normal` by ε·z with z ~ N(0, 1), `uniform` by ε·u with u ~ U(−1, 1); each value of
            an image has a draw of its own, tied to seed and image. A random amplitude is part of what the map then
            shows: |z| alone has a coefficient of variation of 0.76, which looks like texture.
        offset: Added to every random push; the published code is `law="normal", epsilon=0.1, offset=-0.05`.
        sides: 1 pushes by +a; 2 by +a and by −a, and gives the mean of both absolute answers.
        scale: `input`: ε is in the scale the network sees, (x − mean) / std, as published; `pixel`: in units of [0, 1].
        channels: `each` channel of a pixel by itself, or `together`.
        clamp: Cut the push where the pixel would leave [0, 1]; a push that cannot move a pixel gives 0.
        pixelise: Side of the square cells whose mean is painted back; 1 leaves the maps as they are.
        seed: Of the random laws.
    """

    epsilon: float = 0.1
    law: Literal["fixed", "normal", "uniform"] = "fixed"
    offset: float = 0.0
    sides: Literal[1, 2] = 1
    scale: Literal["input", "pixel"] = "input"
    channels: Literal["each", "together"] = "each"
    clamp: bool = False
    pixelise: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not require_range("epsilon", self.epsilon, 0) > 0:
            raise ConfigError("`epsilon` must be > 0, got 0: a push of nothing changes nothing")
        require_in("law", self.law, ("fixed", "normal", "uniform"))
        require_range("offset", self.offset)
        if self.offset and self.law == "fixed":
            raise ConfigError(
                f"`offset` belongs to a random law, got {self.offset:g} with `fixed`; add it to `epsilon`"
            )
        if self.sides not in (1, 2) or isinstance(self.sides, bool):
            raise ConfigError(f"`sides` must be 1 or 2, got {self.sides!r}")
        require_in("scale", self.scale, ("input", "pixel"))
        require_in("channels", self.channels, ("each", "together"))
        require_bool("clamp", self.clamp)
        require_positive_int("pixelise", self.pixelise)
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PerturbationMaps:
    """What every block answers to a push of every pixel.

    Args:
        norm_of_difference: ‖B(x + a e) − B(x)‖₂ ≥ 0, axes (image, block, channel, y, x).
        difference_of_norms: ‖B(x + a e)‖₂ − ‖B(x)‖₂, same axes; with two sides the mean of its absolute values.
        block_norm: ‖B(x)‖₂, axes (image, block).
        blocks: Names of the blocks, in the order in which the network runs them.
        options: How the pixels were pushed.
        cost: `evaluations` (pushes), `seconds`, `batch_size`, `local` (whether only what a push reaches was computed),
            `precision` (float32 throughout, on a GPU as well).
    """

    norm_of_difference: Maps
    difference_of_norms: Maps
    block_norm: npt.NDArray[np.float64]
    blocks: tuple[str, ...]
    options: PerturbationOptions
    cost: Mapping[str, Any] = field(default_factory=dict)

    def dataset(self) -> xr.Dataset:
        """The arrays with named axes; options and cost are its attributes."""
        named = {"norm_of_difference": self.norm_of_difference, "difference_of_norms": self.difference_of_norms}
        return maps_dataset(named, self.block_norm, self.blocks, {**self.options.to_dict(), **self.cost})


def perturbation_maps(
    classifier: Classifier,
    images: torch.Tensor,
    *,
    blocks: Sequence[str] | None = None,
    options: PerturbationOptions | None = None,
    rows: tuple[int, int] | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> PerturbationMaps:
    """Pushes every pixel of every image and measures what changes in each block.

    All blocks answer to one pass. The image at rest is run once, pushes of neighbouring pixels go in one batch, and of
    each layer only the window that they can reach is computed (see `windows`).

    Args:
        classifier: A torch network as a classifier: a trained model folder, a timm model, a wrapped nn.Module.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        blocks: Module paths in any order; default the classifier's main blocks.
        options: How the pixels are pushed; default a fixed push of 0.1 in input scale, one channel at a time.
        rows: First row of pixels that is pushed, and the one after the last; default all. A large image can so be
            worked on in parts, whose edges should lie between the cells of `pixelise`.
        batch_size: Pushes in one batch, ≥ 1; None finds the fastest by a short trial. Changes rounding alone.
        progress: Called with (pushes done, pushes in all).

    Returns:
        The maps: channel has one entry where channels are pushed together.

    Raises:
        ConfigError: An option outside its range.
        ModelError: No torch network, or an unknown block.
        DataError: Images of another shape, or none.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Flatten(), torch.nn.Linear(8, 3))
        >>> p = Preprocessing(height=4, width=4, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> perturbation_maps(c, torch.rand(2, 1, 4, 4), blocks=["0", "2"]).norm_of_difference.shape
        (2, 2, 1, 4, 4)

    References:
        Pizarroso, J.; Portela, J.; Muñoz, A. (2022). NeuralSens: Sensitivity Analysis of Neural Networks. Journal of
        Statistical Software 102(7). doi:10.18637/jss.v102.i07

    Deviations from the published code: there the amplitude is a biased random draw without a seed
    (`randn*0.1 − 0.05`), one channel and one block are fixed in the code, and only the norm of the difference is given
    where the text defines the difference of the norms.
    """
    chosen = options or PerturbationOptions()
    network = require_network(classifier)
    scale = input_scale(network).per_pixel
    found = answers(
        network,
        images,
        lambda image: push_fields(image, scale, chosen),
        blocks=blocks,
        together=chosen.channels == "together",
        rows=rows,
        batch_size=batch_size,
        progress=progress,
    )
    signed = found.signed[0] if chosen.sides == 1 else np.abs(found.signed).mean(axis=0)
    return PerturbationMaps(
        norm_of_difference=pixelised(found.norm.mean(axis=0), chosen.pixelise),
        difference_of_norms=pixelised(signed, chosen.pixelise),
        block_norm=found.block_norm,
        blocks=found.blocks,
        options=chosen,
        cost=cost_of(found),
    )


def push_fields(image_chw: torch.Tensor, scale_c11: torch.Tensor, options: PerturbationOptions) -> list[torch.Tensor]:
    """Returns how far each value of an image is pushed, in input scale.

    Args:
        image_chw: Values in [0, 1].
        scale_c11: What one unit of [0, 1] is in input scale.
        options: How pixels are pushed.

    Returns:
        One field (C, H, W) for each side.

    Example:
        >>> options = PerturbationOptions(epsilon=0.5, scale="pixel", clamp=True)
        >>> push_fields(torch.tensor([[[0.0, 0.75]]]), torch.full((1, 1, 1), 2.0), options)[0].tolist()
        [[[1.0, 0.5]]]
    """
    amounts = torch.full_like(image_chw, options.epsilon)
    if options.law != "fixed":
        rng = generator(options.seed, "perturbation", hash_array(image_chw.cpu().numpy()))
        shape = tuple(image_chw.shape)
        draws = rng.standard_normal(shape) if options.law == "normal" else rng.uniform(-1, 1, shape)
        amounts = torch.from_numpy(options.epsilon * draws + options.offset).to(image_chw)
    scale = scale_c11.to(image_chw)
    amounts = amounts * scale if options.scale == "pixel" else amounts
    fields = [amounts, -amounts][: options.sides]
    if options.clamp:
        fields = [torch.minimum(torch.maximum(f, -image_chw * scale), (1 - image_chw) * scale) for f in fields]
    return fields


def pixelised(maps: np.ndarray, side: int) -> np.ndarray:
    """Paints the mean of each square cell back over it; cells at the right and the bottom edge may be smaller.

    Args:
        maps: Any axes, the last two are rows and columns.
        side: Pixels, ≥ 1.

    Example:
        >>> pixelised(np.array([[1.0, 3.0, 5.0]]), 2)
        array([[2., 2., 5.]])
    """
    require_positive_int("side", side)
    if side == 1:
        return maps
    out = maps.astype(np.float64)
    for axis in (-2, -1):
        starts = np.arange(0, maps.shape[axis], side)
        counts = np.diff([*starts, maps.shape[axis]])
        sums = np.add.reduceat(out, starts, axis=axis)
        means = sums / counts.reshape((-1, 1) if axis == -2 else (-1,))
        out = np.repeat(means, counts, axis=axis)
    return out.astype(maps.dtype)


def cost_of(found: Answers) -> dict[str, Any]:
    """What the maps cost, as plain values."""
    return {
        "evaluations": found.evaluations,
        "seconds": found.seconds,
        "batch_size": found.batch_size,
        "local": found.local,
        "precision": "float32",
    }


def maps_dataset(
    named: Mapping[str, np.ndarray], block_norm: np.ndarray, blocks: Sequence[str], attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Maps as a data set with the axes image, block, channel, y, x."""
    variables: dict[str, Any] = {
        name: (("image", "block", "channel", "y", "x"), values) for name, values in named.items()
    }
    variables["block_norm"] = (("image", "block"), block_norm)
    plain = {key: int(value) if isinstance(value, bool) else value for key, value in attributes.items()}
    return xr.Dataset(variables, coords={"block": list(blocks)}, attrs=plain)
