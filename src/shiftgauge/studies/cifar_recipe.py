"""How the CIFAR-10 study trains: the published recipe, one for a small machine, and the images it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from shiftgauge.checks import require_in, require_positive_int
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.joined import join_splits
from shiftgauge.data.load import load_data
from shiftgauge.data.npz import load_npz
from shiftgauge.errors import DataError
from shiftgauge.models.model_record import plain
from shiftgauge.parameter import Parameter
from shiftgauge.random import check_seed
from shiftgauge.space import Space
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions
from shiftgauge.train.augment import AugmentOptions, PipelineOptions
from shiftgauge.train.checkpoints import differences
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

RecipeName = Literal["published", "small"]
Network = Literal["vgg16", "resnet18"]
NETWORKS: Final[tuple[Network, ...]] = get_args(Network)
PUBLISHED_EPOCHS: Final = 15
PUBLISHED_ACCURACY: Final[Mapping[Network, float]] = {"vgg16": 0.849, "resnet18": 0.8304}
"""Published accuracy on test, after 15 epochs."""
SMALL_EPOCHS: Final[Mapping[Network, int]] = {"vgg16": 12, "resnet18": 7}
"""Epochs that fit into 90 minutes of the time of a processor core, with a margin."""
SIZE: Final = 32
_QUICK_IMAGES: Final = 200
_SHIFT: Final[Mapping[Network, float]] = {"vgg16": 2 / SIZE, "resnet18": 4 / SIZE}
_PARTS: Final = {"train": 0.79, "validation": 0.04, "test": 0.17}


@dataclass(frozen=True, kw_only=True)
class CifarRecipe:
    """What the study trains, and how.

    Args:
        name: `published`: Adam at 0.001, batches of 64, 15 epochs of which the last is kept, nothing done to the
            images. `small`: fewer epochs in bfloat16, the first at half the rate, then one cosine, with mirrored and
            moved images and smoothed labels; as accurate in less time.
        epochs: Another number of epochs, of both networks.
        quick: 200 images and one epoch: whether everything runs, and no result.
        seed: Of split, weights and training.

    Raises:
        ConfigError: An unknown recipe or a number outside its range.

    Example:
        >>> CifarRecipe(name="published").options("vgg16").epochs, CifarRecipe().options("resnet18").epochs
        (15, 7)
    """

    name: RecipeName = "small"
    epochs: int | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("recipe", self.name, get_args(RecipeName))
        check_seed(self.seed)
        if self.epochs is not None:
            require_positive_int("epochs", self.epochs)

    def network(self, name: Network) -> NetworkChoice:
        """One of the two networks; images reach it as (x − 0.5) / 0.5, as published."""
        return NetworkChoice(architecture=f"{require_in('network', name, NETWORKS)}_small", size=SIZE, channels=3)

    def options(self, name: Network) -> TrainOptions:
        """The training of one of the two networks."""
        if self.name == "published":
            return TrainOptions(
                epochs=self.epochs or (1 if self.quick else PUBLISHED_EPOCHS),
                optimizer=OptimizerOptions(kind="adam", learning_rate=1e-3, weight_decay=0.0),
                schedule=ScheduleOptions(kind="constant"),
                sampling=SamplingOptions(batch_size=64),
                clip=None,
                precision="float32",
                monitor="last",
                seed=self.seed,
            )
        return TrainOptions(
            epochs=self.epochs or (1 if self.quick else SMALL_EPOCHS[name]),
            optimizer=_small_optimizer(name),
            schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
            loss=LossOptions(label_smoothing=0.1),
            sampling=SamplingOptions(batch_size=128),
            augment=moved_images(name),
            clip=5.0,
            precision="float32" if self.quick else "bfloat16",
            ema_decay=0.99 if name == "vgg16" else None,
            monitor="last" if name == "vgg16" else "accuracy",
            seed=self.seed,
        )


def _small_optimizer(name: Network) -> OptimizerOptions:
    """Adam for VGG-16, whose three linear layers let momentum alone start slowly; momentum for ResNet-18."""
    if name == "vgg16":
        return OptimizerOptions(kind="adamw", learning_rate=1e-3, weight_decay=0.01)
    return OptimizerOptions(kind="sgd", learning_rate=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)


def moved_images(name: Network) -> AugmentOptions:
    """Mirrored with chance ½, and moved by whole pixels of 32, the edge filled by reflection.

    Args:
        name: `vgg16`, moved by up to two pixels; or `resnet18`, by up to four.
    """
    limits = {"low": -_SHIFT[name], "high": _SHIFT[name]}
    names = ("translate_x", "translate_y")
    return AugmentOptions(
        flips=("horizontal",),
        space=Space([Parameter(name=name, distribution="uniform", options=limits) for name in names]),
        shifts=PipelineOptions(fill="reflect", interpolation="nearest"),
    )


def recipe_text(resolved: Mapping[str, Any]) -> str:
    """The recipe of a finished training in words.

    Args:
        resolved: Its options as plain values.

    Example:
        >>> recipe_text(CifarRecipe(name="published").options("vgg16").resolved("single").to_dict())
        '15 epochs of Adam at 0.001, constant, in batches of 64, images as they are'
    """
    optimizer, augment = resolved["optimizer"], resolved["augment"]
    kind = {"adam": "Adam", "adamw": "AdamW", "sgd": "momentum"}[optimizer["kind"]]
    found = [
        f"{resolved['epochs']} epoch{'s' * (resolved['epochs'] != 1)} of {kind} at {optimizer['learning_rate']:g}",
        resolved["schedule"]["kind"].replace("_", " "),
        f"in batches of {resolved['sampling']['batch_size']}",
    ]
    changed = any(augment[name] for name in ("flips", "space", "kornia"))
    found.append("images changed at random" if changed else "images as they are")
    if resolved["loss"]["label_smoothing"]:
        found.append("smoothed labels")
    if resolved["ema_decay"] is not None:
        found.append("a moving average of the weights")
    return ", ".join(found)


def is_published(name: Network, resolved: Mapping[str, Any]) -> bool:
    """Whether a finished training is the published one, but for its seed.

    Args:
        name: The network.
        resolved: Its options as plain values.
    """
    wanted = plain(CifarRecipe(name="published").options(name).resolved("single").to_dict())
    return not differences({"options": {**resolved, "seed": 0}}, {"options": {**wanted, "seed": 0}})


def split_options(dataset: ImageDataset) -> SplitOptions:
    """How the images are divided.

    The stated train and test parts where the data have them: test as it is, a twentieth of train for validation, and
    what has its like on another side left out of train; else 79/4/17, what is alike on one side. Mirror images are
    alike, because training mirrors.
    """
    if dataset.splits is not None and set(dataset.splits) >= {"train", "test"}:
        return SplitOptions(by="given", parts=_PARTS, flips=True, leaks="drop")
    return SplitOptions(parts=_PARTS, flips=True)


def cifar_data(
    data: str | Path | Mapping[str, Any] | ImageDataset, *, quick: bool = False, seed: int = 0
) -> ImageDataset:
    """Reads images in colour with one class each.

    Args:
        data: A folder with one NPZ file whose name has `train` and one whose name has `test`; a folder with `train`
            and `test`, each with one folder for each class; one NPZ file, if wanted with `split`; or whatever
            `load_data` takes.
        quick: Keep 200 images.
        seed: Of that choice.

    Raises:
        DataError: None of these, several labels an image, or no colours.
    """
    found = _read(Path(data)) if isinstance(data, str | Path) else load_data(data)
    if not isinstance(found, ImageDataset) or found.label_matrix is not None:
        raise DataError("the CIFAR-10 study needs images with one class each")
    if found.n_channels != 3:
        raise DataError("the CIFAR-10 study needs images with three channels, because it asks what each colour does")
    return found.limit(_QUICK_IMAGES, seed=seed) if quick else found


def _read(path: Path) -> Any:
    if path.is_file() and path.suffix.lower() == ".npz":
        content = load_npz(path)
        if "split" not in content:
            return load_data({"kind": "npz", "path": path})
        return load_data({"kind": "npz", "path": path, "splits": "split"})
    if not path.is_dir():
        return load_data(path)
    if (path / "train").is_dir() and (path / "test").is_dir():
        return join_splits({name: load_data(path / name) for name in ("train", "test")})
    files = {name: sorted(path.glob(f"*{name}*.npz")) for name in ("train", "test")}
    if not any(files.values()):
        return load_data(path)
    for name, those in files.items():
        if len(those) != 1:
            raise DataError(f"{path} holds {len(those)} NPZ files with `{name}` in their name; it needs one")
    return join_splits({name: load_data(those[0]) for name, those in files.items()})
