"""A hook of mkdocs: writes the table of configuration keys from the schema itself, so that it is never out of date."""

from __future__ import annotations

import json
import types
import typing
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shiftgauge.cli.config import Config
from shiftgauge.cli.table_config import TableConfig

MARKERS: dict[str, type[BaseModel]] = {
    "<!-- configuration keys -->": Config,
    "<!-- configuration keys of tables -->": TableConfig,
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces the markers in a page by the tables of keys."""
    for marker, config in MARKERS.items():
        if marker in markdown:
            markdown = markdown.replace(marker, tables(config))
    return markdown


def tables(config: type[BaseModel]) -> str:
    """One table for each section of a configuration."""
    parts = []
    for name, field in config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            parts += _section(name, section)
    top = [name for name, field in config.model_fields.items() if not _is_section(field)]
    parts += ["## At the top", "", *_table(config, top)]
    return "\n".join(parts)


def _section(path: str, section: type[BaseModel]) -> list[str]:
    lines = [f"## `{path}`", "", (section.__doc__ or "").strip(), ""]
    plain = [name for name, field in section.model_fields.items() if not _is_section(field)]
    lines += _table(section, plain)
    for name, field in section.model_fields.items():
        if _is_section(field):
            inner: Any = field.annotation
            lines += _section(f"{path}.{name}", inner)
    return lines


def _table(section: type[BaseModel], names: list[str]) -> list[str]:
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name in names:
        field = section.model_fields[name]
        cells = [f"`{name}`", _kind(field), _default(field), field.description or ""]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


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
