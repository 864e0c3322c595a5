"""How the weld study trains: the published recipe, and what stands in where no published weights can be had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shiftgauge.checks import require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.load import load_data
from shiftgauge.data.weld_json import WELD_CLASSES
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.studies.weld_published import BOX
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

PUBLISHED_SIZE: Final = 224
"""Input size in training; the published audit has 244."""
EPOCHS: Final = 13
"""Epochs of the published schedule until it stays at its tenth; the published code stops after two."""
PACKAGED: Final = "packaged"
_QUICK_SIZE: Final = 32
_QUICK_IMAGES: Final = 48


@dataclass(frozen=True, kw_only=True)
class WeldRecipe:
    """What the study trains, and on how much.

    Args:
        weights: `none` trains the published ResNet-18 from random weights; `packaged` takes EfficientNet-Lite0 with the
            ImageNet weights of the extra `demo` and a recipe of its own; else a file of ResNet-18 weights, whose first
            convolution is summed over the colours rather than thrown away.
        size: Input size in pixels; default 224, with `packaged` 128.
        epochs: Default 13, the whole published schedule; with `packaged` 8.
        quick: 48 images of 32 × 32 pixels and two epochs: whether everything runs, and no result.
        seed: Of split, weights and training.

    Example:
        >>> WeldRecipe().options.optimizer.learning_rate, WeldRecipe(quick=True).input_size
        (0.0001, 32)
    """

    weights: str = "none"
    size: int | None = None
    epochs: int | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size is not None:
            require_positive_int("size", self.size, low=16)
        if self.weights not in ("none", PACKAGED) and not Path(self.weights).exists():
            raise ConfigError(
                f"weights {self.weights} do not exist; give a file of ResNet-18 weights, `none` or `{PACKAGED}`"
            )

    @property
    def published(self) -> bool:
        """Whether network, input size, loss, optimiser and schedule are the published ones."""
        size, epochs = self.input_size == PUBLISHED_SIZE, self.options.epochs == EPOCHS
        return self.weights != PACKAGED and size and epochs and not self.quick

    @property
    def input_size(self) -> int:
        """Height and width of the input in training."""
        default = _QUICK_SIZE if self.quick else 128 if self.weights == PACKAGED else PUBLISHED_SIZE
        return self.size or default

    @property
    def other_size(self) -> int:
        """The input size that stands to the one of training as the published 244 to 224."""
        return round(self.input_size * BOX / PUBLISHED_SIZE)

    @property
    def network(self) -> NetworkChoice:
        """The network."""
        if self.weights == PACKAGED:
            return NetworkChoice(architecture="tf_efficientnet_lite0", pretrained=PACKAGED, size=self.input_size)
        return NetworkChoice(
            architecture="resnet18",
            pretrained=False if self.weights == "none" else self.weights,
            size=self.input_size,
            channels=1,
            dropout=0.5,
            preprocessing={"mean": (0.5,), "std": (0.5,), "resize": "squash", "channel_conversion": "either"},
        )

    @property
    def options(self) -> TrainOptions:
        """The training."""
        if self.weights == PACKAGED:
            return TrainOptions(
                epochs=self.epochs or (2 if self.quick else 8),
                optimizer=OptimizerOptions(learning_rate=1e-3, weight_decay=0.05),
                schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
                loss=LossOptions(class_weights="balanced"),
                sampling=SamplingOptions(batch_size=8 if self.quick else 32),
                precision="float32" if self.quick else "bfloat16",
                seed=self.seed,
            )
        return TrainOptions(
            epochs=self.epochs or (2 if self.quick else EPOCHS),
            optimizer=OptimizerOptions(learning_rate=1e-4, weight_decay=1e-4, decay_all=True),
            schedule=ScheduleOptions(kind="weld"),
            loss=LossOptions(class_weights="balanced"),
            sampling=SamplingOptions(batch_size=8 if self.quick else 128),
            clip=None,
            precision="float32",
            seed=self.seed,
        )


def weld_data(path: str | Path, *, quick: bool = False, seed: int = 0) -> ImageDataset:
    """Reads the images: the layout of TIG Aluminium 5083, a folder of class folders, a manifest or an NPZ file.

    Raises:
        DataError: No images there, or images with several labels.
    """
    dataset = load_data({"path": path, "limit": _QUICK_IMAGES, "seed": seed} if quick else path)
    if not isinstance(dataset, ImageDataset) or dataset.label_matrix is not None:
        raise DataError(f"the weld study needs images with one class each; {path} holds other data")
    return dataset


def is_weld(dataset: ImageDataset) -> bool:
    """Whether these are the classes of TIG Aluminium 5083."""
    return dataset.class_names == WELD_CLASSES


def split_options(dataset: ImageDataset) -> SplitOptions:
    """How the images are divided.

    The published train and test parts where the data have them, validation taken out of train by whole recordings; else
    60/15/25, what is alike on one side.
    """
    parts = {"train": 0.6, "validation": 0.15, "test": 0.25}
    if dataset.splits is not None and set(dataset.splits) >= {"train", "test"}:
        return SplitOptions(by="given", parts=parts, near_duplicates=False, leaks="drop")
    return SplitOptions(parts=parts)
