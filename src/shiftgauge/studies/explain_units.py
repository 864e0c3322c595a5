"""Units that are maximised, from plain values, and names that tell them apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from shiftgauge.checks import require_in
from shiftgauge.errors import ConfigError
from shiftgauge.explain.objectives import ChannelMean, ClassLogit, Direction, Neuron, Target


def unit_of(values: Mapping[str, Any]) -> Target:
    """A unit from the plain values that its `to_dict` gives, as a configuration states it.

    Args:
        values: `kind` and what that kind takes.

    Raises:
        ConfigError: An unknown kind, a key that it does not take, or one that is missing.

    Example:
        >>> unit_of({"kind": "channel_mean", "block": "layer4", "channel": 3})
        ChannelMean(block='layer4', channel=3)
    """
    kinds = {"class_logit": ClassLogit, "neuron": Neuron, "channel_mean": ChannelMean, "direction": Direction}
    kind = require_in("kind", str(values.get("kind")), tuple(kinds))
    given = {key: value for key, value in values.items() if key != "kind"}
    wanted = [entry.name for entry in fields(kinds[kind])]
    more = [key for key in given if key not in wanted]
    if more:
        raise ConfigError(f"a unit of the kind {kind} does not take `{more[0]}`; it takes {' and '.join(wanted)}")
    missing = [key for key in wanted if key not in given]
    if missing:
        raise ConfigError(f"a unit of the kind {kind} needs `{missing[0]}` as well; it takes {' and '.join(wanted)}")
    if isinstance(given.get("index"), list):
        given["index"] = tuple(given["index"])
    return kinds[kind](**given)


def told_apart(names: Sequence[str]) -> list[str]:
    """Names of which no two are equal: repeated ones get a number.

    Example:
        >>> told_apart(["a", "b", "a"])
        ['a', 'b', 'a (2)']
    """
    found: list[str] = []
    counts: Counter[str] = Counter()
    for name in names:
        counts[name] += 1
        shown = name if counts[name] == 1 else f"{name} ({counts[name]})"
        while shown in found:
            counts[name] += 1
            shown = f"{name} ({counts[name]})"
        found.append(shown)
    return found
