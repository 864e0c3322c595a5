"""The border of an image: where it lies, and images without it or with nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_range
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.source import ImageCHW, ImageSource
from shiftgauge.errors import ConfigError
from shiftgauge.files import hash_json

Border: TypeAlias = Literal["painted", "cut", "alone"]
BORDER: Final = 0.1
"""Width of the border on each side, as a share of the image's height and width."""


def border_mask(height: int, width: int, share: float = BORDER) -> npt.NDArray[np.bool_]:
    """Which pixels belong to the border: the band of a share of height and width along each side.

    Args:
        height: Pixels.
        width: Pixels.
        share: Width of the band, above 0 and below one half.

    Raises:
        ConfigError: A share outside its range.

    Example:
        >>> border_mask(10, 10).mean()
        np.float64(0.36)
    """
    if not 0 < require_range("share", share, 0, 0.5) < 0.5:
        raise ConfigError(f"the border's `share` must be above 0 and below 0.5, got {share}")
    rows, columns = max(1, round(share * height)), max(1, round(share * width))
    mask = np.ones((height, width), bool)
    mask[rows : height - rows, columns : width - columns] = False
    return mask


def without_border(image_chw: ImageCHW, how: Border, share: float = BORDER) -> ImageCHW:
    """One image without its border, or with nothing but its border.

    Args:
        image_chw: (C, H, W).
        how: `painted`: the border is black; `cut`: the image ends where the border begins; `alone`: all but the border
            is black.
        share: Width of the band.

    Returns:
        (C, H, W), or smaller where it is cut.
    """
    require_in("way to treat the border", how, get_args(Border))
    height, width = image_chw.shape[1:]
    mask = border_mask(height, width, share)
    if how == "cut":
        rows, columns = np.flatnonzero(~mask.all(axis=1)), np.flatnonzero(~mask.all(axis=0))
        return np.ascontiguousarray(image_chw[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    kept = mask if how == "alone" else ~mask
    return image_chw * kept.astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class BorderlessImages:
    """Images whose border is taken away whenever they are read.

    Args:
        source: The images.
        how: See `without_border`.
        share: Width of the band.
    """

    source: ImageSource
    how: Border
    share: float = BORDER

    def load(self, index: int) -> ImageCHW:
        """Reads one image."""
        return without_border(self.source.load(index), self.how, self.share)

    def select(self, indices: Sequence[int]) -> BorderlessImages:
        """Keeps the images at the indices."""
        return replace(self, source=self.source.select(indices))


def treated(dataset: ImageDataset, how: Border, share: float = BORDER) -> ImageDataset:
    """The same images, their border treated; contents have hashes of their own, different where they were.

    Args:
        dataset: The images.
        how: See `without_border`.
        share: Width of the band.
    """
    return replace(
        dataset,
        images=BorderlessImages(source=dataset.images, how=how, share=share),
        hashes=tuple(hash_json([value, "border", how, share]) for value in dataset.hashes),
        notes=(*dataset.notes, f"border of {share:.0%} on each side: {how}"),
    )
