"""Derivative statistics of a tabular model over the rows of its table."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.data.table import TableDataset
from shiftgauge.errors import ModelError, NumericalError
from shiftgauge.estimate.partials import PartialStatistics, central_differences, partial_statistics
from shiftgauge.models.table_model import TableModel
from shiftgauge.random import generator
from shiftgauge.space import Space
from shiftgauge.studies.table_measure import TableEstimate
from shiftgauge.types import FloatArray

_MOST_SECOND: Final = 40
"""Most inputs whose second derivatives are formed."""
_MOST_ROWS: Final = 2000
"""Most rows of the table that are differentiated."""


def derivative_arrays(model: TableModel, table: TableDataset, space: Space, options: TableEstimate) -> xr.Dataset:
    """The derivative statistics over the table's rows, at most 2,000 of them, drawn with the seed.

    Where failures are dropped, a row at which a derivative is not finite is left out.
    """
    rows = table.values
    if len(rows) > _MOST_ROWS:
        rows = rows[np.sort(generator(options.seed, "derivatives").permutation(len(rows))[:_MOST_ROWS])]
    found = partials(model, rows, scale_of_features(table, space), drop=options.on_failure == "drop")
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


def partials(model: TableModel, rows: FloatArray, scale: FloatArray, *, drop: bool = False) -> PartialStatistics:
    """Derivative statistics of a model over rows, by autograd where there is a network that allows it.

    Raises:
        NumericalError: The model gives NaN or infinity; with `drop`, so near every row.
    """
    second, way = rows.shape[1] <= _MOST_SECOND, "automatic differentiation"
    found = None
    if model.module is not None:
        with contextlib.suppress(ModelError):  # a network with steps that autograd does not know; differences do
            found = model.derivatives(rows, second=second)
    if found is None:
        way, values = "central differences", partial(model.values, require_finite=not drop)
        found = central_differences(values, rows, scale, second=second)
    first, after = found
    if drop:
        finite = np.isfinite(first.reshape(len(first), -1)).all(axis=1)
        if len(after):
            finite &= np.isfinite(after.reshape(len(after), -1)).all(axis=1)
        if not finite.any():
            raise NumericalError("the model fails beside every row of the table; set `derivatives` to false")
        first, after = first[finite], after[finite] if len(after) else after
    return partial_statistics(first, after, way=way)


def scale_of_features(table: TableDataset, space: Space) -> FloatArray:
    """A step's scale for every column: its spread in the data, or in the space where the data do not vary."""
    spread = table.values.std(axis=0)
    wanted = np.sqrt([space[n].variance for n in table.feature_names])
    return np.where(spread > 0, spread, wanted)
