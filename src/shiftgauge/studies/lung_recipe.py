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
from shiftgauge.models.architectures import PACKAGED
from shiftgauge.random import check_seed
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
_PUBLISHED_EPOCHS: Final = 5
_SIZES: Final[Mapping[str, int]] = {"published": 224, "small": 128}
_QUICK_SIZE: Final = 32
_QUICK_IMAGES: Final = 150


@dataclass(frozen=True, kw_only=True)
class LungRecipe:
    """What the study trains, and how it climbs afterwards.

    Args:
        name: `published`: VGG-16 with batch normalisation at 224 × 224, Adam at 1e-4 with decay 5e-4, batches of 32, 5
            epochs, the published normalisation. `small`: EfficientNet-Lite0 with the ImageNet weights of the extra
            `demo` at 128 × 128, 8 epochs, mirror images, classes weighted.
        weights: Where the training begins: `imagenet` (those that timm publishes, downloaded once; with `small` those
            of the extra `demo`), `none` (at random), or the path of a weights file.
        epochs: Another number of epochs.
        steps: Another number of steps of activation maximisation; default 500 as published, with `small` 60.
        quick: Few images of 32 × 32 pixels, random weights, two epochs: whether everything runs, and no result.
        seed: Of folds, weights, training and pictures.

    The text says neither where the published training begins nor what images it was measured on beyond training.
    The network of timm has the published layers and parameters; its dropout stands behind the first two of the large
    layers, the published one before them.

    Raises:
        ConfigError: An unknown recipe or a number outside its range.

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
        if self.weights not in ("imagenet", "none") and not Path(self.weights).exists():
            raise ConfigError(f"weights {self.weights} do not exist; give a file, a model folder, `imagenet` or `none`")

    @property
    def published(self) -> bool:
        """Whether network and training are the published ones."""
        return self.name == "published" and self.epochs in (None, _PUBLISHED_EPOCHS) and not self.quick

    @property
    def size(self) -> int:
        """Height and width of the network's input."""
        return _QUICK_SIZE if self.quick else _SIZES[self.name]

    def network(self) -> NetworkChoice:
        """The network; grey frames go into its three channels alike, as published."""
        small = self.quick or self.name == "small"
        begin: bool | str = self.weights
        if self.weights == "none" or (self.quick and self.weights == "imagenet"):
            begin = False
        elif self.weights == "imagenet":
            begin = PACKAGED if small else True
        if small:
            return NetworkChoice(architecture="tf_efficientnet_lite0", pretrained=begin, size=self.size, channels=3)
        return NetworkChoice(
            architecture="vgg16_bn",
            pretrained=begin,
            size=self.size,
            channels=3,
            arguments={"drop_rate": 0.5},
            preprocessing={"mean": list(PUBLISHED_MEAN), "std": list(PUBLISHED_STD)},
        )

    def options(self) -> TrainOptions:
        """The training; the epoch is chosen on validation recordings, which the publication does not have."""
        if self.name == "published" and not self.quick:
            return TrainOptions(
                epochs=self.epochs or _PUBLISHED_EPOCHS,
                optimizer=OptimizerOptions(kind="adam", learning_rate=1e-4, weight_decay=5e-4, decay_all=True),
                schedule=ScheduleOptions(kind="constant"),
                sampling=SamplingOptions(batch_size=32),
                clip=None,
                seed=self.seed,
            )
        return TrainOptions(
            epochs=self.epochs or (2 if self.quick else 8),
            optimizer=OptimizerOptions(learning_rate=1e-3, weight_decay=0.02),
            schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
            loss=LossOptions(kind="cross_entropy", class_weights="balanced"),
            sampling=SamplingOptions(batch_size=32),
            augment=AugmentOptions(flips=("horizontal",)),
            precision="float32" if self.quick else "bfloat16",
            seed=self.seed,
        )

    def ascent(self) -> ActivationMaximization:
        """How images are changed to raise a class.

        The published code steps by 0.1 times the gradient, of a network trained on normalised images that is shown
        plain ones. Here images are normalised, and steps have one length for every image, so that networks of other
        logits can be compared: 500 steps of 0.5 in the input scale as a whole, `small` 60 of 1.
        """
        small = self.quick or self.name == "small"
        steps = self.steps or ((5 if self.quick else 60) if small else 500)
        return ActivationMaximization(
            steps=steps, step_size=1.0 if small else 0.5, gradient="normalised", seed=self.seed
        )


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
