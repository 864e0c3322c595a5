"""What is attacked: classifiers of one kind of input, and images with labels at that input's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from shiftgauge.attack.case import check_models, make_case
from shiftgauge.checks import require_in
from shiftgauge.data.dataset import ImageDataset, stratified_order
from shiftgauge.errors import ConfigError, DataError, ModelError
from shiftgauge.files import hash_array, hash_json
from shiftgauge.studies.attack_options import AttackOptions
from shiftgauge.types import Classifier, Execution


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """Models and images, checked against the options.

    Args:
        models: Classifiers by name, of one input shape and the same classes.
        dataset: The images that are attacked, and no others.
        images: At the models' input size, (N, C, H, W), values in [0, 1].
        options: What is done.
        in_data: Images of the data set, of which these may be a part.
    """

    models: Mapping[str, Classifier]
    dataset: ImageDataset
    images: Tensor
    options: AttackOptions
    in_data: int

    @property
    def labels(self) -> list[int]:
        """Class of each image, a place among the classes."""
        return self.dataset.labels.tolist()

    @property
    def groups(self) -> tuple[str, ...] | None:
        """Group of each image where intervals are to be those of groups."""
        known = self.dataset.groups if self.options.groups else None
        return known if known is not None and len(set(known)) > 1 else None

    @property
    def execution(self) -> Execution | None:
        """How the models are run; None leaves it to the size of the images."""
        size = self.options.batch_size
        return None if size is None else Execution(batch_size=size)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes."""
        return next(iter(self.models.values())).class_names

    @cached_property
    def fingerprint(self) -> str:
        """Content hash of the images as they are attacked, with their labels."""
        return hash_json([hash_array(self.images.numpy()), self.labels, list(self.dataset.names)])

    def shown(self) -> list[int]:
        """Places of the images whose attacked versions are shown, one of each class in turn."""
        pictures = self.options.pictures
        if pictures is None:
            return []
        return sorted(stratified_order(self.dataset.labels, self.options.seed)[: pictures.images].tolist())


def make_subject(models: Mapping[str, Classifier], source: ImageDataset, options: AttackOptions) -> Subject:
    """Reads the images and checks everything that can be checked before anything is attacked.

    Args:
        models: Classifiers by name.
        source: Images labelled with the models' classes.
        options: What is done.

    Raises:
        ConfigError: Models that cannot be held against one another, an unknown class or model, or an attack that the
            budgets do not suit.
        DataError: Images of several labels, or none that can be attacked.
        ModelError: A model that gives no gradients to an attack that needs them.
    """
    check_models(models, source.labels.tolist())
    first = next(iter(models.values()))
    _check_names(models, options, first.class_names)
    if source.label_matrix is not None:
        raise DataError("attacks need one class for each image; these images have several labels each")
    rows = _rows(source, options, first.class_names)
    taken = source.select(rows)
    images = torch.cat([_prepared(taken, index, first) for index in range(len(taken))])
    subject = Subject(models=models, dataset=taken, images=images, options=options, in_data=len(source))
    _check_attacks(subject)
    return subject


def _rows(source: ImageDataset, options: AttackOptions, classes: tuple[str, ...]) -> np.ndarray:
    """Places of the images that are attacked."""
    rows = np.arange(len(source))
    if options.target is not None:
        rows = rows[source.labels != classes.index(options.target)]
    if not len(rows):
        other = f" of another class than the target `{options.target}`" if options.target is not None else ""
        raise DataError(f"there is no image{other} to attack")
    if options.images is not None and options.images < len(rows):
        rows = rows[np.sort(stratified_order(source.labels[rows], options.seed)[: options.images])]
    return rows


def _prepared(dataset: ImageDataset, index: int, model: Classifier) -> Tensor:
    pixels = torch.from_numpy(np.array(dataset.load(index), np.float32))
    try:
        return model.prepare(pixels[None])
    except ModelError as error:
        raise ModelError(f"image {dataset.names[index]}: {error}") from error


def _check_names(models: Mapping[str, Classifier], options: AttackOptions, classes: tuple[str, ...]) -> None:
    if options.target is not None:
        require_in("target", options.target, classes)
    for name in (options.pictures.models or ()) if options.pictures is not None else ():
        require_in("pictures.models", name, tuple(models))
    if options.transfer and len(models) < 2:
        raise ConfigError("`transfer` needs at least two models, got one; leave it out")
    for name, attack in options.attacks.items():
        if attack.name == "gaussian_noise" and options.epsilon is not None and options.norm == "linf":
            raise ConfigError(
                f"`{name}`: Gaussian noise has no largest value, so that it fits no `linf` ball; take `norm: l2`, "
                "uniform noise, or ratios in `snr_db`"
            )


def _check_attacks(subject: Subject) -> None:
    """Tries whether every model can be attacked in every way that is asked for."""
    options, two = subject.options, slice(0, 2)
    for name, model in subject.models.items():
        for attack in options.attacks.values():
            given: dict[str, Any] = {"targets": options.target, "execution": subject.execution}
            try:
                make_case(
                    model, subject.images[two], subject.labels[two], attack, options.budgets, **given
                )  # fmt: skip
            except ModelError as error:
                raise ModelError(f"model `{name}`: {error}") from error
