"""How the lung-ultrasound study trains: the published recipe, a small one, and the frames it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.load import load_data
from shiftgauge.data.npz import load_npz
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.explain.ascent import ActivationMaximization
from shiftgauge.explain.operators import Grey, Jitter
from shiftgauge.parameter import Parameter
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.studies.starting_weights import IMAGENET, NONE, pretrained_of, require_weights
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

RecipeName = Literal["published", "small"]
PUBLISHED_MEAN: Final = (0.152454, 0.153434, 0.157788)
PUBLISHED_STD: Final = (0.154064, 0.154518, 0.156202)
"""Mean and standard deviation of the published normalisation."""
_EPOCHS: Final[Mapping[str, int]] = {"published": 5, "small": 8}
_STEPS: Final[Mapping[str, int]] = {"published": 500, "small": 40}
_SIZES: Final[Mapping[str, int]] = {"published": 224, "small": 160}
_SHIFTS: Final[Mapping[str, tuple[float, float]]] = {
    "rotation": (-10, 10),
    "scale": (0.9, 1.1),
    "translate_x": (-0.05, 0.05),
    "translate_y": (-0.05, 0.05),
    "brightness": (0.7, 1.3),
    "contrast": (0.7, 1.3),
}
"""What happens to training frames of the small recipe beside mirroring: shift → range of a uniform distribution."""
_QUICK_SIZE: Final = 32
_QUICK_EPOCHS: Final = 2
_QUICK_STEPS: Final = 5
_QUICK_IMAGES: Final = 150


@dataclass(frozen=True, kw_only=True)
class LungRecipe:
    """What the study trains, and how it climbs afterwards.

    Args:
        name: `published`: VGG-16 with batch normalisation at 224 × 224, Adam at 1e-4 with decay 5e-4, batches of 32, 5
            epochs, the published normalisation. `small`: EfficientNet-Lite0 with the ImageNet weights of the extra
            `demo`, on one grey channel at 160 × 160, whose head begins as a logistic regression on their features; then
            8 gentle epochs with a moving average of the weights, batch statistics kept, classes weighted; frames
            mirrored, moved, turned, enlarged, and made brighter or darker, so that brightness says less.
        weights: Where the training begins: `imagenet` (those that timm publishes, downloaded once; with `small` those
            of the extra `demo`), `none` (at random), or the path of a weights file.
        epochs: Another number of epochs.
        steps: Another number of steps of activation maximisation; default 500 as published, with `small` 40.
        quick: Few images of 32 × 32 pixels, the small network from random weights, two epochs: whether everything
            runs, and no result.
        seed: Of folds, weights, training and pictures.

    The text says neither where the published training begins nor what images it was measured on beyond training.
    The network of timm has the published layers and parameters; its dropout stands behind the first two of the large
    layers, the published one before them.

    Raises:
        ConfigError: An unknown recipe, a number outside its range, or a weights file for a quick run of `published`,
            which trains the small network.

    Example:
        >>> LungRecipe().size, LungRecipe(name="small").network().architecture
        (224, 'tf_efficientnet_lite0')
    """

    name: RecipeName = "published"
    weights: str = "imagenet"
    epochs: int | None = None
    steps: int | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("recipe", self.name, get_args(RecipeName))
        check_seed(self.seed)
        for name in ("epochs", "steps"):
            if getattr(self, name) is not None:
                require_positive_int(name, getattr(self, name))
        given = require_weights(self.weights) not in (IMAGENET, NONE)
        if given and self.quick and self.name == "published":
            raise ConfigError("a quick run trains the small network; give its weights with the recipe `small`, or none")

    @property
    def published(self) -> bool:
        """Whether network, training and steps are the published ones; where it begins, the publication does not say."""
        same = self.epochs in (None, _EPOCHS["published"]) and self.steps in (None, _STEPS["published"])
        return self.name == "published" and same and not self.quick

    @property
    def small(self) -> bool:
        """Whether the small network is trained."""
        return self.quick or self.name == "small"

    @property
    def size(self) -> int:
        """Height and width of the network's input."""
        return _QUICK_SIZE if self.quick else _SIZES[self.name]

    @property
    def cam_layer(self) -> str | None:
        """What Grad-CAM looks at; None for the last convolutional layer by rule.

        The last layer of the small network has 5 × 5 cells at 160 × 160, too few to tell broad from narrow or the
        border from the rest. It is asked one stage before, where a cell is as many pixels wide as in VGG-16: 16.
        """
        return "blocks.4" if self.small else None

    @property
    def _random(self) -> bool:
        """Whether the training begins at random weights."""
        return pretrained_of(self.weights, small=self.small, quick=self.quick) is False

    def network(self) -> NetworkChoice:
        """The network: the small one takes one grey channel, VGG-16 grey frames in three channels, as published."""
        begin = pretrained_of(self.weights, small=self.small, quick=self.quick)
        if self.small:
            return NetworkChoice(
                architecture="tf_efficientnet_lite0",
                pretrained=begin,
                size=self.size,
                channels=1,
                head="random" if self._random else "linear_probe",
            )
        return NetworkChoice(
            architecture="vgg16_bn",
            pretrained=begin,
            size=self.size,
            channels=3,
            arguments={"drop_rate": 0.5},
            preprocessing={"mean": list(PUBLISHED_MEAN), "std": list(PUBLISHED_STD)},
        )

    def options(self) -> TrainOptions:
        """The training. The last epoch is kept: validation recordings are too few to choose one.

        Of the small recipe, the rate was chosen by the log loss on the validation recordings of two folds.
        With a head at random and ten times the rate that loss lay above the one of a constant answer: a few hundred
        frames spoil trained features before the head has learnt to use them (Kumar et al. 2022, arXiv:2202.10054).
        """
        if not self.small:
            return TrainOptions(
                epochs=self.epochs or _EPOCHS["published"],
                optimizer=OptimizerOptions(kind="adam", learning_rate=1e-4, weight_decay=5e-4, decay_all=True),
                schedule=ScheduleOptions(kind="constant"),
                sampling=SamplingOptions(batch_size=32),
                monitor="last",
                clip=None,
                seed=self.seed,
            )
        return TrainOptions(
            epochs=self.epochs or (_QUICK_EPOCHS if self.quick else _EPOCHS["small"]),
            optimizer=OptimizerOptions(learning_rate=1e-4, weight_decay=0.02),
            schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
            loss=LossOptions(kind="cross_entropy", class_weights="balanced", label_smoothing=0.1),
            sampling=SamplingOptions(batch_size=32),
            augment=AugmentOptions(flips=("horizontal",), space=_shift_space()),
            monitor="last",
            ema_decay=0.98,
            frozen_statistics=not self._random,
            precision="float32" if self.quick else "bfloat16",
            seed=self.seed,
        )

    def ascent(self) -> ActivationMaximization:
        """How images are changed to raise a class.

        The published code steps by 0.1 times the gradient, of a network trained on normalised images that is shown
        plain ones. Here images are normalised, and steps have one length for every image, 0.1 in the input scale, so
        that networks of other logits can be compared. A longer step goes to and fro across the slope, and its map is
        then mostly noise; for the same reason the network looks at the image shifted by a few pixels, otherwise at
        each step. It sees grey alone, in three channels too, so that what is shown is what was climbed.
        """
        steps = self.steps or (_QUICK_STEPS if self.quick else _STEPS[self.name])
        jitter = Jitter(pixels=4)
        views = (jitter,) if self.small else (Grey(), jitter)
        return ActivationMaximization(steps=steps, step_size=0.1, gradient="normalised", views=views, seed=self.seed)


