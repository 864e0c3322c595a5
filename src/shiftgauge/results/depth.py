"""The profile of a network over its depth as a table, and its growth, from the numbers of each image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.types import FloatArray

_COLUMNS: Final = [
    *("block", "depth", "channel"),
    *("images", "mean", "standard_deviation"),
    *("relative_images", "relative_mean", "relative_standard_deviation"),
    *("channel_share", "channel_share_images", "channel_share_mean", "channel_share_standard_deviation"),
    *("channel_share_low", "channel_share_high"),
]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """By how much the relative sensitivity of the last block is that of the first, image by image.

    Args:
        images: Images for which both are above 0; the others are left out.
        ratio: Geometric mean of the ratios of these images; NaN without any.
        low: Lower end of its interval; NaN with fewer than two images.
        high: Upper end.
    """

    images: int
    ratio: float
    low: float
    high: float

    @property
    def word(self) -> Literal["grows", "falls", "cannot be told"]:
        """What the interval says: it lies above 1, below 1, or neither."""
        return "grows" if self.low > 1 else "falls" if self.high < 1 else "cannot be told"


def growth(relative_ibc: npt.ArrayLike, confidence_level: float = 0.95) -> Growth:
    r"""Returns the growth of the relative sensitivity from the first block to the last.

    With the mean over the channels $S_{iq}$ of image $i$ in block $q$, from the mean of
    $\ln (S_{i,\mathrm{last}} / S_{i,\mathrm{first}})$ over images and Student's interval of it.

    Args:
        relative_ibc: Relative sensitivity, axes (image, block, channel), blocks from input to output.
        confidence_level: Of the interval, in (0, 1).

    Example:
        >>> found = growth([[[1.0], [2.0]], [[1.0], [8.0]]])
        >>> found.images, round(found.ratio, 6), found.word
        (2, 4.0, 'cannot be told')
    """
    each = np.asarray(relative_ibc, np.float64).mean(axis=2)
    first, last = each[:, 0], each[:, -1]
    counted = (first > 0) & (last > 0) & np.isfinite(first) & np.isfinite(last)
    logs = np.log(last[counted] / first[counted])
    mean, low, high = (float(np.exp(value)) for value in mean_interval(logs, confidence_level))
    return Growth(images=int(counted.sum()), ratio=mean, low=low, high=high)


def depth_rows(
    blocks: Sequence[str],
    channels: Sequence[str],
    sensitivity_ibc: npt.ArrayLike,
    relative_ibc: npt.ArrayLike,
    share_b: npt.ArrayLike,
    share_ib: npt.ArrayLike,
    confidence_level: float = 0.95,
) -> pd.DataFrame:
    """Returns a row for each block and channel, `all` being the mean of the channels.

    An image for which a number does not exist (a block that gives zeros alone has no relative sensitivity, a constant
    map no share of channels) is left out of that number, and how many images are left is told beside it.

    Columns: block, depth (0 at the first, 1 at the last), channel, images, mean, standard_deviation (over images; NaN
    with fewer than two), relative_images, relative_mean, relative_standard_deviation, channel_share (η² over all
    images together, which holds how images differ as well), channel_share_images, channel_share_mean and
    channel_share_standard_deviation (of single images), channel_share_low and channel_share_high (Student's interval of
    that mean, cut off at 0 and 1; NaN with fewer than two images).

    Args:
        blocks: Names of the blocks, from input to output.
        channels: Names of the channels that are pushed.
        sensitivity_ibc: Mean of each map over its pixels, axes (image, block, channel).
        relative_ibc: The same relative to the block's norm, same axes.
        share_b: Share of variance between the channels over all images, axes (block,).
        share_ib: The same of each image, axes (image, block).
        confidence_level: Of the interval of the mean share, in (0, 1).

    Example:
        >>> relative = np.array([[[0.5]], [[np.nan]]])
        >>> table = depth_rows(["b"], ["0"], [[[1.0]], [[3.0]]], relative, [np.nan], np.full((2, 1), np.nan))
        >>> table[["images", "mean", "relative_images", "relative_mean"]].iloc[0].tolist()
        [2.0, 2.0, 1.0, 0.5]
    """
    raw, relative, shares = (np.asarray(values, np.float64) for values in (sensitivity_ibc, relative_ibc, share_ib))
    overall, rows = np.asarray(share_b, np.float64), []
    for b, block in enumerate(blocks):
        share = [*_counted(shares[:, b]), *_ends(shares[:, b], confidence_level)]
        for c, channel in enumerate([*channels, "all"]):
            pick = slice(c, c + 1) if c < len(channels) else slice(None)
            first = [block, b / max(1, len(blocks) - 1), channel]
            own = [_counted(values[:, b, pick].mean(axis=1)) for values in (raw, relative)]
            rows.append([*first, *own[0], *own[1], float(overall[b]), *share])
    return pd.DataFrame(rows, columns=_COLUMNS)


def _counted(values: FloatArray) -> tuple[int, float, float]:
    """How many images have a number, their mean and their standard deviation."""
    known = values[np.isfinite(values)]
    mean = float(known.mean()) if len(known) else float("nan")
    return len(known), mean, float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _ends(shares_i: FloatArray, confidence_level: float) -> list[float]:
    """Ends of the interval of a mean share."""
    return [float(np.clip(end, 0, 1)) for end in mean_interval(shares_i, confidence_level)[1:]]
