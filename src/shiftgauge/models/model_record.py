"""What a model folder says of its model: `model.json` as a checked value."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from shiftgauge.checks import require_in, require_positive_int, require_range
from shiftgauge.errors import ConfigError, ModelError
from shiftgauge.models.adapt import FirstConvolution
from shiftgauge.models.architectures import BuiltNetwork, Pretrained, build
from shiftgauge.models.preprocessing import Preprocessing

Task: TypeAlias = Literal["single", "multi"]
SCHEMA_VERSION: Final = 1
"""Version of the layout of a model folder; a newer one is refused with a sentence."""
_REQUIRED: Final = ("architecture", "task", "classes", "preprocessing")
_OPTIONAL: Final = ("thresholds", "temperature", "averaging", "metrics", "data", "training", "versions")


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """All that `build_network` needs, as data.

    Args:
        name: A name of `ARCHITECTURES`, or any of timm's.
        n_classes: Outputs, ≥ 2.
        channels: Channels of the images, ≥ 1; default 3.
        pretrained: Where the training began: false, true, `packaged` or the path of a weights file.
        dropout: Chance that a feature is dropped before the last layer, in [0, 1); default 0.
        first_convolution: What became of a first convolution over other channels; default `sum`.
        arguments: Further keyword arguments of the architecture.
        seed: Decided the random weights; default 0.

    Example:
        >>> NetworkOptions(name="resnet18_small", n_classes=2).build().notes
        ('every weight starts at random',)
    """

    name: str
    n_classes: int
    channels: int = 3
    pretrained: Pretrained = False
    dropout: float = 0.0
    first_convolution: FirstConvolution = "sum"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise ConfigError(f"`architecture.name` must be text, got {self.name!r}")
        if not isinstance(self.arguments, Mapping):
            raise ConfigError(f"`architecture.arguments` must be a group of keys, got {self.arguments!r}")
        for name in ("n_classes", "channels"):
            require_positive_int(f"architecture.{name}", getattr(self, name))

    def build(self, *, trained: bool = True) -> BuiltNetwork:
        """Builds the network; with `trained` false every weight is left at random."""
        return build(
            self.name,
            n_classes=self.n_classes,
            channels=self.channels,
            pretrained=self.pretrained if trained else False,
            dropout=self.dropout,
            first_convolution=self.first_convolution,
            arguments=self.arguments,
            seed=self.seed,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a record; of a path its last part alone."""
        values = {f.name: plain(getattr(self, f.name)) for f in fields(self)}
        if not isinstance(self.pretrained, bool):
            values["pretrained"] = Path(self.pretrained).name
        return values


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """What stands in `model.json` of a model folder.

    Args:
        architecture: How the network is built.
        task: `single`, one class per image, decided by the largest output; or `multi`, any number of labels per image,
            each with a probability of its own.
        classes: Names of the outputs, in their order.
        preprocessing: How images reach the network.
        thresholds: For `multi`: a label is said to hold when its probability reaches its threshold; one in [0, 1] for
            each label. None stands for one half.
        temperature: Logits are divided by it before they become probabilities, > 0; 1 (default) leaves them.
        averaging: Transformations whose probabilities were averaged in testing, as plain values; for the record.
        metrics: What was measured of the model, as plain values.
        data: Content hashes and sizes of the data and its parts, as plain values.
        training: The options of the training, as plain values.
        versions: Versions of the libraries; filled in on writing when empty.

    Raises:
        ModelError: A value that does not fit the others.

    Example:
        >>> record = ModelRecord(
        ...     architecture=NetworkOptions(name="resnet18_small", n_classes=2), task="single", classes=("good", "bad"),
        ...     preprocessing=Preprocessing(height=32, width=32),
        ... )
        >>> ModelRecord.from_dict(record.to_dict()) == record
        True
    """

    architecture: NetworkOptions
    task: Task
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    thresholds: tuple[float, ...] | None = None
    temperature: float = 1.0
    averaging: tuple[Any, ...] = ()
    metrics: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_in("task of a model", self.task, ("single", "multi"), ModelError)
        object.__setattr__(self, "classes", tuple(str(name) for name in self.classes))
        object.__setattr__(self, "averaging", tuple(self.averaging))
        k = self.architecture.n_classes
        if len(self.classes) != k:
            raise ModelError(f"`classes` must hold one name for each of {k} outputs, got {len(self.classes)}")
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise ModelError(f"`classes` holds `{twice[0]}` more than once; class names must differ")
        if self.preprocessing.channels != self.architecture.channels:
            raise ModelError(
                f"`preprocessing` gives {self.preprocessing.channels} channel(s), the network takes "
                f"{self.architecture.channels}"
            )
        require_range("temperature", self.temperature, 1e-6, 1e6, error=ModelError)
        if self.thresholds is not None:
            object.__setattr__(self, "thresholds", self._checked_thresholds(tuple(self.thresholds)))

    def _checked_thresholds(self, given: tuple[float, ...]) -> tuple[float, ...]:
        if self.task != "multi":
            raise ModelError("`thresholds` belong to a model of several labels; one class is decided by the largest")
        if len(given) != len(self.classes):
            raise ModelError(f"`thresholds` must be one for each of {len(self.classes)} labels, got {len(given)}")
        return tuple(require_range("thresholds", value, 0, 1, error=ModelError) for value in given)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as `model.json` holds them; numbers that are not finite become null."""
        values = {name: plain(getattr(self, name)) for name in ("task", "classes", *_OPTIONAL)}
        return {"architecture": self.architecture.to_dict(), "preprocessing": self.preprocessing.to_dict(), **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ModelRecord":
        """Builds the record from what `model.json` holds.

        Raises:
            ModelError: A part is missing, of another kind, or outside its range.
        """
        missing = [name for name in _REQUIRED if name not in values]
        if missing:
            raise ModelError(f"`{missing[0]}` is missing")
        _require_kinds(values)
        try:
            architecture = NetworkOptions(**values["architecture"])
            preprocessing = Preprocessing.from_mapping(values["preprocessing"])
        except (TypeError, ConfigError) as error:
            raise ModelError(str(error)) from error
        optional = {name: values[name] for name in _OPTIONAL if name in values}
        return cls(
            architecture=architecture,
            task=values["task"],
            classes=values["classes"],
            preprocessing=preprocessing,
            **optional,
        )


def plain(value: Any) -> Any:
    """Makes a value JSON-able.

    Tuples and arrays become lists, dataclasses groups of keys, numbers that are not finite null, the rest text.

    Example:
        >>> plain({"a": (1, float("nan"), np.float32(0.5))})
        {'a': [1, None, 0.5]}
    """
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "architecture": (Mapping,),
    "task": (str,),
    "classes": (list, tuple),
    "preprocessing": (Mapping,),
    "thresholds": (list, tuple, type(None)),
    "temperature": (int, float),
    "averaging": (list, tuple),
    "metrics": (Mapping,),
    "data": (Mapping,),
    "training": (Mapping,),
    "versions": (Mapping,),
}
_WORDS: Final = {Mapping: "a group of keys", str: "text", list: "a list", int: "a number"}


def _require_kinds(values: Mapping[str, Any]) -> None:
    for name, kinds in _KINDS.items():
        if name in values and not isinstance(values[name], kinds):
            raise ModelError(f"`{name}` must be {_WORDS[kinds[0]]}, got {type(values[name]).__name__}")
