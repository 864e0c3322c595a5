"""The result of an activation maximisation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximization:
    """Images that raise their targets, and the way there.

    Steps count from 0, the start, to T, the image that came out, so that the axis `step` has T + 1 entries.

    Args:
        targets: Names of the targets, N.
        asked: The targets as plain values.
        class_names: Names of the classes.
        images: float32 (target, channel, y, x), pixels: 0 is black, 1 is white.
        inputs: The same in the units of the steps (`options["scale"]`): what the network saw, or pixels.
        start: float32 (target, channel, y, x), pixels.
        activation: (target, step), what the target measured.
        penalty: (target, step), the weighted sum of the regularisers.
        predicted: (target, step), number of the class with the largest logit.
        slope: (target, step), length ‖∇a‖₂ of the activation's gradient in the units of the steps, by which a step size
            can be chosen; NaN at T and where no gradient was asked for.
        distance_l2: (target, step), length of the way from the start, ‖p − p₀‖₂ in pixel units.
        distance_max: (target, step), its largest entry.
        options: How it was climbed.
        fingerprint: Content hash of the classifier.
        evaluations: Images that passed forward through the network.
        gradients: Images that passed backward.
        seconds: Wall time.
    """

    targets: tuple[str, ...]
    asked: tuple[Mapping[str, Any], ...]
    class_names: tuple[str, ...]
    images: npt.NDArray[np.float32]
    inputs: npt.NDArray[np.float32]
    start: npt.NDArray[np.float32]
    activation: FloatArray
    penalty: FloatArray
    predicted: npt.NDArray[np.int64]
    slope: FloatArray
    distance_l2: FloatArray
    distance_max: FloatArray
    options: Mapping[str, Any]
    fingerprint: str
    evaluations: int
    gradients: int
    seconds: float

    @property
    def without_slope(self) -> tuple[str, ...]:
        """Targets that no step could raise, because they had no slope at any image on the way (a unit that is off)."""
        flat = (self.slope[:, :-1] == 0).all(axis=1)
        return tuple(name for name, still in zip(self.targets, flat, strict=True) if still)

    @property
    def distance_rms(self) -> FloatArray:
        """(target, step), root of the mean square of the change of a pixel and channel."""
        return self.distance_l2 / np.sqrt(self.images[0].size)

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: target, channel, y, x, step."""
        picture, path = ("target", "channel", "y", "x"), ("target", "step")
        variables = {
            "image": (picture, self.images),
            "start": (picture, self.start),
            **{
                name: (path, getattr(self, name))
                for name in (
                    "activation",
                    "penalty",
                    "predicted",
                    "slope",
                    "distance_l2",
                    "distance_max",
                    "distance_rms",
                )
            },
        }
        attrs = {
            "asked": json.dumps([dict(target) for target in self.asked]),
            "options": json.dumps(dict(self.options)),
            "class_names": json.dumps(list(self.class_names)),
            "fingerprint": self.fingerprint,
            "evaluations": self.evaluations,
            "gradients": self.gradients,
            "seconds": self.seconds,
        }
        coords = {"target": list(self.targets), "step": np.arange(self.activation.shape[1])}
        return xr.Dataset(variables, coords=coords, attrs=attrs)
