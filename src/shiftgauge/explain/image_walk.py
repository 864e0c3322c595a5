"""Images pushed towards every class: how far they had to go until the network said so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_positive_int
from shiftgauge.errors import ConfigError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.climb_state import ClimbKeeper
from shiftgauge.explain.maximize import maximize
from shiftgauge.explain.maximized import Maximization
from shiftgauge.explain.starts import given_images
from shiftgauge.models.inputs import class_place, require_gradients
from shiftgauge.types import Classifier, FloatArray

_BATCHES: Final = 4
"""Batches whose starts are held at a time, where the classes are fewer."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageWalk:
    """What became of each image on its way to each class; distances are of pixels in [0, 1].

    Steps count from 0, the image as given. A step that never came is −1, and the distance there NaN.

    Args:
        classes: Names of the classes that were walked to.
        class_names: Names of all classes.
        start: float32 (image, channel, y, x), the images as given.
        images: float32 (image, target, channel, y, x), after the last step.
        source: (image,), class of each image as given, in the network's eyes.
        final: (image, target), the same after the last step.
        left_at: (image, target), first step at which the class is not that of the start.
        reached_at: (image, target), first step at which the class is the target's.
        stayed: (image, target), whether it is the target's from `reached_at` to the end.
        logit: (image, target, step), logit of the target's class.
        predicted: (image, target, step), number of the class.
        distance_l2: (image, target), ‖p − p₀‖₂ after the last step.
        distance_max: (image, target), its largest entry, L∞.
        distance_rms: (image, target), ‖p − p₀‖₂ / √(C H W).
        reached_l2: (image, target), ‖p − p₀‖₂ at `reached_at`.
        reached_max: (image, target), L∞ at `reached_at`.
        reached_rms: (image, target), root mean square at `reached_at`.
        options: How it was climbed.
        fingerprint: Content hash of the classifier.
        evaluations: Images that passed forward through the network.
        seconds: Wall time.
    """

    classes: tuple[str, ...]
    class_names: tuple[str, ...]
    start: npt.NDArray[np.float32]
    images: npt.NDArray[np.float32]
    source: npt.NDArray[np.int64]
    final: npt.NDArray[np.int64]
    left_at: npt.NDArray[np.int64]
    reached_at: npt.NDArray[np.int64]
    stayed: npt.NDArray[np.bool_]
    logit: FloatArray
    predicted: npt.NDArray[np.int64]
    distance_l2: FloatArray
    distance_max: FloatArray
    distance_rms: FloatArray
    reached_l2: FloatArray
    reached_max: FloatArray
    reached_rms: FloatArray
    options: Mapping[str, Any]
    fingerprint: str
    evaluations: int
    seconds: float

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: image, target, channel, y, x, step."""
        picture, pair = ("channel", "y", "x"), ("image", "target")
        pairs = ("final", "left_at", "reached_at", "stayed")
        lengths = tuple(f"{when}_{how}" for when in ("distance", "reached") for how in ("l2", "max", "rms"))
        variables = {
            "start": (("image", *picture), self.start),
            "image_after": ((*pair, *picture), self.images),
            "source": (("image",), self.source),
            **{name: (pair, getattr(self, name)) for name in (*pairs, *lengths)},
            **{name: ((*pair, "step"), getattr(self, name)) for name in ("logit", "predicted")},
        }
        attrs = {
            "options": json.dumps(dict(self.options)),
            "class_names": json.dumps(list(self.class_names)),
            "fingerprint": self.fingerprint,
            "evaluations": self.evaluations,
            "seconds": self.seconds,
        }
        coords = {"target": list(self.classes), "step": np.arange(self.logit.shape[2])}
        return xr.Dataset(variables, coords=coords, attrs=attrs)


def image_walk(
    classifier: Classifier,
    images: torch.Tensor | npt.ArrayLike,
    *,
    classes: Sequence[str | int] | None = None,
    options: ActivationMaximization | None = None,
    batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
    keep: ClimbKeeper | None = None,
) -> ImageWalk:
    """Pushes each image towards each class by raising the class's logit, and measures how far it had to go.

    Steps are plain ascent, not a search for the nearest image of the class: the distance at which the network says
    the class is an upper bound of the smallest one.

    Args:
        classifier: Any differentiable classifier.
        images: (C, H, W) or (N, C, H, W), pixels in [0, 1].
        classes: Names or numbers of the classes to go to; default all, each image's own among them.
        options: How to climb; default `ActivationMaximization()`.
        batch_size: Images in one pass, ≥ 1; memory grows with it.
        progress: Called with (steps done, steps in all), counted image by image.
        keep: As of `maximize`; heeded where all images climb at once, a few batches of them.

    Raises:
        ConfigError: An unknown class, or one named twice.
        DataError: Images of another size, none, or not of pixels.
        ModelError: The classifier gives no gradients or fails.
        NumericalError: A logit is not finite.

    Example:
        >>> from torch import nn
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
        >>> c = TorchClassifier(net, preprocessing=Preprocessing(height=2, width=2), device=torch.device("cpu"))
        >>> walk = image_walk(c, torch.full((3, 2, 2), 0.5), options=ActivationMaximization(steps=50))
        >>> walk.reached_at.shape, int(walk.reached_at[0, walk.source[0]])
        ((1, 3), 0)
    """
    require_gradients(classifier)
    require_positive_int("batch_size", batch_size)
    names = classifier.class_names
    places = np.array([class_place(classifier, label) for label in (range(len(names)) if classes is None else classes)])
    if not len(places) or len(set(places.tolist())) != len(places):
        raise ConfigError(f"`classes` must name at least one class, each once, got {classes!r}")
    given = given_images(images, classifier.input_shape)
    found = list(_climbs(classifier, given, places, options, batch_size, progress, keep))
    return ImageWalk(
        classes=tuple(names[place] for place in places),
        class_names=names,
        start=given.numpy(),
        **_paths(found, places),
        options=found[0].options,
        fingerprint=found[0].fingerprint,
        evaluations=sum(part.evaluations for part in found),
        seconds=sum(part.seconds for part in found),
    )


def _climbs(
    classifier: Classifier,
    given: torch.Tensor,
    places: npt.NDArray[np.integer],
    options: ActivationMaximization | None,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    keep: ClimbKeeper | None,
) -> Iterator[Maximization]:
    """Climbs from a few images at a time to all classes, so that starts are held for these alone."""
    at_once, n = max(1, _BATCHES * batch_size // len(places)), len(given)
    for first in range(0, n, at_once):
        part = given[first : first + at_once]

        def tell(done: int, total: int, first: int = first, count: int = len(part)) -> None:
            if progress is not None:
                progress(done + total * first // count, total * n // count)

        yield maximize(
            classifier,
            np.tile(places, len(part)).tolist(),
            start=part.repeat_interleave(len(places), dim=0),
            options=options,
            batch_size=batch_size,
            progress=tell,
            keep=keep if n <= at_once else None,  # a keeper holds the state of one climb
        )


def _paths(found: Sequence[Maximization], places: npt.NDArray[np.integer]) -> dict[str, Any]:
    """What becomes of each image on its way to each class, axes (image, target, ...)."""

    def joined(name: str) -> npt.NDArray[Any]:
        values = np.concatenate([getattr(part, name) for part in found])
        return values.reshape(-1, len(places), *values.shape[1:])

    predicted = joined("predicted")
    is_there = predicted == places[:, None]
    reached = _first(is_there)
    lengths = {name: joined(f"distance_{name}").astype(np.float64) for name in ("l2", "max", "rms")}
    return {
        "images": joined("images"),
        "source": predicted[:, 0, 0],
        "final": predicted[..., -1],
        "left_at": _first(predicted != predicted[..., :1]),
        "reached_at": reached,
        "stayed": _stayed(is_there, reached),
        "logit": joined("activation"),
        "predicted": predicted,
        **{f"distance_{name}": values[..., -1] for name, values in lengths.items()},
        **{f"reached_{name}": _at(values, reached) for name, values in lengths.items()},
    }


def _first(true_at: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """First step at which it holds, or −1; steps are the last axis."""
    return np.where(true_at.any(axis=-1), true_at.argmax(axis=-1), -1)


def _stayed(true_at: npt.NDArray[np.bool_], since: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    steps = np.arange(true_at.shape[-1])
    return (since >= 0) & (true_at | (steps < since[..., None])).all(axis=-1)


def _at(values: FloatArray, step: npt.NDArray[np.int64]) -> FloatArray:
    taken = np.take_along_axis(values, np.maximum(step, 0)[..., None], axis=-1)[..., 0]
    return np.where(step >= 0, taken, np.nan)
