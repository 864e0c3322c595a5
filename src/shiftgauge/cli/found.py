"""What lies in labelled images, as `shiftgauge init` found it, and what the headers of their files say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

_SAMPLE: Final = 200
_CHANNELS: Final = {"1": 1, "L": 1, "I": 1, "F": 1, "I;16": 1, "I;16B": 1, "LA": 1}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a folder, manifest or NPZ file.

    Args:
        kind: Key of the `data` section.
        path: The folder or file.
        summary: One sentence for people.
        classes: Names of the classes, in the order of the data.
        channels: 1 where every image that was looked at is grey, else 3 (or the arrays' own number).
        size: `[height, width]` where all agree, else "".
        size_note: A remark for the configuration where sizes differ.
        columns: Keys of the `data` section that differ from their defaults, such as `label_column`.
        arrays: Names of the arrays of an NPZ file that differ from their defaults.
        parts: Which of train, validation and test the data state; empty where they state something else as well.
        stated: What the data call their test part, "" where there is none.
        alike: Whether neighbouring images of a group hardly differ, as frames of a recording.
        several: Whether an image has any number of labels.
        guessed: Whether the names of the classes are made up, because the data name none.
    """

    kind: Literal["folder", "manifest", "npz", "weld", "yolo"]
    path: Path
    summary: str
    classes: tuple[str, ...]
    channels: int = 3
    size: str = ""
    size_note: str = ""
    columns: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    stated: str = ""
    alike: bool = False
    several: bool = False
    guessed: bool = False


def stated_parts(values: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Returns which of train, validation and test a column states, and what it calls test; nothing where it has others.

    Args:
        values: The values of the column.

    Example:
        >>> stated_parts(["Train", "val", "train"]), stated_parts(["train", "fold 2"])
        ((('train', 'validation'), ''), ((), ''))
    """
    from shiftgauge.data.splits import PART_NAMES, PARTS

    names = sorted(set(values))
    if not all(name.lower() in PART_NAMES for name in names):
        return (), ""
    found = {PART_NAMES[name.lower()]: name for name in names}
    return tuple(part for part in PARTS if part in found), found.get("test", "")


def spread(paths: Sequence[Path]) -> list[Path]:
    """Takes some two hundred files, evenly from first to last."""
    step = max(1, len(paths) // _SAMPLE)
    return list(paths[::step])[:_SAMPLE]


def sizes_of(paths: Iterable[Path]) -> tuple[int, str, str, str]:
    """(channels, common size or "", remark, sentence) from the headers of some files."""
    from PIL import Image

    from shiftgauge.data.images import DECODE_ERRORS

    sizes: Counter[tuple[int, int]] = Counter()
    channels = 1
    for path in paths:
        try:
            with Image.open(path) as image:
                sizes[image.height, image.width] += 1
                channels = max(channels, _CHANNELS.get(image.mode, 3))
        except DECODE_ERRORS:
            continue
    if not sizes:
        return 3, "", "", "none of the files that were looked at could be read"
    kind = "grey" if channels == 1 else "colour"
    (height, width), _ = sizes.most_common(1)[0]
    if len(sizes) == 1:
        return (
            channels,
            f"[{height}, {width}]",
            ", of the images; the network's own may differ",
            (f"{kind}, {width} × {height} pixels"),
        )
    return (
        channels,
        "",
        f"; images come in {len(sizes)} or more sizes",
        f"{kind}, sizes differ, such as {width} × {height}",
    )
