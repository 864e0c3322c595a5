"""Gauge R&R of a classifier: how its score's variance splits between the parts and everything else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.inputs import IMAGE, REPEAT
from shiftgauge.estimate.moments import MomentLayout, MomentSource, mean_error, variance_components
from shiftgauge.estimate.resampling import Resampling
from shiftgauge.estimate.result import Indices, Status
from shiftgauge.types import FloatArray

RowKind: TypeAlias = Literal[
    "part",
    "class",
    "within_class",
    "shift",
    "shift_shift",
    "shift_part",
    "higher_order",
    "repeatability",
    "gauge",
    "total",
]
Verdict: TypeAlias = Literal["acceptable", "marginal", "unacceptable", "undefined"]
LIMITS: Final = (10.0, 30.0)
"""Customary limits of % study variation: below the first acceptable, above the second not."""
MIN_CATEGORIES: Final = 5


@dataclass(frozen=True, kw_only=True)
class GaugeRow:
    """One line of the table.

    Args:
        name: For people, such as `rotation × image`.
        kind: What the line is; `class` and `within_class` split `part`; `gauge` and `total` are sums.
        inputs: The inputs it depends on.
        variance: Variance component, in the score's unit squared; may be slightly below 0 by sampling.
        variance_interval: (low, high).
        contribution: Share of the total variance in %.
        contribution_interval: (low, high).
        study_variation: Ratio of standard deviations to the total's in %, 0 for a negative component.
        study_variation_interval: (low, high).
    """

    name: str
    kind: RowKind
    inputs: tuple[str, ...]
    variance: float
    variance_interval: tuple[float, float]
    contribution: float
    contribution_interval: tuple[float, float]
    study_variation: float
    study_variation_interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class GaugeTable:
    """The gauge R&R study of one output.

    Args:
        output: Name of the output.
        rows: Lines in the order part (class, within class), shifts, shift × shift, shift × part, higher order,
            repeatability, gauge R&R, total.
        distinct_categories: ndc = ⌊1.41 σ_part / σ_gauge⌋, ≥ 0; None when undefined.
        distinct_categories_interval: (low, high).
        verdict: After the customary limits: acceptable below 10 % study variation of the gauge with five or more
            categories, unacceptable above 30 % or with fewer, marginal between.
        verdict_interval: The verdicts at both ends of the interval of the gauge's study variation.
        confidence_level: Of all intervals.
        status: What to know.
    """

    output: str
    rows: tuple[GaugeRow, ...]
    distinct_categories: int | None
    distinct_categories_interval: tuple[int, int] | None
    verdict: Verdict
    verdict_interval: tuple[Verdict, Verdict]
    confidence_level: float
    status: tuple[Status, ...]

    def row(self, name: str) -> GaugeRow:
        """The line of that name.

        Raises:
            ConfigError: No line bears the name.
        """
        for row in self.rows:
            if row.name == name:
                return row
        raise ConfigError(f"the gauge table has no line `{name}`; lines are {', '.join(r.name for r in self.rows)}")


def gauge_table(
    indices: Indices,
    *,
    output: str,
    image_labels: Sequence[int] | np.ndarray | None = None,
) -> GaugeTable:
    """Splits an output's variance as a gauge R&R study does.

    The image is the part, the shifts are the conditions of measurement, the realisation of random shifts is the repeat:

    V = V_part + Σ V_shift + Σ V_shift,shift + Σ V_shift,part + V_higher + V_repeatability,

    where V_part = Var E[f | image] and V_repeatability = E Var[f | image, shifts]. Gauge R&R is all but V_part. The
    part splits into class and image within class: V_class = Σ p_c a_c b_c - (Σ p_c a_c)(Σ p_c b_c), with p_c the share
    of the images in class c, a_c and b_c the class means over the independent rows A and B. Unlike a one-way analysis
    of variance, this is unbiased on a Sobol' design too, where class means scatter less than the rows within one.

    A classifier's score is not a measured length. It is bounded, so its spread depends on where it lies; its
    true value depends on the class, so a perfect classifier's probability of the true class has no part
    variation at all and its gauge share is then 100 % of almost nothing (read the components beside the shares); and it
    is deterministic, so that repeatability is zero unless a shift is random.

    Args:
        indices: From `assisted` or `pick_freeze`, of a design with the image as input; with BA rows the pairs are told
            apart, without them they stand together under higher order.
        output: Name of the output.
        image_labels: Class of each image (n_images,), to split the part's share.

    Returns:
        The table with intervals from the same replicates or resamples as the indices.

    Raises:
        ConfigError: The image is no input, inputs are grouped, or the indices come from a surrogate alone.
        DataError: Labels that do not match the images.

    References:
        AIAG (2010). Measurement Systems Analysis, 4th ed. ISBN 978-1-60534-211-5
    """
    source = _source(indices)
    q = indices.output(output)
    sums = source.sums(slice(q, q + 1))
    resampling = Resampling.of(source.design.grouping, indices.resamples, indices.seed).among(sums.counts)
    weights = np.vstack([np.ones(len(sums.counts)), resampling.weights])
    columns = Resampling(resampling.kind, weights).means(sums.values, sums.counts)
    parts = variance_components(columns, source.layout, mean_error(sums)[:, None])
    components = _components(parts, source.layout, indices.names)
    if image_labels is not None:
        labels = _checked_labels(image_labels, source.design.inputs.n_images)
        between = _class_variance(source, q, labels, weights)
        within = components[0].values - between
        components[1:1] = [
            _Component("class", "class", (IMAGE,), between),
            _Component("within class", "within_class", (IMAGE,), within),
        ]
    return _table(indices, output, bool(indices.defined[q]), components, parts["variance"][0], resampling)


@dataclass(frozen=True)
class _Component:
    """One line with its estimate (first) and resampled values (1 + R,)."""

    name: str
    kind: RowKind
    inputs: tuple[str, ...]
    values: FloatArray


def _source(indices: Indices) -> MomentSource:
    if indices.moments is None:
        raise ConfigError(f"a gauge table needs `assisted` or `pick_freeze` indices, got `{indices.estimator}`")
    if IMAGE not in indices.names:
        raise ConfigError("a gauge table needs the image as an input: give `n_images` ≥ 2 to the inputs of the design")
    if indices.names != indices.moments.design.inputs.names:
        raise ConfigError("a gauge table needs every input alone; leave out `groups`")
    return indices.moments


def _components(parts: Mapping[str, FloatArray], layout: MomentLayout, names: Sequence[str]) -> list[_Component]:
    first = dict(zip(names, parts["first"][:, 0], strict=True))
    shifts = [name for name in names if name not in (IMAGE, REPEAT)]
    variance = parts["variance"][0]
    found = [_Component("part", "part", (IMAGE,), first[IMAGE])]
    found += [_Component(name, "shift", (name,), first[name]) for name in shifts]
    if layout.second_order:
        i, j = layout.pairs
        pairs = [(names[int(a)], names[int(b)]) for a, b in zip(i, j, strict=True)]
        second = {pair: parts["second"][k, 0] for k, pair in enumerate(pairs)}
        inner = [pair for pair in second if not {IMAGE, REPEAT} & set(pair)]
        found += [_Component(" × ".join(pair), "shift_shift", pair, second[pair]) for pair in inner]
        found += [_Component(f"{name} × part", "shift_part", (name, IMAGE), second[IMAGE, name]) for name in shifts]
    repeat = parts["total"][list(names).index(REPEAT), 0] if REPEAT in names else np.zeros_like(variance)
    rest = variance - repeat - sum(c.values for c in found)
    label = "higher order" if layout.second_order else "interactions"
    found.append(_Component(label, "higher_order", (), rest))
    if REPEAT in names:
        found.append(_Component("repeatability", "repeatability", (REPEAT,), repeat))
    found.append(_Component("gauge R&R", "gauge", (), variance - first[IMAGE]))
    found.append(_Component("total", "total", tuple(names), variance))
    return found


def _class_variance(source: MomentSource, q: int, labels: np.ndarray, weights: FloatArray) -> FloatArray:
    """Σ_c p_c a_c b_c - (Σ_c p_c a_c)(Σ_c p_c b_c) with the class means a of rows A and b of rows B (1 + R,)."""
    grouping, n = source.design.grouping, source.design.n_base
    group, n_groups = grouping.of_block(np.arange(n)), grouping.n_groups
    _, code, size = np.unique(labels, return_inverse=True, return_counts=True)
    y = source.base_values(q) - source.centre[q]
    image = _base_images(source)
    shape = (len(size), n_groups)
    count, total = np.empty((2, 2, len(size), len(weights)))
    for half in range(2):
        cell = code[image[:, half]] * n_groups + group
        for out, v in ((count, source.kept.astype(float)), (total, np.where(source.kept, y[:, half], 0.0))):
            out[half] = np.bincount(cell, v, minlength=shape[0] * shape[1]).reshape(shape) @ weights.T
    present = (count > 0).all(axis=0)
    a, b = np.where(present, total / np.where(present, count, 1.0), 0.0)
    share = np.where(present, size[:, None], 0.0)
    share = share / np.maximum(share.sum(axis=0), 1.0)
    return (share * a * b).sum(axis=0) - (share * a).sum(axis=0) * (share * b).sum(axis=0)


def _base_images(source: MomentSource) -> np.ndarray:
    design, per_block = source.design, source.design.rows_per_block
    out = np.empty((design.n_base, 2), np.int64)
    step = max(1, 65_536 // per_block)
    for start in range(0, design.n_base, step):
        stop = min(start + step, design.n_base)
        image = design.rows(start * per_block, stop * per_block).image
        out[start:stop] = image.reshape(-1, per_block)[:, :2]
    return out


def _table(
    indices: Indices,
    output: str,
    defined: bool,
    components: Sequence[_Component],
    variance: FloatArray,
    resampling: Resampling,
) -> GaugeTable:
    level = indices.confidence_level
    rows = tuple(_row(c, variance, level, defined, resampling) for c in components)
    if not defined:
        message = Status(
            level="error",
            code="constant_output",
            message=f"output `{output}` does not vary, so there is nothing to split; choose another quantity",
        )
        return GaugeTable(
            output=output,
            rows=rows,
            distinct_categories=None,
            distinct_categories_interval=None,
            verdict="undefined",
            verdict_interval=("undefined", "undefined"),
            confidence_level=level,
            status=(message,),
        )
    gauge = next(row for row in rows if row.kind == "gauge")
    low, high = gauge.contribution_interval
    categories, verdict = _categories(gauge.contribution), _verdict(gauge.contribution)
    known = bool(np.isfinite([low, high]).all())
    return GaugeTable(
        output=output,
        rows=rows,
        distinct_categories=categories,
        distinct_categories_interval=(_categories(high), _categories(low)) if known else None,
        verdict=verdict,
        verdict_interval=(_verdict(low), _verdict(high)) if known else (verdict, verdict),
        confidence_level=level,
        status=_messages(output, components, rows),
    )


def _row(component: _Component, variance: FloatArray, level: float, defined: bool, resampling: Resampling) -> GaugeRow:
    share = 100 * component.values / np.where(variance > 0, variance, np.nan)
    if not defined:
        share = np.full_like(share, np.nan)

    def interval(values: FloatArray) -> tuple[float, float]:
        low, high = resampling.interval(values[0], values[1:], level)
        return float(low), float(high)

    low, high = interval(share)
    return GaugeRow(
        name=component.name,
        kind=component.kind,
        inputs=component.inputs,
        variance=float(component.values[0]),
        variance_interval=interval(component.values),
        contribution=float(share[0]),
        contribution_interval=(low, high),
        study_variation=_study_variation(float(share[0])),
        study_variation_interval=(_study_variation(low), _study_variation(high)),
    )


def _study_variation(contribution: float) -> float:
    """% study variation of a line from its % contribution: 100 σ / σ_total."""
    return 10 * float(np.sqrt(np.maximum(contribution, 0.0)))


def _categories(gauge_contribution: float) -> int:
    """ndc = ⌊1.41 σ_part / σ_gauge⌋ from the % contribution of the gauge; the part's is what is left of 100."""
    gauge = max(gauge_contribution / 100, 1e-6)
    return int(1.41 * np.sqrt(max(1 - gauge, 0.0) / gauge))


def _verdict(gauge_contribution: float) -> Verdict:
    study_variation = _study_variation(gauge_contribution)
    if study_variation > LIMITS[1] or _categories(gauge_contribution) < MIN_CATEGORIES:
        return "unacceptable"
    return "acceptable" if study_variation < LIMITS[0] else "marginal"


def _messages(output: str, components: Sequence[_Component], rows: Sequence[GaugeRow]) -> tuple[Status, ...]:
    negative = [row for row in rows if row.variance < 0 and row.kind != "total" and row.contribution_interval[1] < 0]
    messages = []
    if negative:
        names = ", ".join(row.name for row in negative)
        messages.append(
            Status(
                level="warning",
                code="negative_component",
                message=f"variance components below zero for `{output}`: {names}; raise `n_base` for a sharper split",
            )
        )
    if not any(c.kind == "repeatability" for c in components):
        messages.append(
            Status(
                level="info",
                code="no_repeatability",
                message="no shift is random, so the same image under the same conditions always scores the same",
            )
        )
    return tuple(messages)


def _checked_labels(labels: Sequence[int] | np.ndarray, n_images: int) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape != (n_images,):
        raise DataError(f"`image_labels` must hold one class for each of {n_images} images, got shape {array.shape}")
    return array
