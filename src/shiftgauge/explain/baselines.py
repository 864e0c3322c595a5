"""What stands in for the part of an image that is taken away: black, the image's own mean colour, or a blurred copy."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch

from shiftgauge.checks import require_in
from shiftgauge.explain.operators import GaussianBlur

BaselineName: TypeAlias = Literal["zero", "mean", "blur"]
BASELINES: tuple[BaselineName, ...] = ("zero", "mean", "blur")


def baseline_images(images_nchw: torch.Tensor, name: BaselineName, *, blur_px: float = 5.0) -> torch.Tensor:
    """Returns what each image becomes when all of it is taken away.

    No choice is neutral: black is itself a colour that a network may have learnt (the background of an ultrasound
    picture), a mean colour makes edges where it meets what is left, and a blur keeps what is broad. Compare two.

    Args:
        images_nchw: Pixels in [0, 1].
        name: `zero` for black, `mean` for the mean of each channel of the image itself, `blur` for a blurred copy.
        blur_px: Standard deviation of the blur in pixels, > 0.

    Returns:
        Pixels (N, C, H, W).

    Raises:
        ConfigError: An unknown name.

    Example:
        >>> baseline_images(torch.tensor([[[[0.0, 1.0]]]]), "mean").tolist()
        [[[[0.5, 0.5]]]]
    """
    require_in("baseline", name, BASELINES)
    if name == "zero":
        return torch.zeros_like(images_nchw)
    if name == "mean":
        return images_nchw.mean(dim=(2, 3), keepdim=True).expand_as(images_nchw).clone()
    return GaussianBlur(sigma_px=blur_px).apply(images_nchw, 0)
