"""Gauge R&R of a classifier: how its score's variance splits between the parts and everything else."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.gauge_components import Component, RowKind, split_variance
from shiftgauge.estimate.resampling import Resampling
from shiftgauge.estimate.result import Indices, Status
from shiftgauge.types import FloatArray

Verdict: TypeAlias = Literal["acceptable", "marginal", "unacceptable", "undefined"]
LIMITS: Final = (10.0, 30.0)
"""Customary limits of % study variation: below the first acceptable, above the second not."""
_SQUARES: Final = frozenset({"repeatability", "gauge", "total"})
"""Lines that are estimated by means of squares, whose distribution is skewed."""
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
    q = indices.output(output)
    components, resampling = split_variance(indices, q, image_labels)
    return _table(indices, output, bool(indices.defined[q]), components, components[-1].values, resampling)


def _table(
    indices: Indices,
    output: str,
    defined: bool,
    components: Sequence[Component],
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


def _row(component: Component, variance: FloatArray, level: float, defined: bool, resampling: Resampling) -> GaugeRow:
    share = 100 * component.values / np.where(variance > 0, variance, np.nan)
    if not defined:
        share = np.full_like(share, np.nan)

    def interval(values: FloatArray) -> tuple[float, float]:
        low, high = resampling.interval(values[0], values[1:], level, squares=component.kind in _SQUARES)
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


def _messages(output: str, components: Sequence[Component], rows: Sequence[GaugeRow]) -> tuple[Status, ...]:
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
