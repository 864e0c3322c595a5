"""The result of attacks on classifiers: accuracy against the loudness of attacks, noise and natural shifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Final

import pandas as pd
import xarray as xr

from shiftgauge.errors import StoreError
from shiftgauge.results.attack_tables import TABLES, accuracy_table, comparison_table, transfer_table
from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_variables

KIND: Final = "attack"
_ENDS: Final = ("", "_low", "_high")
_ROW: Final = ("row",)
_PANEL: Final = ("series", "panel", "shown")
_MATRIX: Final = ("attack", "budget", "source", "target")
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    **{f"clean_accuracy{end}": ("model",) for end in _ENDS},
    "clean_right": ("model", "image"),
    "image_label": ("image",),
}
_TOGETHER: Final[tuple[Mapping[str, tuple[str, ...]], ...]] = (
    {
        **dict.fromkeys(("row_model", "row_way", "row_kind", "row_level", "row_level_unit"), _ROW),
        **dict.fromkeys(("row_asked", "row_set_snr", "row_median_snr", "row_zero_gradient"), _ROW),
        **{f"row_accuracy{end}": _ROW for end in _ENDS},
        **dict.fromkeys(("row_right", "row_image_snr"), ("row", "image")),
    },
    {f"row_reached{end}": _ROW for end in _ENDS},
    {
        **{f"transfer_{name}{end}": _MATRIX for name in ("accuracy", "difference") for end in _ENDS},
        "transfer_right": (*_MATRIX, "image"),
        **dict.fromkeys(("transfer_epsilon", "transfer_set_snr"), ("attack", "budget", "source")),
    },
    {
        **dict.fromkeys(("comparison_first", "comparison_second", "comparison_way"), ("comparison",)),
        "comparison_at": ("comparison",),
        **{f"comparison_difference{end}": ("comparison",) for end in _ENDS},
    },
    {
        "picture": ("shown", "channel", "y", "x"),
        **dict.fromkeys(("shown_name", "shown_label"), ("shown",)),
        **dict.fromkeys(("shown_said", "shown_probability"), ("model", "shown")),
    },
    {
        "attacked_picture": (*_PANEL, "channel", "y", "x"),
        **dict.fromkeys(("series_model", "series_way"), ("series",)),
        **{f"attacked_{name}": _PANEL for name in ("epsilon", "snr", "said", "probability")},
        "panel_asked": ("panel",),
    },
    {f"audit_{kind}{end}": ("audit_shift",) for kind in ("first_order", "total_order") for end in _ENDS},
)


@dataclass(frozen=True, kw_only=True, repr=False)
class AttackResult(RunResult):
    """What attacks, noise and natural shifts leave of classifiers.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, times.
        cost: Images that passed through the networks, gradients and seconds of each part.
        headline: What was found, in plain sentences.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
        messages: What to know before relying on it.
        gates: The limits that were set and whether they were kept.
    """

    _KIND: ClassVar[str] = KIND

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""
        return tuple(map(str, self.arrays["model"].values))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Every table by the name of its file; those of parts that were left out are empty."""
        return {name: make(self.arrays) for name, make in TABLES.items()}

    def to_dataframe(self) -> pd.DataFrame:
        """Accuracy of each model under each way at each loudness; see `accuracy_table`."""
        return accuracy_table(self.arrays)

    def transfer_to_dataframe(self) -> pd.DataFrame:
        """Accuracy of each model on images made on each other; see `transfer_table`. Empty without a matrix."""
        return transfer_table(self.arrays)

    def comparison_to_dataframe(self) -> pd.DataFrame:
        """Paired differences of models; see `comparison_table`. Empty for one model."""
        return comparison_table(self.arrays)

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return import_module("shiftgauge.report.attack_page").write_attack_page(self, path)

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
        check_attack_arrays(arrays)
        return {}


def check_attack_arrays(arrays: xr.Dataset) -> None:
    """Checks that the arrays of attacks can be shown.

    Args:
        arrays: What `results.nc` holds.

    Raises:
        StoreError: An axis or a variable is missing, or a variable has other axes.

    Example:
        >>> check_attack_arrays(xr.Dataset())
        Traceback (most recent call last):
        ...
        shiftgauge.errors.StoreError: results.nc holds no attacks: the axis `model` is missing or unnamed
    """
    for axis in ("model", "image"):
        if axis not in arrays.coords:
            raise StoreError(f"results.nc holds no attacks: the axis `{axis}` is missing or unnamed")
    if "confidence_level" not in arrays.attrs:
        raise StoreError("results.nc holds no attacks: the attribute `confidence_level` is missing")
    check_variables(arrays, _REQUIRED, _TOGETHER)
