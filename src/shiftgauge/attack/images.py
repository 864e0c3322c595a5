"""The driver of all attacks: a classifier, images, an attack and a budget → attacked images."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.attacked import Attacked, findings
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.case import Case, make_case
from shiftgauge.attack.craft import Progress, budgets_for, crafted_batches, is_long
from shiftgauge.attack.kinds import Attack, attack_to_dict
from shiftgauge.attack.problem import Cost
from shiftgauge.attack.snr import energies, snr_of_energies
from shiftgauge.models.allocation import kept_memory
from shiftgauge.models.device import full_precision
from shiftgauge.models.inputs import Targets
from shiftgauge.types import Classifier, Execution, FloatArray


def attack_images(
    classifier: Classifier,
    images_nchw: Tensor,
    labels: Targets,
    attack: Attack,
    budget: Budget,
    *,
    targets: Targets = None,
    success_only: bool = False,
    seed: int = 0,
    streams: Sequence[int] | npt.NDArray[np.integer] | None = None,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> Attacked:
    r"""Attacks images within a budget, and says what the classifier makes of them.

    Every image given lies in its ball and in the bounds, rounding to float32 included. What happens to an image
    depends on its stream and on nothing else in the batch, beyond float rounding. The network is in the mode it was in
    afterwards, and its parameters get no gradients.

    Args:
        classifier: Any classifier; attacks by gradients need a differentiable one.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1], of the classifier's input shape (see its `prepare`).
        labels: The images' classes: names or numbers, one for each; None for what the classifier says, so that an
            attack is not told the truth.
        attack: What to do, such as `PGD(steps=20)`.
        budget: How much it may change, such as `Budget(epsilon=8 / 255, bounds=(0, 1))`.
        targets: Classes to be reached, one or one for each image; None (default) for any but the label.
        success_only: Leave an image as it is once it fools, from the start or on the way: all that counts is whether
            the ball holds an image that fools. Default False: every step is taken, as published.
        seed: Of random starts, noise and squares.
        streams: Number of each image's random stream; default 0 … N − 1. State them where a set is cut into parts.
        execution: Batch size and layout. Default: a batch that suits the size of the images; gradients with channels
            last and batch normalisations folded, which differs from the plain network by float rounding alone and is
            faster; evaluations by the plain network. One that is stated holds for both; its plain layout gives the
            gradients of the network as it is, bit for bit.
        progress: Called with (images × steps done, all of them).

    Raises:
        ConfigError: Options that do not go together.
        DataError: Images that are no pixels, or outside the bounds.
        ModelError: The classifier gives no gradients, fails, or decides independent labels.
        NumericalError: Logits or gradients are NaN or infinite.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.attack.fgsm import FGSM
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> found = attack_images(c, torch.full((2, 3, 2, 2), 0.5), [0, 1], FGSM(), Budget(epsilon=0.125))
        >>> found.distance.tolist(), round(found.set_snr_db, 2), found.gradients
        ([0.125, 0.125], 12.04, 2)
    """
    begin, cost = time.perf_counter(), Cost()
    with torch.inference_mode(mode=False):
        case = make_case(
            classifier,
            images_nchw,
            labels,
            attack,
            [budget],
            targets=targets,
            success_only=success_only,
            seed=seed,
            streams=streams,
            execution=execution,
        )
        (spent,) = budgets_for(attack, [budget])
        radii = spent.radii(case.images, case.scale)
        images, flat = torch.empty_like(case.images), np.zeros(len(case), bool)
        with full_precision(), kept_memory(wanted=is_long(case, 1)):
            for rows, _, found in crafted_batches(case, [spent], [radii], cost, progress=progress):
                images[rows], flat[rows] = found.images, found.flat.numpy()
            predicted = case.said(images).numpy()
    cost.evaluations += len(case)
    return attacked(case, spent, radii, images, flat, predicted, cost, time.perf_counter() - begin)


def images_at_budgets(
    classifier: Classifier,
    images_nchw: Tensor,
    labels: Targets,
    attack: Attack,
    budgets: Sequence[Budget],
    *,
    targets: Targets = None,
    success_only: bool = False,
    seed: int = 0,
    streams: Sequence[int] | npt.NDArray[np.integer] | None = None,
    execution: Execution | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """The attacked images of each budget and nothing else: no pass that judges them, and no measures.

    Args:
        classifier: As of `attack_images`, like all that is not named here.
        images_nchw: (N, C, H, W) floats, pixels in [0, 1].
        labels: The images' classes.
        attack: What to do; the fast gradient sign method takes one gradient for all budgets.
        budgets: Of one norm, unit and range.
        targets: Classes to be reached, or None.
        success_only: Leave images alone once they fool.
        seed: Of all draws.
        streams: Number of each image's random stream.
        execution: Batch size and layout.
        progress: Called with (images × steps × budgets done, all of them).

    Returns:
        (B, N, C, H, W) float32.

    Raises:
        ConfigError, DataError, ModelError, NumericalError: As of `attack_images`.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.attack.budget import budgets_at
        >>> from shiftgauge.attack.fgsm import FGSM
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> images_at_budgets(c, torch.rand(4, 3, 2, 2), [0] * 4, FGSM(), budgets_at([0.1, 0.2])).shape
        torch.Size([2, 4, 3, 2, 2])
    """
    with torch.inference_mode(mode=False):
        spent = budgets_for(attack, budgets)
        case = make_case(
            classifier, images_nchw, labels, attack, spent,
            targets=targets, success_only=success_only, seed=seed, streams=streams, execution=execution,
        )  # fmt: skip
        radii = [budget.radii(case.images, case.scale) for budget in spent]
        made = torch.empty(len(spent), *case.images.shape, device=case.images.device)
        with full_precision(), kept_memory(wanted=is_long(case, len(spent))):
            for rows, number, found in crafted_batches(case, spent, radii, Cost(), progress=progress):
                made[number, rows] = found.images
    return made


def attacked(
    case: Case,
    budget: Budget,
    radii_n: Tensor,
    images: Tensor,
    flat: npt.NDArray[np.bool_],
    predicted: npt.NDArray[np.int64],
    cost: Cost,
    seconds: float,
) -> Attacked:
    """Measures attacked images and makes the result."""
    labels = case.labels.numpy()
    targets = None if case.targets is None else case.targets.numpy()
    signal, noise = seen_energies(case, budget, images)
    balls = (budget.ball(case.images[rows], radii_n[rows], case.scale) for rows in case.slices())
    lengths = [ball.distance(images[rows]) for ball, rows in zip(balls, case.slices(), strict=True)]
    epsilon, plain = radii_n.numpy(), budget.to_dict()
    return Attacked(
        images=images,
        labels=labels,
        targets=targets,
        predicted=predicted,
        success=predicted != labels if targets is None else predicted == targets,
        epsilon=epsilon,
        distance=torch.cat(lengths).cpu().numpy(),
        snr_db=snr_of_energies(signal, noise),
        set_snr_db=float(snr_of_energies(signal.sum(), noise.sum())),
        zero_gradient=flat,
        unit=budget.unit,
        norm=budget.norm,
        attack=attack_to_dict(case.attack),
        budget=plain,
        fingerprint=case.classifier.fingerprint,
        evaluations=cost.evaluations,
        gradients=cost.gradients,
        seconds=seconds,
        messages=findings(flat, epsilon, plain, budget.norm),
    )


def seen_energies(case: Case, budget: Budget, images: Tensor) -> tuple[FloatArray, FloatArray]:
    """Sums of squares of all images and of their changes in the budget's unit, (N,) each, a batch at a time."""
    pairs = (
        [seen_images(case, budget, each[rows]) for each in (case.images, images)] for rows in case.slices()
    )  # float64 copies of all images at once would take many times their own memory
    signal, noise = zip(*(energies(clean, changed) for clean, changed in pairs), strict=True)
    return np.concatenate(signal), np.concatenate(noise)


def seen_images(case: Case, budget: Budget, images: Tensor) -> npt.NDArray[np.float64]:
    """Images in the budget's unit, float64, so that differences of them are exact."""
    exact = images.double()
    return (exact if budget.unit == "pixel" else budget.scale_of(case.scale).of_pixels(exact)).cpu().numpy()
