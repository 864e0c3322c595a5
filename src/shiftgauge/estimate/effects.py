"""How the output moves with one input, and with two: curves and surfaces beside the samples behind them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.chaos.surrogate import ChaosSurrogate
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.inputs import IMAGE, REPEAT, Inputs
from shiftgauge.estimate.values import OnFailure, finite_rows
from shiftgauge.parameter import Parameter
from shiftgauge.types import FloatArray, OutputsNQ


@dataclass(frozen=True, kw_only=True)
class MainEffect:
    """E[f | x_i] for all outputs: a smooth curve from the surrogate, and means of the sample in bins.

    Args:
        name: The input.
        unit: Its unit.
        grid: Values of the input (m,).
        curve: Surrogate's E[g | x_i] (m, Q); None without a surrogate.
        bin_centre: Mean value of the input in each bin (b,); image indices for the image.
        bin_mean: Mean output (b, Q).
        bin_interval: Student's interval of that mean (b, Q, 2).
        bin_count: Rows in the bin (b,).
    """

    name: str
    unit: str
    grid: FloatArray
    curve: FloatArray | None
    bin_centre: FloatArray
    bin_mean: FloatArray
    bin_interval: FloatArray
    bin_count: np.ndarray


def main_effect(
    design: PickFreezeDesign | PlainDesign,
    values: OutputsNQ,
    name: str,
    *,
    surrogate: ChaosSurrogate | None = None,
    n_grid: int = 61,
    n_bins: int = 12,
    confidence_level: float = 0.95,
    on_failure: OnFailure = "raise",
) -> MainEffect:
    """Main effect of one input on all outputs.

    Args:
        design: What was evaluated; of a pick-freeze design the independent rows A and B are binned.
        values: Outputs at its rows (n_rows, Q).
        name: The input; not `repeat`.
        surrogate: Gives the curve, its other inputs averaged exactly.
        n_grid: Points of the curve.
        n_bins: Bins of equal probability; a `choice` has one per value, the image one per image.
        confidence_level: Of the intervals of the bins' means.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop` their rows.

    Returns:
        Curve and bins; empty bins are left out, and a bin of one row has an interval of NaN.

    Raises:
        ConfigError: Unknown input.
        NumericalError: NaN or infinite values that are not to be dropped.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import linear_gaussian
        >>> ref = linear_gaussian()
        >>> design = PlainDesign(inputs=Inputs(space=ref.space), n=512)
        >>> y = ref.function(design.rows(0, 512).theta)[:, None]
        >>> effect = main_effect(design, y, "x3", n_bins=4)
        >>> bool(abs(effect.bin_mean[:, 0] - 3 * effect.bin_centre).max() < 0.3)
        True
    """
    inputs = design.inputs
    require_in("input", name, [n for n in inputs.names if n != REPEAT])
    require_positive_int("n_grid", n_grid, low=2)
    require_positive_int("n_bins", n_bins)
    column = inputs.names.index(name)
    coordinate, unit, sample = _sample(design, values, column, on_failure)
    parameter = inputs.parameters[column]
    if name == IMAGE or parameter is None:
        grid = np.arange(inputs.n_images, dtype=float)
        which = coordinate.astype(np.int64)
    elif parameter.levels is not None:
        grid = parameter.levels[0]
        which = np.searchsorted(grid, coordinate)
    else:
        grid = np.linspace(*parameter.display_range(), n_grid)
        which = np.minimum((unit * n_bins).astype(np.int64), n_bins - 1)
    curve = None if surrogate is None else surrogate.conditional_mean([column], grid[:, None])
    return MainEffect(
        name=name,
        unit="" if parameter is None else parameter.unit,
        grid=grid,
        curve=curve,
        **_bins(which, coordinate, sample, confidence_level),
    )


@dataclass(frozen=True, kw_only=True)
class ResponseSurface:
    """The surrogate over two inputs.

    Args:
        names: The two inputs.
        grid_x: Values of the first (m,); the values of a `choice`.
        grid_y: Values of the second (k,); the values of a `choice`.
        surface: Surrogate (k, m, Q), first axis the second input, as plotting libraries expect.
        fixed: The inputs that are held, with their values; all others are averaged.
    """

    names: tuple[str, str]
    grid_x: FloatArray
    grid_y: FloatArray
    surface: FloatArray
    fixed: Mapping[str, float]


def response_surface(
    inputs: Inputs,
    surrogate: ChaosSurrogate,
    names: tuple[str, str],
    *,
    fixed: Mapping[str, float] | None = None,
    n_grid: int = 61,
) -> ResponseSurface:
    """The surrogate over two inputs with others held.

    Args:
        inputs: Those of the design that it was fitted to.
        surrogate: One that was fitted to the inputs.
        names: Two different inputs, neither image nor repeat.
        fixed: Inputs that are held → value (the image by its index). All others are averaged.
        n_grid: Points a side; a `choice` has its values instead, since nothing lies between them.

    Returns:
        The surface.

    Raises:
        ConfigError: Unknown input, or one named twice.

    Example:
        >>> from shiftgauge.estimate.chaos.gpc import gpc
        >>> from shiftgauge.estimate.reference import weld_polynomial
        >>> ref = weld_polynomial()
        >>> design = PlainDesign(inputs=Inputs(space=ref.space), n=256)
        >>> y = ref.function(design.rows(0, 256).theta)[:, None]
        >>> model = gpc(design, y, outputs=["y"], resamples=0).surrogate.model
        >>> response_surface(design.inputs, model, ("rotation", "tilt"), n_grid=3).surface.shape
        (3, 3, 1)
    """
    held, columns = _slice(inputs, names, fixed)
    x, y = (_axis(inputs.space[name], n_grid) for name in names)
    grid_x, grid_y = np.meshgrid(x, y)
    points = np.column_stack([grid_x.ravel(), grid_y.ravel(), *(np.full(grid_x.size, v) for v in held.values())])
    surface = surrogate.conditional_mean(columns, points).reshape(len(y), len(x), -1)
    return ResponseSurface(names=names, grid_x=x, grid_y=y, surface=surface, fixed=held)


def _slice(
    inputs: Inputs, names: tuple[str, str], fixed: Mapping[str, float] | None
) -> tuple[dict[str, float], list[int]]:
    """The held inputs, and the columns of the axes and of these."""
    held = dict(fixed or {})
    shifts = [n for n in inputs.names if n not in (IMAGE, REPEAT)]
    for name in names:
        require_in("parameter", name, shifts)
    for name in held:
        require_in("input", name, [n for n in inputs.names if n != REPEAT])
    if len({*names, *held}) != 2 + len(held):
        raise ConfigError(f"the two axes {names} and the held inputs {list(held)} must all differ")
    return held, [inputs.names.index(name) for name in (*names, *held)]


def _axis(parameter: Parameter, n_grid: int) -> FloatArray:
    if parameter.levels is not None:
        return parameter.levels[0]
    return np.linspace(*parameter.display_range(), n_grid)


def _sample(
    design: PickFreezeDesign | PlainDesign, values: OutputsNQ, column: int, on_failure: OnFailure
) -> tuple[FloatArray, FloatArray, OutputsNQ]:
    array = np.asarray(values, float)
    width = array.shape[1] if array.ndim == 2 else 1
    sample, kept = finite_rows(design, array, [str(q) for q in range(width)], on_failure)
    if isinstance(design, PickFreezeDesign):
        kept = kept & (np.arange(design.n_rows) % design.rows_per_block < 2)
    unit = design.rows(0, design.n_rows).unit[kept]
    return design.inputs.coordinates(unit)[:, column], unit[:, column], sample[kept]


def _bins(which: np.ndarray, coordinate: FloatArray, sample: OutputsNQ, level: float) -> dict[str, Any]:
    present, code, count = np.unique(which, return_inverse=True, return_counts=True)
    indicator = np.zeros((len(present), len(sample)))
    indicator[code, np.arange(len(sample))] = 1.0 / count[code]
    mean = indicator @ sample
    spread = np.maximum(indicator @ (sample - mean[code]) ** 2, 0.0)
    free = np.maximum(count - 1, 1)
    half = np.sqrt(spread / free[:, None]) * student.ppf((1 + level) / 2, free)[:, None]
    half[count < 2] = np.nan
    return {
        "bin_centre": indicator @ coordinate,
        "bin_mean": mean,
        "bin_interval": np.stack([mean - half, mean + half], axis=-1),
        "bin_count": count,
    }
