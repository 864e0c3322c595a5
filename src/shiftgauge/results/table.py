"""The result of the audit of a tabular model: indices of its inputs, how they converged, derivatives, retraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_variables

KIND: Final = "table_audit"
_INDEX: Final = ("quantity", "input")
_PAIR: Final = ("quantity", "input", "input_2")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "first_order": _INDEX,
    "first_order_interval": (*_INDEX, "bound"),
    "total_order": _INDEX,
    "total_order_interval": (*_INDEX, "bound"),
    "mean": ("quantity",),
    "variance": ("quantity",),
    "feature_text": ("feature",),
    "feature_mean": ("feature",),
    "feature_std": ("feature",),
    "feature_zeros": ("feature",),
}
_TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {"second_order": _PAIR, "second_order_interval": (*_PAIR, "bound")},
    {"total_interaction": _PAIR, "total_interaction_interval": (*_PAIR, "bound")},
    {"joint_share": ("quantity",), "joint_share_interval": ("quantity", "bound")},
    {
        "curve_first_order": ("n_base", *_INDEX),
        "curve_first_order_interval": ("n_base", *_INDEX, "bound"),
        "curve_total_order": ("n_base", *_INDEX),
        "curve_total_order_interval": ("n_base", *_INDEX, "bound"),
    },
    dict.fromkeys(("derivative_mean", "derivative_std", "derivative_mean_square"), ("quantity", "feature")),
    dict.fromkeys(
        ("second_derivative_mean", "second_derivative_std", "second_derivative_mean_square"),
        ("quantity", "feature", "feature_2"),
    ),
    {"reduction_accuracy": ("set", "repeat"), "reduction_majority": ("repeat",), "reduction_features": ("set",)},
)


@dataclass(frozen=True, kw_only=True, repr=False)
class TableAuditResult(RunResult):
    """What the audit of a tabular model found.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, times.
        cost: Evaluations and seconds.
        headline: The verdict in plain sentences.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
        messages: Findings about trust, most serious first.
        gates: The limits that were set and whether they were kept.
    """

    _KIND: ClassVar[str] = KIND

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module("shiftgauge.report.table_page").write_table_page(self, path)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, `indices.csv` and, last, `run.json`; returns the folder.

        Raises:
            StoreError: The folder cannot be written to.
        """
        tables = {"indices.csv": self.to_dataframe().to_csv(index=False)}
        return write_run_folder(folder, kind=KIND, record=self._record(), arrays=self.arrays, tables=tables)

    @classmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        check_table_arrays(arrays)
        return {}


def check_table_arrays(arrays: xr.Dataset) -> None:
    """Checks that the arrays of a table audit can be shown.

    Args:
        arrays: What `results.nc` holds.

    Raises:
        StoreError: An attribute, an axis or a variable is missing, or a variable has other axes.

    Example:
        >>> check_table_arrays(xr.Dataset())
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: results.nc holds no table audit: the attribute `quantity_of_interest` is missing
    """
    for name in ("quantity_of_interest", "confidence_level"):
        if name not in arrays.attrs:
            raise StoreError(f"results.nc holds no table audit: the attribute `{name}` is missing")
    for name in ("quantity", "input", "feature", "bound", *(n for n in ("n_base", "set") if n in arrays.dims)):
        if name not in arrays.coords:
            raise StoreError(f"results.nc holds no table audit: the axis `{name}` is missing or unnamed")
    if arrays.attrs["quantity_of_interest"] not in arrays["quantity"].values:
        raise StoreError(f"results.nc holds nothing about the output `{arrays.attrs['quantity_of_interest']}`")
    check_variables(arrays, _REQUIRED, _TOGETHER)
