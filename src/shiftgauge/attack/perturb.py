"""An attack on a network in training: one batch, on its logits, without a classifier around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.case import in_layout
from shiftgauge.attack.craft import budgets_for, craft
from shiftgauge.attack.kinds import Attack
from shiftgauge.attack.problem import LogitsFunction, Problem
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.device import with_float64
from shiftgauge.models.input_scale import InputScale
from shiftgauge.random import check_seed


def perturb(
    logits: LogitsFunction,
    images_nchw: Tensor,
    labels_n: Tensor,
    attack: Attack,
    budget: Budget,
    *,
    scale: InputScale | None = None,
    targets_n: Tensor | None = None,
    success_only: bool = False,
    seed: int = 0,
    streams: Sequence[int] | npt.NDArray[np.integer] | None = None,
) -> Tensor:
    """Attacks one batch of images on a function that gives logits.

    Nothing but the images is differentiated: parameters get no gradients, whatever their flags. The modes of the
    network (batch statistics, dropout) are the caller's to choose.

    Args:
        logits: Images (n, C, H, W), pixels → logits (n, K), differentiable.
        images_nchw: Floats, pixels.
        labels_n: Classes, (n,) int64.
        attack: What to do.
        budget: How much it may change; `Budget(epsilon=...)` takes one ε for each image too.
        scale: The network's input scale, needed where the budget's unit is `input`.
        targets_n: Classes to be reached, (n,), or None.
        success_only: Leave images alone once they fool.
        seed: Of random starts; give another one for each batch, such as `stream_key(seed, epoch, step)`.
        streams: Number of each image's random stream; default 0 … n − 1.

    Returns:
        (n, C, H, W) float32 without graph, on the device of the images.

    Raises:
        ConfigError: Labels or streams of another number than images, labels that are no classes of the network, or
            no scale where it is needed.
        DataError: Images that are no floats, or outside the bounds.
        NumericalError: Logits or gradients are NaN or infinite.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.attack.pgd import PGD
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> images, labels = torch.rand(4, 3, 2, 2), torch.tensor([0, 1, 2, 0])
        >>> changed = perturb(net, images, labels, PGD(steps=3), Budget(epsilon=0.1), seed=7)
        >>> bool((changed - images).abs().max() <= 0.1 + 1e-6), net[1].weight.grad is None
        (True, True)
    """
    if images_nchw.ndim != 4 or not images_nchw.is_floating_point() or not len(images_nchw):
        kind = f"{tuple(images_nchw.shape)} of {images_nchw.dtype}"
        raise DataError(f"images must be floats from 0 to 1 of the shape (n, C, H, W), n ≥ 1, got {kind}")
    n = len(images_nchw)
    for name, given in (("labels_n", labels_n), ("targets_n", targets_n), ("streams", streams)):
        if given is not None and len(given) != n:
            raise ConfigError(f"`{name}` must hold one number for each of {n} images, got {len(given)}")
    for name, classes in (("labels_n", labels_n), ("targets_n", targets_n)):
        if classes is not None:
            _check_classes(name, classes)
    budget.check_images(images_nchw)
    (spent,) = budgets_for(attack, [budget])
    with torch.inference_mode(mode=False):
        channels_last = images_nchw.is_contiguous(memory_format=torch.channels_last)
        home = images_nchw.device
        work = with_float64(home)
        centre = in_layout(images_nchw.detach().float().to(work), channels_last=channels_last)
        problem = Problem(
            logits=_with_known_classes(logits, labels_n, targets_n, home),
            ball=spent.ball(centre, spent.radii(centre, scale), scale),
            labels=labels_n.to(work),
            targets=None if targets_n is None else targets_n.to(work),
            streams=np.arange(n) if streams is None else np.asarray(streams, np.int64),
            seed=check_seed(seed),
            success_only=success_only,
        )
        layout = torch.channels_last if channels_last else torch.contiguous_format
        return craft(problem, attack).images.to(home).contiguous(memory_format=layout)


def _check_classes(name: str, classes_n: Tensor) -> None:
    """Refuses what is no class, before anything is run.

    Raises:
        ConfigError: No whole numbers in a tensor (n,), or one below 0.
    """
    if not isinstance(classes_n, Tensor) or classes_n.ndim != 1 or classes_n.dtype != torch.int64:
        kind = (
            f"{classes_n.dtype} {tuple(classes_n.shape)}" if isinstance(classes_n, Tensor) else type(classes_n).__name__
        )
        raise ConfigError(f"`{name}` must be a tensor (n,) of int64, one class for each image, got {kind}")
    if int(classes_n.min()) < 0:
        raise ConfigError(f"`{name}` must be classes from 0 on, got {int(classes_n.min())}")


def _with_known_classes(
    logits: LogitsFunction, labels_n: Tensor, targets_n: Tensor | None, home: torch.device
) -> LogitsFunction:
    """The same logits, taken at home, once they are known to have a column for every class that is asked about.

    Raises:
        ConfigError: On the first call, where they have not.
    """
    largest = max(int(c.max()) for c in (labels_n, targets_n) if c is not None)

    def checked(images: Tensor) -> Tensor:
        found = logits(images.to(home)).to(images.device)
        if found.ndim != 2 or found.shape[1] <= largest:
            raise ConfigError(
                f"labels and targets are classes up to {largest}, the network gives logits {tuple(found.shape)}; they "
                "must be (n, K) with a column for each class"
            )
        return found

    return checked
