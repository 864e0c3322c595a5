"""From the values of an audit's evaluation to its estimates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from shiftgauge.estimate.analysis import analyse, check_choices
from shiftgauge.estimate.chaos.candidates import ChaosOptions, check_chaos
from shiftgauge.estimate.chaos.intervals import Residual
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.rough.search import Surrogate
from shiftgauge.estimate.values import OnFailure
from shiftgauge.evaluate.quantities import finite_rows
from shiftgauge.studies.setup import Setup
from shiftgauge.types import OutputsNQ, ThetaNP


@dataclass(frozen=True, kw_only=True)
class Estimates:
    """How indices are estimated.

    Args:
        resamples: Bootstrap resamples.
        confidence_level: Level of the intervals.
        chaos: Which terms the surrogate may hold.
        surrogate: What `assisted` may add to its polynomial where a quantity is rough.
        residual: What the surrogate of `gpc` leaves over: `misfit` or `noise`.
        on_failure: What to do with evaluations that gave NaN or infinity: `raise` or `drop`.
    """

    resamples: int
    confidence_level: float
    chaos: ChaosOptions
    surrogate: Surrogate = "auto"
    residual: Residual = "misfit"
    on_failure: OnFailure = "raise"

    def check_choices(self, estimator: str) -> None:
        """Refuses what the estimator would do without.

        Raises:
            ConfigError: An unknown word, or a choice that belongs to another estimator.
        """
        check_choices(
            estimator,
            surrogate=self.surrogate,
            solver=self.chaos.solver,
            residual=self.residual,
            on_failure=self.on_failure,
        )

    def check(self, setup: Setup) -> None:
        """Refuses terms that the evaluation to come could not carry, before it is made.

        Raises:
            ConfigError: More terms than allowed, or degrees that do not fit the shifts.
            NumericalError: Not enough evaluations for the terms.
        """
        known = setup.evaluator.truth.features.shape[1] + len(setup.evaluator.quantities)
        features = known if setup.inputs.has_image else None
        design = setup.rows.design
        check_chaos(setup.inputs, self.chaos, n_rows=design.n_rows, n_features=features, estimator=setup.estimator)

    def indices(
        self, setup: Setup, values_nq: OutputsNQ, clean_iq: OutputsNQ, surrogate: Surrogate | None = None
    ) -> Indices:
        """Estimates the indices of every quantity (of its mean over the images where those are fixed).

        Args:
            setup: The audit.
            values_nq: Values of the evaluation (N, Q + 1).
            clean_iq: Values of every image at rest (n_images, Q + 1).
            surrogate: What may be added to the polynomial here; default what the whole audit may add.
        """
        names = setup.evaluator.quantities
        features = None
        if setup.inputs.has_image:
            features = np.column_stack([setup.evaluator.truth.features, clean_iq[:, : len(names)]])
        values = per_row(setup, values_nq).mean(axis=1)
        return self._analyse(setup, values, names, features, surrogate or self.surrogate)

    def per_image(self, setup: Setup, values_nq: OutputsNQ) -> xr.Dataset:
        """Estimates the indices of every fixed image by itself; an empty data set when images are drawn."""
        chosen = setup.rows.chosen
        if chosen is None:
            return xr.Dataset()
        names = setup.evaluator.quantities
        values = per_row(setup, values_nq)
        flat = values.transpose(0, 2, 1).reshape(len(values), -1)
        outputs = [f"{name} of image {i}" for name in names for i in chosen]
        found = self._analyse(setup, flat, outputs, None, self.surrogate)
        columns = [found.names.index(name) for name in setup.space.varying_names]
        variables = {}
        for kind in ("first_order", "total_order"):
            value = getattr(found, kind)[:, columns].reshape(len(names), len(chosen), -1)
            interval = getattr(found, f"{kind}_interval")[:, columns].reshape(*value.shape, 2)
            variables[f"image_{kind}"] = (("quantity", "chosen", "shift"), value)
            variables[f"image_{kind}_interval"] = (("quantity", "chosen", "shift", "bound"), interval)
        coords = {"quantity": list(names), "chosen": [setup.source.names[i] for i in chosen]}
        return xr.Dataset(
            variables, coords=coords | {"shift": list(setup.space.varying_names), "bound": ["low", "high"]}
        )

    def _analyse(
        self,
        setup: Setup,
        values: OutputsNQ,
        outputs: tuple[str, ...] | list[str],
        features: np.ndarray | None,
        surrogate: Surrogate,
    ) -> Indices:
        return analyse(
            setup.rows.design,
            values,
            outputs=outputs,
            estimator=setup.estimator,
            image_features=features,
            chaos=self.chaos,
            resamples=self.resamples,
            confidence_level=self.confidence_level,
            seed=setup.seed,
            surrogate=surrogate,
            residual=self.residual,
            on_failure=self.on_failure,
        )


def per_row(setup: Setup, values_nq: OutputsNQ) -> np.ndarray:
    """Values as (design row, image of the row, quantity), without the predicted class and the blocks."""
    each, width = len(setup.rows.chosen or (0,)), len(setup.evaluator.quantities)
    return values_nq[:, :width].reshape(-1, each, width)


def independent_rows(setup: Setup) -> np.ndarray:
    """Numbers of the design rows that are independent draws: A and B of each block, or every row of a plain design."""
    design = setup.rows.design
    if design.rows_per_block == 1:
        return np.arange(design.n_rows)
    first = np.arange(0, design.n_rows, design.rows_per_block)
    return np.stack([first, first + 1], axis=1).ravel()


def drawn(setup: Setup, values_nq: OutputsNQ) -> tuple[ThetaNP, np.ndarray, OutputsNQ]:
    """Shifts, image and values of every independent row that ran; fixed images are averaged over and numbered -1."""
    keep = independent_rows(setup)
    values = per_row(setup, values_nq).mean(axis=1)
    keep = keep[finite_rows(values)[keep]]
    rows = setup.rows.design.rows(0, setup.rows.design.n_rows)
    image = rows.image[keep] if setup.inputs.has_image else np.full(len(keep), -1)
    return rows.theta[keep], image, values[keep]


def image_of_rows(setup: Setup) -> np.ndarray:
    """Index of the image of every evaluated row (N,)."""
    return setup.rows.points(0, setup.rows.n_rows).image_n
