"""How sensitivity passes through the depth of a network: aggregated indices of what each block gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.analysis import analyse
from shiftgauge.estimate.projected import ProjectedIndices, projected_indices
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions
from shiftgauge.studies.arrays import texts
from shiftgauge.studies.estimates import Estimates
from shiftgauge.studies.setup import Estimator, Setup
from shiftgauge.types import OutputsNQ


def execution_with_blocks(
    execution: ExecutionOptions, blocks: BlockOptions | None, estimator: Estimator
) -> ExecutionOptions:
    """Returns how the classifier may be run when its blocks are looked at: not compiled.

    Raises:
        ConfigError: Blocks are asked of a surrogate, or of a compiled network.
    """
    if blocks is None:
        return execution
    if estimator == "gpc":
        raise ConfigError(
            "`blocks` needs the estimator `assisted` or `pick_freeze`, got `gpc`: what a block gives is estimated from "
            "the sample itself"
        )
    if execution.compiled:
        raise ConfigError("`blocks` cannot be read from a compiled network; leave `compile` open or set it to false")
    return replace(execution, compiled=False)


def block_arrays(setup: Setup, estimates: Estimates, values_nc: OutputsNQ) -> xr.Dataset:
    """First and total aggregated indices of every block, with intervals; empty when no blocks were looked at.

    They are estimated by pick-freeze from the same evaluations as everything else. Where images are fixed, the vector
    is what the block gives for all of them together.

    Args:
        setup: The audit.
        estimates: Level of the intervals.
        values_nc: Values of the evaluation: quantities, predicted class, blocks (N, Q + 1 + B).
    """
    blocks = setup.evaluator.blocks
    if blocks is None:
        return xr.Dataset()
    columns = values_nc[:, len(setup.evaluator.quantities) + 1 :]
    found = [
        _indices(setup, estimates, columns[:, place], blocks.is_exact(name)) for name, place in blocks.columns.items()
    ]
    axes = ("block", "input")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "block_variance": (("block",), np.array([f.variance for f in found])),
        "block_entries": (("block",), np.array([blocks.entries(name) for name in blocks.shapes])),
        "block_directions": (("block",), np.array([f.directions for f in found])),
        "block_shape": (("block",), texts("×".join(map(str, shape)) for shape in blocks.shapes.values())),
    }
    for kind in ("first_order", "total_order"):
        variables[f"block_{kind}"] = (axes, np.stack([getattr(f, kind) for f in found]))
        intervals = np.stack([getattr(f, f"{kind}_interval") for f in found])
        variables[f"block_{kind}_interval"] = ((*axes, "bound"), intervals)
    coords = {"block": list(blocks.shapes), "input": list(found[0].names), "bound": ["low", "high"]}
    return xr.Dataset(variables, coords=coords)


def _indices(setup: Setup, estimates: Estimates, values: OutputsNQ, exact: bool) -> ProjectedIndices:
    each, k = len(setup.rows.chosen or (0,)), values.shape[1]
    vector = values.reshape(-1, each * k)
    found = analyse(
        setup.rows.design,
        vector,
        outputs=[str(column) for column in range(vector.shape[1])],
        estimator="pick_freeze",
        resamples=estimates.resamples,
        confidence_level=estimates.confidence_level,
        seed=setup.seed,
    )
    return projected_indices(found, 0 if exact else k)
