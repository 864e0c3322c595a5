"""How the glass study trains its several labels: the published recipe, a small one, and the images it reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np

from shiftgauge.checks import require_in, require_positive_int, shortened
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.frame import read_frame
from shiftgauge.data.load import load_data
from shiftgauge.data.multilabel import with_no_defect
from shiftgauge.data.npz import load_npz
from shiftgauge.data.splits import PART_NAMES
from shiftgauge.errors import DataError
from shiftgauge.random import check_seed
from shiftgauge.studies.starting_weights import pretrained_of, require_weights
from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions
from shiftgauge.train.augment import AugmentOptions
from shiftgauge.train.averaging import AveragingOptions
from shiftgauge.train.kornia_transforms import KorniaTransform
from shiftgauge.train.losses import LossOptions, Weights
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

RecipeName = Literal["published", "small"]
NO_DEFECT: Final = "no defect"
GLASS_DEFECTS: Final = ("chipped edge", "scratch", "stain")
"""The published names of the class ids 0, 1, 2."""
PUBLISHED_WEIGHTS: Final = (1.0, 2.0, 5.0, 5.0)
"""Published weights of no defect, chipped edge, scratch and stain; the text names the last two alone."""
PUBLISHED_GRID: Final = tuple(round(0.1 + 0.05 * k, 2) for k in range(17))
"""0.10, 0.15 … 0.90: the published thresholds."""
_QUICK_IMAGES: Final = 320
_QUICK_SIZE: Final = 32
_PUBLISHED_SIZES: Final = (336, 224)
_SMALL_SIZES: Final = (96, 64)
_LOOKED_AT: Final = 200
_PARTS: Final = {"train": 0.68, "validation": 0.12, "test": 0.2}


@dataclass(frozen=True, kw_only=True)
class GlassRecipe:
    """What the study trains, and on how much.

    Args:
        name: `published`: EfficientNet-B3 with ImageNet weights at 336 × 336, 30 epochs, the published changes of
            images. `small`: EfficientNet-Lite0 with the ImageNet weights of the extra `demo` at 96 × 96, 8 epochs of
            one cosine, flips and quarter turns; loss, class weights and thresholds as in the publication.
        weights: Where the training begins: `imagenet` (those that timm publishes, downloaded once; with `small` those
            of the extra `demo`), `none` (at random), or the path of a weights file or a model folder.
        epochs: Another number of epochs.
        quick: 320 images of 32 × 32 pixels, random weights and two epochs: whether everything runs, and no result.
        seed: Of split, weights and training.

    Raises:
        ConfigError: An unknown recipe or a number outside its range.

    Example:
        >>> GlassRecipe().sizes, GlassRecipe(name="small").network().architecture
        ((336, 224), 'tf_efficientnet_lite0')
    """

    name: RecipeName = "published"
    weights: str = "imagenet"
    epochs: int | None = None
    quick: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("recipe", self.name, get_args(RecipeName))
        check_seed(self.seed)
        if self.epochs is not None:
            require_positive_int("epochs", self.epochs)
        require_weights(self.weights)

    @property
    def published(self) -> bool:
        """Whether network, epochs and changes of images are the published ones."""
        whole = self.epochs in (None, 30) and self.weights == "imagenet" and not self.quick
        return self.name == "published" and whole

    @property
    def sizes(self) -> tuple[int, int]:
        """Input size of the recipe, and the smaller one that it is compared with."""
        if self.quick:
            return _QUICK_SIZE, round(_QUICK_SIZE * 2 / 3)
        return _PUBLISHED_SIZES if self.name == "published" else _SMALL_SIZES

    def network(self, size: int | None = None) -> NetworkChoice:
        """The network.

        Args:
            size: Input size; default that of the recipe.
        """
        side, small = size or self.sizes[0], self.quick or self.name == "small"
        begin = pretrained_of(self.weights, small=small, quick=self.quick)
        if small:
            return NetworkChoice(architecture="tf_efficientnet_lite0", pretrained=begin, size=side)
        return NetworkChoice(architecture="efficientnet_b3", pretrained=begin, size=side, channels=3)

    def options(self, class_weights: Weights) -> TrainOptions:
        """The training.

        Args:
            class_weights: Weights of the whole term of each label, where it is present and where it is absent alike.
        """
        loss = LossOptions(kind="focal", gamma=2.0, class_weights=class_weights)
        if self.name == "published" and not self.quick:
            return TrainOptions(
                epochs=self.epochs or 30,
                optimizer=OptimizerOptions(learning_rate=1e-4, weight_decay=1e-3, decay_all=True),
                schedule=ScheduleOptions(kind="warm_restarts", period_epochs=10, period_growth=2),
                loss=loss,
                sampling=SamplingOptions(batch_size=64),
                augment=AugmentOptions(flips=("horizontal", "vertical"), kornia=published_changes()),
                clip=None,
                seed=self.seed,
            )
        return TrainOptions(
            epochs=self.epochs or (2 if self.quick else 8),
            optimizer=OptimizerOptions(learning_rate=2e-3, weight_decay=0.02),
            schedule=ScheduleOptions(kind="cosine", warmup_epochs=1),
            loss=loss,
            sampling=SamplingOptions(batch_size=32 if self.quick else 64),
            augment=AugmentOptions(flips=("horizontal", "vertical", "quarter_turns")),
            precision="float32" if self.quick else "bfloat16",
            seed=self.seed,
        )


def published_changes() -> tuple[KorniaTransform, ...]:
    """The published random changes of training images beside the flips.

    The published code erases after normalisation, with 0, which is the mean colour; here images are in [0, 1], and the
    same grey is 0.45.
    """
    return (
        KorniaTransform(name="RandomRotation", arguments={"degrees": 15.0}, p=1.0),
        KorniaTransform(name="RandomSharpness", arguments={"sharpness": [2.0, 2.0]}, p=0.5),
        KorniaTransform(name="RandomAutoContrast", p=0.5),
        KorniaTransform(
            name="ColorJitter", arguments={"brightness": 0.3, "contrast": 0.3, "saturation": 0.1, "hue": 0.05}, p=1.0
        ),
        KorniaTransform(name="RandomGaussianNoise", arguments={"mean": 0.0, "std": 0.05}, p=0.3),
        KorniaTransform(name="RandomErasing", arguments={"scale": [0.02, 0.15], "value": 0.45}, p=0.3),
    )


def native_size(dataset: ImageDataset) -> int:
    """Median length of the longer side of the stored images in pixels, of at most 200 of them.

    A larger input shows no more than is stored.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, _LOOKED_AT).astype(int))
    return round(float(np.median([max(dataset.load(int(i)).shape[1:]) for i in rows])))


