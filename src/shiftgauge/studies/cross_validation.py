"""k-fold cross-validation of a recipe by group: every image is held out once, with all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.data.dataset import ImageDataset
from shiftgauge.data.leaks import indivisible_units
from shiftgauge.data.near_duplicates import near_duplicate_groups
from shiftgauge.data.splits import Split, k_folds
from shiftgauge.errors import ConfigError, DataError
from shiftgauge.models.model_folder import read_model_record
from shiftgauge.models.parseval import ParsevalOptions
from shiftgauge.random import check_seed, stream_key
from shiftgauge.results.run_folder import require_apart
from shiftgauge.results.train import MODEL_FOLDER
from shiftgauge.studies.adversarial_options import AdversarialOptions
from shiftgauge.studies.cross_validated import FOLD_FOLDER, CrossValidation, division_of
from shiftgauge.studies.enlargement import CROSS_VALIDATED, EnlargeOptions
from shiftgauge.studies.fold_progress import folds_shown
from shiftgauge.studies.fold_training import FoldTask, run_fold
from shiftgauge.studies.recipe import Recipe, check_additions
from shiftgauge.studies.train_arguments import as_options
from shiftgauge.studies.train_data import task_of, training_data
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.studies.train_split import IMAGES_KEY
from shiftgauge.train.fit import check_options
from shiftgauge.train.images import MEMORY_GB, Part, read_part
from shiftgauge.train.options import TrainOptions


@dataclass(frozen=True, kw_only=True)
class FoldOptions:
    """How images are divided into folds.

    Args:
        k: Folds, ≥ 2: each image is held out in one of them.
        repeats: Divisions, ≥ 1, each into k folds.
        validation: Share of the images outside a fold that choose the epoch, in (0, 1); default 0.1.
        by: `group` (default), an error where the data have no groups; or `stratified`. Images of a group, of the same
            content, and near-duplicates stay together whatever this says, and copies are made of training images alone.
        near_duplicates: Look for near-duplicates. They join groups, and can join too much where images are small and
            of one kind, such as crops of eyes.
        seed: Of the divisions, apart from that of the training: recipes with other seeds have the same folds.

    Raises:
        ConfigError: An unknown word or a number outside its range.

    Example:
        >>> FoldOptions(k=5).by
        'group'
    """

    k: int = 10
    repeats: int = 1
    validation: float = 0.1
    by: Literal["group", "stratified"] = "group"
    near_duplicates: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        require_positive_int("k", self.k, low=2)
        require_positive_int("repeats", self.repeats)
        require_in("way to divide", self.by, ("group", "stratified"))
        check_seed(self.seed)
        if require_range("validation", self.validation, 0, 0.9) == 0:
            raise ConfigError(
                "`validation` must be above 0, got 0: the epoch is chosen on images that are neither trained on nor "
                "held out; 0.1 is customary"
            )

    def splits(self, dataset: ImageDataset) -> tuple[tuple[Split, ...], npt.NDArray[np.int64]]:
        """Divides images: the folds of all repeats, and the unit of each image (n,).

        Raises:
            DataError: No groups, fewer units than folds, or a class that a training part lacks.
        """
        if self.by == "group" and dataset.groups is None:
            raise DataError(
                "the data set has no groups; name their column, key or `group_pattern` (persons, boards, recordings), "
                "or divide `by` stratified"
            )
        alike: Any = near_duplicate_groups(dataset) if self.near_duplicates else False
        seeds = [self.seed if r == 0 else stream_key(self.seed, "folds", r) for r in range(self.repeats)]
        folds = [k_folds(dataset, self.k, validation=self.validation, near_duplicates=alike, seed=s) for s in seeds]
        return tuple(split for repeat in folds for split in repeat), indivisible_units(dataset, alike).joint

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def cross_validate(
    model: str | Mapping[str, Any] | NetworkChoice,
    data: Any,
    *,
    out: str | Path,
    folds: FoldOptions | Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    options: TrainOptions | Mapping[str, Any] | None = None,
    adversarial: AdversarialOptions | Mapping[str, Any] | None = None,
    constraint: ParsevalOptions | Mapping[str, Any] | None = None,
    enlarge: EnlargeOptions | Mapping[str, Any] | None = None,
    keep_models: bool = True,
    device: str | None = None,
    memory_gb: float = MEMORY_GB,
    progress: bool | None = None,
) -> CrossValidation:
    """Trains a recipe once for each fold, and measures each network on the images that were held out of it.

    Fold f has the training seed s + f, so that its initial weights differ from those of other folds, and are those of
    another recipe on the same fold. The epoch is chosen on a validation part of the images outside the fold. The folder
    `fold-NN` of a finished fold is read rather than trained again; one that was stopped goes on after its last epoch.

    Args:
        model: Name of an architecture, or a `NetworkChoice` or its keywords.
        data: What `shiftgauge.load_data` takes.
        out: Folder: `fold-01` …, `folds.csv`, `summary.csv`, and `cross_validation.json`, written last.
        folds: How images are divided, or a mapping of its keys; default ten folds by group.
        classes: Classes to train on; default those of the data.
        options: The training, as in `train`.
        adversarial: Training on adversarial images.
        constraint: Retraction after every step.
        enlarge: Copies of training images. Of a `source` that is the folder of a cross-validation with the same folds
            each fold takes the model of its own number, which has seen no image held out.
        keep_models: Leave the model folder of each fold.
        device: `cpu`, `cuda`, `mps`; default the first there is of cuda, mps, cpu.
        memory_gb: Images that need less are held in memory.
        progress: Show progress over folds: default a bar on a terminal, and elsewhere a line for each.

    Returns:
        Figures, spread, predictions and histories of the folds.

    Raises:
        ConfigError: Options that do not go together, or a folder of another cross-validation.
        DataError: Images that cannot be divided.
        NumericalError: A training diverged.
        InterruptedRunError: It was stopped; the same call goes on.

    Example:
        >>> import tempfile
        >>> from shiftgauge.data.arrays import from_arrays
        >>> grey = np.random.default_rng(0).random((24, 8, 8)) / 2
        >>> grey[12:] += 0.5
        >>> data = from_arrays(grey, ["dark"] * 12 + ["bright"] * 12, groups=[str(i // 2) for i in range(24)])
        >>> network, short = {"architecture": "test_resnet", "size": 16}, {"epochs": 1, "precision": "float32"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     folds = {"k": 2, "near_duplicates": False, "validation": 0.2}
        ...     more = {"options": short, "device": "cpu", "progress": False}
        ...     found = cross_validate(network, data, out=folder, folds=folds, **more)
        >>> len(found.table), 0 <= found.spread("accuracy").mean <= 1
        (2, True)

    References:
        Kohavi, R. (1995). A study of cross-validation and bootstrap for accuracy estimation and model selection.
        IJCAI 14, 1137-1145.
    """
    dataset = training_data(data, classes)
    recipe = Recipe.of(
        model, task_of(dataset), options=options, adversarial=adversarial, constraint=constraint, enlarge=enlarge
    )
    division = as_folds(folds)
    splits, units = division.splits(dataset)
    require_apart(out, dataset.searched)
    task = fold_task(recipe, dataset, keep_models=keep_models, device=device, memory_gb=memory_gb)
    division_jn = division_of(splits, len(dataset))
    sources, outcomes = sources_of(recipe, splits, division_jn, dataset), []
    with folds_shown("fold", len(splits), "accuracy", wanted=progress) as shown:
        for f, split in enumerate(splits):
            seed = recipe.options.seed + f
            outcomes.append(run_fold(task, split, seed, Path(out) / FOLD_FOLDER.format(f + 1), source=sources[f]))
            shown.tell(outcomes[-1])
    found = CrossValidation(
        recipe=recipe.to_dict(),
        folds=division.to_dict(),
        outcomes=tuple(outcomes),
        division_jn=division_jn,
        units=units,
        class_names=dataset.class_names,
        names=dataset.names,
        targets=task.whole.targets.numpy(),
        data=dataset.fingerprint,
        folder=Path(out),
        notes=tuple(dict.fromkeys(f"{split.by}: {note}" for split in splits for note in split.notes)),
    )
    return found.written()


def as_folds(folds: FoldOptions | Mapping[str, Any] | None) -> FoldOptions:
    """How images are divided, from what a caller may give.

    Raises:
        ConfigError: An unknown key, or a value outside its range.
    """
    return as_options("folds", folds, FoldOptions) or FoldOptions()


def fold_task(
    recipe: Recipe,
    dataset: ImageDataset,
    *,
    keep_models: bool,
    device: str | None,
    memory_gb: float,
    whole: Part | None = None,
) -> FoldTask:
    """Reads all images once at the network's input size, after everything asked for is known to go with them.

    Args:
        recipe: What is trained.
        dataset: The images.
        keep_models: Leave a model folder of each fold.
        device: Where to run.
        memory_gb: Images that need less are held in memory.
        whole: The images, where they were read before.

    Raises:
        ConfigError: Options that do not fit the images, or a network that cannot be built.
        ModelError: A network without a layer to constrain.
    """
    preprocessing = recipe.network.preprocessing_for(dataset.n_channels)
    task = task_of(dataset)
    check_options(recipe.options.resolved(task), task, dataset.class_names, preprocessing.input_shape)
    network = recipe.network.network_options(len(dataset.class_names), preprocessing.channels, recipe.options.seed)
    check_additions(recipe.additions, network.build(trained=False).network, task)
    return FoldTask(
        recipe=recipe,
        dataset=dataset,
        whole=whole or read_part(dataset, preprocessing, memory_gb=memory_gb),
        preprocessing=preprocessing,
        keep_models=keep_models,
        device=device,
    )


def sources_of(
    recipe: Recipe, splits: Sequence[Split], division_jn: npt.NDArray[np.int8], dataset: ImageDataset
) -> list[Path | None]:
    """The model folder that the adversarial copies of each fold are to fool; None where there are no such copies.

    Args:
        recipe: What is trained.
        splits: The folds.
        division_jn: The same as numbers.
        dataset: The images.

    Raises:
        ConfigError: A source with other folds, or a model that was trained on images held out.
    """
    source = None if recipe.additions.enlarge is None else recipe.additions.enlarge.source
    if source is None:
        return [None] * len(splits)
    place = Path(source)
    if (place / CROSS_VALIDATED).is_file():
        other = CrossValidation.from_disk(place)
        if other.data != dataset.fingerprint or not np.array_equal(other.division_jn, division_jn):
            raise ConfigError(
                f"the source {place} has other images or folds, so its models may have been trained on images that are "
                "held out here; cross-validate it with the same `folds`"
            )
        return [place / FOLD_FOLDER.format(f + 1) / MODEL_FOLDER for f in range(len(splits))]
    text = read_model_record(place).training.get(IMAGES_KEY)
    known = {text[k : k + 16] for k in range(0, len(text), 16)} if isinstance(text, str) else set()
    seen = sum(dataset.hashes[row][:16] in known for row in splits[0].parts["test"])
    if seen:
        raise ConfigError(
            f"the source {place} was trained on {seen} images that fold 1 holds out; give the folder of a "
            "cross-validation with the same `folds`"
        )
    return [place] * len(splits)
