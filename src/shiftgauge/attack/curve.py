"""Accuracy under an attack over many budgets, from one gradient where the attack allows it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from shiftgauge.attack.attacked import findings
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.cache import ImageCache
from shiftgauge.attack.case import make_case
from shiftgauge.attack.craft import Progress, budgets_for, is_long
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.problem import Cost
from shiftgauge.attack.sweep import Tally, sweep, sweep_nested
from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import share_interval
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import full_precision
from shiftgauge.models.inputs import Targets
from shiftgauge.results.status import Message
from shiftgauge.types import Classifier, Execution, FloatArray


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BudgetCurve:
    """What is left of a classifier at each of B budgets.

    Args:
        epsilon: Largest length allowed, (B, N).
        asked_snr_db: Ratio asked for, (B,); NaN where ε was.
        image_snr_db: Ratio of each image, (B, N).
        set_snr_db: Ratio of the set, (B,).
        predicted: Class with the largest output, (B, N).
        right: Whether it is the label, (B, N).
        accuracy: Share of images that are right, (B,).
        low: Lower end of its interval, (B,).
        high: Upper end.
        labels: (N,).
        zero_gradient: Images whose gradients were all 0, (N,).
        images: (B, N, C, H, W) float32, or None where they were not kept.
        unit: `pixel` or `input`.
        norm: `linf` or `l2`; noise asked for in dB has l2.
        confidence_level: Of the intervals.
        attack: Name and options.
        fingerprint: Content hash of the classifier.
        evaluations: Images that passed forward through the network.
        gradients: Images that passed backward.
        seconds: Wall time.
        messages: What to know before relying on it.
    """

    epsilon: FloatArray
    asked_snr_db: FloatArray
    image_snr_db: FloatArray
    set_snr_db: FloatArray
    predicted: npt.NDArray[np.int64]
    right: npt.NDArray[np.bool_]
    accuracy: FloatArray
    low: FloatArray
    high: FloatArray
    labels: npt.NDArray[np.int64]
    zero_gradient: npt.NDArray[np.bool_]
    images: Tensor | None
    unit: str
    norm: str
    confidence_level: float
    attack: Mapping[str, Any]
    fingerprint: str
    evaluations: int
    gradients: int
    seconds: float
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        """Attack, size and range on one line."""
        shown = f"{len(self.accuracy)} budgets, {len(self.labels)} images"
        return f"BudgetCurve({self.attack['name']}, {shown}, accuracy={np.round(self.accuracy, 4).tolist()})"

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each budget: epsilon (mean over images), asked_snr_db, set_snr_db, accuracy, low, high, n."""
        columns = {name: getattr(self, name) for name in ("asked_snr_db", "set_snr_db", "accuracy", "low", "high")}
        return pd.DataFrame({"epsilon": self.epsilon.mean(axis=1), **columns, "n": len(self.labels)})


def budget_curve(
    classifier: Classifier,
    images_nchw: Tensor,
    labels: Targets,
    attack: Attack,
    budgets: Sequence[Budget],
    *,
    targets: Targets = None,
    success_only: bool = False,
    groups: Sequence[str] | None = None,
    confidence_level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    execution: Execution | None = None,
    keep_images: bool = False,
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> BudgetCurve:
    """Measures the accuracy under an attack at each of several budgets.

    The fast gradient sign method and noise have one direction for all ε: one gradient, or one draw, serves the curve.

    Args:
        classifier: As of `attack_images`, like all that is not named here.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1].
        labels: The images' classes.
        attack: What to do.
        budgets: Of one norm, unit and range, see `budgets_at` and `budgets_at_snr`; ε = 0 is the image itself.
        targets: Classes to be reached, or None.
        success_only: What fools within a smaller ball fools within a larger one: budgets are gone through from small to
            large, and an image that fools is left as it is. Accuracy can then only fall. Default False, as published:
            each budget for itself.
        groups: Group of each image, such as its person: intervals are then from resamples of whole groups. None takes
            images as independent, with Wilson's interval.
        confidence_level: Of the intervals, in [0.5, 0.999].
        resamples: Of groups.
        seed: Of all draws.
        execution: Batch size and layout.
        keep_images: Keep all attacked images.
        cache: Folder in which attacked images are kept, so that a run that was stopped goes on; not used with
            `success_only`.
        progress: Called with (images × steps × budgets done, all of them).

    Raises:
        ConfigError: No budget, budgets of several kinds, or groups of another number than images.
        DataError, ModelError, NumericalError: As of `attack_images`.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.attack.budget import budgets_at
        >>> from shiftgauge.attack.fgsm import FGSM
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> curve = budget_curve(c, torch.rand(6, 3, 2, 2), None, FGSM(), budgets_at([0.0, 0.1, 2.0]))
        >>> curve.accuracy[[0, 2]].tolist(), curve.gradients
        ([1.0, 0.0], 6)
    """
    begin, cost = time.perf_counter(), Cost()
    with torch.inference_mode(mode=False):
        spent = budgets_for(attack, budgets)
        case = make_case(
            classifier, images_nchw, labels, attack, spent,
            targets=targets, success_only=success_only, seed=seed, execution=execution,
        )  # fmt: skip
        bootstrap = None if groups is None else GroupBootstrap.of(groups, len(case), resamples=resamples, seed=seed)
        radii = [budget.radii(case.images, case.scale) for budget in spent]
        tally = Tally(case, len(spent), keep_images=keep_images)
        with full_precision(), kept_memory(wanted=is_long(case, len(spent))):
            if success_only:
                sweep_nested(case, spent, radii, tally, cost, progress=progress)
            else:
                kept = None if cache is None else ImageCache(cache)
                sweep(case, spent, radii, tally, cost, cache=kept, progress=progress)
    right = tally.predicted == case.labels.numpy()
    accuracy, low, high = share_interval(right, bootstrap, confidence_level)
    epsilon = torch.stack(radii).numpy()
    return BudgetCurve(
        epsilon=epsilon,
        asked_snr_db=np.array([np.nan if b.snr_db is None else b.snr_db for b in spent], np.float64),
        right=right,
        accuracy=accuracy,
        low=low,
        high=high,
        labels=case.labels.numpy(),
        **tally.measures(),
        unit=spent[0].unit,
        norm=spent[0].norm,
        confidence_level=confidence_level,
        attack=attack_to_dict(attack),
        fingerprint=classifier.fingerprint,
        evaluations=cost.evaluations,
        gradients=cost.gradients,
        seconds=time.perf_counter() - begin,
        messages=findings(tally.flat, epsilon.max(axis=0), spent[0].to_dict(), spent[0].norm),
    )
