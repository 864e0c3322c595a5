"""What was noted while images were read, as messages of an audit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shiftgauge.data.cautions import CONTRADICTORY
from shiftgauge.results.status import Message

_SHOWN: Final = 5
"""Notes in one message; the provenance has all."""


def data_messages(notes: Sequence[str]) -> list[Message]:
    """Messages from the notes of a data set: contradictory labels as a caution, all others together as one line.

    Args:
        notes: Of the data set, such as how many images have no label file, or which classes were matched loosely.

    Example:
        >>> [(m.level, m.text) for m in data_messages(["class `a` of the data matched to `A` of the model by name"])]
        [('info', 'Class `a` of the data matched to `A` of the model by name')]
    """
    known = dict.fromkeys(notes)
    wrong = [note for note in known if CONTRADICTORY in note]
    plain = [note for note in known if note not in wrong]
    found = [
        Message(
            level="caution",
            code="contradictory_labels",
            text=f"{_sentence(note)}; at least one label of each group is wrong: correct it",
        )
        for note in wrong
    ]
    if plain:
        more = f"; {len(plain) - _SHOWN} more are listed under provenance" if len(plain) > _SHOWN else ""
        text = _sentence("; ".join(plain[:_SHOWN])) + more
        found.append(Message(level="info", code="data_notes", text=text))
    return found


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".")
