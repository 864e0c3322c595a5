"""From a configuration file and `--set` overrides to a checked `Config`, with messages that name the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from shiftgauge.checks import nearest
from shiftgauge.cli.config import Config
from shiftgauge.cli.table_config import TableConfig
from shiftgauge.cli.train_config import TrainConfig
from shiftgauge.cli.yaml_file import Steps, YamlText, dotted, parse_yaml, read_yaml
from shiftgauge.errors import ConfigError, SpaceError

_Schema = TypeVar("_Schema", bound=BaseModel)


@dataclass(frozen=True, kw_only=True)
class LoadedFile:
    """A configuration file: where it is, and where each key stands.

    Args:
        path: The file; relative paths in it start from its folder.
        text: Where each key stands, for later messages.
        values: The values with every `--set`; None where there is none.
    """

    path: Path
    text: YamlText
    values: Mapping[str, Any] | None = None

    @contextmanager
    def at(self, *steps: str | int) -> Iterator[None]:
        """Puts file and line of a key, or `--set` where that gave it, in front of any message about it."""
        try:
            yield
        except (ConfigError, SpaceError) as error:
            given = self.values is not None and _value(self.text.values, steps) != _value(self.values, steps)
            raise type(error)(f"{'--set' if given else self.text.place(steps)}: {error}") from error

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.resolve().parent

    def resolve(self, path: str) -> Path:
        """A path of the file: absolute as it is, relative from the file's folder; ~ is the home folder."""
        return self.folder / Path(path).expanduser()


@dataclass(frozen=True, kw_only=True)
class LoadedConfig(LoadedFile):
    """A checked configuration of an audit of images.

    Args:
        config: The values.
    """

    config: Config


@dataclass(frozen=True, kw_only=True)
class LoadedTable(LoadedFile):
    """A checked configuration of an audit of a tabular model.

    Args:
        config: The values.
    """

    config: TableConfig


@dataclass(frozen=True, kw_only=True)
class LoadedTrain(LoadedFile):
    """A checked configuration of a training.

    Args:
        config: The values.
    """

    config: TrainConfig


def load_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig | LoadedTable:
    """Reads and checks a configuration; one whose section `data` has the key `table` is that of a tabular model.

    Args:
        path: The YAML file.
        overrides: Entries of `--set`, such as `estimate.n_base=64`; values are read as YAML.

    Raises:
        ConfigError: One line that names file, line, key and what is allowed.
    """
    text, values = _opened(path, overrides, "`model:`, `data:` and `shifts:`")
    if _is_training(values):
        raise ConfigError(f"{path} is the configuration of a training; run: shiftgauge train {path}")
    if isinstance(values.get("data"), Mapping) and "table" in values["data"]:
        return LoadedTable(config=checked(values, text, TableConfig), path=path, text=text, values=values)
    return LoadedConfig(config=checked(values, text, Config), path=path, text=text, values=values)


def load_train_config(path: Path, overrides: Sequence[str] = ()) -> LoadedTrain:
    """Reads and checks the configuration of a training.

    Args:
        path: The YAML file.
        overrides: Entries of `--set`, such as `train.epochs=5`; values are read as YAML.

    Raises:
        ConfigError: One line that names file, line, key and what is allowed.
    """
    text, values = _opened(path, overrides, "`model:`, `data:` and `train:`")
    if "shifts" in values or "estimate" in values:
        raise ConfigError(f"{path} is the configuration of an audit; run: shiftgauge audit {path}")
    return LoadedTrain(config=checked(values, text, TrainConfig), path=path, text=text, values=values)


def _opened(path: Path, overrides: Sequence[str], sections: str) -> tuple[YamlText, dict[str, Any]]:
    text = read_yaml(path)
    if not isinstance(text.values, dict):
        found = "an empty file" if text.values is None else f"a {type(text.values).__name__}"
        raise ConfigError(f"{path}: expected sections such as {sections}, found {found}")
    values = text.values
    for entry in overrides:
        values = with_override(values, entry)
    return text, values


def _is_training(values: Mapping[str, Any]) -> bool:
    model = values.get("model")
    return "train" in values or (isinstance(model, Mapping) and "architecture" in model)


