"""From moments to indices with intervals, for any number of outputs."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from shiftgauge.checks import shortened
from shiftgauge.estimate.moments import (
    CARRIERS,
    MomentLayout,
    MomentSource,
    carriers,
    mean_error,
    variance_components,
)
from shiftgauge.estimate.resampling import Resampling, check_resampling
from shiftgauge.estimate.result import Indices, Status, SurrogateInfo
from shiftgauge.estimate.threads import bounded_threads
from shiftgauge.estimate.values import SMALLEST
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.types import FloatArray

_REPLICATES: Final = 8_000_000
_WIDE: Final = 0.2
SQUARES: Final = frozenset({"variance", "total", "interaction"})
"""What is estimated by means of squares, whose distribution is skewed."""


def sobol_indices(
    source: MomentSource,
    outputs: Sequence[str],
    *,
    estimator: str,
    resamples: int = 1000,
    confidence_level: float = 0.95,
    seed: int = 0,
    surrogate: SurrogateInfo | None = None,
    status: Sequence[Status] = (),
    exact_q: np.ndarray | None = None,
) -> Indices:
    """Indices of all outputs from a source of moments.

    Args:
        source: The columns of the estimate.
        outputs: Names of the outputs.
        estimator: Name of the estimator, for the result.
        resamples: Bootstrap resamples of whole blocks, ≥ 0; a design with replicates needs none, but 0 still means
            no intervals.
        confidence_level: Of the intervals, in [0.5, 0.999].
        seed: Of the resampling.
        surrogate: Passed on to the result.
        status: Messages that are already known.
        exact_q: Outputs whose variance is known beyond the sample, so that few points may carry it, bool (Q,).
            Default: none.

    Returns:
        Indices with Student's intervals from the design's replicates, whose upper ends are corrected for skewness for
        total order, total interaction and variance; or percentile intervals of the bootstrap where it has none.

    Raises:
        ConfigError: `resamples`, `confidence_level` or `seed` outside its range.
    """
    check_resampling(resamples, confidence_level)
    check_seed(seed)
    layout, grouping = source.layout, source.design.grouping
    resampling = Resampling.of(grouping, resamples, seed)
    step = max(1, _REPLICATES // (layout.n_columns * max(len(resampling.weights), grouping.n_groups)))
    parts = []
    with bounded_threads(2.0 * resampling.weights.size * layout.n_columns * len(outputs)):
        for start in range(0, len(outputs), step):
            chosen = slice(start, min(start + step, len(outputs)))
            parts.append(_one_block(source, chosen, resampling, confidence_level))
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
    tables = index_tables(found, layout)
    messages = (*status, *_messages(tables, source, outputs), *_carrier_messages(tables, source, outputs, exact_q))
    return Indices(
        estimator=estimator,
        names=source.design.names,
        outputs=tuple(outputs),
        n_base=source.design.n_base,
        n_evaluations=source.design.n_rows,
        resamples=resamples,
        replicates=grouping.replicates,
        confidence_level=confidence_level,
        seed=seed,
        surrogate=surrogate,
        status=messages,
        n_dropped=int((~source.kept).sum()),
        moments=source,
        **tables,
    )


def ratios(
    columns: FloatArray, layout: MomentLayout, floor: FloatArray, error: FloatArray | None = None
) -> Mapping[str, FloatArray]:
    """Mean, variance and all indices (outputs first) from means of the columns (K, q, ...); NaN where constant."""
    ones = (1,) * (columns.ndim - 2)
    parts = variance_components(columns, layout, 0.0 if error is None else error.reshape(-1, *ones))
    variance = parts["variance"]
    known = variance > floor.reshape(-1, *ones)
    safe = np.where(known, variance, 1.0)
    out = {"mean": parts["mean"], "variance": np.where(known, variance, 0.0)}
    for key, value in parts.items():
        if key not in out:
            out[key] = np.moveaxis(np.where(known, value / safe, np.nan), 0, 1)
    return out


def variance_floor(centre_q: FloatArray, square_q: FloatArray) -> FloatArray:
    """Variance (q,) below which an output counts as constant: what rounding alone can produce."""
    return (16 * np.finfo(float).eps) ** 2 * (centre_q**2 + np.abs(square_q))


def _one_block(source: MomentSource, chosen: slice, resampling: Resampling, level: float) -> dict[str, FloatArray]:
    sums = source.sums(chosen)
    layout, centre, error = source.layout, source.centre[chosen], mean_error(sums)
    point_columns = sums.values.sum(axis=-1) / sums.counts.sum()
    floor = variance_floor(centre, point_columns[1])
    point = ratios(point_columns, layout, floor, error)
    resampling = resampling.among(sums.counts)
    resampled = ratios(resampling.means(sums.values, sums.counts), layout, floor, error)
    out = dict(point)
    for key, value in resampled.items():
        out[f"{key}_interval"] = resampling.interval(point[key], value, level, squares=key in SQUARES)
    out["mean"] = point["mean"] + centre
    out["mean_interval"] = out["mean_interval"] + centre[:, None]
    return out


def index_tables(found: Mapping[str, FloatArray], layout: MomentLayout) -> dict[str, Any]:
    """The fields of `Indices` from ratios and their intervals, outputs first."""
    tables: dict[str, Any] = {key: found[key] for key in ("mean", "mean_interval", "variance", "variance_interval")}
    tables["defined"] = found["variance"] > 0
    for key, name in (("first", "first_order"), ("total", "total_order")):
        tables[name] = found[key]
        tables[f"{name}_interval"] = found[f"{key}_interval"]
    for key, name in (("interaction", "total_interaction"), ("second", "second_order"), ("closed", "closed")):
        known = key in found
        tables[name] = pair_matrix(found[key], layout.d) if known else None
        tables[f"{name}_interval"] = pair_matrix(found[f"{key}_interval"], layout.d) if known else None
    return tables


def pair_matrix(values: FloatArray, d: int) -> FloatArray:
    """Spreads values of the pairs (Q, pairs, ...) over symmetric matrices (Q, d, d, ...), NaN on the diagonal."""
    i, j = np.triu_indices(d, 1)
    out = np.full((len(values), d, d, *values.shape[2:]), np.nan)
    out[:, i, j] = values
    out[:, j, i] = values
    return out


def _messages(tables: Mapping[str, Any], source: MomentSource, outputs: Sequence[str]) -> list[Status]:
    messages = constant_messages(tables["defined"], tables["mean"], outputs)
    if not source.kept.all():
        messages.append(dropped_message(int((~source.kept).sum()), len(source.kept), "blocks"))
    interval = tables["total_order_interval"]
    width = np.where(np.isnan(interval).any(axis=-1), 0.0, interval[..., 1] - interval[..., 0])
    if width.size and width.max() > _WIDE:
        q, i = divmod(int(width.argmax()), width.shape[1])
        messages.append(
            Status(
                level="warning",
                code="wide_intervals",
                message=(
                    f"the interval of the total index of `{source.design.names[i]}` on `{outputs[q]}` is "
                    f"{width[q, i]:.2f} wide; raise `n_base` above {source.design.n_base} for sharper indices"
                ),
            )
        )
    messages += balance_messages(source.design.method, source.design.n_base, "blocks")
    if source.design.inputs.space.correlation is not None:
        messages.append(correlated_message(source.design.names))
    return [*messages, *fixed_messages(source.design.inputs.space)]


def few_carriers(source: MomentSource, some: np.ndarray) -> dict[int, float]:
    """Those of some outputs (bool (Q,)) whose variance rests on fewer than 32 of the rows A and B, with how many."""
    counts = {q: carriers(source.base_values(q)) for q in np.flatnonzero(some).tolist()}
    return {q: count for q, count in counts.items() if count < CARRIERS}


def _carrier_messages(
    tables: Mapping[str, Any], source: MomentSource, outputs: Sequence[str], exact_q: np.ndarray | None
) -> list[Status]:
    few = few_carriers(source, tables["defined"] if exact_q is None else tables["defined"] & ~exact_q)
    if not few:
        return []
    worst = min(few, key=lambda q: few[q])
    text = (
        f"the variance of {shortened([outputs[q] for q in few])} rests on about {few[worst]:.0f} of "
        f"{2 * int(source.kept.sum())} points, too few for its intervals to be relied on; raise `n_base`, or study a "
        "quantity with fewer rare large values, such as a logarithm"
    )
    return [Status(level="warning", code="few_carriers", message=text)]


def balance_messages(method: str, n: int, what: str) -> list[Status]:
    """The message that goes with a Sobol' design whose size is no power of two.

    Args:
        method: Of the points.
        n: Size of the design.
        what: What it is a number of, such as `blocks`.
    """
    if method != "sobol" or n & (n - 1) == 0:
        return []
    near = 1 << (n.bit_length() - 1)
    text = (
        f"the design has {n} {what}, no power of two, which spoils the balance of the Sobol' sequence; "
        f"{near} or {2 * near} use the evaluations better"
    )
    return [Status(level="warning", code="unbalanced_design", message=text)]


def dropped_message(dropped: int, n: int, what: str) -> Status:
    """The message that goes with runs which failed and were left out."""
    return Status(
        level="warning",
        code=f"dropped_{what}",
        message=(
            f"{dropped} of {n} {what} held a run that failed and were left out; the indices are those of the cases "
            "that ran, so look where the others lie"
        ),
    )


def constant_messages(defined_q: np.ndarray, mean_q: FloatArray, outputs: Sequence[str]) -> list[Status]:
    """One message for each output that did not vary."""
    return [
        Status(level="error", code="constant_output", message=_constant_text(outputs[q], float(mean_q[q])))
        for q in np.flatnonzero(~np.asarray(defined_q, bool)).tolist()
    ]


def _constant_text(name: str, mean: float) -> str:
    if 0 < abs(mean) < SMALLEST:
        return (
            f"output `{name}` is of the order of {mean:.1g}, whose square is no float any more, so its indices are "
            "undefined; multiply it by a constant, which changes no index"
        )
    return (
        f"output `{name}` was {mean:.6g} everywhere, so its indices are undefined; widen the space or choose another "
        "quantity"
    )


def fixed_messages(space: Space) -> list[Status]:
    """The message that goes with parameters of one value: no division by a spread that is not there."""
    fixed = [p.name for p in space.parameters if p.is_fixed]
    if not fixed:
        return []
    named = ", ".join(f"`{name}`" for name in fixed[:5]) + (f" and {len(fixed) - 5} more" if len(fixed) > 5 else "")
    return [
        Status(
            level="info",
            code="fixed_inputs",
            message=f"not varied, so their indices are exactly 0: {named}",
        )
    ]


def correlated_message(names: Sequence[str]) -> Status:
    """The message that goes with correlated parameters."""
    return Status(
        level="error",
        code="correlated_inputs",
        message=(
            "the parameters are correlated: these numbers belong to the part of each that is independent of those "
            f"before it in the order {', '.join(names)}, and change with it; use `kucherenko` or `shapley_effects`"
        ),
    )
