"""Ranges of a grid search: which values of which keys of a recipe, and the recipe of every combination."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from shiftgauge.checks import unknown_name
from shiftgauge.errors import ConfigError, DataError, ModelError, StoreError
from shiftgauge.studies.recipe import Recipe

SHORT: Final[Mapping[str, str]] = {
    "learning_rate": "options.optimizer.learning_rate",
    "weight_decay": "options.optimizer.weight_decay",
    "momentum": "options.optimizer.momentum",
    "batch_size": "options.sampling.batch_size",
    "epochs": "options.epochs",
    "width": "model.arguments.width",
    "depth": "model.arguments.depth",
    "epsilon": "adversarial.epsilon",
    "beta": "constraint.beta",
    "share": "enlarge.share",
}
"""Short names of keys that are often searched over; any other key is written out, such as `options.schedule.kind`."""
_CHOSEN: Final[Mapping[str, str]] = {"adversarial": "method", "enlarge": "kind"}
"""Parts of a recipe that a range can change but not begin → what has to be chosen there."""
_ROOTS: Final = ("model", "options", "adversarial", "constraint", "enlarge")


def combinations(ranges: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Returns all combinations of values, the last key changing fastest.

    Args:
        ranges: Key → its values, at least one each and no value twice.

    Raises:
        ConfigError: No keys, no values, a value twice, or a key by its short and its long name.

    Example:
        >>> combinations({"learning_rate": [0.1, 0.01], "epochs": [50]})
        [{'learning_rate': 0.1, 'epochs': 50}, {'learning_rate': 0.01, 'epochs': 50}]
    """
    if not isinstance(ranges, Mapping) or not ranges:
        raise ConfigError("a grid needs `ranges`, such as {learning_rate: [0.1, 0.01], epochs: [50, 100]}")
    for key, values in ranges.items():
        if isinstance(values, (str, Mapping)) or not isinstance(values, Sequence) or not len(values):
            raise ConfigError(f"`ranges.{key}` must be a list of values, got {values!r:.60}")
        twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
        if twice is not None:
            raise ConfigError(f"`ranges.{key}` holds {twice!r} twice; each value needs one place")
    paths = [long_name(key) for key in ranges]
    same = next((path for path in paths if paths.count(path) > 1), None)
    if same is not None:
        raise ConfigError(f"`ranges` holds `{same}` twice, by its short and its long name; give one")
    return [dict(zip(ranges, values, strict=True)) for values in itertools.product(*ranges.values())]


def long_name(key: str) -> str:
    """Returns the whole path of a key.

    Raises:
        ConfigError: Neither a short name nor a path that begins with a part of a recipe.

    Example:
        >>> long_name("width"), long_name("options.clip")
        ('model.arguments.width', 'options.clip')
    """
    if key in SHORT:
        return SHORT[key]
    if "." not in key or key.split(".")[0] not in _ROOTS:
        raise ConfigError(
            f"{unknown_name('key of `ranges`', key, SHORT)}; any other key is written out, such as "
            "`options.schedule.kind` or `model.arguments.depth`"
        )
    return key


def recipes(base: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], task: str) -> Iterator[Recipe]:
    """Gives the recipe of each combination.

    Args:
        base: What is common to all: `model` and, where wanted, `options`, `adversarial`, `constraint`, `enlarge`, as
            plain mappings.
        cells: The combinations.
        task: `single` or `multi`.

    Raises:
        ConfigError: A combination that is no recipe, and which, or a range of a part that the recipe does not have.

    Example:
        >>> base = {"model": {"architecture": "resnet18_small"}}
        >>> [recipe.options.epochs for recipe in recipes(base, [{"epochs": 5}, {"epochs": 9}], "single")]
        [5, 9]
    """
    for cell in cells:
        values = dict(base)
        for key, value in cell.items():
            _require_part(base, key)
            values = _put(values, long_name(key).split("."), value)
        with saying(cell):
            recipe = Recipe.of(values.pop("model"), task, **values)
        yield recipe


def _require_part(base: Mapping[str, Any], key: str) -> None:
    """Refuses a range that would add a part which nobody has chosen a method or kind for."""
    part = long_name(key).split(".")[0]
    if part in _CHOSEN and base.get(part) is None:
        raise ConfigError(
            f"`{key}` changes `{part}`, which the recipe does not have; give it `{part}` with its {_CHOSEN[part]}"
        )


@contextmanager
def saying(cell: Mapping[str, Any]) -> Iterator[None]:
    """Puts the values of a combination in front of any message about it.

    Args:
        cell: The combination.

    Raises:
        ShiftgaugeError: What was raised inside the block, of the same class.
    """
    try:
        yield
    except (ConfigError, DataError, ModelError, StoreError) as error:
        named = ", ".join(f"{key} {value}" for key, value in cell.items())
        raise type(error)(f"with {named}: {error}") from error


def _put(values: Mapping[str, Any], steps: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of nested mappings with one value changed."""
    first, *rest = steps
    if not rest:
        return {**values, first: value}
    below = values.get(first)
    if below is not None and not isinstance(below, Mapping):
        raise ConfigError(
            f"`{first}` is {type(below).__name__}, and a grid changes keys of plain mappings; give it as a mapping"
        )
    return {**values, first: _put(below or {}, rest, value)}
