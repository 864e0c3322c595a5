"""Small operations on batches that do not depend on what else is in the batch."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_GRID: Final = 2.0**30
"""Values in [0, 1] are rounded to multiples of 2⁻³⁰ before they are summed; such sums are exact in float64."""


def column(value_n: Tensor, like_nchw: Tensor) -> Tensor:
    """Returns one value per image in a shape, type and place that broadcasts over the images.

    Example:
        >>> tuple(column(torch.ones(2, dtype=torch.float64), torch.zeros(2, 3, 4, 4)).shape)
        (2, 1, 1, 1)
    """
    return value_n.to(like_nchw.device, like_nchw.dtype)[:, None, None, None]


def clip(fresh: Tensor) -> Tensor:
    """Clips a tensor that nobody else holds to [0, 1], in place where no gradient is wanted.

    Example:
        >>> clip(torch.tensor([-0.5, 0.5])).tolist()
        [0.0, 0.5]
    """
    return fresh.clamp(0, 1) if fresh.requires_grad else fresh.clamp_(0, 1)


def power(base: Tensor, exponent: Tensor) -> Tensor:
    """Returns x^γ for x ≥ 0 and γ > 0, as exp(γ log x); 0 at 0.

    torch.pow rounds differently at the ends of its vector loops, so it would depend on a pixel's place in memory.

    Example:
        >>> power(torch.tensor([0.0, 0.25]), torch.tensor(0.5)).tolist()
        [0.0, 0.5]
    """
    if not (torch.is_grad_enabled() and (base.requires_grad or exponent.requires_grad)):
        return torch.log(base).mul_(exponent).exp_()
    positive = base > 0  # log 0 has no gradient
    raised = torch.exp(torch.log(torch.where(positive, base, torch.ones_like(base))) * exponent)
    return torch.where(positive, raised, torch.zeros_like(base))


def exact_mean(values_nchw: Tensor) -> Tensor:
    """Returns the mean over each channel, independent of the order of summation.

    Values are rounded to multiples of 2⁻³⁰ (finer than float32 keeps above 1/64) and summed exactly in float64.
    Gradients are those of the plain mean.

    Args:
        values_nchw: Values in [0, 1], (N, C, H, W).

    Returns:
        (N, C) float64.

    Example:
        >>> exact_mean(torch.tensor([0.25, 0.75]).view(1, 1, 1, 2)).item()
        0.5
    """
    with torch.no_grad():
        total = values_nchw.detach().mul(_GRID).round_().sum(dim=(2, 3), dtype=torch.float64)
        mean = total / (_GRID * values_nchw.shape[2] * values_nchw.shape[3])
    if values_nchw.requires_grad and torch.is_grad_enabled():
        plain = values_nchw.double().mean(dim=(2, 3))
        return mean + (plain - plain.detach())
    return mean
