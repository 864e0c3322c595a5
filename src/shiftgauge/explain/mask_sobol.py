r"""Which cells of an image a score depends on, alone and together: Sobol' indices of masks on a grid.

With masks $m_i$, independent and uniform on [0, 1], one for each cell, the image is $x \odot m + b \odot (1 - m)$ with
a baseline b, and f is the score of a class. A cell whose total index

$$ S_{T_i} = \frac{E[\operatorname{Var}(f \mid m_{-i})]}{\operatorname{Var} f} $$

is zero has no effect whatever is shown of the others; $S_{T_i} - S_i$ is what it does together with them.

Most cells of most images matter little. Bounds from derivatives prove that of many at once, at the cost of a few
gradients; these go into one group, and pick-freeze spends its evaluations on the cells that are left open.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_bool, require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError
from shiftgauge.estimate.designs import PickFreezeDesign
from shiftgauge.estimate.inputs import Inputs
from shiftgauge.estimate.result import Indices, Status
from shiftgauge.estimate.screening import ScreenedIndices, screen_then_estimate
from shiftgauge.estimate.streaming import stream_pick_freeze
from shiftgauge.explain.baselines import BASELINES, BaselineName, baseline_images
from shiftgauge.explain.class_scores import SCORES, ClassScore, ScoreName
from shiftgauge.explain.mask_score import Counter, MaskScore
from shiftgauge.explain.masks import MaskedImage
from shiftgauge.explain.push import Progress
from shiftgauge.files import hash_array
from shiftgauge.models.inputs import Targets, require_gradients, require_images, target_classes
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.types import Classifier, FloatArray

_OUTPUT = "score"
_GRID = ("image", "row", "column")


@dataclass(frozen=True, kw_only=True)
class MaskSobolOptions:
    """How an image is masked, what is measured, and how closely.

    Args:
        grid: Rows and columns of cells; one number for both.
        baseline: What a hidden part is replaced by: `blur` (default), `mean` or `zero` (black).
        blur_px: Standard deviation of the blur in pixels, > 0; None takes an eighth of the shorter side, at least 1,
            which leaves little of what a cell shows.
        smooth: Blend neighbouring cells (bilinear) instead of cutting the image into cells.
        score: What is measured of the class: `log_odds` (default), `logit` or `probability`.
        n_base: Blocks of the pick-freeze design, ≥ 32 for its 16 replicates, best a power of two; k + 2 evaluations
            each for k cells.
        threshold: Share of the variance that the cells left out may have together, in [0, 1); with 0 no bounds are
            computed and every cell is picked and frozen by itself, which needs no gradients.
        n_gradients: Gradients of the bounds, ≥ 32.
        confidence_level: Of all intervals.
        seed: Of the masks.
    """

    grid: int | tuple[int, int] = 8
    baseline: BaselineName = "blur"
    blur_px: float | None = None
    smooth: bool = False
    score: ScoreName = "log_odds"
    n_base: int = 256
    threshold: float = 0.05
    n_gradients: int = 256
    confidence_level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for side in self.shape:
            require_positive_int("grid", side)
        require_in("baseline", self.baseline, BASELINES)
        if self.blur_px is not None and not require_range("blur_px", self.blur_px, 0) > 0:
            raise ConfigError("`blur_px` must be > 0, got 0; the baseline would be the image itself")
        require_bool("smooth", self.smooth)
        require_in("score", self.score, SCORES)
        require_positive_int("n_base", self.n_base, low=32)
        require_range("threshold", self.threshold, 0.0, 0.999, hint="0.05 leaves out cells of at most 5 % together")
        require_positive_int("n_gradients", self.n_gradients, low=32)
        require_range("confidence_level", self.confidence_level, 0.5, 0.999)
        check_seed(self.seed)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return (self.grid, self.grid) if isinstance(self.grid, int) else (self.grid[0], self.grid[1])

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class MaskSobol:
    """Sobol' indices of the cells of each image.

    Args:
        total_order: Axes (image, row, column); NaN for a cell that was left out, whose interval holds what is known.
        total_order_interval: Axes (image, row, column, 2); of a cell left out from 0 to its bound. It holds at the
            confidence level.
        first_order: Axes (image, row, column); NaN for a cell that was left out.
        first_order_interval: Axes (image, row, column, 2).
        is_open: Whether the cell was picked and frozen by itself, axes (image, row, column).
        rest_total_order: Total index of the cells left out together, axes (image,); 0 where there are none.
        rest_limit: What it stays below by the bounds, axes (image,); 0 where there are none.
        mean: Mean of the score over masks, axes (image,).
        variance: Its variance, axes (image,).
        targets: Name of the class that was looked at, of each image.
        options: How it was done.
        baseline: What hid the rest of the image: that of the options, or `given` where an image was.
        baseline_hash: Content hash of an image that was given, else empty.
        status: What to know about the result.
        cost: `evaluations`, `gradients`, `seconds`.
    """

    total_order: FloatArray
    total_order_interval: FloatArray
    first_order: FloatArray
    first_order_interval: FloatArray
    is_open: npt.NDArray[np.bool_]
    rest_total_order: FloatArray
    rest_limit: FloatArray
    mean: FloatArray
    variance: FloatArray
    targets: tuple[str, ...]
    options: MaskSobolOptions
    baseline: str
    baseline_hash: str = ""
    status: tuple[Status, ...] = ()
    cost: Mapping[str, Any] = field(default_factory=dict)

    def dataset(self) -> xr.Dataset:
        """The arrays with named axes; options and cost are its attributes."""
        variables: dict[str, Any] = {n: (_GRID, getattr(self, n)) for n in ("total_order", "first_order", "is_open")}
        for name in ("total_order_interval", "first_order_interval"):
            variables[name] = ((*_GRID, "end"), getattr(self, name))
        for name in ("rest_total_order", "rest_limit", "mean", "variance"):
            variables[name] = (("image",), getattr(self, name))
        variables["target"] = (("image",), list(self.targets))
        facts = {**self.options.to_dict(), "grid": list(self.options.shape), "smooth": int(self.options.smooth)}
        facts |= {"baseline": self.baseline, "baseline_hash": self.baseline_hash}
        facts = {key: value for key, value in facts.items() if value is not None}
        return xr.Dataset(variables, coords={"end": ["low", "high"]}, attrs={**facts, **self.cost})


def mask_sobol(
    classifier: Classifier,
    images: torch.Tensor,
    targets: Targets = None,
    *,
    options: MaskSobolOptions | None = None,
    baseline: torch.Tensor | None = None,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> MaskSobol:
    """Estimates Sobol' indices of the cells of each image.

    Args:
        classifier: Any classifier; with a threshold above 0 one that gives gradients.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        targets: A class for each image, one for all, or None for the class that is predicted.
        options: How the images are masked.
        baseline: An image (C, H, W) to replace what is hidden, in place of the options' own.
        batch_size: Masked images in one batch, ≥ 1: what bounds the memory.
        progress: Called with (images evaluated, at most so many): cells that are left out make it fewer.

    Raises:
        ConfigError: An unknown class, or not one for each image.
        DataError: Images of another shape, none, not finite, or with fewer pixels than cells.
        ModelError: The classifier gives no gradients, and the threshold is above 0.

    Example:
        >>> from shiftgauge.models.preprocessing import Preprocessing
        >>> from shiftgauge.models.torch_model import TorchClassifier
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2, bias=False))
        >>> net[1].weight = torch.nn.Parameter(torch.tensor([[3.0, 1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]))
        >>> p = Preprocessing(height=2, width=2, channels=1)
        >>> c = TorchClassifier(net, preprocessing=p, device=torch.device("cpu"), output_kind="logits")
        >>> o = MaskSobolOptions(grid=2, baseline="zero", n_base=4096)
        >>> found = mask_sobol(c, torch.full((1, 1, 2, 2), 0.5), "class 0", options=o)
        >>> found.total_order[0].round(1).tolist()  # 9/11, 1/11, 1/11, and nothing
        [[0.8, 0.1], [0.1, nan]]
        >>> float(found.total_order_interval[0, 1, 1, 1])
        0.0

    References:
        Fel, T., Cadene, R., Chalvidal, M., Cord, M., Vigouroux, D., Serre, T. (2021). Look at the variance! Efficient
            black-box explanations with Sobol-based sensitivity analysis. arXiv:2111.04138
        Jansen, M. (1999). Analysis of variance designs for model output. doi:10.1016/S0010-4655(98)00154-4
    """
    chosen = options or MaskSobolOptions()
    inputs = require_images(classifier, images)
    if chosen.threshold > 0:
        require_gradients(classifier)
    require_positive_int("batch_size", batch_size)
    places = target_classes(classifier, inputs, targets)
    score, started = ClassScore(classifier, chosen.score), time.perf_counter()
    counted = Counter(progress, len(inputs) * _most(chosen))
    parts, status = [], []
    for i, image in enumerate(inputs):
        hidden = _hidden(image, chosen) if baseline is None else baseline
        masked = MaskedImage(image, hidden, chosen.shape, smooth=chosen.smooth)
        asked = MaskScore(classifier, score, masked, int(places[i]), chosen.shape, batch_size, counted)
        found = _indices(asked, chosen)
        parts.append(_cells(found, chosen))
        status += [Status(level=s.level, code=s.code, message=f"image {i}: {s.message}") for s in found.status]
    seconds = time.perf_counter() - started
    counted.finish()
    arrays: dict[str, Any] = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
    return MaskSobol(
        **arrays,
        targets=tuple(classifier.class_names[int(k)] for k in places),
        options=chosen,
        baseline=chosen.baseline if baseline is None else "given",
        baseline_hash="" if baseline is None else hash_array(baseline.detach().cpu().numpy()),
        status=tuple(status),
        cost={"evaluations": counted.values, "gradients": counted.gradients, "seconds": seconds},
    )


def _hidden(image_chw: torch.Tensor, options: MaskSobolOptions) -> torch.Tensor:
    """What the options put in the place of an image (C, H, W)."""
    blur_px = max(1.0, min(image_chw.shape[1:]) / 8) if options.blur_px is None else options.blur_px
    return baseline_images(image_chw[None], options.baseline, blur_px=blur_px)[0]


def _most(options: MaskSobolOptions) -> int:
    """Most evaluations that one image can need."""
    cells = options.shape[0] * options.shape[1]
    return options.n_base * (cells + 2) + (options.n_gradients if options.threshold > 0 else 0)


def _indices(score: MaskScore, options: MaskSobolOptions) -> Indices | ScreenedIndices:
    """Indices of the cells, those that matter little as one group."""
    rows, columns = options.shape
    space = Space.from_dict({_name(i): [0.0, 1.0] for i in range(rows * columns)})
    level, seed = options.confidence_level, options.seed
    if options.threshold > 0:
        return screen_then_estimate(
            score.values,
            score.gradients,
            space,
            outputs=[_OUTPUT],
            threshold=options.threshold,
            n_gradients=options.n_gradients,
            n_base=options.n_base,
            confidence_level=level,
            seed=seed,
        )
    design = PickFreezeDesign(inputs=Inputs(space=space), n_base=options.n_base, seed=seed)
    return stream_pick_freeze(score.values, design, outputs=[_OUTPUT], confidence_level=level, seed=seed)


def _name(cell: int) -> str:
    return f"cell {cell}"


def _cells(found: Indices | ScreenedIndices, options: MaskSobolOptions) -> dict[str, np.ndarray]:
    """Indices on the grid."""
    rows, columns = options.shape
    count = rows * columns
    screened = found if isinstance(found, ScreenedIndices) else None
    indices = found.indices if isinstance(found, ScreenedIndices) else found
    place = {name: k for k, name in enumerate(indices.names)}
    is_open = np.array([_name(i) in place for i in range(count)])
    kept = [place[_name(i)] for i in np.flatnonzero(is_open).tolist()]
    arrays: dict[str, np.ndarray] = {"is_open": is_open}
    for key in ("total_order", "first_order"):
        values, interval = np.full(count, np.nan), np.full((count, 2), np.nan)
        values[is_open] = getattr(indices, key)[0, kept]
        interval[is_open] = getattr(indices, f"{key}_interval")[0, kept]
        if screened is not None and indices.defined[0]:  # neither index is above the bound, nor below zero
            interval[~is_open] = np.stack([np.zeros(count), screened.bounds.limit[0]], axis=-1)[~is_open]
        arrays |= {key: values, f"{key}_interval": interval}
    shaped = {name: values.reshape(rows, columns, *values.shape[1:]) for name, values in arrays.items()}
    group = None if screened is None else place.get(screened.screening.group)
    return {
        **shaped,
        "rest_total_order": np.array(0.0 if group is None else indices.total_order[0, group]),
        "rest_limit": np.array(0.0 if screened is None else screened.screening.limit[0]),
        "mean": np.array(indices.mean[0]),
        "variance": np.array(indices.variance[0]),
    }
