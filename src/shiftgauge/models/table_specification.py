"""What a model of a table is given as: its kind, where it lies, and what its outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from shiftgauge.checks import require_in, unknown_name
from shiftgauge.errors import ConfigError
from shiftgauge.models.table_model import OutputForm

TableKind: TypeAlias = Literal["factory", "module", "pt2", "onnx", "sklearn", "callable"]
_NEEDS = {"factory": "name", "module": "target", "callable": "target", "pt2": "path", "onnx": "path"}


@dataclass(frozen=True, kw_only=True)
class TableModelSpec:
    """Says which model of a table to load.

    Args:
        kind: `factory`, `module`, `pt2`, `onnx`, `sklearn` or `callable`.
        name: `package.module:factory` of a factory.
        path: File of a `pt2`, `onnx` or `sklearn` model.
        target: The object itself for `module`, `callable` and `sklearn`.
        arguments: Keyword arguments of the factory.
        weights: A safetensors or state-dict file for a factory's network.
        weights_by: Match tensors by `name` or by `order`.
        classes: Names of the outputs.
        output: What the outputs are: `values` (as they are), `logits`, or `probabilities`; None for `values`, and for
            what scikit-learn's own method says.
        mean: Subtracted from every column before the model sees it (P,).
        std: Divides every column after `mean` (P,).
        fingerprint: For a callable: your own text that identifies what it computes.

    Raises:
        ConfigError: The kind is unknown or what it needs is missing.

    Example:
        >>> TableModelSpec(kind="factory", name="nets:build").kind
        'factory'
    """

    kind: TableKind
    name: str | None = None
    path: str | Path | None = None
    target: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str | Path | None = None
    weights_by: str = "name"
    classes: Sequence[str] | None = None
    output: OutputForm | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    fingerprint: str | None = None

    def __post_init__(self) -> None:
        require_in("kind of table model", self.kind, get_args(TableKind))
        require_in("`weights_by`", self.weights_by, ("name", "order"))
        if self.output is not None:
            require_in("`output`", self.output, get_args(OutputForm))
        needed = _NEEDS.get(self.kind)
        if needed and getattr(self, needed) is None:
            raise ConfigError(f"a table model of kind {self.kind} needs `{needed}`")
        if self.kind == "sklearn" and self.path is None and self.target is None:
            raise ConfigError("a sklearn model needs `path` (a joblib or pickle file) or `target` (an estimator)")
        if self.std is not None and any(not s > 0 for s in self.std):
            raise ConfigError(f"`std` must hold numbers > 0, got {list(self.std)}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TableModelSpec:
        """Builds a specification from a mapping; an unknown key is an error that names the nearest one."""
        allowed = [f.name for f in fields(cls)]
        for key in values:
            if key not in allowed:
                raise ConfigError(unknown_name("key of a table model", str(key), allowed))
        if "kind" not in values:
            raise ConfigError(f"a table model lacks `kind`; allowed are {', '.join(get_args(TableKind))}")
        return cls(**values)
