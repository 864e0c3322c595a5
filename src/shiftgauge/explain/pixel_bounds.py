r"""How much each pixel can matter: bounds on the total indices of all values of an image from a few gradients.

The image is $x + u$ with independent offsets $u_i$, uniform on $[-\delta, \delta]$ (cut where the pixel would leave
[0, 1]), and $f$ is the score of a class. For each of the C·H·W offsets

$$ S_{T_i} \le \frac{w_i^2}{\pi^2} \frac{E[(\partial f / \partial u_i)^2]}{\operatorname{Var} f}, \qquad
   S_{T_i} \le \frac{E[\tau_i(u_i) (\partial f / \partial u_i)^2]}{\operatorname{Var} f}, \qquad
   \tau_i(u) = \tfrac{1}{2} (u - a_i)(b_i - u), $$

with $w_i = b_i - a_i$ the length of the interval of $u_i$. One gradient holds the derivatives by all pixels, so the
cost does not grow with their number. A small bound proves that a pixel hardly matters; a large one proves nothing.

A network with ReLUs is continuous and piecewise smooth, for which both inequalities hold.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

import numpy as np
import torch
import xarray as xr

from shiftgauge.checks import require_bool, require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.result import Status
from shiftgauge.explain.batching import batch_for
from shiftgauge.explain.class_scores import ClassScore, ScoreName
from shiftgauge.explain.pixel_sums import PixelSums, offsets_of
from shiftgauge.explain.push import Progress
from shiftgauge.models.device import full_precision
from shiftgauge.models.inputs import Targets, require_gradients, require_images, target_classes
from shiftgauge.random import check_seed
from shiftgauge.types import Classifier, DifferentiableClassifier, FloatArray

_TRIED: Final = (16, 32, 64)
"""Batches that a trial tries."""
_MAPS: Final = ("image", "channel", "y", "x")


@dataclass(frozen=True, kw_only=True)
class PixelBoundOptions:
    """How the pixels vary, what is measured, and how closely.

    Args:
        delta: Half width δ of the offsets, > 0, in units of [0, 1].
        scale: `pixel`: δ in units of [0, 1] (default); `input`: in the scale that the network sees, (x − mean) / std.
        clamp: Cut the offsets where a pixel would leave [0, 1]: black may only grow brighter, white darker. A pixel
            that stands beyond the range already may come back and goes no further out.
        over: `each` image by itself; `images`: which image it is varies as well, each equally likely, so that one
            bound holds for all. The variance is then that of images and offsets together.
        score: What is measured of the class: `log_odds` (default), `logit` or `probability`.
        n: Gradients for each image (for all images together with `over="images"`), ≥ 2 × `replicates`.
        replicates: Independent replicates that give the intervals, ≥ 4.
        confidence_level: Of the intervals.
        seed: Of the offsets.
    """

    delta: float = 0.1
    scale: Literal["pixel", "input"] = "pixel"
    clamp: bool = True
    over: Literal["each", "images"] = "each"
    score: ScoreName = "log_odds"
    n: int = 256
    replicates: int = 16
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not require_range("delta", self.delta, 0) > 0:
            raise ConfigError("`delta` must be > 0, got 0: pixels that do not vary explain nothing")
        require_in("scale", self.scale, ("pixel", "input"))
        require_bool("clamp", self.clamp)
        require_in("over", self.over, ("each", "images"))
        require_positive_int("replicates", self.replicates, low=4)
        require_positive_int("n", self.n, low=2 * self.replicates)
        require_range("confidence_level", self.confidence_level, 0.5, 0.999)
        check_seed(self.seed)

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class PixelBounds:
    """Upper bounds on the total index of every value of an image; not estimates of the indices.

    Args:
        poincare_bound: First bound, axes (image, channel, y, x), with `over="images"` one image for all; NaN where the
            score does not vary.
        poincare_bound_interval: Axes (image, channel, y, x, 2).
        stein_bound: Second bound, sharp where the score is nearly linear.
        stein_bound_interval: Axes (image, channel, y, x, 2).
        gradient_mean: E[∂f/∂u], per unit of [0, 1], axes (image, channel, y, x).
        gradient_square: E[(∂f/∂u)²], same axes.
        mean: Mean of the score, axes (image,).
        variance: Its variance, axes (image,).
        targets: Name of the class that was looked at; several names joined with `over="images"`.
        options: How it was done.
        status: What to know about the result.
        cost: `evaluations` (gradients), `seconds`, `batch_size`, `precision` (float32, on a GPU as well).
    """

    poincare_bound: FloatArray
    poincare_bound_interval: FloatArray
    stein_bound: FloatArray
    stein_bound_interval: FloatArray
    gradient_mean: FloatArray
    gradient_square: FloatArray
    mean: FloatArray
    variance: FloatArray
    targets: tuple[str, ...]
    options: PixelBoundOptions
    status: tuple[Status, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bound(self) -> FloatArray:
        """The smaller of the two bounds, axes (image, channel, y, x)."""
        return np.minimum(self.poincare_bound, self.stein_bound)

    @property
    def limit(self) -> FloatArray:
        """The smaller of the upper ends of the intervals: what a total index stays below, same axes."""
        return np.minimum(self.poincare_bound_interval[..., 1], self.stein_bound_interval[..., 1])

    def cells(self, side: int) -> FloatArray:
        """Bounds for all values of a square cell of pixels together, axes (image, row, column).

        The total index of a set is at most the sum of its members'. Cells at the right and at the bottom are smaller
        where the side does not divide the image.

        Args:
            side: Pixels, ≥ 1.
        """
        require_positive_int("side", side)
        rows, columns = (np.arange(0, size, side) for size in self.poincare_bound.shape[2:])
        return np.add.reduceat(np.add.reduceat(self.bound.sum(axis=1), rows, axis=1), columns, axis=2)

    def dataset(self) -> xr.Dataset:
        """The arrays with named axes; options and cost are its attributes."""
        maps = ("poincare_bound", "stein_bound", "gradient_mean", "gradient_square")
        variables: dict[str, Any] = {name: (_MAPS, getattr(self, name)) for name in (*maps, "bound", "limit")}
        for name in maps[:2]:
            variables[f"{name}_interval"] = ((*_MAPS, "end"), getattr(self, f"{name}_interval"))
        variables |= {name: (("image",), getattr(self, name)) for name in ("mean", "variance")}
        variables["target"] = (("image",), list(self.targets))
        facts = {key: int(value) if isinstance(value, bool) else value for key, value in self.options.to_dict().items()}
        return xr.Dataset(variables, coords={"end": ["low", "high"]}, attrs={**facts, **self.cost})


def pixel_bounds(
    classifier: Classifier,
    images: torch.Tensor,
    targets: Targets = None,
    *,
    options: PixelBoundOptions | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> PixelBounds:
    """Bounds the total index of every value of every image.

    Gradients are summed as they come: what is kept is 64 numbers for each value of an image, whatever their number.

    Args:
        classifier: A classifier that gives gradients.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        targets: A class for each image, one for all, or None for the class that is predicted.
        options: How the pixels vary.
        batch_size: Gradients in one batch, ≥ 1; None takes 32, or the fastest by a short trial that costs at most a
            tenth of the run.
        progress: Called with (gradients done, gradients in all).

    Raises:
        ConfigError: An unknown class, or not one for each image.
        DataError: Images of another shape, none, or not finite.
        ModelError: The classifier gives no gradients.
        NumericalError: A score or derivative is not finite.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
        >>> net[1].weight = torch.nn.Parameter(torch.tensor([[3.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]))
        >>> p = Preprocessing(height=2, width=2, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"), output_kind="logits")
        >>> found = pixel_bounds(c, torch.full((1, 1, 2, 2), 0.5), "class 0", options=PixelBoundOptions(n=4096))
        >>> found.bound[0, 0].round(2).tolist()  # equal to the indices, as the score is linear: 9/12, 1/12, 1/12, 1/12
        [[0.75, 0.08], [0.08, 0.08]]

    References:
        Sobol', I. M., Kucherenko, S. (2009). Derivative based global sensitivity measures and their link with global
            sensitivity indices. doi:10.1016/j.matcom.2009.01.023
        Roustant, O., Barthe, F., Iooss, B. (2017). Poincaré inequalities on intervals. doi:10.1214/17-EJS1310
        Song, S., Zhou, T., Wang, L., Kucherenko, S., Lu, Z. (2019). Derivative-based new upper bound of Sobol'
            sensitivity measure. Reliability Engineering & System Safety 187.
    """
    chosen = options or PixelBoundOptions()
    smooth = require_gradients(classifier)
    inputs = require_images(classifier, images)
    run = _Run(smooth, inputs, torch.from_numpy(target_classes(classifier, inputs, targets)), chosen, progress)
    started = time.perf_counter()
    sets = [list(range(len(inputs)))] if chosen.over == "images" else [[i] for i in range(len(inputs))]
    with full_precision():
        batch = batch_for(run.total, run.trial, batch_size, candidates=_TRIED)
        found = [run.bounds(members, batch) for members in sets]
    cost = {"evaluations": run.total, "seconds": time.perf_counter() - started, "batch_size": batch}
    cost["precision"] = "float32"
    arrays = {name: np.stack([part[name] for part in found]) for name in found[0]}
    status = tuple(s for members, part in zip(sets, found, strict=True) for s in run.messages(members, part))
    shape = inputs.shape[1:]
    for name, values in arrays.items():
        if values.ndim > 1:
            arrays[name] = values.reshape(len(values), *shape, *values.shape[2:])
    names = [", ".join(dict.fromkeys(run.names[i] for i in members)) for members in sets]
    return PixelBounds(**arrays, targets=tuple(names), options=chosen, status=status, cost=cost)


class _Run:
    """Gradients of one call."""

    def __init__(
        self,
        classifier: DifferentiableClassifier,
        images: torch.Tensor,
        places: torch.Tensor,
        options: PixelBoundOptions,
        progress: Progress | None,
    ) -> None:
        self.classifier, self.images, self.places = classifier, images, places
        self.options, self.progress = options, progress
        self.score = ClassScore(classifier, options.score)
        self.names = [classifier.class_names[int(k)] for k in places]
        self.total = options.n * (1 if options.over == "images" else len(images))
        self.done = 0
        self.low, self.high = offsets_of(classifier, images, options.delta, options.scale, options.clamp)

    def trial(self, n: int) -> None:
        """One batch of gradients."""
        self.gradients(self.images[:1].expand(n, -1, -1, -1), self.places[:1].expand(n))

    def gradients(self, images: torch.Tensor, places: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Scores (n,) and derivatives by every value (n, C·H·W)."""
        rows = images.clone().requires_grad_(True)
        with torch.enable_grad():
            scores = self.score.of_logits(self.classifier.logits_with_grad(rows), places.to(rows.device))
            (slopes,) = torch.autograd.grad(scores.sum(), rows, allow_unused=True)
        slopes = torch.zeros_like(rows) if slopes is None else slopes
        return scores.detach().double().cpu().numpy(), slopes.flatten(1).double().cpu().numpy()

    def bounds(self, members: list[int], batch: int) -> dict[str, FloatArray]:
        """Bounds over the offsets, and over which of the images it is where there are several."""
        o, low, high = self.options, self.low[members], self.high[members]
        sums = PixelSums(o.n, low.shape[1], o.replicates, o.seed, len(members))
        for start in range(0, o.n, batch):
            unit, image = sums.points(start, min(start + batch, o.n))
            offset = low[image] + (high[image] - low[image]) * unit
            rows = [members[i] for i in image]
            moved = self.images[rows] + torch.from_numpy(offset).to(self.images).reshape(-1, *self.images.shape[1:])
            scores, slopes = self.gradients(moved, self.places[rows])
            sums.add(start, scores, slopes, high[image] - low[image], unit)
            self.done += len(rows)
            if self.progress is not None:
                self.progress(self.done, self.total)
        return sums.bounds(o.confidence_level)

    def messages(self, members: list[int], found: Mapping[str, Any]) -> list[Status]:
        """What to know about the bounds of these images."""
        names = "all images" if len(members) > 1 else f"image {members[0]}"
        score = f"the {self.options.score} of `{self.names[members[0]]}` of {names}"
        if np.isnan(found["poincare_bound"]).all():
            text = f"{score} does not vary within ±{self.options.delta:g}, so there are no indices; take a larger delta"
            return [Status(level="error", code="constant_output", message=text)]
        smaller = np.fmin(found["poincare_bound"], found["stein_bound"]).sum()
        limit = np.fmin(found["poincare_bound_interval"][:, 1], found["stein_bound_interval"][:, 1]).sum()
        if self.options.over == "each" and 2 * limit - smaller < 1:
            text = (
                f"the bounds of {score} sum to {limit:.2g}, though total indices sum to 1 or more: it has jumps, or no "
                "point meets its steep parts; do not use these bounds"
            )
            return [Status(level="error", code="not_smooth", message=text)]
        return []
