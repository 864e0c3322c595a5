"""The result of an audit: arrays with named axes, what was asked, from what, at what cost, how sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
import xarray as xr

from shiftgauge.results.result import RunResult
from shiftgauge.results.run_folder import write_run_folder
from shiftgauge.results.schema import check_arrays
from shiftgauge.results.status import TRUSTED_SHARE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True, repr=False)
class AuditResult(RunResult):
    """What an audit found.

    Args:
        config: The resolved configuration, plain values.
        provenance: Content hashes, versions, seed, device, times.
        cost: Evaluations, seconds, images per second, how the model was run and the trial that chose it.
        messages: Findings about trust, most serious first.
        gates: The configured limits and whether they were kept.
        headline: The verdict in one plain sentence.
        arrays: xarray data set; its variables are listed in `docs/reference/run-folder.md`.
    """

    _KIND: ClassVar[str] = "audit"

    def to_dataframe(self) -> pd.DataFrame:
        """The indices as a long table: quantity, kind, input, input_2, estimate, low, high, factual.

        `kind` is `first_order`, `total_order`, `second_order` or `total_interaction`; `factual` is what `is_factual`
        says of the quantity.
        """
        data, table = self.arrays, super().to_dataframe()
        known = {str(q): is_factual(data, str(q)) for q in data["quantity"].values}
        return table.assign(factual=[known[str(q)] for q in table["quantity"]])

    def blocks_to_dataframe(self) -> pd.DataFrame:
        """The aggregated indices of the network's blocks as a long table: block, kind, input, estimate, low, high.

        Empty where the audit looked at no blocks.
        """
        rows = []
        for block in self.arrays["block"].values if "block_total_order" in self.arrays else ():
            for kind in ("first_order", "total_order"):
                for name in self.arrays["input"].values:
                    found = self.arrays[[f"block_{kind}", f"block_{kind}_interval"]].sel(block=block, input=name)
                    low, high = found[f"block_{kind}_interval"].values
                    rows.append((str(block), kind, str(name), float(found[f"block_{kind}"]), float(low), float(high)))
        return pd.DataFrame(rows, columns=["block", "kind", "input", "estimate", "low", "high"])

    def report(self, path: str | Path) -> Path:
        """Writes the page of this result as one self-contained HTML file and returns its path."""
        return _report("page").write_page(self, path)

    def plot_indices(self, quantity: str | None = None) -> Figure:
        """First and total indices with their intervals, ranked."""
        return _report("figures").plot_indices(self, quantity)

    def plot_interactions(self, quantity: str | None = None) -> Figure:
        """Which pairs of inputs act together, as a heat map."""
        return _report("figures").plot_interactions(self, quantity)

    def plot_convergence(self, quantity: str | None = None) -> Figure:
        """First and total indices against the number of base samples, with the bands of their intervals."""
        return _report("figure_curves").plot_convergence(self, quantity)

    def plot_depth(self) -> Figure:
        """First and total aggregated indices of every block of the network, from input to output."""
        return _report("figure_depth").plot_depth(self)

    def plot_main_effects(self, quantity: str | None = None) -> Figure:
        """Mean of the quantity along each shift, with the samples behind it."""
        return _report("figures").plot_main_effects(self, quantity)

    def plot_surface(self, quantity: str | None = None, pair: int = 0, slice_index: int | None = None) -> Figure:
        """Response surface of the surrogate over two shifts at a fixed third, with the samples near that slice."""
        return _report("figures").plot_surface(self, quantity, pair, slice_index)

    def plot_gauge(self, quantity: str | None = None) -> Figure:
        """The gauge R&R split of the variance."""
        return _report("figures").plot_gauge(self, quantity)

    def plot_strips(self, strip: int = 0) -> Figure:
        """One image transformed along each shift, with the probability under each picture."""
        return _report("figures").plot_strips(self, strip)

    def to_disk(self, folder: str | Path) -> Path:
        """Writes `results.nc`, `indices.csv`, `blocks.csv` where there are blocks, and, last, `run.json`.

        Raises:
            StoreError: The folder cannot be written to.
        """
        tables = {"indices.csv": self.to_dataframe().to_csv(index=False)}
        if "block_total_order" in self.arrays:
            tables["blocks.csv"] = self.blocks_to_dataframe().to_csv(index=False)
        return write_run_folder(folder, kind="audit", record=self._record(), arrays=self.arrays, tables=tables)

    @classmethod
    def _own_parts(cls, record: Mapping[str, Any], arrays: xr.Dataset, folder: Path) -> dict[str, Any]:
        check_arrays(arrays)
        return {}


def is_factual(arrays: xr.Dataset, quantity: str) -> bool:
    """Whether a quantity's indices are the classifier's own.

    The estimator `gpc` gives those of a surrogate; they count as the classifier's from Q² = 0.9 on.

    Args:
        arrays: The arrays of a result.
        quantity: One of its quantities.

    Example:
        >>> data = xr.Dataset({"surrogate_share": ("quantity", [0.8])}, {"quantity": ["margin"]}, {"estimator": "gpc"})
        >>> is_factual(data, "margin"), is_factual(data.assign_attrs(estimator="assisted"), "margin")
        (False, True)
    """
    if arrays.attrs.get("estimator") != "gpc":
        return True
    return "surrogate_share" in arrays and float(arrays["surrogate_share"].sel(quantity=quantity)) >= TRUSTED_SHARE


def _report(module: str) -> Any:
    """A module of the report, found by name: results stay free of plotting until someone asks for a picture."""
    return import_module(f"shiftgauge.report.{module}")
