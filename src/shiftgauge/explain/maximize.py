"""Activation maximisation: images that raise a class logit, a neuron, a channel or a direction, many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import NumericalError
from shiftgauge.explain.ascent import ActivationMaximization, Ascent, Reading
from shiftgauge.explain.maximized import Maximization
from shiftgauge.explain.objectives import Objectives, Target
from shiftgauge.explain.starts import given_images, noise_image
from shiftgauge.models.input_scale import input_scale
from shiftgauge.types import Classifier


def maximize(
    classifier: Classifier,
    targets: Sequence[Target | str | int],
    *,
    start: torch.Tensor | npt.ArrayLike | None = None,
    options: ActivationMaximization | None = None,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Maximization:
    """Makes one image for each target that raises it.

    The targets are worked on together, `batch_size` at a time: an image's path does not depend on the others beyond
    float rounding. The network's mode, flags and parameters are as before afterwards, and no gradients are left.

    Args:
        classifier: Any differentiable classifier; targets in blocks need one that runs a torch network.
        targets: What each image is to raise, at least one; a name or number alone stands for the logit of that class.
        start: None for seeded noise; else pixels in [0, 1], (C, H, W) for all targets or one (N, C, H, W) for each,
            such as images or `class_means`.
        options: How to climb; default `ActivationMaximization()`.
        batch_size: Images in one pass, ≥ 1; memory grows with it.
        progress: Called with (steps done, steps in all), counted image by image.

    Raises:
        ConfigError: No targets, an unknown class, a place outside a block's output.
        DataError: A start of another size or number, or not of pixels.
        ModelError: The classifier gives no gradients, has no such block, or fails.
        NumericalError: An activation is not finite.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> found = maximize(c, [0, 2], options=ActivationMaximization(steps=5))
        >>> found.images.shape, found.activation.shape, bool((found.activation[:, -1] > found.activation[:, 0]).all())
        ((2, 3, 2, 2), (2, 6), True)
    """
    chosen = options or ActivationMaximization()
    require_positive_int("batch_size", batch_size)
    begin = time.perf_counter()
    with torch.inference_mode(mode=False):
        asked = Objectives(classifier, targets)
        scale = input_scale(classifier, chosen.scale)
        if start is None:
            start = noise_image(classifier.input_shape, scale, deviation=chosen.noise, seed=chosen.seed)
        first = given_images(start, classifier.input_shape, len(asked))
        images, path = _climb_all(chosen, asked, chosen.init(first, scale), batch_size, progress)
        inputs = scale.of_pixels(images)
    return Maximization(
        targets=asked.names,
        asked=tuple(target.to_dict() for target in asked.targets),
        class_names=classifier.class_names,
        images=images.numpy(),
        inputs=inputs.numpy(),
        start=first.numpy(),
        **path,
        options=chosen.to_dict(),
        fingerprint=classifier.fingerprint,
        evaluations=len(asked) * (chosen.steps * (2 if chosen.views else 1) + 1),
        gradients=len(asked) * chosen.steps if chosen.step_size else 0,
        seconds=time.perf_counter() - begin,
    )


def _climb_all(
    options: ActivationMaximization,
    asked: Objectives,
    start: Ascent,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
) -> tuple[torch.Tensor, dict[str, npt.NDArray[Any]]]:
    """Climbs batch by batch: the images that come out, and what is measured on the way, axes (image, step)."""
    images, paths = [], []
    for low in range(0, len(asked), batch_size):
        rows = range(len(asked))[low : low + batch_size]

        def tell(step: int, rows: range = rows) -> None:
            if progress is not None:
                progress(rows.start * options.steps + step * len(rows), len(asked) * options.steps)

        state = replace(start, images_nchw=start.images_nchw[low : low + batch_size])
        climbed, path = _climb(options, asked, rows, state, tell)
        images.append(climbed)
        paths.append(path)
    return torch.cat(images), {name: np.concatenate([path[name] for path in paths]) for name in paths[0]}


def _climb(
    options: ActivationMaximization, asked: Objectives, rows: Sequence[int], state: Ascent, tell: Callable[[int], None]
) -> tuple[torch.Tensor, dict[str, npt.NDArray[Any]]]:
    """Takes all steps of one batch; what is measured of it before each and after the last, axes (image, step)."""
    first, trace = state.images_nchw, []

    def activate(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return asked.values(images, rows)

    for step in range(options.steps + 1):
        before = state.images_nchw
        if step < options.steps:
            state, reading = options.step(state, activate)
        else:
            reading = options.read(state, activate)
        trace.append(_row(reading, before - first))
        bad = ~np.isfinite(trace[-1]["activation"])
        if bad.any():
            name = asked.names[rows[int(np.argmax(bad))]]
            raise NumericalError(f"the activation of `{name}` is not finite after {step} steps; take smaller steps")
        tell(min(step + 1, options.steps))
    return state.images_nchw, {name: np.stack([row[name] for row in trace], axis=1) for name in trace[0]}


def _row(reading: Reading, gone: torch.Tensor) -> dict[str, npt.NDArray[Any]]:
    flat = gone.flatten(1)
    return {
        "activation": reading.activation.double().numpy(),
        "penalty": reading.penalty.double().numpy(),
        "predicted": reading.predicted.numpy(),
        "slope": reading.slope.double().numpy(),
        "distance_l2": flat.double().norm(dim=1).numpy(),
        "distance_max": flat.abs().amax(dim=1).double().numpy(),
    }
