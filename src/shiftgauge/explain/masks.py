"""Masks of an image on a grid of cells: how much of each cell is shown, the rest being a baseline."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)

from shiftgauge.checks import require_in
from shiftgauge.errors import DataError

BaselineName: TypeAlias = Literal["blur", "mean", "black"]
BASELINES: Final = ("blur", "mean", "black")


class MaskedImage:
    r"""Mixes an image with its baseline, $x \odot m + b \odot (1 - m)$, inside the autograd graph of the masks.

    Args:
        image_chw: The image.
        baseline: `blur` (a strongly smoothed image), `mean` (its mean colour), `black`, or an image (C, H, W).
        grid: Rows and columns of the masks.
        smooth: Blend neighbouring cells (bilinear) instead of cutting the image into cells.

    Raises:
        ConfigError: An unknown baseline.
        DataError: A baseline of another shape, or more cells than pixels.

    Example:
        >>> shown = MaskedImage(torch.ones(1, 2, 2), "black", (1, 2))
        >>> shown(torch.tensor([[[1.0, 0.25]]]))[0, 0].tolist()
        [[1.0, 0.25], [1.0, 0.25]]
    """

    def __init__(
        self,
        image_chw: torch.Tensor,
        baseline: BaselineName | torch.Tensor,
        grid: tuple[int, int],
        *,
        smooth: bool = False,
    ) -> None:
        size = (int(image_chw.shape[1]), int(image_chw.shape[2]))
        if grid[0] > size[0] or grid[1] > size[1]:
            raise DataError(
                f"a grid of {grid[0]}×{grid[1]} cells is finer than the image of {size[0]}×{size[1]} pixels"
            )
        self._image, self._size, self._smooth = image_chw, size, smooth
        self._baseline = baseline_of(image_chw, baseline)

    def __call__(self, masks_nyx: torch.Tensor) -> torch.Tensor:
        """Masks (n, rows, columns) in [0, 1] → images (n, C, H, W)."""
        shown = masks_nyx[:, None]
        if self._smooth:
            shown = F.interpolate(shown, self._size, mode="bilinear", align_corners=False)
        else:
            shown = F.interpolate(shown, self._size, mode="nearest")
        return self._baseline + shown * (self._image - self._baseline)


def baseline_of(image_chw: torch.Tensor, baseline: BaselineName | torch.Tensor) -> torch.Tensor:
    """What a hidden part of an image is replaced by (C, H, W).

    Args:
        image_chw: The image.
        baseline: As of `MaskedImage`; the blur is a Gaussian whose width is an eighth of the shorter side.

    Raises:
        ConfigError: An unknown name.
        DataError: An image of another shape.
    """
    if isinstance(baseline, torch.Tensor):
        if baseline.shape != image_chw.shape:
            raise DataError(f"the baseline must have the shape {tuple(image_chw.shape)}, got {tuple(baseline.shape)}")
        return baseline.to(image_chw)
    require_in("baseline", baseline, BASELINES)
    if baseline == "black":
        return torch.zeros_like(image_chw)
    if baseline == "mean":
        return image_chw.mean(dim=(1, 2), keepdim=True).expand_as(image_chw).clone()
    return _blurred(image_chw)


def _blurred(image_chw: torch.Tensor) -> torch.Tensor:
    sigma = max(1.0, min(image_chw.shape[1:]) / 8)
    reach = int(3 * sigma)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=image_chw.dtype) / sigma) ** 2)
    out = image_chw[:, None]
    for axis in (2, 3):
        sides = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        kernel = (weight / weight.sum()).view(1, 1, *((-1, 1) if axis == 2 else (1, -1)))
        out = F.conv2d(F.pad(out, sides, mode="replicate"), kernel.to(out.device))
    return out[:, 0]
