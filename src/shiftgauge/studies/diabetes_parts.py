"""Parts of the diabetes study: scores of the network, principal components, hidden layers, other ranges and seeds."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import numpy as np
import torch
import xarray as xr

from shiftgauge.data.table import TableDataset
from shiftgauge.estimate.aggregate import aggregated_indices
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.local import linear_relative_sensitivity, relative_sensitivity
from shiftgauge.estimate.pick_freeze import pick_freeze
from shiftgauge.infer import Rule, space_from_table
from shiftgauge.models.table_model import TableModel
from shiftgauge.models.tabular_net import LAYERS, TabularNet
from shiftgauge.space import Space
from shiftgauge.studies.diabetes_training import PUBLISHED, REDUCED, Recipe, Trained, train
from shiftgauge.types import FloatArray

PARTS: Final = {"train": slice(0, 500), "test": slice(500, 700), "unused": slice(700, None)}
"""The published split, in the order of the file."""
SPACE_ROWS: Final = slice(0, 700)
"""Rows that the ranges are taken from, as published."""
LEADING: Final = ("Glucose", "BMI", "Age", "Insulin")
"""The features that the publication trains again on; the others are the trailing ones."""
RULES: Final[tuple[Rule, ...]] = ("range", "quantiles", "nonzero")


def columns_space(table: TableDataset, rule: Rule) -> Space:
    """The space of the published rows under a rule; every column is uniform, as published."""
    columns = {n: table.values[SPACE_ROWS, k] for k, n in enumerate(table.feature_names)}
    return space_from_table(columns, rule=rule, most_levels=0)


def run(network: TabularNet, rows_np: FloatArray) -> FloatArray:
    """Probabilities (n,) of the network in evaluation mode, in float32 as it was trained."""
    with torch.inference_mode():
        return network(torch.tensor(rows_np, dtype=torch.float32))[:, 0].double().numpy()


def score_arrays(network: TabularNet, table: TableDataset) -> xr.Dataset:
    """Accuracy, confusion, area under the curve and cross-entropy on each part, and the first five probabilities.

    `accuracy_batch` is what the published script prints: batch norm on the part's own statistics, as in training.
    """
    p, y = run(network, table.values), table.labels
    cuts = list(PARTS.values())
    confusion = [[[int(((p[c] >= 0.5) == b)[y[c] == a].sum()) for b in (False, True)] for a in (0, 1)] for c in cuts]
    return xr.Dataset(
        {
            "accuracy": ("part", [float(((p[c] >= 0.5) == y[c]).mean()) for c in cuts]),
            "accuracy_batch": ("part", [_batch_accuracy(network, table.values[c], y[c]) for c in cuts]),
            "confusion": (("part", "true", "named"), confusion),
            "auc": ("part", [area_under_curve(p[c], y[c]) for c in cuts]),
            "cross_entropy": ("part", [_cross_entropy(p[c], y[c]) for c in cuts]),
            "majority": ("part", [float((y[c] == 0).mean()) for c in cuts]),
            "part_size": ("part", [len(y[c]) for c in cuts]),
            "first_probability": ("row", p[:5]),
        },
        {"part": list(PARTS), "row": list(range(5))},
    )


def area_under_curve(p: FloatArray, labels: np.ndarray) -> float:
    """Probability that a positive row gets a larger value than a negative one, ties counted half.

    Example:
        >>> area_under_curve(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0, 0, 1, 1]))
        0.75
    """
    positive, negative = np.sort(p[labels == 1]), p[labels == 0]
    below = np.searchsorted(positive, negative, "left") + np.searchsorted(positive, negative, "right")
    return float(1 - below.sum() / 2 / max(len(positive) * len(negative), 1))


def component_arrays(table: TableDataset, components: int = 4) -> xr.Dataset:
    """Principal components of the standardised rows: of the positive patients, as published, and of all rows.

    The published importance of a feature is Σ_k |loading_k| over the first components, normalised to sum 1.
    """
    ratios, importances, loadings = [], [], []
    for rows in (table.values[table.labels == 1], table.values):
        z = (rows - rows.mean(axis=0)) / rows.std(axis=0)
        _, s, v = np.linalg.svd(z, full_matrices=False)
        weight = np.abs(v[:components])
        ratios.append((s**2 / (s**2).sum())[:components])
        loadings.append(weight)
        importances.append(weight.sum(axis=0) / weight.sum())
    return xr.Dataset(
        {
            "component_share": (("rows", "component"), np.array(ratios)),
            "component_importance": (("rows", "input"), np.array(importances)),
            "component_loading": (("rows", "component", "input"), np.array(loadings)),
        },
        {"rows": ["positives", "all"], "component": list(range(1, components + 1)), "input": list(table.feature_names)},
    )


def layer_arrays(network: TabularNet, table: TableDataset, n_base: int, seed: int, level: float) -> xr.Dataset:
    """For each stage of the network: aggregated Sobol' indices, and the local relative sensitivity.

    The local one is over the first 700 rows, as published. The aggregated index shares out the summed variances of a
    stage's units, so that units count by their variance.
    """
    space = columns_space(table, "range")
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=n_base, seed=seed)
    rows, stages = design.rows(0, design.n_rows).theta, _Stages(network)
    found = {name: [] for name in ("first_order", "total_order", "first_order_interval", "total_order_interval")}
    local = []
    for stage in LAYERS:
        values = partial(stages, stage)
        indices = pick_freeze(design, y := values(rows), outputs=_unit_names(y), confidence_level=level, seed=seed)
        whole = aggregated_indices(indices)
        for name, parts in found.items():
            parts.append(getattr(whole, name)[0])
        local.append(relative_sensitivity(values, table.values[SPACE_ROWS]))
    closed = linear_relative_sensitivity(network.fn1.weight.detach().double().numpy(), table.values[SPACE_ROWS])
    axes = ("layer", "input")
    return xr.Dataset(
        {
            "layer_first_order": (axes, found["first_order"]),
            "layer_total_order": (axes, found["total_order"]),
            "layer_first_order_interval": ((*axes, "bound"), found["first_order_interval"]),
            "layer_total_order_interval": ((*axes, "bound"), found["total_order_interval"]),
            "local_relative": (axes, local),
            "local_relative_closed": ("input", closed),
        },
        {"layer": list(LAYERS), "input": list(table.feature_names)},
        {"evaluations_layers": stages.evaluations},
    )


def rule_arrays(model: TableModel, table: TableDataset, n_base: int, seed: int, level: float) -> xr.Dataset:
    """Indices of the same model under each rule for the ranges."""
    found: dict[str, list[Any]] = {f"rule_{k}": [] for k in ("first_order", "total_order")}
    found |= {f"rule_{k}_interval": [] for k in ("first_order", "total_order")}
    bounds: list[list[tuple[float, float]]] = []
    count = 0
    for rule in RULES:
        space = columns_space(table, rule)
        design = PickFreezeDesign(inputs=Inputs(space=space), n_base=n_base, seed=seed)
        values = model.values(design.rows(0, design.n_rows).theta)
        count += len(values)
        indices = pick_freeze(design, values, outputs=model.outputs, confidence_level=level, seed=seed)
        for kind in ("first_order", "total_order"):
            found[f"rule_{kind}"].append(getattr(indices, kind)[0])
            found[f"rule_{kind}_interval"].append(getattr(indices, f"{kind}_interval")[0])
        bounds.append([p.support for p in space.parameters])
    axes = ("rule", "input")
    arrays = {k: (((*axes, "bound") if k.endswith("interval") else axes), v) for k, v in found.items()}
    arrays["rule_range"] = ((*axes, "bound"), bounds)
    coordinates = {"rule": list(RULES), "input": list(table.feature_names)}
    return xr.Dataset(arrays, coordinates, {"evaluations_ranges": count})


def seed_arrays(trained: Trained, table: TableDataset, n_base: int, seed: int) -> xr.Dataset:
    """Indices of every trained network under the same ranges: how much of a ranking belongs to one network alone."""
    design = PickFreezeDesign(inputs=Inputs(space=columns_space(table, "range")), n_base=n_base, seed=seed)
    rows = design.rows(0, design.n_rows).theta
    values = np.concatenate([trained.probabilities(part).T for part in np.array_split(rows, max(len(rows) // 4096, 1))])
    names = [f"seed {k}" for k in range(values.shape[1])]
    indices = pick_freeze(design, values, outputs=names, resamples=0)
    axes = ("seed", "input")
    return xr.Dataset(
        {"seed_first_order": (axes, indices.first_order), "seed_total_order": (axes, indices.total_order)},
        {"seed": list(range(len(names))), "input": list(table.feature_names)},
        {"evaluations_seeds": values.size},
    )


def feature_sets(table: TableDataset) -> Mapping[str, tuple[str, ...]]:
    """Name of each training → its features, in the table's order."""
    names = table.feature_names
    return {
        "all 8": names,
        "leading 4": tuple(n for n in names if n in LEADING),
        "trailing 4": tuple(n for n in names if n not in LEADING),
    }


