"""The result of a look inside a network: maps of its blocks, profile over depth, attributions, maximised images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pandas as pd
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.result import RunResult, reading, shared_parts
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_variables

KIND: Final = "explain"
PARTS: Final = ("maps", "attribution", "maximize", "walk")
"""Parts of a look inside, in the order in which they are done; each may be left out."""
_PICTURE: Final = ("channel", "y", "x")
_MAP: Final = ("block", "pushed", "y", "x")
_PAIR: Final = ("method", "method_2")
_WALK: Final = ("walker", "walked")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "picture": ("image", *_PICTURE),
    **dict.fromkeys(("image_label", "image_predicted", "image_probability"), ("image",)),
}
_STATISTICS: Final = ("mean", "standard_deviation", "mean_square", "minimum", "maximum")
_TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {
        **dict.fromkeys(("norm_of_difference", "difference_of_norms"), ("image", *_MAP)),
        "block_norm": ("image", "block"),
        **dict.fromkeys(("sensitivity", "relative_sensitivity"), ("counted", "block", "pushed")),
        "channel_share": ("block",),
        "channel_share_of_images": ("counted", "block"),
        **{f"map_{name}": ("class", *_MAP) for name in _STATISTICS},
        "map_count": ("class",),
    },
    {"attribution": ("image", "method", "y", "x"), "asked_class": ("image",)},
    {"agreement": ("image", *_PAIR), **{f"agreement_{name}": _PAIR for name in ("mean", "low", "high")}},
    {"map_agreement": ("image", "block", "method")},
    {
        **dict.fromkeys(("maximized", "maximized_start"), ("target", *_PICTURE)),
        **dict.fromkeys(("maximized_activation", "maximized_predicted", "maximized_rms"), ("target", "step")),
    },
    {
        "walk_image": (*_WALK, *_PICTURE),
        **dict.fromkeys(("walk_reached_at", "walk_reached_rms", "walk_reached_max", "walk_final"), _WALK),
        **dict.fromkeys(("walk_rms", "walk_l2", "walk_max", "walk_stayed"), _WALK),
    },
)


@dataclass(frozen=True, kw_only=True, repr=False)
class ExplainResult(RunResult):
    """What was found inside a network.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, times.
        cost: Evaluations and seconds of each part.
        headline: What was found, in plain sentences.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
        messages: What to know before relying on it.
        gates: None; a look inside sets no limits.
    """

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that were done, of `PARTS`."""
        marks = {
            "maps": "norm_of_difference",
            "attribution": "attribution",
            "maximize": "maximized",
            "walk": "walk_image",
        }
        return tuple(part for part in PARTS if marks[part] in self.arrays)

    def to_dataframe(self) -> pd.DataFrame:
        """The profile over depth as a table; see `profile_table`. Empty without maps."""
        return profile_table(self.arrays)

    def agreement_to_dataframe(self) -> pd.DataFrame:
        """Rank correlation of each pair of methods: method, other, mean, low, high."""
        return agreement_table(self.arrays)

    def walks_to_dataframe(self) -> pd.DataFrame:
        """How far each image had to go to each class: image, target, step, rms, max, final, stayed."""
        return walk_table(self.arrays)

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module("shiftgauge.report.explain_page").write_explain_page(self, path)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, `profile.csv`, `agreement.csv`, `walk.csv` and, last, `run.json`; returns the folder.

        Raises:
            StoreError: The folder cannot be written to.
        """
        known = {
            "profile.csv": self.to_dataframe(),
            "agreement.csv": self.agreement_to_dataframe(),
            "walk.csv": self.walks_to_dataframe(),
        }
        tables = {name: table.to_csv(index=False) for name, table in known.items() if len(table)}
        return write_run_folder(folder, kind=KIND, record=self._record(), arrays=self.arrays, tables=tables)

    @classmethod
    def from_disk(cls, folder: str | Path) -> ExplainResult:
        """Reads a run folder; neither the model nor the images are needed.

        Raises:
            StoreError: No finished run of this kind there, a damaged or incomplete file, or a newer schema version.
        """
        with reading(folder, KIND) as (record, arrays):
            parts = shared_parts(record)
            check_explain_arrays(arrays)
            return cls(arrays=arrays, **parts)


def check_explain_arrays(arrays: xr.Dataset) -> None:
    """Checks that the arrays of a look inside can be shown.

    Args:
        arrays: What `results.nc` holds.

    Raises:
        StoreError: An axis or a variable is missing, or a variable has other axes.

    Example:
        >>> check_explain_arrays(xr.Dataset())
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: results.nc holds no look inside: the axis `image` is missing or unnamed
    """
    if "image" not in arrays.coords:
        raise StoreError("results.nc holds no look inside: the axis `image` is missing or unnamed")
    check_variables(arrays, _REQUIRED, _TOGETHER)


def profile_table(arrays: xr.Dataset) -> pd.DataFrame:
    """The profile over depth: a row for each block and pushed channel, `all` being the mean of the channels.

    Columns: block, pushed, images, mean, standard_deviation (over images), relative_mean,
    relative_standard_deviation, channel_share (η² over all images).

    Args:
        arrays: Of a result.
    """
    columns = ["block", "pushed", "images", "mean", "standard_deviation", "relative_mean"]
    columns += ["relative_standard_deviation", "channel_share"]
    rows: list[list[Any]] = []
    if "sensitivity" not in arrays:
        return pd.DataFrame(rows, columns=columns)
    for block in arrays["block"].values.tolist():
        for pushed in [*arrays["pushed"].values.tolist(), "all"]:
            row: list[Any] = [block, pushed, arrays.sizes["counted"]]
            for name in ("sensitivity", "relative_sensitivity"):
                found = arrays[name].sel(block=block)
                values = found.mean("pushed") if pushed == "all" else found.sel(pushed=pushed)
                row += [float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")]
            rows.append([*row, float(arrays["channel_share"].sel(block=block))])
    return pd.DataFrame(rows, columns=columns)


def agreement_table(arrays: xr.Dataset) -> pd.DataFrame:
    """Rank correlation of each pair of methods with its interval over images: method, other, mean, low, high.

    Args:
        arrays: Of a result.
    """
    names = arrays["method"].values.tolist() if "agreement_mean" in arrays else []
    rows = [
        (a, b, *(float(arrays[f"agreement_{k}"].sel({"method": a, "method_2": b})) for k in ("mean", "low", "high")))
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    ]
    return pd.DataFrame(rows, columns=["method", "other", "mean", "low", "high"])


def walk_table(arrays: xr.Dataset) -> pd.DataFrame:
    """How far each image had to go to each class; distances are of pixels in [0, 1], NaN where it never got there.

    Columns: image, target, reached_at (step, −1 for never), reached_rms, reached_max, rms and max after the last step,
    final (the network's class there), stayed.

    Args:
        arrays: Of a result.
    """
    columns = ["image", "target", "reached_at", "reached_rms", "reached_max", "rms", "max", "final", "stayed"]
    rows = []
    for image in arrays["walker"].values.tolist() if "walk_image" in arrays else []:
        for target in arrays["walked"].values.tolist():
            where = {"walker": image, "walked": target}
            values = [arrays[f"walk_{name}"].sel(where).item() for name in columns[2:-1]]
            rows.append([image, target, *values, bool(arrays["walk_stayed"].sel(where))])
    return pd.DataFrame(rows, columns=columns)