def checked(values: Mapping[str, Any], text: YamlText, schema: type[_Schema]) -> _Schema:
    """Checks plain values against a schema.

    Raises:
        ConfigError: The first thing that is wrong, and how many more there are.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_explain(error, values, text, schema)) from error


def with_override(values: Mapping[str, Any], entry: str) -> dict[str, Any]:
    """Returns the values with one `key.sub=value` applied; the value is YAML.

    Raises:
        ConfigError: No `=`, an empty key, or a key below something that has no keys.

    Example:
        >>> with_override({"estimate": {"n_base": 512}}, "estimate.n_base=64")
        {'estimate': {'n_base': 64}}
    """
    key, sign, raw = entry.partition("=")
    steps = key.strip().split(".")
    if not sign or not all(steps):
        raise ConfigError(f"--set takes key.sub=value, such as estimate.n_base=64; got `{entry}`")
    value = parse_yaml(raw, f"--set {key.strip()}").values
    return _replaced(values, steps, value, entry)


def _replaced(values: Mapping[str, Any], steps: list[str], value: Any, entry: str) -> dict[str, Any]:
    first, *rest = steps
    if not rest:
        return {**values, first: value}
    below = values.get(first)
    if below is not None and not isinstance(below, Mapping):
        raise ConfigError(f"--set {entry}: `{first}` is {below!r} in the file and has no keys of its own")
    return {**values, first: _replaced(below or {}, rest, value, entry)}


def _explain(error: ValidationError, values: Mapping[str, Any], text: YamlText, schema: type[BaseModel]) -> str:
    """One line for the first problem; alternatives of one value (a number or `auto`) are told together."""
    problems: dict[tuple[str | int, ...], list[Mapping[str, Any]]] = {}
    for item in error.errors(include_url=False):
        problems.setdefault(_steps(item, values), []).append(dict(item))
    deepest = [steps for steps in problems if not any(_is_below(other, steps) for other in problems)]
    unknown = [steps for steps in deepest if problems[steps][0]["type"] == "extra_forbidden"]
    steps = (unknown or deepest)[0]
    more = len(deepest) - 1
    tail = f" (and {more} more problem{'s' if more > 1 else ''})" if more else ""
    in_file = _value(text.values, steps) == _value(values, steps)
    place = text.place(steps) if in_file else "--set"
    return f"{place}: {_sentence(steps, problems[steps], schema)}{tail}"


def _is_below(steps: tuple[str | int, ...], other: tuple[str | int, ...]) -> bool:
    return len(steps) > len(other) and steps[: len(other)] == other


def _sentence(steps: tuple[str | int, ...], items: list[Mapping[str, Any]], schema: type[BaseModel]) -> str:
    name, first = dotted(steps), items[0]
    if first["type"] == "extra_forbidden":
        allowed = _keys_at(steps[:-1], schema)
        guess = nearest(str(steps[-1]), allowed)
        hint = f"did you mean `{guess}`?" if guess else f"allowed are {', '.join(allowed)}"
        return f"unknown key `{name}`; {hint}"
    if first["type"] == "missing":
        return f"`{name}` is missing; see `shiftgauge schema` or `shiftgauge init` for an example"
    if first["type"] == "value_error":
        return f"`{name}`: {first['ctx']['error']}" if name else str(first["ctx"]["error"])
    wanted = " or ".join(dict.fromkeys(_wanted(item) for item in items))
    hint = ""
    if isinstance(first["input"], str):
        guess = nearest(first["input"], _choices(items))
        hint = f"; did you mean `{guess}`?" if guess else ""
    elif first["type"] == "string_type" and isinstance(first["input"], (int, float, bool)):
        hint = "; put it in quotes"
    return f"`{name}` must be {wanted}, got {_shown(first['input'])}{hint}"


_WANTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a group of keys",
    "model_type": "a group of keys",
    "model_attributes_type": "a group of keys",
    "finite_number": "a finite number",
}


def _wanted(item: Mapping[str, Any]) -> str:
    context = item.get("ctx", {})
    match item["type"]:
        case "greater_than":
            return f"> {context['gt']:g}"
        case "greater_than_equal":
            return f"≥ {context['ge']:g}"
        case "less_than":
            return f"< {context['lt']:g}"
        case "less_than_equal":
            return f"≤ {context['le']:g}"
        case "literal_error":
            return "one of " + context["expected"] if "," in context["expected"] else context["expected"]
        case "too_short":
            return f"a list of at least {context['min_length']}"
        case "too_long":
            return f"a list of at most {context['max_length']}"
        case kind:
            return _WANTED.get(kind, item["msg"][:1].lower() + item["msg"][1:])


def _choices(items: list[Mapping[str, Any]]) -> list[str]:
    expected = " ".join(str(i.get("ctx", {}).get("expected", "")) for i in items)
    return [part.strip(" '") for part in expected.replace(" or ", ",").split(",") if part.strip(" '")]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _steps(item: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[str | int, ...]:
    """The path of a problem without the names pydantic adds for the members of a union."""
    here: Any = values
    steps: list[str | int] = []
    for i, step in enumerate(item["loc"]):
        if _has(here, step):
            steps.append(step)
            here = here[step]
        elif item["type"] == "missing" and i == len(item["loc"]) - 1:
            steps.append(step)
    return tuple(steps)


def _has(values: Any, step: str | int) -> bool:
    if isinstance(values, list):
        return isinstance(step, int) and step < len(values)
    return isinstance(values, Mapping) and step in values


def _value(values: Any, steps: Steps) -> Any:
    for step in steps:
        if not _has(values, step):
            return None
        values = values[step]
    return values


def _keys_at(steps: Sequence[str | int], schema: type[BaseModel]) -> list[str]:
    """The keys that the schema allows below a path."""
    section = schema
    for step in steps:
        if not isinstance(step, int):
            section = _section_in(section.model_fields[step].annotation)
    return list(section.model_fields)


def _section_in(annotation: Any) -> type[BaseModel]:
    """The section that a field holds: alone, or among alternatives, or in a list."""
    while not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        annotation = next(a for a in get_args(annotation) if a is not type(None))
    return annotation