def training_arrays(
    table: TableDataset, seeds: int, epochs: int | None, advance: Callable[[int, int], None]
) -> tuple[xr.Dataset, Trained]:
    """Trains on every set of features from every seed; returns the accuracies and the networks of all features.

    Args:
        table: The data.
        seeds: Number of seeds.
        epochs: Steps of every training, for a quick look; None takes the published numbers.
        advance: Told (steps done, steps in all).
    """
    sets = feature_sets(table)
    recipes = {name: PUBLISHED if name == "all 8" else REDUCED for name in sets}
    if epochs is not None:
        recipes = {name: Recipe(epochs=epochs) for name in sets}
    total, done = sum(r.epochs for r in recipes.values()), 0
    clean, leaked, batch, trained = [], [], [], {}
    for name, features in sets.items():
        values = table.values[:, [table.feature_names.index(f) for f in features]]
        found = train(
            values[PARTS["train"]],
            table.labels[PARTS["train"]],
            values[PARTS["test"]],
            seeds=seeds,
            recipe=recipes[name],
            on_epoch=lambda k, done=done: advance(done + k, total),
        )
        done += recipes[name].epochs
        trained[name] = found
        clean.append(_accuracies(found.probabilities(values), table.labels))
        leaked.append(_accuracies(found.probabilities(values, leaked=True), table.labels))
        batch.append([_right(found.batch_probabilities(values[c]), table.labels[c]) for c in PARTS.values()])
    axes = ("training", "part", "seed")
    arrays = xr.Dataset(
        {
            "training_accuracy": (axes, clean),
            "training_accuracy_leaked": (axes, leaked),
            "training_accuracy_batch": (axes, batch),
            "training_features": ("training", [", ".join(f) for f in sets.values()]),
            "training_epochs": ("training", [r.epochs for r in recipes.values()]),
            "training_drop": ("training", [r.drop_at or 0 for r in recipes.values()]),
        },
        {"training": list(sets), "part": list(PARTS), "seed": list(range(seeds))},
    )
    return arrays, trained["all 8"]


