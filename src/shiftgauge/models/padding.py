"""Runs images through a network whose batch size is fixed."""

from collections.abc import Callable

import torch


def run_in_fixed_batches(
    forward: Callable[[torch.Tensor], torch.Tensor], images_nchw: torch.Tensor, batch_size: int | None
) -> torch.Tensor:
    """Runs any number of images through a network that takes exactly `batch_size` at a time.

    The last batch is filled by repeating its last image, and the outputs of the repeats are dropped.

    Args:
        forward: (batch_size, C, H, W) → (batch_size, K).
        images_nchw: (N, C, H, W).
        batch_size: None for a network that takes any number.

    Example:
        >>> run_in_fixed_batches(lambda x: x.flatten(1), torch.ones(3, 1, 1, 2), 2).shape
        torch.Size([3, 2])
    """
    if batch_size is None:
        return forward(images_nchw)
    parts = []
    for part in images_nchw.split(batch_size):
        short = batch_size - len(part)
        full = torch.cat([part, part[-1:].expand(short, *part.shape[1:])]) if short else part
        parts.append(forward(full)[: len(part)])
    return torch.cat(parts)
