"""Tables of a look inside: what is undefined is left out, and each row says how many images count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd
import xarray as xr

from shiftgauge.results.depth import depth_rows

_SUMMARY: Final = [f"{kind}{name}" for kind in ("", "relative_") for name in ("images", "mean", "standard_deviation")]
_SHARE: Final = [f"channel_share{end}" for end in ("", "_images", "_mean", "_low", "_high")]
_PROFILE: Final = ["block", "pushed", *_SUMMARY, *_SHARE]
_COMPARED: Final = ["network", "block", "depth", *_SUMMARY, *_SHARE]


def profile_table(arrays: xr.Dataset) -> pd.DataFrame:
    """The profile over depth: a row for each block and pushed channel, `all` being the mean of the channels.

    Columns: block, pushed, images, mean, standard_deviation (over images), relative_images, relative_mean,
    relative_standard_deviation, channel_share_mean (share of the variance between colours, η², of single images, mean
    over images) with its interval channel_share_low and channel_share_high, channel_share_images, and channel_share (η²
    over all images together, which falls as well where images differ more). An image at which a block gives nothing
    but zeros has no relative sensitivity there: it is left out, and relative_images counts the others; so does
    channel_share_images, of constant maps.

    Args:
        arrays: Of a result.
    """
    if "sensitivity" not in arrays:
        return pd.DataFrame(columns=_PROFILE)
    table = depth_rows(
        arrays["block"].values.tolist(), arrays["pushed"].values.tolist(), arrays["sensitivity"].values,
        arrays["relative_sensitivity"].values, arrays["channel_share"].values, arrays["channel_share_of_images"].values,
    )  # fmt: skip
    return table.rename(columns={"channel": "pushed"}).loc[:, _PROFILE]


def compared_table(arrays: xr.Dataset) -> pd.DataFrame:
    """The profiles of several networks: a row for each network and block, the mean of the channels.

    Columns: network, block, depth (0 at the first, 1 at the last), images, mean, standard_deviation, relative_images,
    relative_mean, relative_standard_deviation, and of the share of colour the columns of `profile_table`.

    Args:
        arrays: Of a result.
    """
    names = [str(name) for name in arrays["compared_network"].values] if "compared_network" in arrays else []
    parts = []
    for network in dict.fromkeys(names):
        own = arrays.isel(row=[k for k, name in enumerate(names) if name == network])
        raw, relative = (own[f"compared_{kind}sensitivity"].values.T[..., None] for kind in ("", "relative_"))
        nothing = xr.DataArray(np.full(raw.shape[:2], np.nan).T)  # of runs that did not keep it
        shares = own.get("compared_share_of_images", nothing).values.T
        blocks = list(map(str, own["compared_block"].values))
        table = depth_rows(blocks, [], raw, relative, own["compared_share"].values, shares)
        parts.append(table.assign(network=network).loc[:, _COMPARED])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COMPARED)


def agreement_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Rank correlation of each pair of methods with its interval over images: method, other, mean, low, high, images.

    Args:
        arrays: Of a result.
    """
    names = arrays["method"].values.tolist() if "agreement_mean" in arrays else []
    known = {key: arrays[f"agreement_{key}"].values for key in ("mean", "low", "high", "counted") if names}
    rows = [
        (a, names[j], *(float(known[key][i, j]) for key in ("mean", "low", "high")), int(known["counted"][i, j]))
        for i, a in enumerate(names)
        for j in range(i + 1, len(names))
    ]
    return pd.DataFrame(rows, columns=["method", "other", "mean", "low", "high", "images"])


def curve_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Areas under deletion and insertion curves: method, curve, area, random_area, gain, gain_low, gain_high, images.

    The gain is by how much the area is better than that of random orders; an interval that holds 0 means that the
    method's order is not shown to be better than none. `images` counts those whose curves are finite.

    Args:
        arrays: Of a result.
    """
    names = ("area", "random_area", "gain", "gain_low", "gain_high")
    rows = [
        (method, curve, *(float(arrays[f"curve_{name}"].values[m, c]) for name in names),
         int(np.isfinite(arrays[curve].transpose("method", "image", "fraction").values[m]).all(axis=1).sum()))
        for m, method in enumerate(arrays["method"].values.tolist() if "curve_area" in arrays else [])
        for c, curve in enumerate(arrays["curve"].values.tolist())
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["method", "curve", *names, "images"])


def randomisation_table(arrays: xr.Dataset) -> pd.DataFrame:
    """What is left of each method's maps: method, layer, depth (layers drawn anew), maps, mean, low, high, images.

    A map that is constant has no rank correlation: its image is left out there, and `images` counts the others.

    Args:
        arrays: Of a result.
    """
    rows = []
    if "randomised_magnitude_mean" in arrays:
        layers = arrays["weight_layer"].values.tolist()
        for kind in ("magnitude", "signed"):
            for m, method in enumerate(arrays["checked_method"].values.tolist()):
                for k, layer in enumerate(layers):
                    ends = (float(arrays[f"randomised_{kind}_{end}"].values[m, k]) for end in ("mean", "low", "high"))
                    counted = int(np.isfinite(arrays[f"randomised_{kind}"].values[m, k]).sum())
                    rows.append((method, layer, k + 1, kind, *ends, counted))
    return pd.DataFrame(rows, columns=["method", "layer", "depth", "maps", "mean", "low", "high", "images"])


def mask_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Sobol' indices of the cells of masks; a cell that bounds have closed has an interval and no value.

    Columns: image, row, column, open, total, total_low, total_high, first, first_low, first_high.

    Args:
        arrays: Of a result.
    """
    columns = ["image", "row", "column", "open"]
    names = [f"{kind}_order{end}" for kind in ("total", "first") for end in ("", "_low", "_high")]
    rows = []
    for k, image in enumerate(arrays["masked"].values.tolist() if "mask_total_order" in arrays else []):
        for (i, j), is_open in np.ndenumerate(arrays["mask_is_open"].values[k]):
            rows.append((image, i, j, bool(is_open), *(float(arrays[f"mask_{n}"].values[k, i, j]) for n in names)))
    return pd.DataFrame(rows, columns=[*columns, *(name.replace("_order", "") for name in names)])


def walk_table(arrays: xr.Dataset) -> pd.DataFrame:
    """How far each image had to go to each class; distances are of pixels in [0, 1], NaN where it never got there.

    Columns: image, target, reached_at (step, −1 for never), reached_rms, reached_max, rms and max after the last step,
    final (the network's class there), stayed.

    Args:
        arrays: Of a result.
    """
    columns = ["image", "target", "reached_at", "reached_rms", "reached_max", "rms", "max", "final", "stayed"]
    rows = []
    for k, image in enumerate(arrays["walker"].values.tolist() if "walk_image" in arrays else []):
        for t, target in enumerate(arrays["walked"].values.tolist()):
            values = [arrays[f"walk_{name}"].values[k, t] for name in columns[2:-1]]
            rows.append([image, target, *values, bool(arrays["walk_stayed"].values[k, t])])
    return pd.DataFrame(rows, columns=columns)


TABLES: Final[Mapping[str, Callable[[xr.Dataset], pd.DataFrame]]] = {
    "profile.csv": profile_table,
    "networks.csv": compared_table,
    "agreement.csv": agreement_table,
    "curves.csv": curve_table,
    "randomisation.csv": randomisation_table,
    "masks.csv": mask_table,
    "walk.csv": walk_table,
}
"""File name → what makes the table."""
