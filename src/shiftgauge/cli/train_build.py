"""From a checked configuration of a training to the objects that `shiftgauge.train` takes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from shiftgauge.cli.build import section_shift_options, section_space
from shiftgauge.cli.data_section import DATA_KINDS, data_specification
from shiftgauge.cli.model_build import preprocessing_keys
from shiftgauge.cli.reader import LoadedTrain

if TYPE_CHECKING:
    from shiftgauge.studies.train_options import NetworkChoice, SplitOptions, ThresholdOptions
    from shiftgauge.train.augment import AugmentOptions
    from shiftgauge.train.averaging import AveragingOptions
    from shiftgauge.train.losses import LossOptions
    from shiftgauge.train.options import TrainOptions

_SHIFTS = ("train", "augment", "shifts")


def network_choice(loaded: LoadedTrain) -> NetworkChoice:
    """The network of the section `model`.

    Raises:
        ConfigError: An unknown architecture or a number outside its range; with file and line.
    """
    from shiftgauge.studies.train_options import NetworkChoice

    with loaded.at("model"):
        return NetworkChoice(**network_values(loaded))


def network_values(loaded: LoadedTrain) -> dict[str, Any]:
    """The keywords of `NetworkChoice` as the section `model` has them."""
    section = loaded.config.model
    weights = section.pretrained
    if isinstance(weights, str) and weights != "packaged":
        weights = loaded.resolve(weights)
    plain = ("architecture", "size", "channels", "dropout", "head", "first_convolution", "arguments")
    return {
        **{name: getattr(section, name) for name in plain},
        "pretrained": weights,
        "preprocessing": preprocessing_keys(section.preprocessing),
    }


def data_values(loaded: LoadedTrain) -> dict[str, Any]:
    """What `load_data` takes."""
    return data_specification(loaded.config.data, loaded.resolve, loaded.config.train.seed)


def data_name(loaded: LoadedTrain) -> str:
    """What the page calls the images: the name of their folder or file."""
    section = loaded.config.data
    path = next(getattr(section, kind) for kind in DATA_KINDS if getattr(section, kind) is not None)
    return loaded.resolve(str(path)).name


def split_options(loaded: LoadedTrain) -> SplitOptions:
    """The split of the section `split`.

    Raises:
        ConfigError: A part is missing; with file and line.
    """
    from shiftgauge.studies.train_options import SplitOptions

    with loaded.at("split"):
        return SplitOptions(**loaded.config.split.model_dump())


def threshold_options(loaded: LoadedTrain) -> ThresholdOptions | None:
    """How thresholds are chosen; None where the file does not say."""
    from shiftgauge.studies.train_options import ThresholdOptions

    section = loaded.config.thresholds
    with loaded.at("thresholds"):
        return None if section is None else ThresholdOptions(**section.model_dump())


def averaging_options(loaded: LoadedTrain) -> AveragingOptions | None:
    """The views over which probabilities are averaged; None where the file does not say."""
    from shiftgauge.train.averaging import AveragingOptions

    section = loaded.config.averaging
    with loaded.at("averaging"):
        return None if section is None else AveragingOptions(**section.model_dump())


def additions(loaded: LoadedTrain) -> dict[str, Any]:
    """What the sections `adversarial`, `constraint` and `enlarge` say, as `train` takes it.

    Raises:
        ConfigError: Keys that do not go together; with file and line.
    """
    from shiftgauge.studies.recipe import Additions

    found: dict[str, Any] = {}
    for name in ("adversarial", "constraint", "enlarge"):
        section = getattr(loaded.config, name)
        if section is None:
            continue
        values = section.model_dump()
        if values.get("source") is not None:
            values["source"] = loaded.resolve(values["source"])
        with loaded.at(name):
            found[name] = getattr(Additions.of(**{name: values}), name)
    return found


def train_options(loaded: LoadedTrain) -> TrainOptions:
    """The options of the section `train`.

    Raises:
        ConfigError: Options that do not go together; with file and line.
        SpaceError: A malformed distribution of a shift; with file and line.
    """
    from shiftgauge.train.options import OptimizerOptions, TrainOptions
    from shiftgauge.train.sampling import SamplingOptions
    from shiftgauge.train.schedules import ScheduleOptions

    section = loaded.config.train
    optimizer = section.optimizer.model_dump()
    augment = _augment_options(loaded)
    with loaded.at("train"):
        return TrainOptions(
            epochs=section.epochs,
            optimizer=OptimizerOptions(**{**optimizer, "betas": tuple(optimizer["betas"])}),
            schedule=ScheduleOptions(**section.schedule.model_dump()),
            loss=_loss_options(loaded),
            sampling=SamplingOptions(**section.sampling.model_dump()),
            augment=augment,
            monitor=None if section.monitor == "auto" else section.monitor,
            patience=section.patience,
            precision=section.precision,
            clip=section.clip,
            ema_decay=section.ema_decay,
            frozen_statistics=section.frozen_statistics,
            seed=section.seed,
            validation_batch=section.validation_batch,
        )


def train_values(loaded: LoadedTrain) -> dict[str, Any]:
    """The section `train` as nested mappings, for what changes single keys of it; changes of images as options.

    Raises:
        ConfigError, SpaceError: As of `train_options`.
    """
    values = loaded.config.train.model_dump(exclude={"device", "devices", "memory_gb", "augment"})
    values["loss"] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["loss"].items()}
    return {**values, "augment": train_options(loaded).augment}


def for_task(loaded: LoadedTrain, options: TrainOptions, task: str) -> TrainOptions:
    """The options with the loss that an automatic kind means for the task of the data.

    Args:
        loaded: The file.
        options: What `train_options` gave.
        task: `single` or `multi`.
    """
    if task == "single" or loaded.config.train.loss.kind != "auto" or options.loss is None:
        return options
    return replace(options, loss=replace(options.loss, kind="binary_cross_entropy"))


def _loss_options(loaded: LoadedTrain) -> LossOptions:
    from shiftgauge.train.losses import LossOptions

    section = loaded.config.train.loss
    given = section.model_dump(exclude={"kind"})
    for name in ("class_weights", "positive_weights"):
        given[name] = given[name] if isinstance(given[name], str) else tuple(given[name])
    with loaded.at("train", "loss"):
        return LossOptions(kind="cross_entropy" if section.kind == "auto" else section.kind, **given)


def _augment_options(loaded: LoadedTrain) -> AugmentOptions:
    from shiftgauge.train.augment import AugmentOptions, PipelineOptions
    from shiftgauge.train.kornia_transforms import KorniaTransform

    section = loaded.config.train.augment
    values: dict[str, Any] = {}
    if section.shifts is not None:
        space = section_space(loaded, section.shifts, _SHIFTS)
        found = section_shift_options(loaded, section.shifts, space, _SHIFTS)
        kept = {f.name: getattr(found, f.name) for f in fields(PipelineOptions)}
        values = {"space": space, "share": section.shifts.share, "shifts": PipelineOptions(**kept)}
    with loaded.at("train", "augment"):
        transforms = tuple(KorniaTransform(**entry.model_dump()) for entry in section.kornia)
        return AugmentOptions(flips=tuple(section.flips), kornia=transforms, **values)
