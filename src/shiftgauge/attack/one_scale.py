"""Attacks, noise and natural shifts on one scale: accuracy against the signal-to-noise ratio, for several models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from shiftgauge.attack.budget import Budget, SnrOf, budgets_at_snr
from shiftgauge.attack.case import check_models, make_case
from shiftgauge.attack.curve import budget_curve
from shiftgauge.attack.images import seen_energies
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.natural import NaturalShift
from shiftgauge.attack.noise import UniformNoise
from shiftgauge.attack.one_scale_result import OneScale, ScaleCurve
from shiftgauge.attack.problem import Cost
from shiftgauge.attack.snr import NormName, snr_of_energies
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import share_interval
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import full_precision
from shiftgauge.models.input_scale import ScaleName
from shiftgauge.models.inputs import Targets
from shiftgauge.results.status import Message
from shiftgauge.types import Classifier, Execution, FloatArray

_SHARED: Final = ("asked_snr_db", "set_snr_db", "image_snr_db", "predicted", "right", "accuracy", "low", "high")
"""What curves of attacks have in common with those of shifts."""


def one_scale(
    models: Mapping[str, Classifier],
    images_nchw: Tensor,
    labels: Targets,
    *,
    attacks: Mapping[str, Attack],
    snr_db: Sequence[float],
    norm: NormName = "linf",
    unit: ScaleName = "pixel",
    of: SnrOf = "image",
    bounds: tuple[float, float] | None = None,
    shifts: Sequence[NaturalShift] = (),
    success_only: bool = False,
    groups: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    execution: Execution | None = None,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> OneScale:
    """Measures the accuracy of models under attacks made on themselves, noise and natural shifts, all in decibels.

    Attacks and noise are asked for in dB (see `Budget.from_snr`); a natural shift has the ratio that its strength
    gives. A large ratio is a small change.

    Args:
        models: Classifiers by name, of one input shape and the same classes.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1].
        labels: The images' classes, one for each.
        attacks: Attacks and noises by name.
        snr_db: Ratios asked for, in dB.
        norm: Of the balls of attacks; noise has the ratio whatever the norm.
        unit: `pixel` (default), or `input` for each network's own scale, in which the same change has another ratio.
        of: `image` (default) for ratios that hold for each image, `set` for one ε.
        bounds: Range in which attacked and noisy pixels must stay, or None (default).
        shifts: Natural shifts; their names must differ from those of attacks.
        success_only: As of `budget_curve`, for attacks; noise and shifts are always taken as they are.
        groups: Group of each image, such as its person: intervals are then from resamples of whole groups. None takes
            images as independent, with Wilson's interval.
        confidence_level: Of the intervals, in [0.5, 0.999].
        resamples: Of groups.
        seed: Of all draws.
        execution: Batch size and layout.
        cache: Folder in which attacked images are kept, so that a run that was stopped goes on; None keeps none.
        progress: Called with (models × ways done, all of them).

    Raises:
        ConfigError: No model or way, a name twice, models of several input shapes or classes, no labels.
        DataError, ModelError, NumericalError: As of `attack_images`.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from shiftgauge.attack.fgsm import FGSM
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> dim = NaturalShift(name="dimmed", levels=(0.9, 0.5), apply=lambda images, factor: images * factor)
        >>> ways = {"fgsm": FGSM(), "noise": UniformNoise()}
        >>> found = one_scale({"net": c}, torch.rand(8, 3, 2, 2), [0] * 8, attacks=ways, snr_db=[30, 10], shifts=[dim])
        >>> [found.curve("net", way).set_snr_db.round(2).tolist() for way in ("dimmed", "noise")]
        [[20.0, 6.02], [30.0, 10.0]]
    """
    begin = time.perf_counter()
    check_models(models, labels)
    ways = _ways(attacks, shifts, snr_db)
    budgets = budgets_at_snr(snr_db, of=of, unit=unit, norm=norm, bounds=bounds)
    plan = _Plan(
        models=models,
        images=images_nchw,
        labels=labels,
        unit=unit,
        budgets=budgets,
        intervals={"groups": groups, "confidence_level": confidence_level, "resamples": resamples, "seed": seed},
        options={"execution": execution, "cache": cache},
        tell=_teller(progress, len(models) * len(ways)),
    )
    with full_precision(), kept_memory():
        clean = plan.clean()
        curves = [curve for way, attack in attacks.items() for curve in plan.under_attack(way, attack, success_only)]
        curves += [curve for shift in shifts for curve in plan.under_shift(shift)]
    ends = dict(zip(("clean_accuracy", "clean_low", "clean_high"), plan.interval(clean), strict=True))
    return OneScale(
        curves=tuple(curves),
        models=tuple(models),
        ways=ways,
        labels=plan.cases[next(iter(models))].labels.numpy(),
        clean=clean,
        **ends,
        unit=unit,
        norm=norm,
        snr_of=of,
        groups=None if groups is None else tuple(groups),
        confidence_level=confidence_level,
        resamples=resamples,
        seed=seed,
        options={name: attack_to_dict(attack) for name, attack in attacks.items()},
        fingerprints={name: model.fingerprint for name, model in models.items()},
        evaluations=plan.cost.evaluations,
        gradients=plan.cost.gradients,
        seconds=time.perf_counter() - begin,
        messages=tuple(plan.messages),
    )


class _Plan:
    """What is asked, and what it has cost so far."""

    def __init__(
        self,
        *,
        models: Mapping[str, Classifier],
        images: Tensor,
        labels: Targets,
        unit: ScaleName,
        budgets: Sequence[Budget],
        intervals: Mapping[str, Any],
        options: Mapping[str, Any],
        tell: Callable[[], None],
    ) -> None:
        self.models, self.images, self.labels = models, images, labels
        self.budgets, self.intervals, self.options, self.tell = budgets, intervals, options, tell
        self.still = Budget(epsilon=0.0, unit=unit)
        self.cases = {
            name: make_case(model, images, labels, UniformNoise(), [self.still], execution=options["execution"])
            for name, model in models.items()
        }
        groups, drawn = intervals["groups"], {"resamples": intervals["resamples"], "seed": intervals["seed"]}
        self._bootstrap = None if groups is None else GroupBootstrap.of(groups, len(images), **drawn)
        self.cost, self.messages = Cost(), list[Message]()

    def interval(self, right_xn: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Accuracy and its interval along the last axis."""
        return share_interval(right_xn, self._bootstrap, self.intervals["confidence_level"])

    def clean(self) -> npt.NDArray[np.bool_]:
        """Whether each model is right about the images as given, (M, N)."""
        return np.stack([self._said(name, case.images) == case.labels.numpy() for name, case in self.cases.items()])

    def under_attack(self, way: str, attack: Attack, success_only: bool) -> Iterator[ScaleCurve]:
        """The curves of all models under an attack made on themselves, or under noise."""
        for name, model in self.models.items():
            found = budget_curve(
                model, self.images, self.labels, attack, self.budgets,
                success_only=success_only and not attack.is_noise, **self.intervals, **self.options,
            )  # fmt: skip
            self.cost.evaluations += found.evaluations
            self.cost.gradients += found.gradients
            self.messages += [replace(m, text=f"{name}, {way}: {m.text}") for m in found.messages]
            self.tell()
            yield ScaleCurve(
                model=name,
                way=way,
                kind="noise" if attack.is_noise else "attack",
                level=found.epsilon.mean(axis=1),
                level_unit=f"{found.unit}, {found.norm}",
                **{field: getattr(found, field) for field in _SHARED},
            )

    def under_shift(self, shift: NaturalShift) -> list[ScaleCurve]:
        """The curves of all models under a natural shift, which is applied once for all of them."""
        n, levels = len(self.images), shift.levels
        said = {name: np.empty((len(levels), n), np.int64) for name in self.models}
        sums = {name: np.empty((2, len(levels), n)) for name in self.models}
        for i, level in enumerate(levels):
            images = shift.images(next(iter(self.cases.values())).images, level)
            for name, case in self.cases.items():
                said[name][i] = self._said(name, images)
                sums[name][:, i] = seen_energies(case, self.still, images)
        for _ in self.models:
            self.tell()
        return [self._shifted(name, shift, said[name], sums[name]) for name in self.models]

    def _shifted(self, name: str, shift: NaturalShift, said: npt.NDArray[np.int64], sums: FloatArray) -> ScaleCurve:
        right = said == self.cases[name].labels.numpy()
        accuracy, low, high = self.interval(right)
        return ScaleCurve(
            model=name,
            way=shift.name,
            kind="shift",
            level=np.array(shift.levels),
            level_unit=shift.unit,
            asked_snr_db=np.full(len(shift.levels), np.nan),
            set_snr_db=snr_of_energies(*sums.sum(axis=-1)),
            image_snr_db=snr_of_energies(*sums),
            predicted=said,
            right=right,
            accuracy=accuracy,
            low=low,
            high=high,
        )

    def _said(self, name: str, images: Tensor) -> npt.NDArray[np.int64]:
        self.cost.evaluations += len(images)
        return self.cases[name].said(images, named=f"model `{name}`").numpy()


def _ways(attacks: Mapping[str, Attack], shifts: Sequence[NaturalShift], snr_db: Sequence[float]) -> tuple[str, ...]:
    if attacks and not len(snr_db):
        raise ConfigError("`snr_db` must hold at least one ratio for the attacks, got none")
    names = (*attacks, *(shift.name for shift in shifts))
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"`attacks` and `shifts` must hold at least one way, each of another name, got {list(names)}")
    return names


def _teller(progress: Callable[[int, int], None] | None, whole: int) -> Callable[[], None]:
    done = count(1)

    def tell() -> None:
        at = next(done)
        if progress is not None:
            progress(at, whole)

    return tell
