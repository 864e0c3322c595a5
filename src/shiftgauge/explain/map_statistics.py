r"""Statistics of maps over many images of a class, one image after another.

For each entry of the maps (block, channel, pixel) mean, standard deviation, mean square, minimum and maximum over the
images of a class, by the recurrence

$$ \bar s_n = \bar s_{n-1} + \frac{s_n - \bar s_{n-1}}{n}, \qquad
   M_n = M_{n-1} + (s_n - \bar s_{n-1})(s_n - \bar s_n), $$

so that no map is kept and a stopped run goes on from its arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.explain.push import Progress
from shiftgauge.types import Classifier, FloatArray

_AXES = ("class", "block", "channel", "y", "x")


@dataclass(frozen=True, kw_only=True)
class MapStatistics:
    """What is known of the maps of each class so far; a new object comes from every image.

    Args:
        classes: Names of the classes.
        blocks: Names of the blocks.
        count: Images of each class, axes (class,).
        mean: Axes (class, block, channel, y, x), float64, as of all that follow; 0 where no image was seen.
        squares: Sum of squared deviations from the mean.
        minimum: +∞ where no image was seen.
        maximum: −∞ where no image was seen.
    """

    classes: tuple[str, ...]
    blocks: tuple[str, ...]
    count: npt.NDArray[np.int64]
    mean: FloatArray
    squares: FloatArray
    minimum: FloatArray
    maximum: FloatArray

    @classmethod
    def start(cls, classes: Sequence[str], blocks: Sequence[str], shape: tuple[int, int, int]) -> MapStatistics:
        """Nothing seen yet.

        Args:
            classes: Names of the classes.
            blocks: Names of the blocks.
            shape: (channel, y, x) of a map.
        """
        full = (len(classes), len(blocks), *shape)
        return cls(
            classes=tuple(classes),
            blocks=tuple(blocks),
            count=np.zeros(len(classes), np.int64),
            mean=np.zeros(full),
            squares=np.zeros(full),
            minimum=np.full(full, np.inf),
            maximum=np.full(full, -np.inf),
        )

    @property
    def standard_deviation(self) -> FloatArray:
        """Of the images (n − 1); NaN where fewer than two were seen."""
        n = self._counts()
        return np.sqrt(np.where(n > 1, self.squares / np.maximum(n - 1, 1), np.nan))

    @property
    def mean_square(self) -> FloatArray:
        """Mean of the squares; NaN where no image was seen."""
        n = self._counts()
        return np.where(n > 0, self.mean**2 + self.squares / np.maximum(n, 1), np.nan)

    def updated(self, maps_ibcyx: np.ndarray, class_i: Sequence[int] | np.ndarray) -> MapStatistics:
        """Returns the statistics with more images.

        Args:
            maps_ibcyx: Axes (image, block, channel, y, x).
            class_i: Index of each image's class in `classes`.

        Raises:
            DataError: Maps of another shape, or not one class for each image.

        Example:
            >>> start = MapStatistics.start(["cat"], ["block1"], (1, 1, 1))
            >>> found = start.updated(np.array([1.0, 3.0]).reshape(2, 1, 1, 1, 1), [0, 0])
            >>> float(found.mean.item()), float(found.mean_square.item())
            (2.0, 5.0)
        """
        if maps_ibcyx.shape[1:] != self.mean.shape[1:] or len(maps_ibcyx) != len(class_i):
            raise DataError(
                f"maps must have the shape (N, {', '.join(map(str, self.mean.shape[1:]))}) with one class for each, "
                f"got {maps_ibcyx.shape} with {len(class_i)}"
            )
        new = replace(self, **{name: getattr(self, name).copy() for name in ("count", *_STATE)})
        for values, k in zip(maps_ibcyx.astype(np.float64), np.asarray(class_i, dtype=int), strict=True):
            new.count[k] += 1
            before = values - new.mean[k]
            new.mean[k] += before / new.count[k]
            new.squares[k] += before * (values - new.mean[k])
            np.minimum(new.minimum[k], values, out=new.minimum[k])
            np.maximum(new.maximum[k], values, out=new.maximum[k])
        return new

    def dataset(self) -> xr.Dataset:
        """The state and what follows from it, with named axes; `from_dataset` takes it up again."""
        names = (*_STATE, "standard_deviation", "mean_square")
        variables: dict[str, Any] = {name: (_AXES, getattr(self, name)) for name in names}
        variables["count"] = (("class",), self.count)
        return xr.Dataset(variables, coords={"class": list(self.classes), "block": list(self.blocks)})

    @classmethod
    def from_dataset(cls, arrays: xr.Dataset) -> MapStatistics:
        """Takes up the state that `dataset` gave.

        Raises:
            DataError: A part is missing.
        """
        missing = [name for name in ("count", "class", "block", *_STATE) if name not in arrays.variables]
        if missing:
            raise DataError(f"these are no statistics of maps: `{missing[0]}` is missing")
        return cls(
            classes=tuple(map(str, arrays["class"].values)),
            blocks=tuple(map(str, arrays["block"].values)),
            **{name: np.array(arrays[name].values) for name in ("count", *_STATE)},
        )

    def _counts(self) -> np.ndarray:
        return self.count.reshape(-1, *([1] * (self.mean.ndim - 1)))


_STATE = ("mean", "squares", "minimum", "maximum")
_AT_ONCE = 16
"""Images whose maps are held at a time."""


def map_statistics(
    classifier: Classifier,
    images: torch.Tensor,
    labels: Sequence[str] | Sequence[int] | np.ndarray,
    *,
    measure: Literal["norm_of_difference", "difference_of_norms"] = "norm_of_difference",
    classes: Sequence[str] | None = None,
    blocks: Sequence[str] | None = None,
    options: PerturbationOptions | None = None,
    state: MapStatistics | None = None,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> MapStatistics:
    """Pushes the pixels of many images and keeps, for each class, what is needed of the maps.

    Args:
        classifier: A torch network as a classifier.
        images: (N, C, H, W) of its input shape, values in [0, 1].
        labels: Class of each image: its name, or its index among the classifier's classes.
        measure: Which of the two maps.
        classes: Classes that are wanted; images of others are passed over. Default all.
        blocks: Module paths; default the classifier's main blocks.
        options: How the pixels are pushed.
        state: Statistics to go on from; of the same classes, blocks and size.
        batch_size: Pushes in one batch; None finds the fastest by a short trial.
        progress: Called with (images done, images in all) after every 16 images.

    Raises:
        ConfigError: An unknown class or measure, or a state of other classes.
        DataError: No image of these classes, or not one label for each image.
    """
    require_in("measure", measure, ("norm_of_difference", "difference_of_norms"))
    wanted = tuple(classifier.class_names if classes is None else classes)
    for name in wanted:
        require_in("class", name, classifier.class_names)
    if len(labels) != len(images):
        raise DataError(f"give one label for each image, got {len(labels)} for {len(images)}")
    named = [_class_name(label, classifier.class_names) for label in labels]
    chosen = [i for i, name in enumerate(named) if name in wanted]
    if not chosen:
        raise DataError(f"none of the {len(images)} image(s) is of the class {' or '.join(map(repr, wanted))}")
    if state is not None and state.classes != wanted:
        raise ConfigError(f"the state is of the classes {', '.join(state.classes)}, not of {', '.join(wanted)}")
    names = state.blocks if state is not None and blocks is None else blocks
    for start in range(0, len(chosen), _AT_ONCE):
        part = chosen[start : start + _AT_ONCE]
        found = perturbation_maps(classifier, images[part], blocks=names, options=options, batch_size=batch_size)
        batch_size, names = int(found.cost["batch_size"]), found.blocks
        maps = getattr(found, measure)
        if state is None:
            state = MapStatistics.start(wanted, found.blocks, maps.shape[2:])
        if state.blocks != found.blocks:
            raise ConfigError(f"the state is of the blocks {', '.join(state.blocks)}, not of {', '.join(found.blocks)}")
        state = state.updated(maps, [wanted.index(named[i]) for i in part])
        if progress is not None:
            progress(start + len(part), len(chosen))
    if state is None:
        raise DataError("no image was given; give at least one")
    return state


def _class_name(label: Any, names: Sequence[str]) -> str:
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        if not 0 <= label < len(names):
            raise ConfigError(f"a class index must be from 0 to {len(names) - 1}, got {label}")
        return names[int(label)]
    return require_in("class", str(label), names)
