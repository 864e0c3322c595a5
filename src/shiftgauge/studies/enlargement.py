"""Training images enlarged by copies: adversarial ones of a trained model, noisy ones, or clean ones as the control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shiftgauge.attack.budget import Budget
from shiftgauge.attack.fgsm import FGSM
from shiftgauge.attack.images import attack_images
from shiftgauge.attack.noise import GaussianNoise, UniformNoise
from shiftgauge.attack.perturb import perturb
from shiftgauge.attack.pgd import PGD
from shiftgauge.checks import require_in, require_range
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.files import hash_array
from shiftgauge.models.device import choose_device
from shiftgauge.models.input_scale import InputScale
from shiftgauge.models.model_folder import load_model_folder, read_model_record
from shiftgauge.models.preprocessing import Preprocessing
from shiftgauge.random import check_seed, stream_key
from shiftgauge.train.enlarge import MakeCopies, equal_updates, originals, with_copies
from shiftgauge.train.images import Part, Progress, Task
from shiftgauge.train.options import TrainOptions
from shiftgauge.train.sampling import IndexArray
from shiftgauge.types import DifferentiableClassifier

CROSS_VALIDATED: Final = "cross_validation.json"
"""File by which the folder of a finished cross-validation is known."""
CopyKind: TypeAlias = Literal["clean", "steps", "fgsm", "pgd", "uniform_noise", "gaussian_noise"]
_ATTACKS: Final[Mapping[str, Any]] = MappingProxyType({"fgsm": FGSM(), "pgd": PGD()})
_NOISES: Final[Mapping[str, Any]] = MappingProxyType(
    {"uniform_noise": UniformNoise(), "gaussian_noise": GaussianNoise()}
)


@dataclass(frozen=True, kw_only=True)
class EnlargeOptions:
    """Copies of training images that are added to them.

    Which images are copied depends on share and seed alone, so that trainings with adversarial, noisy and clean copies
    differ in what was added and in nothing else: the same originals, the same batches, the same number of steps. That
    is the control without which a gain says nothing of adversarial images.

    Args:
        kind: `clean`: the images once more, the control. `steps`: no copies, and as many steps in an epoch as with
            them, the images being drawn all over again: what more steps alone are worth. `fgsm`, `pgd`: adversarial for
            the model `source`, one class an image. `uniform_noise`, `gaussian_noise`: noise, without a model.
        share: Copies over training images, in (0, 1]; the images are drawn at random within classes.
        epsilon: Largest change, > 0; not for `clean` and `steps`, and for noise and attacks alike instead of `snr_db`.
        snr_db: Signal-to-noise ratio of each image in dB, instead of `epsilon`.
        unit: `pixel` (default) or `input`, the network's input scale.
        norm: `linf` (default) or `l2`; Gaussian noise has no largest entry and needs `l2`, or `snr_db`.
        clip: Keep copies in [0, 1] (default). The published ones are not.
        source: Model folder whose model adversarial copies fool; or the folder of a cross-validation, of which each
            fold then takes the model of the same fold. Only a model that has seen the training images alone keeps the
            test part out of them.
        seed: Of the draw of images and of the noise, ≥ 0.

    Raises:
        ConfigError: An unknown word, a number outside its range, or an option that does not count with the kind.

    Example:
        >>> EnlargeOptions(kind="uniform_noise", share=0.5, epsilon=0.01, unit="input").to_dict()["share"]
        0.5

    References:
        Goodfellow, I. J., Shlens, J., Szegedy, C. (2015). Explaining and harnessing adversarial examples.
        arXiv:1412.6572
    """

    kind: CopyKind
    share: float = 1.0
    epsilon: float | None = None
    snr_db: float | None = None
    unit: Literal["pixel", "input"] = "pixel"
    norm: Literal["linf", "l2"] = "linf"
    clip: bool = True
    source: str | Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        require_in("kind of copies", self.kind, get_args(CopyKind))
        require_in("unit", self.unit, ("pixel", "input"))
        require_in("norm", self.norm, ("linf", "l2"))
        check_seed(self.seed)
        if require_range("share", self.share, 0, 1) == 0:
            raise ConfigError("`share` must be above 0, got 0; leave `enlarge` out to add no copies")
        if not isinstance(self.clip, bool):
            raise ConfigError(f"`clip` must be true or false, got {self.clip!r}")
        self._check_budget()
        if (self.source is not None) != (self.kind in _ATTACKS):
            if self.source is None:
                raise ConfigError(f"copies of the kind {self.kind} need `source`, the model folder that they fool")
            raise ConfigError(f"`source` counts with `kind` fgsm or pgd alone, got it with {self.kind}; leave it out")

    def _check_budget(self) -> None:
        given = [name for name in ("epsilon", "snr_db") if getattr(self, name) is not None]
        if self.is_control:
            if given:
                raise ConfigError(f"`kind: {self.kind}` changes no image, so `{given[0]}` does not count; leave it out")
            return
        if len(given) != 1:
            raise ConfigError(f"copies of the kind {self.kind} need `epsilon` or `snr_db`, got {len(given)} of them")
        if self.epsilon is not None and require_range("epsilon", self.epsilon, 0) == 0:
            raise ConfigError("`epsilon` must be above 0, got 0; take `kind: clean` for copies without a change")
        if self.snr_db is not None:
            require_range("snr_db", self.snr_db, hint="40 is a hundredth of the image's amplitude")
        if self.kind == "gaussian_noise" and self.snr_db is None and self.norm == "linf":
            raise ConfigError("Gaussian noise has no largest entry; give `snr_db`, or `norm: l2`")

    @property
    def is_control(self) -> bool:
        """Whether no image is changed."""
        return self.kind in ("clean", "steps")

    @property
    def budget(self) -> Budget:
        """How much a copy may differ from its original."""
        bounds = (0.0, 1.0) if self.clip else None
        return Budget(epsilon=self.epsilon, snr_db=self.snr_db, unit=self.unit, norm=self.norm, bounds=bounds)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record; of the source the last part of its path alone."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        values["source"] = None if self.source is None else Path(self.source).name
        return {name: value for name, value in values.items() if value is not None}

    @property
    def text(self) -> str:
        """What is added, in one sentence for a page."""
        if self.kind == "clean":
            return f"Copies of {self.share:.0%} of the training images were added as they are."
        if self.kind == "steps":
            return f"As many steps were made as if copies of {self.share:.0%} of the training images had been added."
        size = f"{self.snr_db:g} dB" if self.epsilon is None else f"{self.norm} ε {self.epsilon:g} in {self.unit} units"
        named = {"fgsm": "FGSM", "pgd": "PGD", "uniform_noise": "uniform noise", "gaussian_noise": "Gaussian noise"}
        return f"Copies of {self.share:.0%} of the training images were added with {named[self.kind]}, {size}."


@dataclass(frozen=True, kw_only=True)
class Enlarged:
    """A training part with its copies.

    Args:
        part: Originals, then copies.
        options: Of the training, with the number of steps where that is what was asked for.
        record: What decides the copies, with the hash of their pixels; plain values.
        source: The model that was to be fooled, or None.
    """

    part: Part
    options: TrainOptions
    record: Mapping[str, Any]
    source: DifferentiableClassifier | None = None


def enlarge(
    part: Part,
    options: EnlargeOptions,
    training: TrainOptions,
    preprocessing: Preprocessing,
    class_names: Sequence[str],
    *,
    each: int = 1,
    source: str | Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> Enlarged:
    """Adds copies to a training part.

    Args:
        part: The training part alone; no copy of another part's image is made.
        options: Which copies.
        training: Options of the training.
        preprocessing: Of the network to be trained.
        class_names: Its classes.
        each: Images that the network needs of every batch, see `train.batches.images_each`.
        source: Model folder, where it is another than that of the options, such as that of a fold.
        device: Where the source runs.
        progress: Called with the copies made and their number.

    Raises:
        ConfigError: Adversarial copies of images with several labels.
        ModelError: A source of other images or classes.
    """
    check_source(options, part.task)
    rows = originals(part.targets.numpy(), options.share, seed=options.seed)
    place = options.source if source is None else source
    model = None if place is None else _source(Path(place), preprocessing, class_names, device)
    make = _make(options, preprocessing, model, class_names, str(choose_device(device)))
    larger = with_copies(part, rows, make, progress=progress)
    if options.kind == "steps":
        longer = equal_updates(training, part, larger, each=each)
        return Enlarged(part=part, options=longer, record={**options.to_dict(), "n_copies": 0})
    record: dict[str, Any] = {**options.to_dict(), "n_copies": len(rows)}
    if make is not None:
        record["copies"] = hash_array(_added(larger))
    if model is not None:
        record["source"] = model.fingerprint
    return Enlarged(part=larger, options=training, record=record, source=model)


def _added(larger: Part) -> npt.NDArray[np.float32]:
    """The copies as they are held, without another copy of them all."""
    pixels: Any = larger.pixels
    return pixels.second.images_nchw.numpy()


def check_source(options: EnlargeOptions, task: Task) -> None:
    """Refuses adversarial copies that cannot be made, before any image is read.

    Args:
        options: Which copies.
        task: `single` or `multi`.

    Raises:
        ConfigError: Images with several labels.
        ModelError: The source is no model folder, nor the folder of a cross-validation.
    """
    if options.source is None:
        return
    if task != "single":
        raise ConfigError("adversarial copies need one class an image; for several labels take noise, or `adversarial`")
    if not (Path(options.source) / CROSS_VALIDATED).is_file():
        read_model_record(options.source)


def _make(
    options: EnlargeOptions,
    preprocessing: Preprocessing,
    model: DifferentiableClassifier | None,
    class_names: Sequence[str],
    device: str,
) -> MakeCopies | None:
    """What makes copies; None for clean ones. Random numbers go with the number of the image."""
    key = stream_key(options.seed, "train", "copies", options.kind)
    if options.is_control:
        return None
    if model is not None:
        attack = _ATTACKS[options.kind]

        def fool(images: Tensor, targets: Tensor, rows: IndexArray) -> Tensor:
            labels = tuple(str(class_names[int(k)]) for k in targets)
            return attack_images(model, images, labels, attack, options.budget, seed=key, streams=rows).images

        return fool
    noise, scale = _NOISES[options.kind], InputScale(mean=preprocessing.mean, std=preprocessing.std)

    def shake(images: Tensor, targets: Tensor, rows: IndexArray) -> Tensor:
        labels = torch.zeros(len(images), dtype=torch.int64)
        return perturb(_blind, images, labels, noise, options.budget, scale=scale, seed=key, streams=rows)

    return shake


def _blind(images: Tensor) -> Tensor:
    """Logits that noise never asks for."""
    return images.new_zeros((len(images), 2))


def _source(
    folder: Path, preprocessing: Preprocessing, class_names: Sequence[str], device: str | None
) -> DifferentiableClassifier:
    model: Any = load_model_folder(folder, device)
    if model.input_shape != preprocessing.input_shape:
        raise ModelError(
            f"the source {folder} takes images of {model.input_shape}, the network {preprocessing.input_shape}; they "
            "must be the same"
        )
    missing = sorted(set(class_names) - set(model.class_names))
    if missing:
        raise ModelError(f"the source {folder} does not know the class `{missing[0]}`; give a model of these classes")
    return model
