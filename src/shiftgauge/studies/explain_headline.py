"""What a look inside found, in a few plain sentences; what an interval leaves open is said to be open."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.report.format import number
from shiftgauge.results.depth import growth
from shiftgauge.results.explain_tables import (
    agreement_table,
    curve_table,
    mask_table,
    profile_table,
    randomisation_table,
)


def explain_headline(arrays: xr.Dataset) -> str:
    """Returns what was found in a few sentences; what was left out is passed over.

    Args:
        arrays: Of the result.
    """
    found = [*_depth_sentence(arrays), *_colour_sentence(arrays), *_agreement_sentence(arrays)]
    found += [*_one_method_sentence(arrays), *_walk_sentence(arrays)]
    found = found or _mask_sentence(arrays)
    if not found and "maximized" in arrays:
        found = [f"Images that raise {arrays.sizes['target']} classes and units were climbed to."]
    return " ".join(found) or _made_sentence(arrays)


def _depth_sentence(arrays: xr.Dataset) -> list[str]:
    if "relative_sensitivity" not in arrays or arrays.sizes["block"] < 2:
        return []
    found = growth(arrays["relative_sensitivity"].transpose("counted", "block", "pushed").values)
    if not found.images:
        return []
    first, last = arrays["block"].values[[0, -1]]
    answer, way = "the answer to a pushed pixel, relative to its output,", f"from “{first}” to “{last}”"
    times = f"{number(found.ratio, 2)} times its first value"
    if found.images == 1:
        return [f"For one image {answer} is at “{last}” {times} at “{first}”; one image gives no interval."]
    over = f"95 % interval over {found.images} images {number(found.low, 2)} to {number(found.high, 2)}"
    if found.word == "cannot be told":
        return [f"Whether {answer} grows or falls {way} cannot be told: {times} in the geometric mean, {over}."]
    return [f"F{way[1:]} {answer} {found.word} to {times} (geometric mean, {over})."]


def _colour_sentence(arrays: xr.Dataset) -> list[str]:
    table = profile_table(arrays)
    rows = table[table["pushed"] == "all"]
    if len(rows) < 2 or arrays.sizes["pushed"] < 2:
        return []
    ends = rows.iloc[[0, -1]]
    if not np.isfinite(ends["channel_share_mean"].to_numpy(float)).all():
        return []
    said = [_share(row) for row in ends.to_dict("records")]
    return [
        "Which colour is pushed explains, of the variance of the maps of one image in the mean over images, "
        f"{' and '.join(said)}."
    ]


def _share(row: Mapping[Hashable, Any]) -> str:
    images, low, high = row["channel_share_images"], row["channel_share_low"], row["channel_share_high"]
    over = (
        "one image gives no interval" if images == 1 else f"95 % interval over {images} images {low:.0%} to {high:.0%}"
    )
    return f"{row['channel_share_mean']:.0%} in “{row['block']}” ({over})"


def _agreement_sentence(arrays: xr.Dataset) -> list[str]:
    table = agreement_table(arrays).dropna(subset=["mean"])
    if not len(table):
        return []
    weakest = table.loc[table["mean"].idxmin()]
    return [
        f"Methods of attribution agree by a rank correlation of {table['mean'].mean():.2f} on average, least "
        f"{listed([weakest['method'], weakest['other']])} ({weakest['mean']:.2f})."
    ]


def _one_method_sentence(arrays: xr.Dataset) -> list[str]:
    """Of one method alone, which no other can agree with: what its curves and the check by weights drawn anew say."""
    if "attribution" not in arrays or arrays.sizes["method"] != 1:
        return []
    name, found = listed(arrays["method"].values.tolist()), []
    gains = curve_table(arrays).dropna(subset=["gain"]).to_dict("records")
    if gains:
        said = [f"{number(row['gain'], 2)} in {row['curve']}{_gain_ends(row)}" for row in gains]
        found.append(
            f"Over random orders of pixels, the order by {name} gains an area of {' and '.join(said)} "
            f"({gains[0]['images']} images)."
        )
    left = randomisation_table(arrays).query("maps == 'magnitude'").dropna(subset=["mean"]).to_dict("records")
    if left:
        found.append(
            f"With the weights of all convolutions and linear layers drawn anew the maps of {name} keep a rank "
            f"correlation of {left[-1]['mean']:.2f} with the genuine ones."
        )
    return found


def _gain_ends(row: Mapping[Hashable, Any]) -> str:
    low, high = row["gain_low"], row["gain_high"]
    return f" (interval {number(low, 2)} to {number(high, 2)})" if np.isfinite([low, high]).all() else ""


def _made_sentence(arrays: xr.Dataset) -> str:
    """What was made, where nothing in it can be put against anything."""
    blocks = "block" if arrays.sizes.get("block") == 1 else "blocks"
    kinds = {
        "norm_of_difference": f"maps of {arrays.sizes.get('block', 0)} {blocks}",
        "norm_of_derivative": f"derivatives of {arrays.sizes.get('block', 0)} {blocks}",
        "attribution": f"attributions by {listed(arrays['method'].values.tolist())}"
        if "method" in arrays.sizes
        else "",
        "pixel_bound": "bounds of the pixels",
        "mask_total_order": "Sobol' indices of masks",
        "walk_reached_at": "pushes to other classes",
    }
    made = [text for name, text in kinds.items() if name in arrays]
    if not made:
        return ""
    alone = "; there is no second method to agree with" if made == [kinds["attribution"]] else ""
    text = " and ".join([", ".join(made[:-1]), made[-1]] if len(made) > 2 else made)
    return f"{text[0].upper()}{text[1:]} for {arrays.sizes['image']} images{alone}."


def _mask_sentence(arrays: xr.Dataset) -> list[str]:
    """Of the cells that bounds have closed where they have closed any, else of the one that matters most."""
    if "mask_total_order" not in arrays:
        return []
    is_open = arrays["mask_is_open"].values.reshape(arrays.sizes["masked"], -1)
    left = float(np.median(is_open.sum(axis=1)))
    if float(arrays.attrs.get("mask_threshold", 0.0)) > 0 and left < is_open.shape[1]:
        return [
            f"Of {is_open.shape[1]} cells of an image {number(left)} in the median can matter; bounds from gradients "
            "close the others."
        ]
    table = mask_table(arrays).dropna(subset=["total"])
    if not len(table):
        return []
    most, (rows, columns) = table.loc[table["total"].idxmax()], arrays["mask_is_open"].shape[1:]
    level = float(arrays.attrs.get("mask_confidence_level", 0.95))
    return [
        f"The cell that matters most has a total index of {most['total']:.2f} ({100 * level:g} % interval "
        f"{most['total_low']:.2f} to {most['total_high']:.2f}): row {most['row'] + 1} of {rows}, column "
        f"{most['column'] + 1} of {columns} of “{most['image']}”."
    ]


def _walk_sentence(arrays: xr.Dataset) -> list[str]:
    if "walk_reached_at" not in arrays:
        return []
    steps, rms = arrays["walk_reached_at"].values, arrays["walk_reached_rms"].values
    away = steps != 0
    reached = away & (steps > 0)
    if not reached.any():
        return [f"None of {int(away.sum())} pushes to another class got there."] if away.any() else []
    return [
        f"{int(reached.sum())} of {int(away.sum())} pushes to another class got there, after a change of "
        f"{255 * np.median(rms[reached]):.2g} of 255 grey levels in the median (root mean square)."
    ]


def listed(names: Sequence[str]) -> str:
    """Names of methods in a sentence.

    Example:
        >>> listed(["grad_cam", "smooth_grad"])
        'grad cam and smooth grad'
    """
    plain = [str(name).replace("_", " ") for name in names]
    return " and ".join([", ".join(plain[:-1]), plain[-1]] if len(plain) > 2 else plain)
