"""How far a result can be trusted: a level and sentences that a person can act on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["info", "caution", "alarm"]
TRUSTED_SHARE: Final = 0.9
"""Q² from which a surrogate counts as the classifier's: below it, what is drawn or stated from it is no fact."""
LEVELS: Final[tuple[Level, ...]] = ("info", "caution", "alarm")
"""Levels of messages, the most serious last."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One finding about a result.

    Args:
        level: `info` (good to know), `caution` (read with care), `alarm` (do not rely on it).
        code: Short stable name for programs, such as `surrogate_poor`.
        text: One or two plain sentences: what was found, and what to do.
    """

    level: Level
    code: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One limit that the configuration set, and whether the run kept it.

    Args:
        name: The gate as configured, such as `max_total_order.rotation`.
        limit: The limit.
        value: What was measured.
        passed: Whether the limit was kept.
        text: One sentence for people.
    """

    name: str
    limit: float
    value: float
    passed: bool
    text: str


def worst_level(messages: Iterable[Message]) -> Level:
    """Returns the highest level among the messages, `info` when there is none.

    Example:
        >>> worst_level([Message(level="caution", code="x", text="y")])
        'caution'
    """
    found: Level = "info"
    for message in messages:
        if LEVELS.index(message.level) > LEVELS.index(found):
            found = message.level
    return found
