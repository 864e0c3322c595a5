"""Derivative-based bounds on total indices: N gradients bound the effect of any number of inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final, Protocol

import numpy as np

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.derivative_sums import DerivativeSums
from shiftgauge.estimate.inputs import as_space
from shiftgauge.estimate.moments import require_blocks
from shiftgauge.estimate.poincare import poincare_constant
from shiftgauge.estimate.points import Points
from shiftgauge.estimate.resampling import Grouping, Resampling, check_resampling
from shiftgauge.estimate.result import Status
from shiftgauge.estimate.sobol import balance_messages, constant_messages, dropped_message, variance_floor
from shiftgauge.estimate.values import ON_FAILURE, OnFailure, require_names
from shiftgauge.space import Space
from shiftgauge.types import FloatArray, OutputsNQ, ThetaNP

REPLICATES: Final = 16


class GradientFunction(Protocol):
    """A function that gives values and gradients at some points."""

    def __call__(self, theta_np: ThetaNP, /) -> tuple[OutputsNQ, FloatArray]:
        """Values (n,) or (n, Q) and derivatives by every parameter (n, P) or (n, Q, P) at physical values (n, P)."""
        ...


@dataclass(frozen=True, kw_only=True)
class DerivativeBounds:
    """Upper bounds on total indices from derivatives: bounds, not estimates of the indices.

    S_Ti ≤ C_i E[(∂f/∂x_i)²] / Var f and S_Ti ≤ E[τ_i(x_i) (∂f/∂x_i)²] / Var f, with the Poincaré constant C_i and the
    Stein kernel τ_i of the marginal. A small bound proves that an input hardly matters; a large one proves nothing.

    Args:
        names: The d inputs that vary.
        outputs: The Q outputs.
        n_evaluations: Number of gradients.
        replicates: Independent replicates behind the intervals.
        confidence_level: Of every interval.
        seed: Of the points.
        defined: Whether the output varies (Q,).
        mean: (Q,).
        variance: (Q,).
        constant: C_i in the square of the input's unit (d,); infinite for lognormal and discrete inputs.
        gradient_mean: E[∂f/∂x_i] (Q, d).
        gradient_square: ν_i = E[(∂f/∂x_i)²] (Q, d); NaN for discrete inputs.
        poincare_bound: C_i ν_i / Var f (Q, d), with interval (Q, d, 2).
        stein_bound: E[τ_i (∂f/∂x_i)²] / Var f (Q, d), with interval (Q, d, 2); sharp where f is nearly linear.
        status: What to know about the result.
        n_dropped: Rows left out because a value or derivative was NaN or infinite.
    """

    names: tuple[str, ...]
    outputs: tuple[str, ...]
    n_evaluations: int
    replicates: int
    confidence_level: float
    seed: int
    defined: np.ndarray
    mean: FloatArray
    variance: FloatArray
    constant: FloatArray
    gradient_mean: FloatArray
    gradient_square: FloatArray
    poincare_bound: FloatArray
    poincare_bound_interval: FloatArray
    stein_bound: FloatArray
    stein_bound_interval: FloatArray
    status: tuple[Status, ...] = ()
    n_dropped: int = 0

    @property
    def bound(self) -> FloatArray:
        """The smaller of the two bounds (Q, d); infinite where nothing is known."""
        return np.minimum(self.poincare_bound, self.stein_bound)

    @property
    def limit(self) -> FloatArray:
        """The smaller of the two upper ends of the intervals (Q, d): what the total index stays below."""
        return np.minimum(self.poincare_bound_interval[..., 1], self.stein_bound_interval[..., 1])


def derivative_bounds(
    gradient: GradientFunction,
    space: Space | Mapping[str, Any],
    *,
    outputs: Sequence[str],
    n: int = 1024,
    method: str = "sobol",
    replicates: int = REPLICATES,
    confidence_level: float = 0.95,
    seed: int = 0,
    on_failure: OnFailure = "raise",
) -> DerivativeBounds:
    """Upper bounds on all total indices from n gradients, however many inputs there are.

    Points are made, evaluated and summed in chunks; what is kept is 3 numbers for each output, input and replicate.

    Args:
        gradient: Values and gradients at rows of physical values; called with a few hundred rows at a time.
        space: Independent inputs, a Space or its plain form; for discrete ones the bound is infinite, as they have no
            derivative.
        outputs: Names of the Q outputs.
        n: Number of gradients, ≥ 2 × `replicates`.
        method: As in `unit_design`.
        replicates: Independent replicates that give the intervals, ≥ 4.
        confidence_level: Of the intervals (Student's t over the replicates).
        seed: Whole number ≥ 0.
        on_failure: What to do with rows at which a value or derivative is NaN or infinite: `raise`, or `drop` them,
            with a count and a warning; what remains bounds the indices of the cases that ran.

    Returns:
        Both bounds for every output and input, with a status of level `error` where they contradict themselves: total
        indices of independent inputs sum to at least 1, which bounds that hold must do as well.

    Raises:
        ConfigError: Correlated inputs, for which there is no such bound, or a number outside its range.
        DataError: The function returns other shapes than it should.
        NumericalError: A value or derivative is NaN or infinite, or too few rows are left.

    Example:
        >>> from shiftgauge.estimate.reference import linear_gaussian
        >>> def gradient(x): return x @ [1.0, 2.0, 3.0], np.tile([1.0, 2.0, 3.0], (len(x), 1))
        >>> found = derivative_bounds(gradient, linear_gaussian().space, outputs=["y"], n=4096)
        >>> found.bound.round(2).tolist()  # equal to the indices, as the function is linear
        [[0.07, 0.29, 0.64]]

    References:
        Sobol', I. M., Kucherenko, S. (2009). Derivative based global sensitivity measures and their link with global
            sensitivity indices. doi:10.1016/j.matcom.2009.01.023
        Lamboni, M., Iooss, B., Popelin, A.-L., Gamboa, F. (2013). Derivative-based global sensitivity measures: general
            links with Sobol' indices and numerical tests. doi:10.1016/j.matcom.2013.02.002
        Roustant, O., Barthe, F., Iooss, B. (2017). Poincaré inequalities on intervals. doi:10.1214/17-EJS1310
    """
    check_resampling(0, confidence_level)
    space = as_space(space)
    require_in("on_failure", on_failure, ON_FAILURE)
    require_positive_int("replicates", replicates, low=4)
    require_positive_int("n", n, low=2 * replicates)
    if space.correlation is not None:
        raise ConfigError("derivative-based bounds need independent inputs; drop `correlation` from the space")
    sums = DerivativeSums(space, require_names("outputs", outputs), Grouping(n, replicates), on_failure)
    points = Points(n, space.n_varying, method, seed, replicates)
    for span in sums.grouping.chunks(8 * len(outputs) * space.n_parameters):
        theta = space.to_physical(points.take(span.start, span.stop))
        sums.add(theta, *_pair(gradient(theta)), span.start)
    require_blocks(sums.kept, sums.grouping, what="rows")
    return _result(sums, confidence_level, seed, method)


def _pair(found: Any) -> tuple[Any, Any]:
    """Values and derivatives, where the function gave both."""
    if not isinstance(found, (tuple, list)) or len(found) != 2:
        what = f"an array of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise DataError(f"the gradient function must return two things, values and derivatives; got {what}")
    return found[0], found[1]


def _result(sums: DerivativeSums, level: float, seed: int, method: str) -> DerivativeBounds:
    grouping, space = sums.grouping, sums.space
    counts = grouping.kept_counts(sums.kept)
    n = int(counts.sum())
    parameters = [space.parameters[i] for i in space.varying]
    constant = np.array([poincare_constant(p) if p.levels is None else inf for p in parameters])
    mean, square = sums.values.sum(axis=-1) / n
    variance = (square - mean**2) * n / (n - 1)
    defined = variance > variance_floor(sums.centre, square)
    variance = np.where(defined, variance, 0.0)
    tables = _bounds(sums, counts, constant, defined, variance, level, seed)
    gradient_mean, gradient_square = (sums.slopes[k].sum(axis=-1) / n for k in (0, 1))
    discrete = [j for j in range(len(parameters)) if j not in sums.smooth]
    gradient_mean[:, discrete] = gradient_square[:, discrete] = np.nan
    bounds = DerivativeBounds(
        names=space.varying_names,
        outputs=sums.outputs,
        n_evaluations=grouping.n,
        replicates=grouping.replicates,
        confidence_level=level,
        seed=seed,
        defined=defined,
        mean=mean + sums.centre,
        variance=variance,
        constant=constant,
        gradient_mean=gradient_mean,
        gradient_square=gradient_square,
        status=(
            *_messages(sums, defined, mean + sums.centre, discrete),
            *balance_messages(method, grouping.n, "gradients"),
        ),
        n_dropped=grouping.n - n,
        **tables,
    )
    return replace(bounds, status=(*bounds.status, *_contradictions(bounds)))


def _bounds(
    sums: DerivativeSums,
    counts: np.ndarray,
    constant: FloatArray,
    defined: np.ndarray,
    variance: FloatArray,
    level: float,
    seed: int,
) -> dict[str, FloatArray]:
    """Both bounds of every output and input with their intervals; infinite where there is none."""
    resampling, n = Resampling.of(sums.grouping, 1, seed).among(counts), int(counts.sum())
    left = resampling.means(sums.values, counts)
    left_variance = np.where(defined[:, None], left[1] - left[0] ** 2, 1.0)
    discrete = np.array([sums.space.parameters[i].levels is not None for i in sums.space.varying])
    tables = {}
    for name, k, factor in (("poincare_bound", 1, constant), ("stein_bound", 2, np.ones(len(constant)))):
        finite = np.where(np.isfinite(factor), factor, 1.0)[:, None]
        point = sums.slopes[k].sum(axis=-1) / n * finite[:, 0] / np.where(defined, variance, 1.0)[:, None]
        resampled = resampling.means(sums.slopes[k], counts) * finite / left_variance[:, None, :]
        interval = resampling.interval(point, resampled, level, squares=True)
        unknown = ~np.isfinite(factor) | discrete
        tables[name] = _masked(point, unknown, defined)
        tables[f"{name}_interval"] = _masked(interval, unknown, defined)
    return tables


def _masked(values: FloatArray, unknown_d: np.ndarray, defined_q: np.ndarray) -> FloatArray:
    out = np.array(values)
    out[:, unknown_d] = inf
    out[~defined_q] = np.nan
    return out


def _messages(sums: DerivativeSums, defined: np.ndarray, mean: FloatArray, discrete: list[int]) -> tuple[Status, ...]:
    messages = constant_messages(defined, mean, sums.outputs)
    if not sums.kept.all():
        messages.append(dropped_message(int((~sums.kept).sum()), len(sums.kept), "rows"))
    if discrete:
        names = ", ".join(f"`{sums.space.varying_names[j]}`" for j in discrete)
        text = f"{names}: discrete, so there is no derivative and no bound; judge by pick-freeze"
        messages.append(Status(level="warning", code="no_derivative", message=text))
    flat = [sums.outputs[q] for q in np.flatnonzero(defined & (sums.slopes[1].sum(axis=(1, 2)) == 0))]
    if flat and sums.smooth:
        text = (
            f"output `{flat[0]}` varies though all its derivatives are zero: it has steps (a hard decision), "
            "to which these bounds do not apply; use a smooth output such as a probability"
        )
        messages.append(Status(level="error", code="not_smooth", message=text))
    return tuple(messages)


def _contradictions(bounds: DerivativeBounds) -> list[Status]:
    """Outputs whose bounds sum to less than total indices can: Σ S_Ti ≥ 1, here with twice the interval as margin."""
    found = []
    limit, point = bounds.limit.sum(axis=1), bounds.bound.sum(axis=1)
    with_slopes = np.nan_to_num(bounds.gradient_square).any(axis=1)
    for q in np.flatnonzero(bounds.defined & with_slopes & np.isfinite(limit)).tolist():
        if 2 * limit[q] - point[q] >= 1:
            continue
        text = (
            f"the bounds of output `{bounds.outputs[q]}` sum to {limit[q]:.2g}, though total indices sum to 1 or more: "
            "it has jumps, its gradient is wrong, or no point meets its steep parts; do not use these bounds"
        )
        found.append(Status(level="error", code="not_smooth", message=text))
    return found
