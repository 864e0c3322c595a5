"""Variance components of a gauge R&R study: part, class, shifts, their interactions, repeatability."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.inputs import IMAGE, REPEAT
from shiftgauge.estimate.moments import MomentLayout, MomentSource, mean_error, variance_components
from shiftgauge.estimate.resampling import Resampling
from shiftgauge.estimate.result import Indices
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


@dataclass(frozen=True)
class Component:
    """One line of the table with its estimate (first) and resampled values (1 + R,)."""

    name: str
    kind: RowKind
    inputs: tuple[str, ...]
    values: FloatArray


def split_variance(
    indices: Indices, q: int, image_labels: Sequence[int] | np.ndarray | None
) -> tuple[list[Component], Resampling]:
    """Splits the variance of one output.

    Args:
        indices: As in `gauge_table`.
        q: Number of the output.
        image_labels: Class of each image (n_images,), to split the part's share.

    Returns:
        The components in the order of the table, the total last, and how they were resampled.

    Raises:
        ConfigError: The image is no input, inputs are grouped, or the indices come from a surrogate alone.
        DataError: Labels that do not match the images.
    """
    source = _source(indices)
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
            Component("class", "class", (IMAGE,), between),
            Component("within class", "within_class", (IMAGE,), within),
        ]
    return components, resampling


def _source(indices: Indices) -> MomentSource:
    if indices.moments is None:
        raise ConfigError(f"a gauge table needs `assisted` or `pick_freeze` indices, got `{indices.estimator}`")
    if IMAGE not in indices.names:
        raise ConfigError("a gauge table needs the image as an input: give `n_images` ≥ 2 to the inputs of the design")
    if indices.names != indices.moments.design.inputs.names:
        raise ConfigError("a gauge table needs every input alone; leave out `groups`")
    return indices.moments


def _components(parts: Mapping[str, FloatArray], layout: MomentLayout, names: Sequence[str]) -> list[Component]:
    first = dict(zip(names, parts["first"][:, 0], strict=True))
    shifts = [name for name in names if name not in (IMAGE, REPEAT)]
    variance = parts["variance"][0]
    found = [Component("part", "part", (IMAGE,), first[IMAGE])]
    found += [Component(name, "shift", (name,), first[name]) for name in shifts]
    if layout.second_order:
        i, j = layout.pairs
        pairs = [(names[int(a)], names[int(b)]) for a, b in zip(i, j, strict=True)]
        second = {pair: parts["second"][k, 0] for k, pair in enumerate(pairs)}
        inner = [pair for pair in second if not {IMAGE, REPEAT} & set(pair)]
        found += [Component(" × ".join(pair), "shift_shift", pair, second[pair]) for pair in inner]
        found += [Component(f"{name} × part", "shift_part", (name, IMAGE), second[IMAGE, name]) for name in shifts]
    repeat = parts["total"][list(names).index(REPEAT), 0] if REPEAT in names else np.zeros_like(variance)
    rest = variance - repeat - sum(c.values for c in found)
    label = "higher order" if layout.second_order else "interactions"
    found.append(Component(label, "higher_order", (), rest))
    if REPEAT in names:
        found.append(Component("repeatability", "repeatability", (REPEAT,), repeat))
    found.append(Component("gauge R&R", "gauge", (), variance - first[IMAGE]))
    found.append(Component("total", "total", tuple(names), variance))
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


def _checked_labels(labels: Sequence[int] | np.ndarray, n_images: int) -> np.ndarray:
    array = np.asarray(labels)
    if array.shape != (n_images,):
        raise DataError(f"`image_labels` must hold one class for each of {n_images} images, got shape {array.shape}")
    return array
