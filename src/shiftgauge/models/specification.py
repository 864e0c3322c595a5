"""What to load as a classifier, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from shiftgauge.checks import require_in, unknown_name
from shiftgauge.errors import ConfigError
from shiftgauge.models.preprocessing import Preprocessing

Kind: TypeAlias = Literal["timm", "factory", "pt2", "onnx", "sklearn", "callable", "module", "embedded", "folder"]

_NEEDS = {
    "timm": "name",
    "factory": "name",
    "embedded": "name",
    "folder": "path",
    "pt2": "path",
    "onnx": "path",
    "callable": "target",
    "module": "target",
}


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Says which model to load and how images reach it.

    Args:
        kind: `timm`, `factory`, `pt2`, `onnx`, `sklearn`, `callable`, `module`, `embedded`
            or `folder` (a model folder, as training writes it, which says everything itself).
        name: timm's model name; `package.module:factory` for `factory`; for `embedded` the name of a
            packaged model (`efficientnet_lite0`).
        path: The file of a `pt2`, `onnx` or `sklearn` model, or a model folder.
        weights: A safetensors or state-dict file. For timm also `pretrained` (downloads) or `random`
            (initialised from seed 0; for benchmarks and tests). None for a factory that loads its own.
        weights_by: `name` (default) or `order`, which matches tensors by position.
        num_classes: Outputs of a timm model; None for its own number.
        arguments: Further keyword arguments of the timm model or the factory; for `onnx` `output`
            (name of the output to read); for `sklearn` `feature_order` (`hwc`, default, or `chw`).
        classes: Names in the order of the outputs: a list, the path of a text or JSON file, or
            `imagenet-1k`; None takes the model's own names, else `class 0` ….
        preprocessing: A `Preprocessing` or a mapping of its fields; timm models, `pt2` and `onnx`
            files fill in what they know.
        output_kind: `logits` or `probabilities`; None to detect it from outputs on sample images.
        fingerprint: For a callable: your own text that identifies what it computes.
        compile: Also offer compiled executions (needs a C++ compiler or CUDA; pays in long runs).
        target: The object itself for `module`, `callable` and `sklearn`.

    Raises:
        ConfigError: The kind is unknown or what it needs is missing.

    Example:
        >>> ModelSpec(kind="timm", name="resnet18", weights="random").kind
        'timm'
    """

    kind: Kind
    name: str | None = None
    path: str | Path | None = None
    weights: str | Path | None = None
    weights_by: Literal["name", "order"] = "name"
    num_classes: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    classes: str | Path | Sequence[str] | None = None
    preprocessing: Preprocessing | Mapping[str, Any] | None = None
    output_kind: Literal["logits", "probabilities"] | None = None
    fingerprint: str | None = None
    compile: bool = False
    target: Any = None

    def __post_init__(self) -> None:
        require_in("model kind", self.kind, get_args(Kind))
        require_in("`weights_by`", self.weights_by, ("name", "order"))
        if self.output_kind is not None:
            require_in("`output_kind`", self.output_kind, ("logits", "probabilities"))
        needed = _NEEDS.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ConfigError(f"a model of kind {self.kind} needs `{needed}`")
        if self.kind == "sklearn" and self.path is None and self.target is None:
            raise ConfigError(
                "a model of kind sklearn needs `path` (a joblib or pickle file) or `target` (an estimator)"
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> "ModelSpec":
        """Builds a specification from a mapping, as a configuration holds it.

        Raises:
            ConfigError: `kind` is missing, or a key is unknown (the nearest name is suggested).
        """
        allowed = [f.name for f in fields(cls)]
        for key in values:
            if key not in allowed:
                raise ConfigError(unknown_name("key of `model`", str(key), allowed))
        if "kind" not in values:
            raise ConfigError(f"`model` lacks `kind`; allowed are {', '.join(get_args(Kind))}")
        return cls(**values)

    def resolve_preprocessing(self, defaults: Mapping[str, Any] | None = None) -> Preprocessing:
        """Returns the stated preprocessing, completed from what the model itself says.

        Args:
            defaults: Fields known from the model.

        Raises:
            ConfigError: Height or width is known from neither.
        """
        if isinstance(self.preprocessing, Preprocessing):
            return self.preprocessing
        return Preprocessing.from_mapping(self.preprocessing or {}, defaults)
