r"""Sensitivity against depth, and how much of it depends on the colour channel.

For image $i$, block $q$ and channel $c$ the sensitivity is the mean of its map over the pixels,

$$ S_{iqc} = \frac{1}{HW} \sum_{jk} s_{ijkcq} , $$

and relative to the block $S_{iqc} / \lVert B_q(x_i) \rVert_2$, which compares blocks of different sizes: a raw
sensitivity that decays with depth may only say that deeper blocks give smaller numbers. The share of the variance
between channels is that of a one-way analysis of variance over all pixels (and images),

$$ \eta^2_q = \frac{\sum_c n_c (\bar s_{c q} - \bar s_q)^2}{\sum_{ijkc} (s_{ijkcq} - \bar s_q)^2} \in [0, 1] , $$

1 where the map depends on the channel alone, 0 where all channels have the same mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from shiftgauge.errors import DataError
from shiftgauge.explain.derivative_maps import DerivativeMaps
from shiftgauge.explain.perturbation import PerturbationMaps
from shiftgauge.results.depth import depth_rows
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class DepthProfile:
    """How sensitivity changes with the depth of one network.

    Args:
        blocks: Names of the blocks, from input to output.
        sensitivity: Mean over pixels, axes (image, block, channel).
        relative: Divided by the norm of the block's output at rest, same axes; NaN where that norm is 0.
        channel_share: η² over all pixels and images, axes (block,); NaN where the map is constant or has one channel.
        channel_share_of_images: η² of each image by itself, axes (image, block).
    """

    blocks: tuple[str, ...]
    sensitivity: FloatArray
    relative: FloatArray
    channel_share: FloatArray
    channel_share_of_images: FloatArray

    def table(self) -> pd.DataFrame:
        """A row for each block and channel, `all` being the mean of the channels; see `depth_rows`.

        An image is left out of the numbers that do not exist for it; how many count stands beside each.
        """
        channels = [str(c) for c in range(self.sensitivity.shape[2])]
        return depth_rows(
            self.blocks, channels, self.sensitivity, self.relative, self.channel_share, self.channel_share_of_images
        )

    def dataset(self) -> xr.Dataset:
        """The arrays with named axes."""
        axes = ("image", "block", "channel")
        return xr.Dataset(
            {
                "sensitivity": (axes, self.sensitivity),
                "relative_sensitivity": (axes, self.relative),
                "channel_share": (("block",), self.channel_share),
                "channel_share_of_images": (("image", "block"), self.channel_share_of_images),
            },
            coords={"block": list(self.blocks)},
        )


def depth_profile(
    maps: PerturbationMaps | DerivativeMaps | Sequence[PerturbationMaps | DerivativeMaps],
) -> DepthProfile:
    """Reduces the maps of one network to its profile over depth.

    Of perturbation maps the norm of the difference is taken, of derivative maps the norm of the derivative.

    Args:
        maps: Maps of one or more images; several results of the same blocks count as one of more images.

    Raises:
        DataError: No maps, or maps of different blocks or sizes.

    Example:
        >>> from shiftgauge.explain.perturbation import PerturbationOptions
        >>> values = np.stack([np.full((2, 2), float(c)) for c in range(3)])[None, None].astype(np.float32)
        >>> maps = PerturbationMaps(
        ...     norm_of_difference=values, difference_of_norms=values, block_norm=np.ones((1, 1)), blocks=("block1",),
        ...     options=PerturbationOptions())
        >>> profile = depth_profile(maps)
        >>> profile.sensitivity.tolist(), profile.channel_share.tolist()
        ([[[0.0, 1.0, 2.0]]], [1.0])
    """
    parts = list(maps) if isinstance(maps, Sequence) else [maps]
    if not parts:
        raise DataError("no maps were given; give those of at least one image")
    values = [p.norm_of_derivative if isinstance(p, DerivativeMaps) else p.norm_of_difference for p in parts]
    if len({(p.blocks, v.shape[1:]) for p, v in zip(parts, values, strict=True)}) > 1:
        raise DataError("maps of different blocks or sizes have no common profile; give those of one network at a time")
    stacked = np.concatenate(values).astype(np.float64)
    norms = np.concatenate([p.block_norm for p in parts])[:, :, None]
    sensitivity = stacked.mean(axis=(3, 4))
    return DepthProfile(
        blocks=parts[0].blocks,
        sensitivity=sensitivity,
        relative=relative_to(sensitivity, norms),
        channel_share=channel_share(np.moveaxis(stacked, 0, 2).reshape(*stacked.shape[1:3], -1)),
        channel_share_of_images=channel_share(stacked.reshape(*stacked.shape[:3], -1)),
    )


def relative_to(sensitivity: FloatArray, norms: FloatArray) -> FloatArray:
    """Sensitivities relative to the norms of the blocks' outputs at rest; NaN where a norm is 0.

    Args:
        sensitivity: Any axes.
        norms: ‖B‖₂ ≥ 0, axes that go with them.

    Example:
        >>> relative_to(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
        [0.5, nan]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(norms > 0, sensitivity / norms, np.nan)


def depth_table(profiles: Mapping[str, DepthProfile]) -> pd.DataFrame:
    """Puts the profiles of several networks in one table, with a column `network` in front.

    Raises:
        DataError: No profile.
    """
    if not profiles:
        raise DataError("no profile was given; give that of at least one network")
    tables = [profile.table() for profile in profiles.values()]
    for name, table in zip(profiles, tables, strict=True):
        table.insert(0, "network", name)
    return pd.concat(tables, ignore_index=True)


def channel_share(values: npt.NDArray[np.float64]) -> FloatArray:
    """Returns the share of variance between channels, η².

    Args:
        values: Axes (..., channel, sample).

    Returns:
        Axes (...); NaN where the values are constant or there is one channel.

    Example:
        >>> channel_share(np.array([[0.0, 2.0], [2.0, 4.0]])).item()
        0.5
    """
    grand = values.mean(axis=(-2, -1), keepdims=True)
    between = values.shape[-1] * ((values.mean(axis=-1) - grand[..., 0]) ** 2).sum(axis=-1)
    total = ((values - grand) ** 2).sum(axis=(-2, -1))
    some = (total > 0) & (values.shape[-2] > 1)
    return np.where(some, between / np.where(total > 0, total, 1.0), np.nan)


def share_of_moments(mean_ic: npt.NDArray[np.float64], mean_square_ic: npt.NDArray[np.float64]) -> FloatArray:
    """Returns η² over all pixels and images from each image's moments, so that no map has to be kept.

    Args:
        mean_ic: Mean over the pixels, axes (image, ..., channel).
        mean_square_ic: Mean of the squares over the pixels, same axes; every image has as many pixels.

    Returns:
        Axes (...); NaN where the values are constant or there is one channel.

    Example:
        >>> share_of_moments(np.array([[1.0, 3.0]]), np.array([[2.0, 10.0]])).item()
        0.5
    """
    of_channel = mean_ic.mean(axis=0)
    grand = of_channel.mean(axis=-1)
    between = ((of_channel - grand[..., None]) ** 2).mean(axis=-1)
    total = mean_square_ic.mean(axis=(0, -1)) - grand**2
    some = (total > 1e-12 * grand**2) & (mean_ic.shape[-1] > 1)
    return np.where(some, between / np.where(some, total, 1.0), np.nan)