def lung_data(data: str | Path | Mapping[str, Any] | ImageDataset, *, quick: bool, seed: int) -> ImageDataset:
    """Reads frames with one class each, and the recording of each frame.

    Args:
        data: An NPZ file with `images`, `labels`, `group` (the recording), and if wanted `classes` and `names`; a
            folder that holds one such file; or whatever `load_data` takes and has groups.
        quick: Keep 150 images.
        seed: Of that choice.

    Raises:
        DataError: None of these, frames of several labels, or no recordings.
    """
    dataset = load_data(_spec(Path(data)) if isinstance(data, str | Path) else data)
    if not isinstance(dataset, ImageDataset) or dataset.label_matrix is not None:
        raise DataError("the lung study needs images with one class each")
    if dataset.groups is None:
        raise DataError(
            "the lung study divides by recording, and these images have no groups; add `group` to the NPZ file or "
            "name their column"
        )
    return dataset.limit(_QUICK_IMAGES, seed=seed) if quick else dataset


def _shift_space() -> Space:
    ranges = {name: {"low": low, "high": high} for name, (low, high) in _SHIFTS.items()}
    return Space([Parameter(name=name, distribution="uniform", options=given) for name, given in ranges.items()])


def _spec(path: Path) -> Any:
    """What `load_data` needs for a path."""
    if not path.exists():
        raise DataError(f"data path {path} does not exist")
    inside = sorted(path.glob("*.npz")) if path.is_dir() else []
    file = inside[0] if len(inside) == 1 else path
    if file.suffix.lower() != ".npz":
        return path
    names = load_npz(file)
    keys = {key: value for key, value in (("groups", "group"), ("classes", "classes")) if value in names}
    return {"kind": "npz", "path": file, **keys}
