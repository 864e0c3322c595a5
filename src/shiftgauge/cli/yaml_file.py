"""YAML text to plain values, with the line of every key kept for messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shiftgauge.errors import ConfigError

Steps = Sequence[str | int]
"""Keys and positions from the top of the file to a value."""


class _Loader(yaml.SafeLoader):
    """A safe loader that reads 1e-3 as a number and refuses a key given twice."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+0123456789.")
)


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        line = key_node.start_mark.line + 1
        if isinstance(key, (str, int, float, bool)) and key in seen:
            raise yaml.constructor.ConstructorError(
                None, None, f"key `{key}` is given twice, first in line {seen[key]}", key_node.start_mark
            )
        if isinstance(key, (str, int, float, bool)):
            seen[key] = line
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


@dataclass(frozen=True, kw_only=True)
class YamlText:
    """Values of a YAML text and where they stand.

    Args:
        values: The values, plain Python.
        source: What the text is called in messages.
        root: The parsed nodes, None for an empty text.
    """

    values: Any
    source: str
    root: yaml.Node | None = None

    def line(self, steps: Steps) -> int | None:
        """The line (from 1) where the deepest known part of a path stands."""
        node, found = self.root, None
        for step in steps:
            child = _child(node, step)
            if child is None:
                break
            found, node = child
        return found

    def place(self, steps: Steps) -> str:
        """The source with the line of a path, such as `audit.yaml:12`."""
        line = self.line(steps)
        return self.source if line is None else f"{self.source}:{line}"


def read_yaml(path: Path) -> YamlText:
    """Reads a YAML file.

    Raises:
        ConfigError: The file cannot be read, or is not valid YAML; the message has line and column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(
            f"no configuration at {path}; `shiftgauge init FOLDER` writes one for a folder of images"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file in UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str, source: str) -> YamlText:
    """Parses YAML text; `source` is its name in messages.

    Raises:
        ConfigError: Not valid YAML, or a key given twice.

    Example:
        >>> parse_yaml("a: {b: 1e-3}", "here").values
        {'a': {'b': 0.001}}
    """
    try:
        root = yaml.compose(text, Loader=_Loader)
        return YamlText(values=yaml.load(text, Loader=_Loader), source=source, root=root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}:{mark.column + 1}" if mark is not None else source
        raise ConfigError(f"{where}: not valid YAML: {_one_line(error.problem or error.context or error)}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{source}: not valid YAML: {_one_line(error)}") from error


def dotted(steps: Iterable[str | int]) -> str:
    """Writes a path the way people name it.

    Example:
        >>> dotted(["estimate", "images", 0])
        'estimate.images[0]'
    """
    text = ""
    for step in steps:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text


def _child(node: yaml.Node | None, step: str | int) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if key_node.value == str(step):
                return key_node.start_mark.line + 1, value_node
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and 0 <= step < len(node.value):
        return node.value[step].start_mark.line + 1, node.value[step]
    return None


def _one_line(value: object) -> str:
    return " ".join(str(value).split())
