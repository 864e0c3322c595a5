"""The profile of a network over its depth as a table, from the numbers of each image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from shiftgauge.types import FloatArray

_COLUMNS: Final = [
    *("block", "depth", "channel"),
    *("images", "mean", "standard_deviation"),
    *("relative_images", "relative_mean", "relative_standard_deviation"),
    *("channel_share", "channel_share_images", "channel_share_mean", "channel_share_standard_deviation"),
]


def depth_rows(
    blocks: Sequence[str],
    channels: Sequence[str],
    sensitivity_ibc: npt.ArrayLike,
    relative_ibc: npt.ArrayLike,
    share_b: npt.ArrayLike,
    share_ib: npt.ArrayLike,
) -> pd.DataFrame:
    """Returns a row for each block and channel, `all` being the mean of the channels.

    An image for which a number does not exist (a block that gives zeros alone has no relative sensitivity, a constant
    map no share of channels) is left out of that number, and how many images are left is told beside it.

    Columns: block, depth (0 at the first, 1 at the last), channel, images, mean, standard_deviation (over images; NaN
    with fewer than two), relative_images, relative_mean, relative_standard_deviation, channel_share (η² over all
    images), channel_share_images, channel_share_mean and channel_share_standard_deviation (of single images).

    Args:
        blocks: Names of the blocks, from input to output.
        channels: Names of the channels that are pushed.
        sensitivity_ibc: Mean of each map over its pixels, axes (image, block, channel).
        relative_ibc: The same relative to the block's norm, same axes.
        share_b: Share of variance between the channels over all images, axes (block,).
        share_ib: The same of each image, axes (image, block).

    Example:
        >>> relative = np.array([[[0.5]], [[np.nan]]])
        >>> table = depth_rows(["b"], ["0"], [[[1.0]], [[3.0]]], relative, [np.nan], np.full((2, 1), np.nan))
        >>> table[["images", "mean", "relative_images", "relative_mean"]].iloc[0].tolist()
        [2.0, 2.0, 1.0, 0.5]
    """
    raw, relative, shares = (np.asarray(values, np.float64) for values in (sensitivity_ibc, relative_ibc, share_ib))
    overall, rows = np.asarray(share_b, np.float64), []
    for b, block in enumerate(blocks):
        share = _counted(shares[:, b])
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
