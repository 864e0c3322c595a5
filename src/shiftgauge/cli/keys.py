"""Every key of a configuration as tables, from the schema itself, so that they are never out of date."""

from __future__ import annotations

import json
import types
import typing
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shiftgauge.cli.attack_config import AttackConfig
from shiftgauge.cli.config import Config
from shiftgauge.cli.explain_config import ExplainConfig
from shiftgauge.cli.table_config import TableConfig
from shiftgauge.cli.train_config import TrainConfig

KINDS: Final[dict[str, type[BaseModel]]] = {
    "audit": Config,
    "table": TableConfig,
    "train": TrainConfig,
    "explain": ExplainConfig,
    "attack": AttackConfig,
}
"""Kind of configuration to its schema."""


def tables(config: type[BaseModel]) -> str:
    """One table for each section of a configuration, as Markdown.

    Args:
        config: The schema.
    """
    parts = []
    for name, field in config.model_fields.items():
        section = _section_of(field)
        if section is not None:
            named = typing.get_origin(field.annotation) is dict
            parts += _section(f"{name}.NAME" if named else name, section)
    top = [name for name, field in config.model_fields.items() if _section_of(field) is None]
    parts += ["## At the top", "", *_table(config, top)]
    return "\n".join(parts)


def _section(path: str, section: type[BaseModel]) -> list[str]:
    lines = [f"## `{path}`", "", (section.__doc__ or "").strip(), ""]
    plain = [name for name, field in section.model_fields.items() if _section_of(field) is None]
    if plain:
        lines += _table(section, plain)
    for name, field in section.model_fields.items():
        inner = _section_of(field)
        if inner is not None:
            end = {list: " (a list)", dict: ".NAME"}.get(typing.get_origin(field.annotation) or str, "")
            lines += _section(f"{path}.{name}{end}", inner)
    return lines


def _table(section: type[BaseModel], names: list[str]) -> list[str]:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name in names:
        field = section.model_fields[name]
        cells = [f"`{name}`", _kind(field), _default(field), field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field is: alone, left out by default, or as the entries of a list."""
    for part in (field.annotation, *typing.get_args(field.annotation)):
        if isinstance(part, type) and issubclass(part, BaseModel):
            return part
    return None


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    return "" if value in (None, [], {}, "") else f"`{json.dumps(value)}`"


def _kind(field: FieldInfo) -> str:
    words = list(dict.fromkeys(_words(field.annotation)))
    return " or ".join(word for word in words if word != "null")


_NAMES = {int: "whole number", float: "number", str: "text", bool: "true/false", dict: "keys", list: "list"}


def _words(annotation: Any) -> list[str]:
    origin = typing.get_origin(annotation)
    if annotation is type(None):
        return ["null"]
    if origin is typing.Literal:
        return [f"`{json.dumps(value) if value is True else value}`" for value in typing.get_args(annotation)]
    if origin is typing.Annotated:
        return _words(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [word for part in typing.get_args(annotation) for word in _words(part)]
    return [_NAMES.get(origin or annotation, "text")]
