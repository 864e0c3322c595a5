"""Derivative statistics of a tabular model over the rows of its table."""

from __future__ import annotations

from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.data.table import TableDataset
from shiftgauge.errors import ModelError
from shiftgauge.estimate.partials import PartialStatistics, central_differences, partial_statistics
from shiftgauge.models.table_model import TableModel
from shiftgauge.random import generator
from shiftgauge.space import Space
from shiftgauge.types import FloatArray

_MOST_SECOND: Final = 40
"""Most inputs whose second derivatives are formed."""
_MOST_ROWS: Final = 2000
"""Most rows of the table that are differentiated."""


def derivative_arrays(model: TableModel, table: TableDataset, space: Space, seed: int) -> xr.Dataset:
    """The derivative statistics over the table's rows, at most 2,000 of them, drawn with the seed."""
    rows = table.values
    if len(rows) > _MOST_ROWS:
        rows = rows[np.sort(generator(seed, "derivatives").permutation(len(rows))[:_MOST_ROWS])]
    found = partials(model, rows, scale_of_features(table, space))
    first, pair = ("quantity", "feature"), ("quantity", "feature", "feature_2")
    names, arrays = list(table.feature_names), {}
    for kind in ("mean", "std", "mean_square"):
        arrays[f"derivative_{kind}"] = (first, getattr(found, kind))
        if np.isfinite(found.second_mean).any():
            arrays[f"second_derivative_{kind}"] = (pair, getattr(found, f"second_{kind}"))
    arrays["derivative_per_std"] = (first, np.sqrt(found.mean_square) * table.values.std(axis=0))
    facts = {"derivative_rows": found.n_rows, "derivative_way": found.way}
    coordinates = {"quantity": list(model.outputs), "feature": names, "feature_2": names}
    return xr.Dataset(arrays, coordinates).assign({k: ((), v) for k, v in facts.items()})


def partials(model: TableModel, rows: FloatArray, scale: FloatArray) -> PartialStatistics:
    """Derivative statistics of a model over rows, by autograd where there is a network that allows it."""
    second = rows.shape[1] <= _MOST_SECOND
    if model.module is not None:
        try:
            return partial_statistics(*model.derivatives(rows, second=second), way="automatic differentiation")
        except ModelError:
            pass  # a network with steps that autograd does not know; differences do
    found = central_differences(model.values, rows, scale, second=second)
    return partial_statistics(*found, way="central differences")


def scale_of_features(table: TableDataset, space: Space) -> FloatArray:
    """A step's scale for every column: its spread in the data, or in the space where the data do not vary."""
    spread = table.values.std(axis=0)
    wanted = np.sqrt([space[n].variance for n in table.feature_names])
    return np.where(spread > 0, spread, wanted)
