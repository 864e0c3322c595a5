"""Derivative bounds first, pick-freeze for what they leave open: Sobol' indices among thousands of inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shiftgauge.checks import require_range
from shiftgauge.estimate.derivative import DerivativeBounds, GradientFunction, derivative_bounds
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs, as_space
from shiftgauge.estimate.result import Indices, Status
from shiftgauge.estimate.streaming import stream_pick_freeze
from shiftgauge.estimate.values import OnFailure
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, OutputsNQ, ThetaNP


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Inputs split into those that need a closer look and those that are proved to matter little together.

    Args:
        open_inputs: Inputs whose bound is too large to leave them out, by falling bound.
        negligible: Inputs that go into one group, in their order.
        threshold: What the total index of that group stays below, as asked.
        limit: What it stays below as found: the sum of the members' upper confidence limits, for each output (Q,).
        group: Name of the group.
    """

    open_inputs: tuple[str, ...]
    negligible: tuple[str, ...]
    threshold: float
    limit: FloatArray
    group: str

    @property
    def groups(self) -> dict[str, tuple[str, ...]] | None:
        """What `PickFreezeDesign` takes as `groups`; None when every input stays open."""
        return {self.group: self.negligible} if self.negligible else None


@dataclass(frozen=True, kw_only=True)
class ScreenedIndices:
    """Bounds, what they decided, and Sobol' indices of what they left open.

    Args:
        bounds: From derivatives, for every input.
        screening: Which inputs stayed open.
        indices: Of each open input, and of the negligible ones as one group.
    """

    bounds: DerivativeBounds
    screening: Screening
    indices: Indices

    @property
    def n_evaluations(self) -> int:
        """Gradients and values together."""
        return self.bounds.n_evaluations + self.indices.n_evaluations

    @property
    def status(self) -> tuple[Status, ...]:
        """What to know about bounds and indices."""
        return (*self.bounds.status, *self.indices.status)


def screen(bounds: DerivativeBounds, threshold: float = 0.05, *, group: str = "negligible") -> Screening:
    """Gathers as many inputs as the bounds allow into one group of small total index.

    The total index of a set of inputs is at most the sum of theirs: S_T,u ≤ Σ_{i∈u} S_Ti ≤ Σ_{i∈u} limit_i. Inputs are
    taken in the order of their limits while the sum stays within the threshold, for every output.

    Args:
        bounds: From `derivative_bounds`.
        threshold: Share of the variance that the group may have, in [0, 1).
        group: Its name.

    Returns:
        The split. Nothing is assumed of inputs that stay open.

    Example:
        >>> from shiftgauge.estimate.reference import linear_gaussian
        >>> weights = np.array([1.0, 0.01, 0.02])
        >>> def gradient(x): return x @ weights, np.tile(weights, (len(x), 1))
        >>> space = linear_gaussian(tuple(weights)).space
        >>> screen(derivative_bounds(gradient, space, outputs=["y"])).negligible
        ('x2', 'x3')
    """
    require_range("threshold", threshold, 0.0, 0.999, hint="0.05 leaves out inputs that have at most 5 % together")
    limit = np.where(bounds.defined[:, None], bounds.limit, 0.0)  # what is constant depends on nothing
    worst = limit.max(axis=0)
    order = np.argsort(worst, kind="stable")
    within = (np.cumsum(limit[:, order], axis=1) <= threshold).all(axis=0)
    chosen = sorted(order[: int(within.sum())].tolist())
    left = [i for i in order[::-1].tolist() if i not in set(chosen)]
    return Screening(
        open_inputs=tuple(bounds.names[i] for i in left),
        negligible=tuple(bounds.names[i] for i in chosen),
        threshold=threshold,
        limit=limit[:, chosen].sum(axis=1),
        group=group,
    )


