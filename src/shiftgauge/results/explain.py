"""The result of a look inside a network: maps of its blocks, profile over depth, attributions, maximised images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

import pandas as pd
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.explain_tables import TABLES, agreement_table, profile_table, walk_table
from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_variables

KIND: Final = "explain"
PARTS: Final[Mapping[str, str]] = {
    "maps": "norm_of_difference",
    "compare": "compared_sensitivity",
    "derivatives": "norm_of_derivative",
    "attribution": "attribution",
    "curves": "deletion",
    "randomisation": "randomised_magnitude",
    "bounds": "pixel_bound",
    "masks": "mask_total_order",
    "maximize": "maximized",
    "walk": "walk_image",
}
"""Parts of a look inside in the order in which they are done, each with a variable that it brings; each may be left
out."""
STATISTICS: Final = ("mean", "standard_deviation", "mean_square", "minimum", "maximum")
"""What is kept of the maps of each class."""
_PICTURE: Final = ("channel", "y", "x")
_MAP: Final = ("block", "pushed", "y", "x")
_DERIVATIVE: Final = ("block", "direction", "y", "x")
_PAIR: Final = ("method", "method_2")
_CURVE: Final = ("method", "curve")
_RANDOMISED: Final = ("checked_method", "weight_layer")
_CELLS: Final = ("masked", "row_of_cells", "column_of_cells")
_WALK: Final = ("walker", "walked")
_ENDS: Final = ("", "_low", "_high")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "picture": ("image", *_PICTURE),
    **dict.fromkeys(("image_label", "image_predicted", "image_probability", "image_right", "asked_class"), ("image",)),
}
_TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {
        **dict.fromkeys(("norm_of_difference", "difference_of_norms"), ("image", *_MAP)),
        "block_norm": ("image", "block"),
        **dict.fromkeys(("sensitivity", "relative_sensitivity"), ("counted", "block", "pushed")),
        "channel_share": ("block",),
        "channel_share_of_images": ("counted", "block"),
        **{f"map_{name}": ("class", *_MAP) for name in STATISTICS},
        "map_count": ("class",),
    },
    {
        **dict.fromkeys(("compared_network", "compared_block", "compared_depth", "compared_share"), ("row",)),
        **dict.fromkeys(("compared_sensitivity", "compared_relative_sensitivity"), ("row", "counted")),
    },
    {
        **dict.fromkeys(("norm_of_derivative", "derivative_of_norm"), ("image", *_DERIVATIVE)),
        "derivative_sensitivity": ("counted", "block", "direction"),
        **{f"derivative_{name}": ("class", *_DERIVATIVE) for name in STATISTICS},
        "derivative_count": ("class",),
    },
    dict.fromkeys(("attribution", "attribution_signed"), ("image", "method", "y", "x")),
    {"agreement": ("image", *_PAIR), **{f"agreement_{name}": _PAIR for name in ("mean", "low", "high", "counted")}},
    {"map_agreement": ("image", "block", "method")},
    {
        **dict.fromkeys(("deletion", "insertion"), ("image", "method", "fraction")),
        **dict.fromkeys(("random_deletion", "random_insertion"), ("image", "method", "order", "fraction")),
        **{f"curve_{name}": _CURVE for name in ("area", "random_area", "gain", "gain_low", "gain_high")},
    },
    {
        **dict.fromkeys(("randomised_magnitude", "randomised_signed"), (*_RANDOMISED, "checked_image")),
        **{f"randomised_{kind}_{end}": _RANDOMISED for kind in ("magnitude", "signed")
           for end in ("mean", "low", "high")},
    },
    {
        **dict.fromkeys(("pixel_bound", "pixel_bound_low", "pixel_bound_limit"), ("image", *_PICTURE)),
        "bound_variance": ("image",),
    },
    {
        **{f"mask_{kind}{end}": _CELLS for kind in ("total_order", "first_order") for end in _ENDS},
        "mask_is_open": _CELLS,
        **dict.fromkeys(("mask_rest_total_order", "mask_rest_limit", "mask_source"), ("masked",)),
    },
    {
        **dict.fromkeys(("maximized", "maximized_start"), ("target", *_PICTURE)),
        **{f"maximized_{name}": ("target", "step") for name in ("activation", "penalty", "predicted", "rms")},
    },
    {
        "walk_image": (*_WALK, *_PICTURE),
        **dict.fromkeys(("walk_reached_at", "walk_reached_rms", "walk_reached_max", "walk_final"), _WALK),
        **dict.fromkeys(("walk_rms", "walk_l2", "walk_max", "walk_stayed"), _WALK),
        "walk_source": ("walker",),
    },
)  # fmt: skip


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

    _KIND: ClassVar[str] = KIND

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that were done, of `PARTS`."""
        return tuple(part for part, mark in PARTS.items() if mark in self.arrays)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of its file; those of parts that were left out are empty."""
        return {name: make(self.arrays) for name, make in TABLES.items()}

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
        """Writes `results.nc`, the tables as csv and, last, `run.json`; returns the folder.

        Tables of an earlier run whose parts are left out now are taken away.

        Raises:
            StoreError: The folder cannot be written to.
        """
        tables = {name: table.to_csv(index=False) for name, table in self.tables.items() if len(table)}
        try:
            for name in TABLES.keys() - tables.keys():
                (Path(folder) / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot write in {folder}: {error.strerror or error}") from error
        return write_run_folder(folder, kind=KIND, record=self._record(), arrays=self.arrays, tables=tables)

    @classmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        check_explain_arrays(arrays)
        return {}


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
