"""Sensitivity over depth on the page of a look inside, of one network and of several."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from shiftgauge.report.blocks.explain import HUES, legend
from shiftgauge.report.blocks.plot import Line, draw_lines
from shiftgauge.report.format import number, percent, percent_interval
from shiftgauge.report.read import strings
from shiftgauge.results.explain import ExplainResult
from shiftgauge.results.explain_tables import compared_table, profile_table

_ALL: Final = "hued ink"
_HUE: Final = {"red": "hued red", "green": "hued green", "blue": "hued blue"}
_KINDS: Final = (("Relative to the block", "relative_"), ("As it is", ""))


def build_profile(result: ExplainResult) -> dict[str, Any] | None:
    """Returns the profile over depth as drawings, a line for each pushed channel, and as a table."""
    data = result.arrays
    if "sensitivity" not in data:
        return None
    table, blocks = profile_table(data), strings(data, "block")
    pushed = strings(data, "pushed")
    shown = ["all"] if len(pushed) == 1 else [*pushed, "all"]
    panels = [_panel(label, kind, table, shown, blocks) for label, kind in _KINDS]
    if len(pushed) > 1:
        depth = np.arange(len(blocks))
        of_all = table.loc[table["pushed"] == "all"]
        share = _share_line(of_all, depth, "total", "share of colour")
        svg = draw_lines([share], x_label="block", said="Share of the colour channel over depth", names=blocks,
                         x_range=_ends(len(blocks)), y_range=(0, 1))  # fmt: skip
        panels.append({"label": "Share of the colour channel, η², in one image", "svg": svg})
    rows = [
        {
            "label": row["block"],
            "cells": [
                str(k),
                *(number(row[name]) for name in ("mean", "standard_deviation")),
                *(number(row[f"relative_{name}"]) for name in ("mean", "standard_deviation")),
                str(row["relative_images"]),
                f"{percent(row['channel_share_mean'])} {share_interval(row)}".strip(),
            ],
        }
        for k, row in enumerate(table.loc[table["pushed"] == "all"].to_dict("records"))
    ]
    words = [name if name != "all" else "mean of the channels" for name in shown]
    keys = list(zip([_hue(name, shown) for name in shown], words, strict=True)) if len(shown) > 1 else []
    return {"panels": panels, "rows": rows, "images": data.sizes["counted"], "legend": keys}


def build_networks(result: ExplainResult) -> dict[str, Any] | None:
    """Returns the profiles of several networks in one drawing, against the share of the depth, and as a table."""
    table = compared_table(result.arrays)
    if not len(table):
        return None
    names = list(dict.fromkeys(table["network"]))
    panels = []
    for label, kind in _KINDS:
        lines = []
        for k, name in enumerate(names):
            rows = table.loc[table["network"] == name]
            lines.append(_line(rows, kind, rows["depth"].to_numpy(float), HUES[k % len(HUES)], name))
        svg = draw_lines(lines, x_label="share of the depth", x_range=(0, 1),
                         said=f"Sensitivity over depth of {len(names)} networks, {label.lower()}")  # fmt: skip
        panels.append({"label": label, "svg": svg})
    shares = [
        _share_line(rows, rows["depth"].to_numpy(float), HUES[k % len(HUES)], name)
        for k, name in enumerate(names)
        for rows in [table.loc[table["network"] == name]]
    ]  # fmt: skip
    if any(np.isfinite(line.y).any() for line in shares):
        svg = draw_lines(shares, x_label="share of the depth", said="Share of the colour channel of several networks",
                         x_range=(0, 1), y_range=(0, 1))  # fmt: skip
        panels.append({"label": "Share of the colour channel, η², in one image", "svg": svg})
    rows = [
        {"label": f"{row['network']}, {row['block']}",
         "cells": [number(row["relative_mean"]), number(row["relative_standard_deviation"]), number(row["mean"]),
                   f"{percent(row['channel_share_mean'])} {share_interval(row)}".strip()]}
        for row in table.to_dict("records")
    ]  # fmt: skip
    return {"panels": panels, "rows": rows, "legend": legend(names), "images": result.arrays.sizes["counted"]}


def share_interval(row: Mapping[Hashable, Any]) -> str:
    """Interval of the mean share of colour of single images, as per cent; nothing where there is none."""
    return percent_interval(float(row["channel_share_low"]), float(row["channel_share_high"]))


def _panel(label: str, kind: str, table: pd.DataFrame, shown: list[str], blocks: list[str]) -> dict[str, Any]:
    depth = np.arange(len(blocks))
    lines = [_line(table.loc[table["pushed"] == name], kind, depth, _hue(name, shown), name) for name in shown]
    said = f"Sensitivity over depth, {label.lower()}"
    return {
        "label": label,
        "svg": draw_lines(lines, x_label="block", said=said, x_range=_ends(len(blocks)), names=blocks),
    }


def _hue(pushed: str, shown: list[str]) -> str:
    return _ALL if pushed == "all" and len(shown) > 1 else _HUE.get(pushed, "first")


def _line(rows: pd.DataFrame, kind: str, x: np.ndarray, hue: str, label: str) -> Line:
    values = rows[f"{kind}mean"].to_numpy(float)
    around = np.nan_to_num(rows[f"{kind}standard_deviation"].to_numpy(float))
    band = (x, np.maximum(values - around, 0), values + around)
    return Line(x=x, y=values, kind=hue, label=label, dots=True, band=band)


def _share_line(rows: pd.DataFrame, x: np.ndarray, hue: str, label: str) -> Line:
    """The share of colour of single images, mean over images, in the band of its interval."""
    mean, low, high = (rows[f"channel_share_{name}"].to_numpy(float) for name in ("mean", "low", "high"))
    return Line(x=x, y=mean, kind=hue, label=label, dots=True, band=(x, low, high))


def _ends(count: int) -> tuple[float, float]:
    return 0.0, float(max(count - 1, 1))
