"""Main effects, response surfaces and the gauge R&R table of an audit, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.effects import MainEffect, main_effect, response_surface
from shiftgauge.estimate.gauge import GaugeTable, gauge_table
from shiftgauge.estimate.result import Indices
from shiftgauge.parameter import Parameter
from shiftgauge.studies.arrays import texts
from shiftgauge.studies.estimates import per_row
from shiftgauge.studies.setup import Setup
from shiftgauge.studies.verdict_facts import readable
from shiftgauge.types import OutputsNQ

PAIRS: Final = 6
"""Pairs of shifts that get a response surface: those that matter most."""
SLICES: Final = 5
"""Values of the third shift at which each surface is cut."""
_GRID: Final = 33
_NAMES: Final = {
    "part": "Part to part",
    "class": "Between classes",
    "within_class": "Within a class",
    "higher_order": "Higher order",
    "repeatability": "Repeatability",
    "gauge": "Total gauge R&R",
    "total": "Total variation",
}


def gauge_arrays(indices: Indices, setup: Setup) -> xr.Dataset:
    """The gauge R&R table of every quantity; empty when no part is drawn or a surrogate alone was fitted."""
    if not setup.inputs.has_image or setup.estimator == "gpc":
        return xr.Dataset()
    kinds = setup.evaluator.truth.kinds
    tables = [gauge_table(indices, output=name, image_labels=kinds) for name in indices.outputs]
    rows = tables[0].rows
    names = [_NAMES.get(row.kind, readable(row.name)) for row in rows]
    axes = ("quantity", "component")
    percent = {"contribution": 100.0, "study_variation": 100.0, "variance": 1.0}
    variables = {}
    for kind, scale in percent.items():
        variables[f"gauge_{kind}"] = (axes, _rows(tables, kind) / scale)
        variables[f"gauge_{kind}_interval"] = ((*axes, "bound"), _rows(tables, f"{kind}_interval") / scale)
    return xr.Dataset(
        variables
        | {
            "component_level": ("component", [int(row.kind in ("class", "within_class")) for row in rows]),
            "component_kind": ("component", texts(row.kind for row in rows)),
            "gauge_ndc": ("quantity", [_number(table.distinct_categories) for table in tables]),
            "gauge_verdict": ("quantity", texts(table.verdict for table in tables)),
        },
        coords={"quantity": list(indices.outputs), "component": names, "bound": ["low", "high"]},
    )


def effect_arrays(indices: Indices, setup: Setup, values_nq: OutputsNQ) -> xr.Dataset:
    """Main effects of every shift, and response surfaces of the pairs that matter most.

    Args:
        indices: The estimates; without a surrogate there are bins but neither curves nor surfaces.
        setup: The audit.
        values_nq: Values of the evaluation (N, Q + 1).
    """
    values = per_row(setup, values_nq).mean(axis=1)
    model = None if indices.surrogate is None else indices.surrogate.model
    parts = [_main_effects(indices, setup, values, model)]
    if model is not None and setup.space.n_varying > 1:
        parts.append(_surfaces(indices, setup, model))
    return xr.merge(parts, join="outer")


def _main_effects(indices: Indices, setup: Setup, values: OutputsNQ, model: ChaosSurrogate | None) -> xr.Dataset:
    names = setup.space.varying_names
    found = [
        main_effect(
            setup.rows.design,
            values,
            name,
            surrogate=model,
            confidence_level=indices.confidence_level,
            on_failure=setup.evaluator.on_failure,
        )
        for name in names
    ]
    variables = {
        "bin_x": (("shift", "bin"), _padded([e.bin_centre for e in found])),
        "bin_mean": (("quantity", "shift", "bin"), _by_quantity(found, "bin_mean")),
        "bin_mean_interval": (("quantity", "shift", "bin", "bound"), _by_quantity(found, "bin_interval")),
        "bin_count": (("shift", "bin"), _padded([e.bin_count.astype(float) for e in found])),
    }
    if model is not None:
        variables["main_effect_x"] = (("shift", "grid"), _padded([e.grid for e in found]))
        variables["main_effect"] = (("quantity", "shift", "grid"), _by_quantity(found, "curve"))
    return xr.Dataset(variables, coords={"quantity": list(indices.outputs), "shift": list(names)})


def _surfaces(indices: Indices, setup: Setup, model: ChaosSurrogate) -> xr.Dataset:
    ranked = _ranked(indices, setup)
    pairs = sorted(combinations(ranked, 2), key=lambda pair: ranked.index(pair[0]) + ranked.index(pair[1]))[:PAIRS]
    thirds = [next((name for name in ranked if name not in pair), "") for pair in pairs]
    slices = [_slices(setup.space[third]) if third else np.full(SLICES, np.nan) for third in thirds]
    # a `choice` has as many heights as values; each stands at several neighbouring lines of the common grid
    z = np.empty((len(indices.outputs), len(pairs), SLICES, _GRID, _GRID))
    x, y = np.empty((2, len(pairs), _GRID))
    for p, (pair, third) in enumerate(zip(pairs, thirds, strict=True)):
        for s, level in enumerate(slices[p]):
            fixed = {third: float(level)} if third else {}
            cut = response_surface(setup.rows.design.inputs, model, pair, fixed=fixed, n_grid=_GRID)
            m, k = _spread(len(cut.grid_x), _GRID), _spread(len(cut.grid_y), _GRID)
            x[p], y[p] = cut.grid_x[m], cut.grid_y[k]
            z[:, p, s] = np.moveaxis(cut.surface[np.ix_(k, m)], -1, 0)
    return xr.Dataset(
        {
            "pair_first": ("pair", texts(pair[0] for pair in pairs)),
            "pair_second": ("pair", texts(pair[1] for pair in pairs)),
            "pair_third": ("pair", texts(thirds)),
            "surface_x": (("pair", "gx"), x),
            "surface_y": (("pair", "gy"), y),
            "surface_fixed": (("pair", "slice"), np.stack(slices)),
            "surface_z": (("quantity", "pair", "slice", "gy", "gx"), z),
        },
        coords={"quantity": list(indices.outputs)},
    )


def _ranked(indices: Indices, setup: Setup) -> list[str]:
    """Shifts by their largest total index over the quantities, largest first."""
    names = setup.space.varying_names
    total = np.nan_to_num(indices.total_order, nan=0.0).max(axis=0)
    return sorted(names, key=lambda name: -total[indices.names.index(name)])


def _slices(parameter: Parameter) -> np.ndarray:
    if parameter.levels is not None:
        values = parameter.levels[0]
        return values[_spread(len(values), SLICES)]
    return np.linspace(*parameter.display_range(), SLICES)


def _spread(n: int, count: int) -> np.ndarray:
    """Positions of `count` of n things in order, evenly, each about as often as any other."""
    return np.linspace(0, n - 1, count).round().astype(int)


def _rows(tables: Sequence[GaugeTable], attribute: str) -> np.ndarray:
    return np.array([[getattr(row, attribute) for row in table.rows] for table in tables], float)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Stacks rows of different lengths, filled up with NaN at their ends."""
    longest = max(len(row) for row in rows)
    out = np.full((len(rows), longest, *rows[0].shape[1:]), np.nan)
    for number, row in enumerate(rows):
        out[number, : len(row)] = row
    return out


def _by_quantity(found: Sequence[MainEffect], attribute: str) -> np.ndarray:
    return np.moveaxis(_padded([getattr(effect, attribute) for effect in found]), 2, 0)
