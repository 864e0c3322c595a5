r"""Statistics of maps over many images of a class, one image after another.

For each entry of the maps (block, channel, pixel) mean, standard deviation, mean square, minimum and maximum over the
images of a class, by the recurrence

$$ \bar s_n = \bar s_{n-1} + \frac{s_n - \bar s_{n-1}}{n}, \qquad
   M_n = M_{n-1} + (s_n - \bar s_{n-1})(s_n - \bar s_n), $$

so that no map is kept and a stopped run goes on from its arrays. What is kept, 24 bytes for each entry and class, is
written into image by image and never held twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
import xarray as xr

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.derivative_maps import derivative_maps
from shiftgauge.explain.perturbation import PerturbationOptions, perturbation_maps
from shiftgauge.explain.push import Progress
from shiftgauge.models.inputs import require_network
from shiftgauge.models.torch_model import TorchClassifier
from shiftgauge.types import Classifier, FloatArray

Measure: TypeAlias = Literal["norm_of_difference", "difference_of_norms", "norm_of_derivative", "derivative_of_norm"]
MEASURES: Final = ("norm_of_difference", "difference_of_norms", "norm_of_derivative", "derivative_of_norm")
"""Maps of which statistics can be kept."""
_AXES: Final = ("class", "block", "channel", "y", "x")
_MapsOf: TypeAlias = Callable[[torch.Tensor, Sequence[str], int | None], tuple[np.ndarray, int]]


@dataclass(frozen=True, kw_only=True)
class MapStatistics:
    """What is known of the maps of each class so far; `add` writes more images into the arrays.

    Args:
        classes: Names of the classes.
        blocks: Names of the blocks.
        count: Images of each class, axes (class,).
        mean: Axes (class, block, channel, y, x), as of all that follow, float64; 0 where no image was seen.
        squares: Sum of squared deviations from the mean, float64.
        minimum: float32, as the maps are; +∞ where no image was seen.
        maximum: float32; −∞ where no image was seen.
        measure: Which maps they are of.
    """

    classes: tuple[str, ...]
    blocks: tuple[str, ...]
    count: npt.NDArray[np.int64]
    mean: FloatArray
    squares: FloatArray
    minimum: npt.NDArray[np.float32]
    maximum: npt.NDArray[np.float32]
    measure: Measure = "norm_of_difference"

    @classmethod
    def start(
        cls,
        classes: Sequence[str],
        blocks: Sequence[str],
        shape: tuple[int, int, int],
        measure: Measure = "norm_of_difference",
    ) -> MapStatistics:
        """Nothing seen yet.

        Args:
            classes: Names of the classes.
            blocks: Names of the blocks.
            shape: (channel, y, x) of a map.
            measure: Which maps.
        """
        full = (len(classes), len(blocks), *shape)
        return cls(
            classes=tuple(classes),
            blocks=tuple(blocks),
            count=np.zeros(len(classes), np.int64),
            mean=np.zeros(full),
            squares=np.zeros(full),
            minimum=np.full(full, np.inf, np.float32),
            maximum=np.full(full, -np.inf, np.float32),
            measure=measure,
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

    def add(self, maps_ibcyx: np.ndarray, class_i: Sequence[int] | np.ndarray) -> None:
        """Takes more images into account, in place.

        Args:
            maps_ibcyx: Axes (image, block, channel, y, x).
            class_i: Index of each image's class in `classes`.

        Raises:
            DataError: Maps of another shape, or not one class for each image.

        Example:
            >>> found = MapStatistics.start(["cat"], ["block1"], (1, 1, 1))
            >>> found.add(np.array([1.0, 3.0]).reshape(2, 1, 1, 1, 1), [0, 0])
            >>> float(found.mean.item()), float(found.mean_square.item())
            (2.0, 5.0)
        """
        if maps_ibcyx.shape[1:] != self.mean.shape[1:] or len(maps_ibcyx) != len(class_i):
            raise DataError(
                f"maps must have the shape (N, {', '.join(map(str, self.mean.shape[1:]))}) with one class for each, "
                f"got {maps_ibcyx.shape} with {len(class_i)}"
            )
        for values, k in zip(maps_ibcyx, np.asarray(class_i, dtype=int), strict=True):
            self.count[k] += 1
            before = values - self.mean[k]
            self.mean[k] += before / self.count[k]
            before *= values - self.mean[k]
            self.squares[k] += before
            np.minimum(self.minimum[k], values, out=self.minimum[k], casting="same_kind")
            np.maximum(self.maximum[k], values, out=self.maximum[k], casting="same_kind")

    def copied(self) -> MapStatistics:
        """Returns the same statistics in arrays of their own."""
        return replace(self, **{name: getattr(self, name).copy() for name in ("count", *_STATE)})

    def dataset(self) -> xr.Dataset:
        """The state and what follows from it, with named axes; `from_dataset` takes it up again."""
        names = (*_STATE, "standard_deviation", "mean_square")
        variables: dict[str, Any] = {name: (_AXES, getattr(self, name)) for name in names}
        variables["count"] = (("class",), self.count)
        coords = {"class": list(self.classes), "block": list(self.blocks)}
        return xr.Dataset(variables, coords=coords, attrs={"measure": self.measure})

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
            count=np.array(arrays["count"].values),
            **{name: np.array(arrays[name].values, _STATE[name]) for name in _STATE},
            measure=cast(Measure, require_in("measure", str(arrays.attrs.get("measure", MEASURES[0])), MEASURES)),
        )

    def _counts(self) -> np.ndarray:
        return self.count.reshape(-1, *([1] * (self.mean.ndim - 1)))


_STATE: Final = {"mean": np.float64, "squares": np.float64, "minimum": np.float32, "maximum": np.float32}
_AT_ONCE: Final = 16
"""Most images whose maps are held at a time."""
_MOST_VALUES: Final = 2**24
"""Most values of maps that are held at a time, where one image has fewer."""


def map_statistics(
    classifier: Classifier,
    images: torch.Tensor,
    labels: Sequence[str] | Sequence[int] | np.ndarray | torch.Tensor,
    *,
    measure: Measure = "norm_of_difference",
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
        measure: Which of the maps: `norm_of_difference` (default) or `difference_of_norms` of pushes,
            `norm_of_derivative` or `derivative_of_norm` without a size of the push.
        classes: Classes that are wanted, each once; images of others are passed over. Default all.
        blocks: Module paths in any order; default the classifier's main blocks.
        options: How the pixels are pushed; of derivatives only `scale` and `channels` may be stated.
        state: Statistics to go on from, which are left as they are; of the same classes, blocks, size and measure.
        batch_size: Pushes in one batch; None finds the fastest by a short trial.
        progress: Called with (images done, images in all) after every few images.

    Raises:
        ConfigError: An unknown class or measure, a state of others, or an option that a derivative does not have.
        DataError: No image of these classes, or not one label for each image.
    """
    require_in("measure", measure, MEASURES)
    network, pushed = require_network(classifier), options or PerturbationOptions()
    wanted = tuple(network.class_names if classes is None else classes)
    chosen, places = _of_classes(len(images), labels, network.class_names, wanted)
    names = blocks or (network.main_blocks if state is None else state.blocks)
    names = network.blocks_in_order(names)
    if state is not None:
        _require_same(state, wanted, names, measure)
    maps_of, found = _maps_of(network, measure, pushed), None if state is None else state.copied()
    at_once = max(1, min(_AT_ONCE, _MOST_VALUES // (max(1, len(names)) * prod(network.input_shape))))
    for start in range(0, len(chosen), at_once):
        part = slice(start, start + at_once)
        maps, batch_size = maps_of(images[chosen[part]], names, batch_size)
        if found is None:
            found = MapStatistics.start(wanted, names, maps.shape[2:], measure)
        found.add(maps, places[part])
        if progress is not None:
            progress(min(start + at_once, len(chosen)), len(chosen))
    if found is None:
        raise DataError("no image was given; give at least one")
    return found


def _of_classes(
    n_images: int,
    labels: Sequence[str] | Sequence[int] | np.ndarray | torch.Tensor,
    names: Sequence[str],
    wanted: Sequence[str],
) -> tuple[list[int], list[int]]:
    """Rows of the images of the classes that are wanted, and the place of each among these classes."""
    for name in wanted:
        require_in("class", name, names)
    if len(set(wanted)) != len(wanted):
        raise ConfigError(f"`classes` must name each class once, got {', '.join(wanted)}")
    labels = labels.tolist() if isinstance(labels, torch.Tensor) else labels
    if len(labels) != n_images:
        raise DataError(f"give one label for each image, got {len(labels)} for {n_images}")
    named = [_class_name(label, names) for label in labels]
    chosen = [i for i, name in enumerate(named) if name in wanted]
    if not chosen:
        raise DataError(f"none of the {n_images} image(s) is of the class {' or '.join(map(repr, wanted))}")
    return chosen, [list(wanted).index(named[i]) for i in chosen]


def _require_same(state: MapStatistics, classes: Sequence[str], blocks: Sequence[str], measure: Measure) -> None:
    """Checks that a state is of what is asked for."""
    for kind, own, asked in (("classes", state.classes, classes), ("blocks", state.blocks, blocks)):
        if own != tuple(asked):
            raise ConfigError(f"the state is of the {kind} {', '.join(own)}, not of {', '.join(asked)}")
    if state.measure != measure:
        raise ConfigError(f"the state is of `{state.measure}`, not of `{measure}`")


def _maps_of(network: TorchClassifier, measure: Measure, options: PerturbationOptions) -> _MapsOf:
    """Returns what gives the maps of some images, and the batch size that was taken."""
    derivative = measure in ("norm_of_derivative", "derivative_of_norm")
    if derivative and options != PerturbationOptions(scale=options.scale, channels=options.channels):
        raise ConfigError(f"`{measure}` has no size or law of a push; state only `scale` and `channels` in `options`")

    def run(images: torch.Tensor, blocks: Sequence[str], batch_size: int | None) -> tuple[np.ndarray, int]:
        if derivative:
            scale, channels = options.scale, options.channels
            found = derivative_maps(
                network, images, blocks=blocks, scale=scale, channels=channels, batch_size=batch_size
            )
        else:
            found = perturbation_maps(network, images, blocks=blocks, options=options, batch_size=batch_size)
        return getattr(found, measure), int(found.cost["batch_size"])

    return run


def _class_name(label: Any, names: Sequence[str]) -> str:
    if isinstance(label, (int, np.integer)) and not isinstance(label, bool):
        if not 0 <= label < len(names):
            raise ConfigError(f"a class index must be from 0 to {len(names) - 1}, got {label}")
        return names[int(label)]
    return require_in("class", str(label), names)