def _accuracies(p_sn: FloatArray, labels: np.ndarray) -> list[FloatArray]:
    return [_right(p_sn[:, cut], labels[cut]) for cut in PARTS.values()]


def _right(p_sn: FloatArray, labels: np.ndarray) -> FloatArray:
    return ((p_sn >= 0.5) == labels).mean(axis=1)


def _batch_accuracy(network: TabularNet, rows: FloatArray, labels: np.ndarray) -> float:
    return float(_right(Trained.of(network).batch_probabilities(rows), labels)[0])


def _cross_entropy(p: FloatArray, labels: np.ndarray) -> float:
    return float(-np.log(np.where(labels == 1, p, 1 - p)).mean())


class _Stages:
    """What every stage of a network gives, in float64; the same rows are run once for all stages."""

    def __init__(self, network: TabularNet) -> None:
        self._network = copy.deepcopy(network).double()
        self._known: dict[bytes, Mapping[str, FloatArray]] = {}
        self.evaluations = 0

    def __call__(self, stage: str, rows_np: FloatArray) -> FloatArray:
        key = rows_np.tobytes()
        if key not in self._known:
            with torch.inference_mode():
                found = self._network.layers(torch.tensor(rows_np))
            self._known[key] = {name: values.numpy() for name, values in found.items()}
            self.evaluations += len(rows_np)
        return self._known[key][stage]


def _unit_names(values: FloatArray) -> list[str]:
    return [f"unit {k}" for k in range(values.shape[1])]
