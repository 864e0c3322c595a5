r"""Deletion and insertion: does the score follow the pixels that an attribution calls important?

The pixels of an image are ordered, the most important first. Deletion takes away the first $\lceil f H W \rfloor$ of
them, insertion gives only these back to an empty image, and the score of the class is drawn against the fraction $f$.
The area under the deletion curve is small, and that under the insertion curve large, where the order is right. Areas
depend on the image and on what an empty image is, so that they say little by themselves: the same is done with random
orders, and what counts is the difference.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr
from scipy.integrate import trapezoid

from shiftgauge.checks import require_finite
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.attribution import Attribution, MapKind
from shiftgauge.explain.batching import batch_for
from shiftgauge.explain.class_scores import ClassScore
from shiftgauge.explain.curve_options import CurveOptions
from shiftgauge.explain.curve_rows import CurveRows
from shiftgauge.files import hash_array
from shiftgauge.models.inputs import Targets, require_images, target_classes
from shiftgauge.results.mean_interval import mean_interval
from shiftgauge.types import Classifier, FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Curves:
    """Scores against the fraction of pixels taken away or given back.

    Args:
        fraction: Of the pixels, from 0 to 1, axes (step,).
        deletion: Score with that fraction taken away, axes (image, step).
        insertion: Score with that fraction given back, same axes.
        random_deletion: The same in random orders, axes (image, order, step).
        random_insertion: The same in random orders, axes (image, order, step).
        places: Place of the class among the outputs, (image,).
        options: How they were drawn.
        fingerprint: Content hash of the classifier.
        cost: `evaluations`, `seconds`, `batch_size`.
    """

    fraction: FloatArray
    deletion: FloatArray
    insertion: FloatArray
    random_deletion: FloatArray
    random_insertion: FloatArray
    places: npt.NDArray[np.int64]
    options: CurveOptions
    fingerprint: str
    cost: Mapping[str, Any] = field(default_factory=dict)

    def areas(self) -> dict[str, FloatArray]:
        """Areas under the curves by the trapezoid rule: deletion, insertion (image,), random_… (image, order)."""
        names = ("deletion", "insertion", "random_deletion", "random_insertion")
        return {name: trapezoid(getattr(self, name), self.fraction, axis=-1) for name in names}

    def table(self) -> pd.DataFrame:
        """Means over images, each with Student's interval.

        Columns: curve, area, area_low, area_high, random_area, gain, gain_low, gain_high. The gain is by how much the
        area is better than that of random orders of the same images: less for deletion, more for insertion. An interval
        of the gain that holds 0 means that the order is not shown to be better than none.
        """
        areas, rows = self.areas(), []
        for name, sign in (("deletion", -1), ("insertion", 1)):
            control = areas[f"random_{name}"].mean(axis=1)
            area, low, high = mean_interval(areas[name], self.options.confidence_level)
            gain, gain_low, gain_high = mean_interval(sign * (areas[name] - control), self.options.confidence_level)
            rows.append(
                {
                    "curve": name, "area": float(area), "area_low": float(low), "area_high": float(high),
                    "random_area": float(control.mean()), "gain": float(gain), "gain_low": float(gain_low),
                    "gain_high": float(gain_high),
                }
            )  # fmt: skip
        return pd.DataFrame(rows)

    def dataset(self) -> xr.Dataset:
        """Returns the arrays with named axes: image, order, step."""
        one, many = ("image", "step"), ("image", "order", "step")
        variables = {
            **{name: (one, getattr(self, name)) for name in ("deletion", "insertion")},
            **{name: (many, getattr(self, name)) for name in ("random_deletion", "random_insertion")},
            "place": (("image",), self.places),
        }
        attrs = {"options": json.dumps(self.options.to_dict()), "fingerprint": self.fingerprint, **self.cost}
        return xr.Dataset(variables, coords={"fraction": (("step",), self.fraction)}, attrs=attrs)


def deletion_insertion(
    classifier: Classifier,
    images: torch.Tensor,
    importance: Attribution | npt.ArrayLike,
    *,
    targets: Targets = None,
    options: CurveOptions | None = None,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Curves:
    """Takes away and gives back the pixels of each image in the order of their importance, and in random orders.

    Pixels of equal importance (where a rectified Grad-CAM is 0) come in a random order, not row by row.

    Args:
        classifier: Any classifier: no gradients are needed.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        importance: An attribution of these images, or maps (N, H, W) of any origin, larger for more important.
        targets: As of `attribute`; None takes the classes of the attribution, or what the network says.
        options: How curves are drawn.
        batch_size: Most images in one pass, ≥ 1; None takes 32, or finds the fastest by a short trial where the work is
            long.
        progress: Called with (images done, images in all).

    Raises:
        ConfigError: An option outside its range, an unknown class, a logit of a classifier that gives probabilities.
        DataError: Images of another shape or none, maps that do not fit them, or an attribution of another network or
            of other images.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3))
        >>> p = Preprocessing(height=4, width=4, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> found = deletion_insertion(c, images, images[:, 0], targets=0, options=CurveOptions(steps=4))
        >>> found.deletion.shape, found.fraction.tolist()
        ((2, 5), [0.0, 0.25, 0.5, 0.75, 1.0])

    References:
        Petsiuk, V.; Das, A.; Saenko, K. (2018). RISE: randomized input sampling for explanation of black-box models.
        arXiv:1806.07421
    """
    chosen = options or CurveOptions()
    pixels = require_images(classifier, images)
    maps = _maps(importance, pixels, chosen.maps)
    _require_same(importance, classifier, pixels)
    if chosen.quantity == "logit" and classifier.output_kind != "logits":
        raise ConfigError("the classifier gives probabilities, so that it has no `logit`; take `probability`")
    if targets is None and isinstance(importance, Attribution):
        targets = importance.places
    places, start = target_classes(classifier, pixels, targets), time.perf_counter()
    rows = [CurveRows(image, values, chosen) for image, values in zip(pixels, maps, strict=True)]
    score = ClassScore(classifier, chosen.quantity)
    trial = pixels[:1]
    size = batch_for(len(rows) * len(rows[0]), lambda n: _scores(score, trial.repeat(n, 1, 1, 1), 0).size, batch_size)
    curves = []
    for i, (own, place) in enumerate(zip(rows, places, strict=True)):
        curves.append(own.curves(np.concatenate([_scores(score, part, int(place)) for part in own.batches(size)])))
        if progress is not None:
            progress(i + 1, len(rows))
    deletion, insertion = np.stack(curves).swapaxes(0, 1)
    return Curves(
        fraction=rows[0].counts / maps[0].size,
        deletion=deletion[:, 0],
        insertion=insertion[:, 0],
        random_deletion=deletion[:, 1:],
        random_insertion=insertion[:, 1:],
        places=places,
        options=chosen,
        fingerprint=classifier.fingerprint,
        cost={"evaluations": len(rows) * len(rows[0]), "seconds": time.perf_counter() - start, "batch_size": size},
    )


def _scores(score: ClassScore, images_nchw: torch.Tensor, place: int) -> FloatArray:
    places = torch.full((len(images_nchw),), place, device=images_nchw.device)
    return score.of_images(images_nchw, places).cpu().numpy()


def _maps(importance: Attribution | npt.ArrayLike, pixels: torch.Tensor, kind: MapKind) -> FloatArray:
    maps = importance.maps(kind) if isinstance(importance, Attribution) else np.asarray(importance, dtype=np.float64)
    wanted = (len(pixels), *pixels.shape[2:])
    if maps.shape != wanted:
        raise DataError(f"`importance` must hold one map for each image, {wanted}, got {maps.shape}")
    return require_finite("importance", maps, error=DataError)


def _require_same(importance: Attribution | npt.ArrayLike, classifier: Classifier, pixels: torch.Tensor) -> None:
    """Checks that an attribution is of this network and of these images, where it says of which it is."""
    if not isinstance(importance, Attribution):
        return
    own = ("another network", importance.fingerprint, classifier.fingerprint)
    images = ("other images", importance.image_hash, hash_array(pixels.cpu().numpy()))
    for what, said, here in (own, images):
        if said and said != here:
            raise DataError(
                f"the attribution is of {what}; give that of this network and these images, or pass its `maps()` if "
                "you mean to look at its order here"
            )
