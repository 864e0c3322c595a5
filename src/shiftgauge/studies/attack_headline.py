"""What attacks found, in a few plain sentences; what an interval leaves open is said to be open."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from shiftgauge.report.format import fixed, number, percent, percent_interval
from shiftgauge.results.attack_tables import accuracy_table, comparison_table


def attack_headline(arrays: xr.Dataset) -> str:
    """Returns what was found in a few sentences.

    Args:
        arrays: Of the result, with the attributes `headline_at`, `asked_as` and `strongest`.
    """
    way = str(arrays.attrs.get("strongest", ""))
    if not way:
        return " ".join(_of_shifts(arrays))
    at = float(arrays.attrs["headline_at"])
    place = loudness(arrays, at)
    table = accuracy_table(arrays)
    clean = {str(row["model"]): row for row in table.loc[table["kind"] == "clean"].to_dict("records")}
    found = []
    rows = table.loc[(table["way"] == way) & (table["asked"] == at)].to_dict("records")
    for k, row in enumerate(rows):
        name = str(row["model"])
        start = f"Under “{way}” at {place}, made on the model itself, “{name}”" if k == 0 else f"“{name}”"
        found.append(f"{start} is right about {_share(row)} of the images ({_share(clean[name])} as given).")
    found += _noise(arrays, table, way, at)
    return " ".join([*found[:4], *_difference(arrays, way, at)])


def loudness(arrays: xr.Dataset, at: float) -> str:
    """A ratio or ε as the run asked for it, such as `40 dB` or `ε = 0.01`."""
    if str(arrays.attrs.get("asked_as")) == "snr_db":
        return "infinite dB" if np.isinf(at) else f"{number(at)} dB"
    return f"ε = {number(at)}"


def strongest_way(table_rows: Mapping[str, float]) -> str:
    """Name of the attack that leaves the least, the first of equals; empty without attacks.

    Args:
        table_rows: Attack → mean accuracy of the models at the ratio of the headline.
    """
    return min(table_rows, key=lambda name: table_rows[name]) if table_rows else ""


def _share(row: Mapping[Hashable, Any]) -> str:
    return f"{percent(float(row['accuracy']))} {percent_interval(float(row['low']), float(row['high']))}".strip()


def _noise(arrays: xr.Dataset, table: Any, way: str, at: float) -> list[str]:
    """What noise of the same loudness leaves of the first model."""
    first = str(arrays["model"].values[0])
    rows = table.loc[(table["kind"] == "noise") & (table["asked"] == at) & (table["model"] == first)]
    if not len(rows):
        return []
    row = rows.iloc[0].to_dict()
    whom = f" of “{first}”" if arrays.sizes["model"] > 1 else ""
    return [f"“{row['way']}” asked for as loud leaves an accuracy{whom} of {_share(row)}."]


def _difference(arrays: xr.Dataset, way: str, at: float) -> list[str]:
    """How the first two models differ under the attack, with the interval of the difference."""
    table = comparison_table(arrays)
    rows = table.loc[(table["way"] == way) & (table["at"] == at)]
    if not len(rows):
        return []
    row = rows.iloc[0].to_dict()
    first, second, low, high = str(row["first"]), str(row["second"]), float(row["low"]), float(row["high"])
    ends = percent_interval(low, high)
    if not (low > 0 or high < 0):
        return [
            f"Whether “{first}” or “{second}” withstands it better cannot be told: the difference is {ends} points."
        ]
    better, worse = (first, second) if low > 0 else (second, first)
    size = fixed(100 * abs(float(row["difference"])), 1)
    ends = percent_interval(*((low, high) if low > 0 else (-high, -low)))
    return [f"“{better}” withstands it better than “{worse}”, by {size} {ends} points."]


def _of_shifts(arrays: xr.Dataset) -> list[str]:
    """Where nothing is attacked: the loudest change that was measured of each way, for the first model."""
    table = accuracy_table(arrays)
    rows = table.loc[(table["kind"] != "clean") & (table["model"] == str(arrays["model"].values[0]))]
    worst = rows.loc[rows.groupby("way", sort=False)["accuracy"].idxmin()] if len(rows) else rows
    name = str(arrays["model"].values[0])
    return [
        f"“{name}” is right about {_share(row)} of the images under “{row['way']}” at its worst, "
        f"{number(float(row['set_snr_db']))} dB."
        for row in worst.to_dict("records")
    ][:4]
