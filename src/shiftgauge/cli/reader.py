"""From a configuration file and `--set` overrides to a checked `Config`, with messages that name the place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shiftgauge.cli.attack_config import AttackConfig
from shiftgauge.cli.config import Config
from shiftgauge.cli.explain import explain, value_at
from shiftgauge.cli.explain_config import ExplainConfig
from shiftgauge.cli.table_config import TableConfig
from shiftgauge.cli.train_config import TrainConfig
from shiftgauge.cli.yaml_file import YamlText, parse_yaml, read_yaml
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
            given = self.values is not None and value_at(self.text.values, steps) != value_at(self.values, steps)
            raise type(error)(f"{'--set' if given else self.text.place(steps)}: {error}") from error

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from."""
        return self.path.resolve().parent

    def resolve(self, path: str) -> Path:
        """A path of the file: absolute as it is, relative from the file's folder; ~ is the home folder."""
        return self.folder / Path(path).expanduser()

    def run_folder(self, given: Path | None, stated: str | None) -> Path:
        """Where a run goes.

        Args:
            given: `--out`, which comes first.
            stated: The file's `out`; without both it is runs/ and the file's name, beside the file.
        """
        if given is not None:
            return given
        return self.folder / "runs" / self.path.stem if stated is None else self.resolve(stated)


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


@dataclass(frozen=True, kw_only=True)
class LoadedExplain(LoadedFile):
    """A checked configuration of a look inside a network.

    Args:
        config: The values.
    """

    config: ExplainConfig


@dataclass(frozen=True, kw_only=True)
class LoadedAttack(LoadedFile):
    """A checked configuration of attacks.

    Args:
        config: The values.
    """

    config: AttackConfig


def load_config(path: Path, overrides: Sequence[str] = ()) -> LoadedConfig | LoadedTable:
    """Reads and checks a configuration; one whose section `data` has the key `table` is that of a tabular model.

    Args:
        path: The YAML file.
        overrides: Entries of `--set`, such as `estimate.n_base=64`; values are read as YAML.

    Raises:
        ConfigError: One line that names file, line, key and what is allowed.
    """
    text, values = _opened(path, overrides, "`model:`, `data:` and `shifts:`")
    if is_training(values):
        raise ConfigError(f"{path} is the configuration of a training; run: shiftgauge train {path}")
    if "explain" in values:
        raise ConfigError(f"{path} is the configuration of a look inside; run: shiftgauge explain {path}")
    if "attack" in values:
        raise ConfigError(f"{path} is the configuration of attacks; run: shiftgauge attack {path}")
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


def load_explain_config(path: Path, overrides: Sequence[str] = ()) -> LoadedExplain:
    """Reads and checks the configuration of a look inside a network.

    Args:
        path: The YAML file.
        overrides: Entries of `--set`, such as `explain.per_class=4`; values are read as YAML.

    Raises:
        ConfigError: One line that names file, line, key and what is allowed.
    """
    text, values = _opened(path, overrides, "`model:`, `data:` and `explain:`")
    if is_training(values):
        raise ConfigError(f"{path} is the configuration of a training; run: shiftgauge train {path}")
    if "shifts" in values or "estimate" in values:
        raise ConfigError(f"{path} is the configuration of an audit; run: shiftgauge audit {path}")
    return LoadedExplain(config=checked(values, text, ExplainConfig), path=path, text=text, values=values)


def load_attack_config(path: Path, overrides: Sequence[str] = ()) -> LoadedAttack:
    """Reads and checks the configuration of attacks.

    Args:
        path: The YAML file.
        overrides: Entries of `--set`, such as `attack.images=200`; values are read as YAML.

    Raises:
        ConfigError: One line that names file, line, key and what is allowed.
    """
    text, values = _opened(path, overrides, "`model:` or `models:`, `data:` and `attack:`")
    if is_training(values):
        raise ConfigError(f"{path} is the configuration of a training; run: shiftgauge train {path}")
    if "explain" in values:
        raise ConfigError(f"{path} is the configuration of a look inside; run: shiftgauge explain {path}")
    if "shifts" in values or "estimate" in values:
        raise ConfigError(
            f"{path} is the configuration of an audit; run: shiftgauge audit {path} (natural shifts beside attacks "
            "stand in `attack.shifts`)"
        )
    return LoadedAttack(config=checked(values, text, AttackConfig), path=path, text=text, values=values)


def _opened(path: Path, overrides: Sequence[str], sections: str) -> tuple[YamlText, dict[str, Any]]:
    text = read_yaml(path)
    if not isinstance(text.values, dict):
        found = "an empty file" if text.values is None else f"a {type(text.values).__name__}"
        raise ConfigError(f"{path}: expected sections such as {sections}, found {found}")
    values = text.values
    for entry in overrides:
        values = with_override(values, entry)
    return text, values


def is_training(values: Mapping[str, Any]) -> bool:
    """Whether these are the values of a training's configuration."""
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
        raise ConfigError(explain(error, values, text, schema)) from error


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
