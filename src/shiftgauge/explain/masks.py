"""Masks of an image on a grid of cells: how much of each cell is shown, the rest being a baseline."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812  (as everyone calls it)

from shiftgauge.errors import DataError


class MaskedImage:
    r"""Mixes an image with its baseline, $x \odot m + b \odot (1 - m)$, inside the autograd graph of the masks.

    Args:
        image_chw: The image.
        baseline_chw: The image that stands where a mask is 0 (see `baseline_images`).
        grid: Rows and columns of the masks.
        smooth: Blend neighbouring cells (bilinear) instead of cutting the image into cells.

    Raises:
        DataError: A baseline of another shape, or more cells than pixels.

    Example:
        >>> shown = MaskedImage(torch.ones(1, 2, 2), torch.zeros(1, 2, 2), (1, 2))
        >>> shown(torch.tensor([[[1.0, 0.25]]]))[0, 0].tolist()
        [[1.0, 0.25], [1.0, 0.25]]
    """

    def __init__(
        self,
        image_chw: torch.Tensor,
        baseline_chw: torch.Tensor,
        grid: tuple[int, int],
        *,
        smooth: bool = False,
    ) -> None:
        size = (int(image_chw.shape[1]), int(image_chw.shape[2]))
        if grid[0] > size[0] or grid[1] > size[1]:
            raise DataError(
                f"a grid of {grid[0]}×{grid[1]} cells is finer than the image of {size[0]}×{size[1]} pixels"
            )
        if baseline_chw.shape != image_chw.shape:
            raise DataError(
                f"the baseline must have the shape {tuple(image_chw.shape)}, got {tuple(baseline_chw.shape)}"
            )
        self._image, self._size, self._smooth = image_chw, size, smooth
        self._baseline = baseline_chw.to(image_chw)

    def __call__(self, masks_nyx: torch.Tensor) -> torch.Tensor:
        """Masks (n, rows, columns) in [0, 1] → images (n, C, H, W)."""
        shown = masks_nyx.to(self._image)[:, None]
        if self._smooth:
            shown = F.interpolate(shown, self._size, mode="bilinear", align_corners=False)
        else:
            shown = F.interpolate(shown, self._size, mode="nearest")
        return self._baseline + shown * (self._image - self._baseline)
