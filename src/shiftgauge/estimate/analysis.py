"""One door to all estimators of Sobol' indices."""

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias, get_args

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.assisted import assisted
from shiftgauge.estimate.chaos.candidates import ChaosOptions
from shiftgauge.estimate.chaos.gpc import gpc
from shiftgauge.estimate.chaos.intervals import RESIDUALS, Residual
from shiftgauge.estimate.chaos.sparse import SOLVERS
from shiftgauge.estimate.designs import PickFreezeDesign, PlainDesign
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.estimate.result import Indices
from shiftgauge.estimate.rough.search import SURROGATES, Surrogate
from shiftgauge.estimate.values import ON_FAILURE, OnFailure
from shiftgauge.types import FloatArray, OutputsNQ

Estimator: TypeAlias = Literal["assisted", "pick_freeze", "gpc"]
ESTIMATORS: Final[tuple[str, ...]] = get_args(Estimator)


def analyse(
    design: PickFreezeDesign | PlainDesign,
    values: OutputsNQ,
    *,
    outputs: Sequence[str],
    estimator: str = "assisted",
    image_features: FloatArray | None = None,
    chaos: ChaosOptions | None = None,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
    surrogate: Surrogate = "auto",
    residual: Residual = "misfit",
) -> Indices:
    """Sobol' indices of all outputs, by the estimator asked for.

    Args:
        design: What was evaluated.
        values: Outputs at its rows, in order (n_rows, Q).
        outputs: Their names.
        estimator: `assisted` (default: a surrogate corrected by the sample), `pick_freeze` (no surrogate) or
            `gpc` (the surrogate alone, from a plain design).
        image_features: Numbers per image (n_images, k) that a surrogate may use.
        chaos: Terms of the surrogate.
        resamples: Bootstrap resamples.
        confidence_level: Of the intervals.
        seed: Of the resampling.
        on_failure: What to do with values that are NaN or infinite: `raise`, or `drop`, which leaves out the blocks
            of a pick-freeze design that hold one, with a count and a warning.
        surrogate: What `assisted` may add to its polynomial where an output is rough: `auto`, `chaos` for nothing,
            `gp` or `trees`.
        residual: What the surrogate of `gpc` leaves over: `misfit`, a part of the function that some inputs cause,
            which its intervals take in, or `noise` that none of them causes.

    Returns:
        Indices with intervals and status.

    Raises:
        ConfigError: Unknown estimator, or one that the design cannot serve.
        NumericalError: NaN or infinite values; the message names the row.

    Example:
        >>> from shiftgauge.estimate.inputs import Inputs
        >>> from shiftgauge.estimate.reference import ISHIGAMI
        >>> design = PickFreezeDesign(inputs=Inputs(space=ISHIGAMI.space), n_base=128)
        >>> y = ISHIGAMI.function(design.rows(0, design.n_rows).theta)[:, None]
        >>> analyse(design, y, outputs=["y"], estimator="pick_freeze", resamples=50).total_order.shape
        (1, 3)
    """
    require_in("estimator", estimator, ESTIMATORS)
    if estimator == "gpc":
        return gpc(
            design,
            values,
            outputs=outputs,
            chaos=chaos,
            image_features=image_features,
            resamples=resamples,
            confidence_level=confidence_level,
            seed=seed,
            on_failure=on_failure,
            residual=residual,
        )
    if not isinstance(design, PickFreezeDesign):
        raise ConfigError(f"the `{estimator}` estimator needs a PickFreezeDesign; a PlainDesign serves `gpc` only")
    if estimator == "pick_freeze":
        return pick_freeze(
            design,
            values,
            outputs=outputs,
            resamples=resamples,
            confidence_level=confidence_level,
            seed=seed,
            on_failure=on_failure,
        )
    return assisted(
        design,
        values,
        outputs=outputs,
        chaos=chaos,
        image_features=image_features,
        resamples=resamples,
        confidence_level=confidence_level,
        seed=seed,
        on_failure=on_failure,
        surrogate=surrogate,
    )


def check_choices(
    estimator: str,
    *,
    surrogate: str = "auto",
    solver: str = "auto",
    residual: str = "misfit",
    on_failure: str = "raise",
) -> None:
    """Refuses a choice that the estimator would silently do without.

    Args:
        estimator: `assisted`, `pick_freeze` or `gpc`.
        surrogate: Other than `auto` for `assisted` alone, since only there is anything added to a polynomial.
        solver: `omp` and `lars` for `gpc` alone; `assisted` takes least squares, `pick_freeze` nothing.
        residual: `noise` for `gpc` alone; the other estimators measure what a surrogate leaves.
        on_failure: `raise` or `drop`.

    Raises:
        ConfigError: An unknown word, or a choice that belongs to another estimator.

    Example:
        >>> check_choices("pick_freeze", surrogate="trees")
        Traceback (most recent call last):
        ...
        shiftgauge.errors.ConfigError: `surrogate: trees` belongs to the estimator assisted, got pick_freeze
    """
    require_in("estimator", estimator, ESTIMATORS)
    require_in("surrogate", surrogate, SURROGATES)
    require_in("solver", solver, SOLVERS)
    require_in("residual", residual, RESIDUALS)
    require_in("on_failure", on_failure, ON_FAILURE)
    if surrogate != "auto" and estimator != "assisted":
        raise ConfigError(f"`surrogate: {surrogate}` belongs to the estimator assisted, got {estimator}")
    if solver in ("omp", "lars") and estimator != "gpc":
        raise ConfigError(f"`solver: {solver}` belongs to the estimator gpc, got {estimator}")
    if residual != "misfit" and estimator != "gpc":
        raise ConfigError(f"`residual: {residual}` belongs to the estimator gpc, got {estimator}")
