"""Options of a training as plain mappings, with the keys that a configuration file has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, Final, TypeVar

from shiftgauge.checks import shortened, unknown_name
from shiftgauge.errors import ConfigError
from shiftgauge.shifts.catalog import get_preset
from shiftgauge.studies.setup import as_space
from shiftgauge.studies.shift_space import preset_order, shift_space
from shiftgauge.studies.train_options import NetworkChoice
from shiftgauge.train.augment import AugmentOptions, PipelineOptions
from shiftgauge.train.kornia_transforms import KorniaTransform
from shiftgauge.train.losses import LossOptions
from shiftgauge.train.options import OptimizerOptions, TrainOptions
from shiftgauge.train.sampling import SamplingOptions
from shiftgauge.train.schedules import ScheduleOptions

T = TypeVar("T")
_PARTS: Final = {
    "optimizer": OptimizerOptions,
    "schedule": ScheduleOptions,
    "loss": LossOptions,
    "sampling": SamplingOptions,
}
_ELSEWHERE: Final = {"device": "device", "devices": "n_devices", "memory_gb": "memory_gb"}
"""Keys of a configuration's section `train` → the arguments of `train` that they are."""


def as_train_options(options: TrainOptions | Mapping[str, Any] | None, task: str) -> TrainOptions:
    """Options of the fit from what a caller may give: options, a mapping, or nothing.

    Args:
        options: A mapping has the keys of `TrainOptions`, or those of a configuration's section `train`; `optimizer`,
            `schedule`, `loss`, `sampling` and `augment` may be mappings in turn. What is left out is as in
            `TrainOptions`; a loss without a kind is that of the task.
        task: `single` or `multi`.

    Raises:
        ConfigError: An unknown key, with the nearest name, or a value outside its range.

    Example:
        >>> as_train_options({"epochs": 2, "optimizer": {"learning_rate": 0.1}}, "single").optimizer.learning_rate
        0.1
    """
    if options is None or isinstance(options, TrainOptions):
        return options or TrainOptions()
    values = dict(_mapping("options", options, "TrainOptions"))
    moved = next((key for key in values if key in _ELSEWHERE), None)
    if moved is not None:
        raise ConfigError(f"`{moved}` is no key of `options`; give `train` the argument `{_ELSEWHERE[moved]}`")
    for name, kind in _PARTS.items():
        if isinstance(values.get(name), Mapping):
            values[name] = _made(f"options.{name}", _filled(name, values[name], task), kind)
    if isinstance(values.get("augment"), Mapping):
        values["augment"] = _augment(values["augment"])
    if values.get("monitor") == "auto":
        values["monitor"] = None
    return _made("options", values, TrainOptions)


def as_options(name: str, given: T | Mapping[str, Any] | None, kind: type[T]) -> T | None:
    """Options of one kind from what a caller may give: options, a mapping of their names, or nothing.

    Args:
        name: Name of the argument, for messages.
        given: What the caller gave.
        kind: The class of the options.

    Raises:
        ConfigError: An unknown key, with the nearest name, a value outside its range, or something else.

    Example:
        >>> from shiftgauge.studies.train_options import ThresholdOptions
        >>> as_options("thresholds", {"search": "grid"}, ThresholdOptions).search
        'grid'
    """
    if given is None or isinstance(given, kind):
        return given
    return _made(name, _mapping(name, given, kind.__name__), kind)


def _filled(name: str, given: Mapping[str, Any], task: str) -> Mapping[str, Any]:
    """A part of the options, with what a training has where the part alone would begin elsewhere."""
    if name == "schedule":
        return {"kind": TrainOptions().schedule.kind, **given}
    if name == "loss" and given.get("kind", "auto") == "auto":
        return {**given, "kind": "cross_entropy" if task == "single" else "binary_cross_entropy"}
    return given


def _mapping(name: str, given: Any, kind: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"`{name}` must be {kind} or a mapping of its keys, got {type(given).__name__}")
    return given


def _made(name: str, values: Mapping[str, Any], kind: type[T]) -> T:
    """The options, once all keys are known and none is missing."""
    known = {field.name: field for field in fields(kind)}  # pyright: ignore[reportArgumentType]
    for key in values:
        if key not in known:
            raise ConfigError(unknown_name(f"key of `{name}`", str(key), known))
    needed = [key for key, field in known.items() if field.default is MISSING and field.default_factory is MISSING]
    lacking = next((key for key in needed if key not in values), None)
    if lacking is not None:
        raise ConfigError(f"`{name}` lacks `{lacking}`")
    return kind(**values)


def _augment(given: Mapping[str, Any]) -> AugmentOptions:
    """Changes of images; `shifts` as in a configuration (with `parameters` or `preset`), or beside `space`."""
    values = dict(given)
    if isinstance(values.get("shifts"), Mapping):
        values |= _shifts(values["shifts"])
    if values.get("space") is not None:
        values["space"] = as_space(values["space"])
    kornia = values.get("kornia", ())
    if isinstance(kornia, str) or not isinstance(kornia, Sequence):
        raise ConfigError(f"`options.augment.kornia` must be a list of transforms, got {kornia!r}")
    named = {f"options.augment.kornia[{k}]": entry for k, entry in enumerate(kornia)}
    values["kornia"] = tuple(as_options(name, entry, KorniaTransform) for name, entry in named.items())
    return _made("options.augment", values, AugmentOptions)


def _shifts(given: Mapping[str, Any]) -> dict[str, Any]:
    """Space, shares and pipeline of the shifts of a configuration."""
    values, found = dict(given), dict[str, Any]()
    parameters, name = values.pop("parameters", None), values.pop("preset", None)
    if "share" in values:
        found["share"] = values.pop("share")
    if "field_of_view" in values:
        values["field_of_view_deg"] = values.pop("field_of_view")
    if parameters is not None or name is not None:
        found["space"] = shift_space(parameters or {}, preset=name)
    if name is not None:
        preset = get_preset(name)
        order = preset_order(preset, found["space"].names)
        values = {"fill": preset.fill, "fill_value": preset.fill_value, "order": order, **values}
    return found | {"shifts": _made("options.augment.shifts", values, PipelineOptions)}


def as_choice(model: str | Mapping[str, Any] | NetworkChoice) -> NetworkChoice:
    """The network as an option value.

    Raises:
        ConfigError: Neither a name nor keywords of `NetworkChoice`.

    Example:
        >>> as_choice("resnet18").architecture
        'resnet18'
    """
    if isinstance(model, NetworkChoice):
        return model
    if isinstance(model, str):
        return NetworkChoice(architecture=model)
    allowed = [f.name for f in fields(NetworkChoice)]
    if not isinstance(model, Mapping) or "architecture" not in model or set(model) - set(allowed):
        raise ConfigError(
            f"`model` must be the name of an architecture or a mapping with `architecture` and of {shortened(allowed)}"
        )
    return NetworkChoice(**model)