def class_weights(dataset: ImageDataset) -> Weights:
    """The published weights where the labels are the published ones, else n / (K n_c) of each label."""
    return PUBLISHED_WEIGHTS if is_glass(dataset) else "balanced"


def threshold_options(grid: tuple[float, ...] | None = None) -> ThresholdOptions:
    """How thresholds are chosen: for the largest F1 of each label, on 0.05, 0.10 … 0.95 or on another grid."""
    return ThresholdOptions(search="grid") if grid is None else ThresholdOptions(search="grid", grid=grid)


def averaging_options() -> AveragingOptions:
    """The published views: the image and both mirror images."""
    return AveragingOptions(flips=("horizontal", "vertical"))


def is_glass(dataset: ImageDataset) -> bool:
    """Whether these are the labels of the publication."""
    return dataset.class_names == (NO_DEFECT, *GLASS_DEFECTS)


def split_options(dataset: ImageDataset) -> SplitOptions:
    """How the images are divided.

    Where the data state train and test, these; validation is taken out of train, and what has its like on another
    side is dropped from train before validation before test. Else 68/12/20, what is alike on one side.
    """
    stated = {PART_NAMES.get(name.lower(), name) for name in dataset.splits or ()}
    if stated >= {"train", "test"}:
        return SplitOptions(by="given", parts=_PARTS, leaks="drop")
    return SplitOptions(parts=_PARTS)


