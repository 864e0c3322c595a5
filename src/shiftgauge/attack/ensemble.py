"""Several attacks in turn, each on what the ones before left standing: the worst case over all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from shiftgauge.attack.attacked import Attacked
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.case import make_case
from shiftgauge.attack.images import attack_images, attacked
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.problem import Cost
from shiftgauge.errors import ConfigError
from shiftgauge.models.inputs import Targets
from shiftgauge.types import Classifier, Execution


def attack_in_turn(
    classifier: Classifier,
    images_nchw: Tensor,
    labels: Targets,
    attacks: Sequence[Attack],
    budget: Budget,
    *,
    targets: Targets = None,
    seed: int = 0,
    streams: Sequence[int] | npt.NDArray[np.integer] | None = None,
    execution: Execution | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Attacked:
    """Attacks images with one attack after another until one succeeds; the accuracy that is left is the worst case.

    `APGD()`, `APGD(loss="dlr", target_classes=9)` and `Square()` are AutoAttack without its FAB attack. Targets are the
    classes with the largest logits, of which there are one less than classes; DLR compares four.

    Args:
        classifier: Any classifier; attacks by gradients need a differentiable one.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1].
        labels: As of `attack_images`.
        attacks: One or more.
        budget: How much each may change.
        targets: Classes to be reached, or None.
        seed: Of all draws.
        streams: Number of each image's random stream; default 0 … N − 1.
        execution: As of `attack_images`.
        progress: Called with (attacks done, all of them).

    Returns:
        As of `attack_images`: of each image what the first successful attack made, else what the last one did;
        `zero_gradient` where no attack had a gradient.

    Raises:
        ConfigError: No attack.
        DataError, ModelError, NumericalError: As of `attack_images`.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from shiftgauge.attack.apgd import APGD
        >>> from shiftgauge.attack.square import Square
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> found = attack_in_turn(
        ...     c, torch.rand(4, 3, 2, 2), None, [APGD(steps=5), Square(queries=5)], Budget(epsilon=2.0)
        ... )
        >>> found.accuracy
        0.0
    """
    if not attacks or any(attack.is_noise for attack in attacks):
        raise ConfigError("`attacks` must hold at least one attack and no noise, which needs no turn of its own")
    begin, cost = time.perf_counter(), Cost()
    case = make_case(
        classifier, images_nchw, labels, attacks[0], [budget],
        targets=targets, success_only=True, seed=seed, streams=streams, execution=execution,
    )  # fmt: skip
    for attack in attacks[1:]:  # what one cannot do is told before another has worked
        make_case(classifier, images_nchw, case.labels, attack, [budget], targets=case.targets, execution=execution)
    radii = budget.radii(case.images, case.scale)
    images, predicted = case.images.clone(), np.empty(len(case), np.int64)
    flat, rows = np.ones(len(case), bool), np.arange(len(case))
    for number, attack in enumerate(attacks):
        part = attack_images(
            classifier, images_nchw[rows], case.labels[rows], attack, _of_rows(budget, radii, rows),
            targets=None if case.targets is None else case.targets[rows],
            success_only=True, seed=seed, streams=case.streams[rows], execution=execution,
        )  # fmt: skip
        images[rows], predicted[rows] = part.images, part.predicted
        flat[rows] &= part.zero_gradient
        cost.evaluations, cost.gradients = cost.evaluations + part.evaluations, cost.gradients + part.gradients
        rows = rows[~part.success]
        if progress is not None:
            progress(number + 1, len(attacks))
        if not len(rows):
            break
    found = attacked(case, budget, radii, images, flat, predicted, cost, time.perf_counter() - begin)
    return replace(found, attack={"name": "in_turn", "attacks": [attack_to_dict(attack) for attack in attacks]})


def _of_rows(budget: Budget, radii_n: Tensor, rows: npt.NDArray[np.int64]) -> Budget:
    """The budget of some images, whose ε does not depend on which others are left."""
    return replace(budget, epsilon=radii_n[rows], snr_db=None)
