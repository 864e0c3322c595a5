"""What is attacked: a classifier with images and labels that were checked, cut into batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.apgd import APGD
from shiftgauge.attack.budget import Budget
from shiftgauge.attack.kinds import Attack
from shiftgauge.attack.losses import check_classes
from shiftgauge.attack.problem import Cost, LogitsFunction, Problem
from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.models.device import with_float64
from shiftgauge.models.folded import folded_logits
from shiftgauge.models.input_scale import InputScale, input_scale
from shiftgauge.models.inputs import Targets, largest_outputs, require_images, target_classes
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.random import check_seed
from shiftgauge.types import Classifier, DifferentiableClassifier, Execution, MultiLabelClassifier

_PIXELS: Final = 32 * 32 * 32
"""Pixels in a batch: on CPUs larger activations neither stay in the cache nor in memory that is at hand."""
_BATCHES: Final = (8, 64)
"""Smallest and largest batch that is chosen."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A classifier, the images to attack and how; made by `make_case`.

    Args:
        classifier: Any classifier.
        attack: What is done.
        images: (N, C, H, W) float32.
        labels: (N,) int64.
        targets: Classes to be reached (N,), or None.
        streams: Number of each image's random stream (N,).
        scale: The network's input scale, where the unit needs it.
        seed: Of all draws.
        success_only: Whether images are left alone once they fool.
        execution: How images are evaluated.
        batch_size: Images in one pass.
        fast: Whether gradients may be taken with channels last and batch normalisations folded.
    """

    classifier: Classifier
    attack: Attack
    images: Tensor
    labels: Tensor
    targets: Tensor | None
    streams: npt.NDArray[np.int64]
    scale: InputScale | None
    seed: int
    success_only: bool
    execution: Execution
    batch_size: int
    fast: bool

    def __len__(self) -> int:
        return len(self.images)

    def slices(self) -> Iterator[slice]:
        """The batches, in order."""
        for start in range(0, len(self), self.batch_size):
            yield slice(start, min(start + self.batch_size, len(self)))

    def outputs(self, images: Tensor) -> Tensor:
        """Logits (n, K) of images without graph; log-probabilities where the classifier gives no logits."""
        return as_logits(self.classifier, self.classifier.outputs(images, self.execution))

    def said(self, images: Tensor, classifier: Classifier | None = None, *, named: str = "the model") -> Tensor:
        """Class with the largest output for each image, (n,), on the CPU.

        Args:
            images: (n, C, H, W).
            classifier: Another one than the one that is attacked.
            named: What an error calls it.

        Raises:
            NumericalError: Outputs are NaN, so that there is no largest one.
        """
        return largest_outputs((classifier or self.classifier).outputs(images, self.execution), named=named).cpu()

    def problem(self, rows: slice, cost: Cost, *, fast: bool) -> Callable[[Budget, Tensor], Problem]:
        """A function: budget, radii of all images → the problem of some rows."""
        device = with_float64(device_of(self.classifier) or self.images.device)  # balls are exact in float64
        centre = in_layout(self.images[rows].to(device), channels_last=fast)
        logits = _with_grad(self.classifier, fast=fast)
        labels = self.labels[rows].to(device)
        targets = None if self.targets is None else self.targets[rows].to(device)

        def make(budget: Budget, radii_n: Tensor) -> Problem:
            return Problem(
                logits=logits,
                plain=self.outputs,
                ball=budget.ball(centre, radii_n[rows], self.scale),
                labels=labels,
                targets=targets,
                streams=self.streams[rows],
                seed=self.seed,
                success_only=self.success_only,
                cost=cost,
            )

        return make


def make_case(
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
) -> Case:
    """Checks what is to be attacked.

    Raises:
        ConfigError: Labels or targets that do not fit, or an execution that gradients cannot be taken in.
        DataError: Images of another shape, of whole numbers, outside the bounds, or not finite.
        ModelError: The attack needs gradients and the classifier gives none; or labels are independent.
    """
    if not isinstance(images_nchw, Tensor) or not images_nchw.is_floating_point():
        kind = images_nchw.dtype if hasattr(images_nchw, "dtype") else type(images_nchw).__name__
        raise DataError(f"images must be a tensor of floats from 0 to 1, got {kind}; divide whole numbers by 255")
    if isinstance(classifier, MultiLabelClassifier):
        raise ModelError("attacks need one class for each image; this classifier decides independent labels")
    if attack.needs_gradient and not isinstance(classifier, DifferentiableClassifier):
        raise ModelError(
            f"the attack `{attack.name}` needs gradients, which a {type(classifier).__name__} does not give; use "
            "`Square`, or the trained network itself (a model folder, an nn.Module)"
        )
    _check_classes(attack, classifier.n_classes, targeted=targets is not None)
    images = require_images(classifier, images_nchw)
    for budget in budgets:
        budget.check_images(images)
    size = (execution or Execution()).batch_size if execution else usual_batch(classifier.input_shape)
    if execution is not None and attack.needs_gradient and execution.precision != "float32":
        raise ConfigError("gradients are taken in float32; give an `execution` of that `precision`")
    return Case(
        classifier=classifier,
        attack=attack,
        images=images,
        labels=_places(classifier, images, labels, size),
        targets=None if targets is None else _places(classifier, images, targets, size),
        streams=_streams(streams, len(images)),
        scale=input_scale(classifier) if any(b.unit == "input" for b in budgets) else None,
        seed=check_seed(seed),
        success_only=success_only,
        execution=replace(execution, batch_size=size) if execution else Execution(batch_size=size),
        batch_size=size,
        fast=execution.channels_last if execution else True,
    )


def check_models(models: Mapping[str, Classifier], labels: Targets) -> None:
    """Checks that models can be held against one another on the same images.

    Raises:
        ConfigError: No model, models of several input shapes or classes, or no labels.
    """
    if not models:
        raise ConfigError("`models` must hold at least one model, got none")
    if labels is None:
        raise ConfigError("`labels` must be stated: what one model says of an image is no truth for another")
    first, *others = models
    for name in others:
        if (
            models[name].input_shape != models[first].input_shape
            or models[name].class_names != models[first].class_names
        ):
            raise ConfigError(f"models must have one input shape and the same classes; `{first}` and `{name}` differ")


def usual_batch(input_shape: tuple[int, int, int]) -> int:
    """Images in one pass: 32 of 32×32 pixels, more of smaller ones and fewer of larger ones, from 8 to 64.

    Example:
        >>> usual_batch((3, 32, 32)), usual_batch((1, 24, 24)), usual_batch((3, 224, 224))
        (32, 56, 8)
    """
    fitting = _PIXELS // (input_shape[1] * input_shape[2])
    return int(min(max(fitting, _BATCHES[0]), _BATCHES[1]))


def as_logits(classifier: Classifier, outputs_nk: Tensor) -> Tensor:
    """Outputs of a classifier as logits; of probabilities the logarithms, which are logits up to a constant."""
    if classifier.output_kind == "logits":
        return outputs_nk
    return outputs_nk.clamp_min(torch.finfo(torch.float32).tiny).log()


def device_of(classifier: Classifier) -> torch.device | None:
    """Where a classifier runs, if it says so."""
    found: Any = getattr(classifier, "device", None)
    return found if isinstance(found, torch.device) else None


def in_layout(images: Tensor, *, channels_last: bool) -> Tensor:
    """A copy of images in a layout.

    With one channel both layouts hold the same numbers, but convolutions look at the strides, so that these are set.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return torch.empty(images.shape, dtype=images.dtype, device=images.device, memory_format=layout).copy_(images)


def _with_grad(classifier: Classifier, *, fast: bool) -> LogitsFunction:
    if fast and isinstance(classifier, TorchClassifier):
        return folded_logits(classifier)
    if isinstance(classifier, DifferentiableClassifier):
        return classifier.logits_with_grad
    return lambda images: as_logits(classifier, classifier.outputs(images))


def _check_classes(attack: Attack, n_classes: int, *, targeted: bool) -> None:
    if isinstance(attack, APGD):
        attack.check_classes(n_classes, targeted=targeted)
    elif attack.needs_gradient:
        check_classes(getattr(attack, "loss", ""), n_classes, towards=targeted)


def _places(classifier: Classifier, images: Tensor, named: Targets, batch_size: int) -> Tensor:
    return torch.from_numpy(target_classes(classifier, images, named, batch_size=batch_size))


def _streams(streams: Sequence[int] | npt.NDArray[np.integer] | None, n: int) -> npt.NDArray[np.int64]:
    found = np.arange(n) if streams is None else np.asarray(streams)
    if found.shape != (n,) or (n and found.dtype.kind not in "iu"):
        raise ConfigError(f"`streams` must hold one whole number for each of {n} images, got shape {found.shape}")
    return found.astype(np.int64)