def glass_data(data: str | Path | Mapping[str, Any] | ImageDataset, *, quick: bool, seed: int) -> ImageDataset:
    """Reads images with several labels and the label `no defect`, which is derived where it is absent.

    Args:
        data: A folder with `img` and `txt` as published (or with `train`, `test` and if wanted `val`, or other usual
            names of parts, that each hold both); a folder with `manifest.csv`, or a table, whose columns are `path`,
            if wanted `split` and `group`, and one of 0 and 1 for each label; an NPZ file with `images`, `labels`
            (n, K), `classes`, if wanted `group` and `split` (names, or 0 for train and 1 for test); or whatever
            `load_data` takes.
        quick: Keep 320 images.
        seed: Of that choice.

    Raises:
        DataError: None of these, or images with one class each.
    """
    dataset = load_data(_spec(Path(data)) if isinstance(data, str | Path) else data)
    if not isinstance(dataset, ImageDataset) or dataset.label_matrix is None:
        raise DataError("the glass study, task 2, needs images with several labels, and these have one class each")
    dataset = with_no_defect(dataset, NO_DEFECT)
    return dataset.limit(_QUICK_IMAGES, seed=seed) if quick else dataset


def require_every_label(dataset: ImageDataset) -> None:
    """Refuses labels that no image has: nothing could learn them, and the study has no option to leave one out.

    Args:
        dataset: What `glass_data` gives.

    Raises:
        DataError: There are some.
    """
    absent = [name for name, count in dataset.class_counts.items() if not count]
    if absent:
        raise DataError(
            f"no image has the label {shortened(absent)}; the glass study takes all labels of its data: add images of "
            "it, or give the data as a manifest.csv without its column"
        )


def _spec(path: Path) -> dict[str, Any]:
    """What `load_data` needs for a path."""
    if not path.exists():
        raise DataError(f"data path {path} does not exist")
    if path.is_dir() and (path / "manifest.csv").is_file():
        path = path / "manifest.csv"
    if path.is_dir():
        parts = _part_folders(path)
        return {"kind": "yolo", "path": path, "classes": GLASS_DEFECTS, "no_defect": NO_DEFECT, "splits": parts}
    if path.suffix.lower() == ".npz":
        return {"kind": "npz", "path": path, **_npz_keys(path)}
    columns = [str(c) for c in read_frame(path, as_text=True).columns]
    labels = [c for c in columns if c not in ("path", "split", "group")]
    named = {f"{key}_column": key for key in ("split", "group") if key in columns}
    return {"kind": "manifest", "path": path, "label_columns": labels, **named}


def _part_folders(path: Path) -> list[str]:
    """Folders below a folder that each hold `img`, by their usual names such as train, val and test; else none.

    Raises:
        DataError: There is no `img`; or one that would not be read, below another name or beside those of the parts.
    """
    holding = sorted(folder.name for folder in path.iterdir() if (folder / "img").is_dir())
    odd = [name for name in holding if name.lower() not in PART_NAMES]
    if odd:
        raise DataError(
            f"{path} holds images in {shortened([f'{name}/img' for name in odd])}, which would not be read; name the "
            f"folder as one of {', '.join(PART_NAMES)}, or move it elsewhere"
        )
    whole = (path / "img").is_dir()
    if whole and holding:
        raise DataError(f"{path} holds images in `img` and in `{holding[0]}/img`; keep one of the two layouts")
    if not whole and not holding:
        raise DataError(f"{path} holds neither `img` and `txt`, nor `train/img`, nor manifest.csv")
    return holding


def _npz_keys(path: Path) -> dict[str, Any]:
    content = load_npz(path)
    keys: dict[str, Any] = {"groups": "group"} if "group" in content else {}
    if "split" in content:
        keys["splits"] = "split"
        if np.issubdtype(content["split"].dtype, np.integer):
            keys["split_names"] = ["train", "test"]
    return keys
