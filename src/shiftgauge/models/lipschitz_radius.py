"""How far an image is certain to keep its class: the margin of its outputs over how fast they can change."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in
from shiftgauge.errors import ModelError
from shiftgauge.models.lipschitz import LipschitzBound
from shiftgauge.types import FloatArray


def certified_radius(
    bound: LipschitzBound, logits_nk: Any, labels_n: Any = None, *, norm: Literal["l2", "linf"] = "l2"
) -> FloatArray:
    r"""Returns for each image a size of change below which its class is certain to stay.

    $$ r = \min_{j \ne y} \frac{z_y - z_j}{L_{yj}}, \qquad
       |(z_y - z_j)(x) - (z_y - z_j)(x')| \le L_{yj} \lVert x - x' \rVert_2 $$

    In l∞ a change of size r is at most r √D in l2, with D values in an image, so that the radius is r / √D.

    Args:
        bound: Of the network that gave the outputs.
        logits_nk: Its outputs (N, K), tensor or array.
        labels_n: True classes (N,), whole numbers; an image that is wrong already has radius 0. None takes the largest
            output, and gives the radius in which that answer stays, right or wrong.
        norm: `l2` (default) or `linf`; in the bound's own scale (`bound.scale`).

    Returns:
        (N,), ≥ 0, in units of the bound's scale; 0 everywhere where no bound follows.

    Raises:
        ConfigError: An unknown norm.
        ModelError: Outputs of another number, or labels that do not fit them.

    Example:
        >>> from torch import nn
        >>> import torch
        >>> from shiftgauge.models.lipschitz import lipschitz_bound
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2, bias=False))
        >>> _ = net[1].weight.data.copy_(torch.tensor([[3.0, 0, 0, 0], [0, 4.0, 0, 0]]))
        >>> image = torch.tensor([1.0, 0.0, 0.0, 0.0]).view(1, 1, 2, 2)
        >>> certified_radius(lipschitz_bound(net, (1, 2, 2)), net(image)).round(6).tolist()  # distance to 3 x = 4 y
        [0.6]

    References:
        Tsuzuku, Y.; Sato, I.; Sugiyama, M. (2018). Lipschitz-Margin Training: Scalable Certification of Perturbation
        Invariance for Deep Neural Networks. arXiv:1802.04034
    """
    require_in("norm", norm, ("l2", "linf"))
    logits = _as_array(logits_nk).astype(np.float64)
    if logits.ndim != 2 or (bound.follows and logits.shape[1] != len(bound.pairs_kk)):
        raise ModelError(f"the bound is of {len(bound.pairs_kk)} outputs for each image, got the shape {logits.shape}")
    labels = logits.argmax(axis=1) if labels_n is None else _labels(_as_array(labels_n), logits.shape)
    if not bound.follows:
        return np.zeros(len(logits))
    rows = np.arange(len(logits))
    margins = logits[rows, labels, None] - logits
    margins[rows, labels] = np.inf
    apart = bound.pairs_kk[labels]
    # outputs that cannot move apart keep their order for ever
    radii = np.where(apart > 0, margins / np.where(apart > 0, apart, 1), np.where(margins > 0, np.inf, 0.0)).min(axis=1)
    radii = np.where(np.isnan(radii), 0.0, radii.clip(min=0.0))
    return radii if norm == "l2" else radii / math.sqrt(math.prod(bound.input_shape))


def _as_array(values: Any) -> npt.NDArray[Any]:
    return np.asarray(values.detach().cpu().numpy() if hasattr(values, "detach") else values)


def _labels(given: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    if given.shape != shape[:1] or not np.issubdtype(given.dtype, np.integer):
        raise ModelError(
            f"labels must be {shape[0]} whole numbers, one for each image, got {given.dtype} {given.shape}"
        )
    if len(given) and not 0 <= given.min() <= given.max() < shape[1]:
        raise ModelError(f"labels must be from 0 to {shape[1] - 1}, got {given.min()} to {given.max()}")
    return given.astype(np.int64)
