"""Tables of a look inside: what is undefined is left out, and each row says how many images count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr

_NAN: Final = float("nan")


def profile_table(arrays: xr.Dataset) -> pd.DataFrame:
    """The profile over depth: a row for each block and pushed channel, `all` being the mean of the channels.

    Columns: block, pushed, images, mean, standard_deviation (over images), relative_images, relative_mean,
    relative_standard_deviation, channel_share (η² over all images). An image at which a block gives nothing but zeros
    has no relative sensitivity there: it is left out, and relative_images counts the others.

    Args:
        arrays: Of a result.
    """
    kinds = (("", "sensitivity"), ("relative_", "relative_sensitivity"))
    columns = ["block", "pushed", *(f"{k}{n}" for k, _ in kinds for n in _SUMMARY), "channel_share"]
    rows: list[list[Any]] = []
    if "sensitivity" in arrays:
        known = {name: arrays[name].values for _, name in kinds}
        for b, block in enumerate(arrays["block"].values.tolist()):
            share = float(arrays["channel_share"].values[b])
            for c, pushed in enumerate([*arrays["pushed"].values.tolist(), "all"]):
                row: list[Any] = [block, pushed]
                for _, name in kinds:
                    values = known[name][:, b]
                    row += counted_mean(values.mean(axis=-1) if pushed == "all" else values[:, c])
                rows.append([*row, share])
    return pd.DataFrame(rows, columns=columns)


def counted_mean(values: np.ndarray) -> tuple[int, float, float]:
    """How many values are numbers, their mean, and their standard deviation (n − 1; NaN of fewer than two).

    Example:
        >>> counted_mean(np.array([1.0, 3.0, np.nan]))[:2]
        (2, 2.0)
    """
    known = np.asarray(values, float)
    known = known[np.isfinite(known)]
    mean = float(known.mean()) if len(known) else _NAN
    return len(known), mean, float(known.std(ddof=1)) if len(known) > 1 else _NAN


def compared_table(arrays: xr.Dataset) -> pd.DataFrame:
    """The profiles of several networks: a row for each network and block, the mean of the channels.

    Columns: network, block, depth (0 at the first, 1 at the last), images, mean, standard_deviation, relative_images,
    relative_mean, relative_standard_deviation, channel_share.

    Args:
        arrays: Of a result.
    """
    kinds = (("", "sensitivity"), ("relative_", "relative_sensitivity"))
    columns = ["network", "block", "depth", *(f"{k}{n}" for k, _ in kinds for n in _SUMMARY), "channel_share"]
    rows = []
    for r in range(arrays.sizes["row"] if "compared_sensitivity" in arrays else 0):
        plain = [arrays[f"compared_{name}"].values[r] for name in ("network", "block", "depth")]
        found = [v for _, name in kinds for v in counted_mean(arrays[f"compared_{name}"].values[r])]
        rows.append([*plain, *found, float(arrays["compared_share"].values[r])])
    return pd.DataFrame(rows, columns=columns)


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
    """Areas under deletion and insertion curves: method, curve, area, random_area, gain, gain_low, gain_high.

    The gain is by how much the area is better than that of random orders; an interval that holds 0 means that the
    method's order is not shown to be better than none.

    Args:
        arrays: Of a result.
    """
    names = ("area", "random_area", "gain", "gain_low", "gain_high")
    rows = [
        (method, curve, *(float(arrays[f"curve_{name}"].values[m, c]) for name in names))
        for m, method in enumerate(arrays["method"].values.tolist() if "curve_area" in arrays else [])
        for c, curve in enumerate(arrays["curve"].values.tolist())
    ]
    return pd.DataFrame(rows, columns=["method", "curve", *names])


def randomisation_table(arrays: xr.Dataset) -> pd.DataFrame:
    """What is left of each method's maps: method, layer, depth (layers drawn anew), maps, mean, low, high.

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
                    rows.append((method, layer, k + 1, kind, *ends))
    return pd.DataFrame(rows, columns=["method", "layer", "depth", "maps", "mean", "low", "high"])


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


_SUMMARY: Final = ("images", "mean", "standard_deviation")
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