def screen_then_estimate(
    function: Callable[[ThetaNP], OutputsNQ],
    gradient: GradientFunction,
    space: Space | Mapping[str, Any],
    *,
    outputs: Sequence[str],
    threshold: float = 0.05,
    n_gradients: int = 1024,
    n_base: int = 1024,
    method: str = "sobol",
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
) -> ScreenedIndices:
    """Sobol' indices of the inputs that derivative bounds leave open, all others picked and frozen as one.

    The cost is `n_gradients` gradients and n_base · (k + 3) values for k open inputs, instead of n_base · (d + 2).
    What is guaranteed: if f is smooth and the inputs are independent, then up to the confidence level the group's total
    index, and so every member's, is at most the threshold. The group's own index is estimated as well, which checks
    it: where its interval lies above the threshold, a status of level `error` says that the derivatives mislead.

    Args:
        function: Physical values (n, P) → values (n, Q).
        gradient: As in `derivative_bounds`.
        space: Independent inputs.
        outputs: Names of the Q outputs.
        threshold: Share of the variance that the inputs left out may have together, in [0, 1).
        n_gradients: Number of gradients.
        n_base: Blocks of the pick-freeze design.
        method: As in `unit_design`.
        resamples: Bootstrap resamples, where the design has no replicates (`method="random"`).
        confidence_level: Of all intervals.
        seed: Whole number ≥ 0.
        on_failure: What to do with values or derivatives that are NaN or infinite: `raise`, or `drop` their rows
            (of gradients) and blocks (of values), with a count and a warning. What is left is then guaranteed of the
            cases that ran alone.

    Returns:
        Bounds, split and indices.

    Raises:
        ConfigError: Correlated inputs, or a number outside its range.
        DataError: A function that returns other shapes than it should.
        NumericalError: A value or derivative that is not finite.

    Example:
        >>> from shiftgauge.estimate.reference import linear_gaussian
        >>> weights = np.array([1.0, 2.0, *[0.01] * 20])
        >>> reference = linear_gaussian(tuple(weights))
        >>> def gradient(x): return x @ weights, np.tile(weights, (len(x), 1))
        >>> found = screen_then_estimate(reference.function, gradient, reference.space, outputs=["y"], n_base=64)
        >>> found.screening.open_inputs, found.indices.names, found.indices.n_evaluations
        (('x2', 'x1'), ('x1', 'x2', 'negligible'), 320)

    References:
        Sobol', I. M., Kucherenko, S. (2009). Derivative based global sensitivity measures and their link with global
            sensitivity indices. doi:10.1016/j.matcom.2009.01.023
    """
    space = as_space(space)
    bounds = derivative_bounds(
        gradient,
        space,
        outputs=outputs,
        n=n_gradients,
        method=method,
        confidence_level=confidence_level,
        seed=seed,
        on_failure=on_failure,
    )
    screening = screen(bounds, threshold)
    design = PickFreezeDesign(
        inputs=Inputs(space=space), n_base=n_base, method=method, seed=seed, groups=screening.groups
    )
    indices = stream_pick_freeze(
        function,
        design,
        outputs=outputs,
        resamples=resamples,
        confidence_level=confidence_level,
        seed=seed,
        on_failure=on_failure,
    )
    indices = replace(indices, status=(*indices.status, *_refuted(screening, indices)))
    return ScreenedIndices(bounds=bounds, screening=screening, indices=indices)


def _refuted(screening: Screening, indices: Indices) -> list[Status]:
    """Outputs for which the group that was called negligible has a total index above the threshold."""
    if not screening.negligible:
        return []
    low = indices.total_order_interval[:, indices.names.index(screening.group), 0]
    return [
        Status(
            level="error",
            code="screening_refuted",
            message=(
                f"the total index of `{screening.group}` on `{indices.outputs[q]}` is at least {low[q]:.2g}, above the "
                f"threshold of {screening.threshold:g}: the derivatives do not tell what the function does (it has "
                "jumps, or the gradient is wrong); use pick-freeze on all inputs"
            ),
        )
        for q in np.flatnonzero(low > screening.threshold).tolist()
    ]
