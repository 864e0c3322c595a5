"""Activation maximisation: images that raise a class logit, a neuron, a channel or a direction, many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import NumericalError
from shiftgauge.explain.ascent import ActivationMaximization, Ascent, Reading
from shiftgauge.explain.climb_state import KEEP_EVERY, ClimbKeeper, ClimbState, begun
from shiftgauge.explain.maximized import Maximization
from shiftgauge.explain.objectives import Objectives, Target
from shiftgauge.explain.starts import given_images, noise_image
from shiftgauge.models.input_scale import InputScale, input_scale
from shiftgauge.types import Classifier


def maximize(
    classifier: Classifier,
    targets: Sequence[Target | str | int],
    *,
    start: torch.Tensor | npt.ArrayLike | None = None,
    options: ActivationMaximization | None = None,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
    keep: ClimbKeeper | None = None,
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
        keep: Where climbs are kept every `KEEP_EVERY` steps, and taken up from; None keeps nothing on the way.

    Raises:
        ConfigError: No targets, an unknown class, a place outside a block's output.
        DataError: A start of another size or number, or not of pixels; or other climbs were kept.
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
        first = given_images(_start(classifier, start, chosen, scale), classifier.input_shape, len(asked))
        state = begun(first.numpy(), chosen.steps, keep)
        _climb_all(
            chosen,
            asked,
            chosen.init(first, scale),
            state,
            batch_size,
            _Told(begin=begin, progress=progress, keep=keep),
        )
        inputs = scale.of_pixels(torch.from_numpy(state.images))
    return Maximization(
        targets=asked.names,
        asked=tuple(target.to_dict() for target in asked.targets),
        class_names=classifier.class_names,
        images=state.images,
        inputs=inputs.numpy(),
        start=first.numpy(),
        **state.path,
        options=chosen.to_dict(),
        fingerprint=classifier.fingerprint,
        evaluations=len(asked) * (chosen.steps * (2 if chosen.views else 1) + 1),
        gradients=len(asked) * chosen.steps if chosen.step_size else 0,
        seconds=state.seconds + time.perf_counter() - begin,
    )


def _start(
    classifier: Classifier,
    start: torch.Tensor | npt.ArrayLike | None,
    options: ActivationMaximization,
    scale: InputScale,
) -> torch.Tensor | npt.ArrayLike:
    """The images that were given, else seeded noise."""
    if start is not None:
        return start
    return noise_image(classifier.input_shape, scale, deviation=options.noise, seed=options.seed)


@dataclass(frozen=True)
class _Told:
    """Who hears of the steps, and where climbs are kept."""

    begin: float
    progress: Callable[[int, int], None] | None
    keep: ClimbKeeper | None

    def keeps(self, reading: int) -> bool:
        """Whether the climbs are kept after so many readings of a batch."""
        return self.keep is not None and reading % KEEP_EVERY == 0

    def of(self, state: ClimbState, reading: int) -> None:
        if self.progress is not None:
            self.progress(state.taken, len(state.readings) * state.steps)
        if self.keep is not None and self.keeps(reading):
            self.keep.save(replace(state, seconds=state.seconds + time.perf_counter() - self.begin))


def _climb_all(
    options: ActivationMaximization,
    asked: Objectives,
    first: Ascent,
    state: ClimbState,
    batch_size: int,
    told: _Told,
) -> None:
    """Takes the steps that are left, batch by batch; they are written into the state."""
    for rows in list(state.batches(batch_size)):
        _climb(options, asked, first, state, rows, told)


def _climb(
    options: ActivationMaximization,
    asked: Objectives,
    first: Ascent,
    state: ClimbState,
    rows: npt.NDArray[np.int64],
    told: _Told,
) -> None:
    """Takes all steps that are left of one batch, and measures it before each and after the last."""
    began, place = int(state.readings[rows[0]]), rows.tolist()
    start, images = first.images_nchw[place], torch.from_numpy(state.images[rows])
    ascent = replace(first, images_nchw=images, step=began)

    def activate(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return asked.values(images, place)

    for step in range(began, options.steps + 1):
        before = ascent.images_nchw
        if step < options.steps:
            ascent, reading = options.step(ascent, activate)
        else:
            reading = options.read(ascent, activate)
        measured = _row(reading, before - start)
        bad = ~np.isfinite(measured["activation"])
        if bad.any():
            name = asked.names[place[int(np.argmax(bad))]]
            raise NumericalError(f"the activation of `{name}` is not finite after {step} steps; take smaller steps")
        read = step == options.steps or told.keeps(step + 1)
        state.add(rows, ascent.images_nchw.numpy() if read else None, measured)
        told.of(state, step + 1)


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
