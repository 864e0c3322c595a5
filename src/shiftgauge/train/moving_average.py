"""A moving average of the weights of a network in training, which swings less from epoch to epoch than the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


def moving_average(network: nn.Module, decay: float) -> AveragedModel:
    """A copy of a network that follows its weights and normalisation statistics step by step.

        a_1 = w_1,  a_{t+1} = d_t a_t + (1 - d_t) w_{t+1},  d_t = min(decay, (1 + t) / (10 + t))

    The smaller decay of the first steps lets go of the weights that the training began with. Whole numbers, such as
    the count of batches, are taken as they are.

    Args:
        network: It is copied; `update_parameters(network)` after a step of the optimiser moves the copy.
        decay: In (0, 1); the average looks back 1 / (1 - decay) steps.

    Returns:
        PyTorch's `AveragedModel`, whose `module` is the copy; no weight of it wants a gradient.

    Example:
        >>> layer = nn.Linear(1, 1, bias=False)
        >>> average = moving_average(layer, 0.5)
        >>> for value in (1.0, 3.0):
        ...     _ = nn.init.constant_(layer.weight, value)
        ...     average.update_parameters(layer)
        >>> round(average.module.weight.item(), 3)  # decay 2 / 11 in the first step
        2.636

    References:
        Polyak, B. T., Juditsky, A. B. (1992). Acceleration of stochastic approximation by averaging. SIAM Journal on
        Control and Optimization 30, 838-855. https://doi.org/10.1137/0330046
        Tarvainen, A., Valpola, H. (2017). Mean teachers are better role models. arXiv:1703.01780
    """

    @torch.no_grad()
    def follow(average: Any, current: Any, steps: Any) -> None:
        now = min(decay, (1 + float(steps)) / (10 + float(steps)))
        for old, new in zip(average, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new, 1 - now)
            else:
                old.copy_(new)

    found = AveragedModel(network, multi_avg_fn=follow, use_buffers=True)
    return found.requires_grad_(False)
