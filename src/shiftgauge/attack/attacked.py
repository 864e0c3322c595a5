"""What an attack made of a set of images, and how loud it had to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from torch import Tensor

from shiftgauge.results.status import Message
from shiftgauge.types import FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Crafted:
    """The images that an attack made of one batch.

    Args:
        images: (n, C, H, W) float32, contiguous, on the device of the images given.
        flat: Whether every gradient was 0, (n,).
    """

    images: Tensor
    flat: Tensor


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Attacked:
    """Attacked images, and what the classifier says of them.

    Lengths and ratios are those of the images that are given: after the range of pixels cut them, in `unit`.

    Args:
        images: (N, C, H, W) float32, pixels.
        labels: Classes of the images, (N,).
        targets: Classes that were to be reached, (N,), or None.
        predicted: Class with the largest output for each attacked image, (N,).
        success: Whether it is another than the label, or is the target, (N,).
        epsilon: Largest length allowed, (N,).
        distance: Length of the change in `norm`, (N,).
        snr_db: Signal-to-noise ratio of each image, (N,); infinite where nothing changed.
        set_snr_db: That of the whole set.
        zero_gradient: Images whose gradients were all 0, so that an attack by gradients could do nothing, (N,).
        unit: `pixel` or `input`.
        norm: `linf` or `l2`; noise asked for in dB has l2.
        attack: Name and options.
        budget: What was allowed.
        fingerprint: Content hash of the classifier.
        evaluations: Images that passed forward through the network.
        gradients: Images that passed backward.
        seconds: Wall time.
        messages: What to know before relying on it.
    """

    images: Tensor
    labels: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64] | None
    predicted: npt.NDArray[np.int64]
    success: npt.NDArray[np.bool_]
    epsilon: FloatArray
    distance: FloatArray
    snr_db: FloatArray
    set_snr_db: float
    zero_gradient: npt.NDArray[np.bool_]
    unit: str
    norm: str
    attack: Mapping[str, Any]
    budget: Mapping[str, Any]
    fingerprint: str
    evaluations: int
    gradients: int
    seconds: float
    messages: tuple[Message, ...] = ()

    def __repr__(self) -> str:
        """Attack, size and outcome on one line."""
        return (
            f"Attacked({self.attack['name']}, {len(self.labels)} images, accuracy={self.accuracy:.4g}, "
            f"set_snr_db={self.set_snr_db:.4g})"
        )

    @property
    def accuracy(self) -> float:
        """Share of attacked images whose predicted class is the label."""
        return float((self.predicted == self.labels).mean())

    @property
    def success_rate(self) -> float:
        """Share of images with `success`."""
        return float(self.success.mean())

    def to_dataframe(self) -> pd.DataFrame:
        """One row for each image: label, predicted, success, epsilon, distance, snr_db, zero_gradient."""
        names = ("predicted", "success", "epsilon", "distance", "snr_db", "zero_gradient")
        target = {} if self.targets is None else {"target": self.targets}
        return pd.DataFrame({"label": self.labels, **target, **{name: getattr(self, name) for name in names}})


def findings(
    zero_gradient: npt.NDArray[np.bool_], epsilon: FloatArray, budget: Mapping[str, Any], norm: str
) -> tuple[Message, ...]:
    """What to know before relying on an attack.

    Args:
        zero_gradient: Images whose gradients were all 0, (N,).
        epsilon: ε of each image, (N,).
        budget: `Budget.to_dict`.
        norm: Norm of ε.
    """
    found = []
    flat = int((zero_gradient & (epsilon > 0)).sum())
    if flat:
        found.append(
            Message(
                level="caution",
                code="zero_gradient",
                text=f"The gradient is 0 for {flat} of {len(zero_gradient)} images, so that gradients cannot attack "
                "them; they count as robust for this reason alone. Try `Square`, which needs no gradients.",
            )
        )
    if norm == "linf" and budget["unit"] == "pixel" and float(epsilon.max(initial=0)) >= 1:
        beyond = (
            "any image is within reach" if budget["bounds"] else "pixels go far beyond [0, 1]; set `bounds` to (0, 1)"
        )
        found.append(
            Message(
                level="caution",
                code="epsilon_beyond_range",
                text=f"ε is up to {float(epsilon.max()):g}, the whole range of a pixel: {beyond}.",
            )
        )
    return tuple(found)
