"""How sensitivity passes through the depth of a network: aggregated indices of what each block gives."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.projected import projected_indices
from shiftgauge.estimate.result import Indices
from shiftgauge.evaluate.options import BlockOptions, ExecutionOptions
from shiftgauge.studies.arrays import texts
from shiftgauge.studies.estimates import Estimates
from shiftgauge.studies.setup import Estimator, Setup
from shiftgauge.types import OutputsNQ

_COMPONENTS: Final = 8
"""Leading components of what a block gives for the images at rest that its surrogate may use."""
_MANY_SHIFTS: Final = 12


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


def block_arrays(setup: Setup, estimates: Estimates, values_nc: OutputsNQ, clean_ic: OutputsNQ) -> xr.Dataset:
    """First and total aggregated indices of every block, with intervals; empty when no blocks were looked at.

    They come from the same evaluations as everything else: by pick-freeze, and with the estimator `assisted` sharpened
    by a polynomial of low degree in the shifts, times the leading components of what the block gives for the images at
    rest. Where images are fixed, the vector is what the block gives for all of them together.

    Args:
        setup: The audit.
        estimates: Level of the intervals.
        values_nc: Values of the evaluation: quantities, predicted class, blocks (N, Q + 1 + B).
        clean_ic: The same for every image at rest (n_images, Q + 1 + B).
    """
    blocks = setup.evaluator.blocks
    if blocks is None:
        return xr.Dataset()
    start = len(setup.evaluator.quantities) + 1
    found = []
    for name, place in blocks.columns.items():
        columns = slice(start + place.start, start + place.stop)
        indices = _indices(setup, estimates, values_nc[:, columns], clean_ic[:, columns])
        found.append(projected_indices(indices, 0 if blocks.is_exact(name) else blocks.directions))
    axes = ("block", "input")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "block_variance": (("block",), np.array([f.variance for f in found])),
        "block_entries": (("block",), np.array([blocks.entries(name) for name in blocks.shapes])),
        "block_directions": (("block",), np.array([f.directions for f in found])),
        "block_pooled": (("block",), np.full(len(found), int(blocks.pooled), np.int8)),
        "block_shape": (("block",), texts("×".join(map(str, shape)) for shape in blocks.shapes.values())),
    }
    for kind in ("first_order", "total_order"):
        variables[f"block_{kind}"] = (axes, np.stack([getattr(f, kind) for f in found]))
        intervals = np.stack([getattr(f, f"{kind}_interval") for f in found])
        variables[f"block_{kind}_interval"] = ((*axes, "bound"), intervals)
    coords = {"block": list(blocks.shapes), "input": list(found[0].names), "bound": ["low", "high"]}
    return xr.Dataset(variables, coords=coords)


def _indices(setup: Setup, estimates: Estimates, values: OutputsNQ, clean: OutputsNQ) -> Indices:
    design = setup.rows.design
    if not isinstance(design, PickFreezeDesign):
        raise ConfigError("indices of blocks need a pick-freeze design")
    vector = values.reshape(design.n_rows, -1)
    outputs = [str(column) for column in range(vector.shape[1])]
    if setup.estimator == "pick_freeze":
        return pick_freeze(
            design,
            vector,
            outputs=outputs,
            resamples=estimates.resamples,
            confidence_level=estimates.confidence_level,
            seed=setup.seed,
            on_failure=estimates.on_failure,
        )
    degree = 2 if setup.space.n_varying <= _MANY_SHIFTS else 1
    return assisted(
        design,
        vector,
        outputs=outputs,
        chaos=ChaosOptions(degree=degree, max_features=_COMPONENTS),
        image_features=clean if setup.inputs.has_image else None,
        surrogate="chaos",
        resamples=estimates.resamples,
        confidence_level=estimates.confidence_level,
        seed=setup.seed,
        on_failure=estimates.on_failure,
    )
