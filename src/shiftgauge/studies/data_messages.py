"""What was noted while images were read and divided, as messages of an audit, a training or a study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xarray as xr

from shiftgauge.data.cautions import CONTRADICTORY
from shiftgauge.results.status import Message

_SHOWN: Final = 5
"""Notes in one message; the provenance has all."""
_LACKING: Final = "has no image in"
"""How a split says that a part lacks a class."""


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


def split_messages(counts: xr.DataArray, notes: Sequence[str], chosen: str) -> list[Message]:
    """Labels that validation or test lacks as cautions, and whatever else a split says as one line each.

    Args:
        counts: Images of each label, over `split_part` and one axis of labels.
        notes: Of the split; those on labels that a part lacks are left to the counts.
        chosen: What is chosen on validation, such as `the epoch is`.

    Example:
        >>> axes = {"split_part": ["validation", "test"], "label": ["chip", "stain"]}
        >>> counts = xr.DataArray([[0, 4], [3, 5]], axes)
        >>> [(m.level, m.text) for m in split_messages(counts, ["2 images left out"], "the epoch is")]
        [('caution', 'No image in validation of chip: the epoch is chosen without them'), ('info', '2 images left out')]
    """
    worth = {"validation": f"{chosen} chosen without them", "test": "nothing is known of them"}
    labels = next(axis for axis in counts.dims if axis != "split_part")
    found = []
    for part, cost in worth.items():
        lacking = counts[labels].values[np.asarray(counts.sel(split_part=part)) == 0]
        if len(lacking):
            text = f"No image in {part} of {', '.join(map(str, lacking))}: {cost}"
            found.append(Message(level="caution", code=f"missing_in_{part}", text=text))
    plain = [note for note in notes if note and _LACKING not in note]
    return found + [Message(level="info", code="split", text=_sentence(note)) for note in plain]


def noted_once(data_notes: Sequence[str], split_notes: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Notes of the data and of their split, with contradictory labels, which both name, among those of the data alone.

    Args:
        data_notes: Made while the images were read.
        split_notes: Made while they were divided; of contradictory labels these count, being about the images in use.

    Example:
        >>> noted_once(["a, b have contradictory labels"], ["a, b have contradictory labels", "2 images left out"])
        (('a, b have contradictory labels',), ('2 images left out',))
    """
    wrong = [note for note in split_notes if CONTRADICTORY in note]
    read = [note for note in data_notes if not (wrong and CONTRADICTORY in note)]
    return (*read, *wrong), tuple(note for note in split_notes if note not in wrong)


def _sentence(note: str) -> str:
    return note[:1].upper() + note[1:].rstrip(".")
