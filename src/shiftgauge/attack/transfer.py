"""Transfer: images made once on each source, tried on every target."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.attacked import findings
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.cache import ImageCache
from shiftgauge.attack.case import Case, check_models, make_case
from shiftgauge.attack.craft import budgets_for, crafted_batches
from shiftgauge.attack.images import seen_images
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.problem import Cost
from shiftgauge.attack.snr import energies, snr_of_energies
from shiftgauge.attack.transfer_result import Transfer
from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import share_interval
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import full_precision
from shiftgauge.models.inputs import Targets
from shiftgauge.types import Classifier, Execution


def transfer_matrix(
    models: Mapping[str, Classifier],
    images_nchw: Tensor,
    labels: Targets,
    attacks: Mapping[str, Attack],
    budgets: Sequence[Budget],
    *,
    sources: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    cache: str | Path | None = None,
    groups: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    execution: Execution | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Transfer:
    """Attacks each source within each budget and tries the images on every target.

    The images of a source, attack and budget are made once, whatever the number of targets; the fast gradient sign
    method takes one gradient for all budgets, and noise, which knows no network, is made and tried once for all
    sources. With a `cache`, images that are there are not made again, in this run or a later one.

    Args:
        models: Classifiers by name, of one input shape and the same classes.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1].
        labels: The images' classes, one for each.
        attacks: Attacks and noises by name.
        budgets: Of one norm, unit and range. With the unit `input`, a ball is one in the source's scale.
        sources: Names of the models that images are made on; default all.
        targets: Names of the models that they are tried on; default all.
        cache: Folder in which images are kept; None keeps none.
        groups: Group of each image, such as its person: intervals are then from resamples of whole groups. None takes
            images as independent, with Wilson's interval.
        confidence_level: Of the intervals, in [0.5, 0.999].
        resamples: Of groups.
        seed: Of all draws.
        execution: Batch size and layout.
        progress: Called with (sources × attacks done, all of them).

    Raises:
        ConfigError: No model or attack, an unknown name, models of several input shapes or classes, no labels.
        DataError, NumericalError: As of `attack_images`.
        ModelError: A source does not give the gradients that an attack needs; its name is told.
        StoreError: The cache cannot be written to.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.attack.budget import budgets_at
        >>> from shiftgauge.attack.fgsm import FGSM
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> def model(seed):
        ...     torch.manual_seed(seed)
        ...     net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        ...     return TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> models = {"a": model(0), "b": model(1)}
        >>> found = transfer_matrix(models, torch.rand(9, 3, 2, 2), [0] * 9, {"fgsm": FGSM()}, budgets_at([0.0, 0.3]))
        >>> found.accuracy.shape, found.gradients
        ((1, 2, 2, 2), 18)
    """
    begin, cost = time.perf_counter(), Cost()
    check_models(models, labels)
    made, tried = _names("source", sources, models), _names("target", targets, models)
    if not attacks:
        raise ConfigError("`attacks` must hold at least one attack, got none")
    kept = None if cache is None else ImageCache(cache)
    with torch.inference_mode(mode=False), full_precision(), kept_memory():
        cases = {
            (a, s): _case(models, s, images_nchw, labels, attack, budgets, seed, execution)
            for a, attack in attacks.items()
            for s in made
        }
        first = next(iter(cases.values()))
        clean = np.stack([_right(t, models[t], first, first.images, slice(None), cost) for t in tried])
        tables = _Tables(len(attacks), len(budgets), len(made), clean)
        for number, ((a, s), case) in enumerate(cases.items()):
            place = (list(attacks).index(a), made.index(s))
            if case.attack.is_noise and place[1] and case.scale == cases[a, made[0]].scale:
                tables.copy_source(place[0], place[1])
            else:
                _fill(tables, place, case, budgets, {t: models[t] for t in tried}, cost, kept)
            if progress is not None:
                progress(number + 1, len(cases))
    return _result(
        tables,
        models,
        (made, tried),
        attacks,
        budgets,
        {"groups": groups, "confidence_level": confidence_level, "resamples": resamples, "seed": seed},
        cost,
        time.perf_counter() - begin,
    )


class _Tables:
    """What is noted for each attack, budget, source, target and image."""

    def __init__(self, attacks: int, budgets: int, sources: int, clean_tn: npt.NDArray[np.bool_]) -> None:
        t, n = clean_tn.shape
        self.clean = clean_tn
        self.right = np.zeros((attacks, budgets, sources, t, n), bool)
        self.noise, self.signal, self.epsilon = (np.zeros((attacks, budgets, sources, n)) for _ in range(3))
        self.flat = np.zeros((attacks, sources, n), bool)

    def copy_source(self, a: int, s: int) -> None:
        """Takes over for a source what was found for the first."""
        for table in (self.right, self.noise, self.signal, self.epsilon):
            table[a, :, s] = table[a, :, 0]


def _fill(
    tables: _Tables,
    place: tuple[int, int],
    case: Case,
    budgets: Sequence[Budget],
    tried: Mapping[str, Classifier],
    cost: Cost,
    cache: ImageCache | None,
) -> None:
    """Makes the images of one attack on one source and tries them on all targets."""
    a, s = place
    spent = budgets_for(case.attack, budgets)
    radii = [budget.radii(case.images, case.scale) for budget in spent]
    tables.epsilon[a, :, s] = torch.stack(radii).numpy()
    for rows, b, found in crafted_batches(case, spent, radii, cost, cache=cache):
        clean = seen_images(case, spent[b], case.images[rows])
        changed = seen_images(case, spent[b], found.images)
        tables.signal[a, b, s, rows], tables.noise[a, b, s, rows] = energies(clean, changed)
        tables.flat[a, s, rows] |= found.flat.numpy()
        same = not tables.noise[a, b, s, rows].any()
        for t, (name, target) in enumerate(tried.items()):
            right = tables.clean[t, rows] if same else _right(name, target, case, found.images, rows, cost)
            tables.right[a, b, s, t, rows] = right


def _result(
    tables: _Tables,
    models: Mapping[str, Classifier],
    names: tuple[Sequence[str], Sequence[str]],
    attacks: Mapping[str, Attack],
    budgets: Sequence[Budget],
    intervals: Mapping[str, Any],
    cost: Cost,
    seconds: float,
) -> Transfer:
    groups, level = intervals["groups"], intervals["confidence_level"]
    n, drawn = tables.clean.shape[1], {"resamples": intervals["resamples"], "seed": intervals["seed"]}
    bootstrap = None if groups is None else GroupBootstrap.of(groups, n, **drawn)
    accuracy, low, high = share_interval(tables.right, bootstrap, level)
    clean_accuracy, clean_low, clean_high = share_interval(tables.clean, bootstrap, level)
    flat = np.asarray(tables.flat.any(axis=(0, 1)))
    return Transfer(
        attacks=tuple(attacks),
        budgets=tuple(budget.to_dict() for budget in budgets),
        sources=tuple(names[0]),
        targets=tuple(names[1]),
        right=tables.right,
        clean=tables.clean,
        accuracy=accuracy,
        low=low,
        high=high,
        clean_accuracy=clean_accuracy,
        clean_low=clean_low,
        clean_high=clean_high,
        epsilon=tables.epsilon.mean(axis=-1),
        set_snr_db=snr_of_energies(tables.signal.sum(axis=-1), tables.noise.sum(axis=-1)),
        image_snr_db=snr_of_energies(tables.signal, tables.noise),
        zero_gradient=tables.flat,
        groups=None if groups is None else tuple(groups),
        confidence_level=level,
        **drawn,
        options={name: attack_to_dict(attack) for name, attack in attacks.items()},
        fingerprints={name: models[name].fingerprint for name in dict.fromkeys([*names[0], *names[1]])},
        evaluations=cost.evaluations,
        gradients=cost.gradients,
        seconds=seconds,
        messages=findings(flat, tables.epsilon.max(axis=(0, 1, 2)), budgets[0].to_dict(), budgets[0].norm),
    )


def _right(
    name: str, classifier: Classifier, case: Case, images: Tensor, rows: slice, cost: Cost
) -> npt.NDArray[np.bool_]:
    cost.evaluations += len(images)
    return (case.said(images, classifier, named=f"target `{name}`") == case.labels[rows]).numpy()


def _case(
    models: Mapping[str, Classifier],
    source: str,
    images_nchw: Tensor,
    labels: Targets,
    attack: Attack,
    budgets: Sequence[Budget],
    seed: int,
    execution: Execution | None,
) -> Case:
    try:
        return make_case(models[source], images_nchw, labels, attack, budgets, seed=seed, execution=execution)
    except ModelError as error:
        raise ModelError(f"source `{source}`: {error}") from error


def _names(kind: str, names: Sequence[str] | None, models: Mapping[str, Classifier]) -> list[str]:
    chosen = list(models) if names is None else [require_in(kind, name, models) for name in names]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ConfigError(f"`{kind}s` must name at least one model, each once, got {chosen}")
    return chosen
