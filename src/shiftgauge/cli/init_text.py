"""Pieces of the text of a configuration: paths and words as YAML."""

from __future__ import annotations

import json
from pathlib import Path

from shiftgauge.cli.found import Found


def column_lines(found: Found) -> list[str]:
    """The lines of the `data` section that say what columns, folders and classes are called."""
    lines = []
    for key, value in found.columns.items():
        text = quoted(value) if isinstance(value, str) else f"[{', '.join(quoted(name) for name in value)}]"
        remark = "  # made up: the files name no classes" if key == "classes" and found.guessed else ""
        lines.append(f"  {key}: {text}{remark}")
    return lines


def array_lines(found: Found) -> list[str]:
    """The line that says what the arrays of an NPZ file are called, if it is needed."""
    if not found.arrays:
        return []
    names = ", ".join(f"{key}: {quoted(name)}" for key, name in found.arrays.items())
    return [f"  arrays: {{{names}}}  # what the arrays in the file are called"]


def relative(path: Path, out: Path) -> str:
    """Returns the path as a configuration shall name it: relative to the file where it lies below or beside it."""
    home, target = out.resolve().parent, path.resolve()
    for up in range(3):
        base = home if up == 0 else (home.parents[up - 1] if up <= len(home.parents) else home)
        if target.is_relative_to(base):
            return "/".join([*[".."] * up, *target.relative_to(base).parts]) or "."
    return str(target)


def quoted(text: str) -> str:
    """Returns a YAML scalar: plain where that is safe, else in double quotes (JSON strings are YAML)."""
    import yaml

    try:
        plain = yaml.safe_load(f"[{text}]") == [text] and text.isprintable() and not text.startswith(("!", "&", "*"))
    except yaml.YAMLError:
        plain = False
    return text if plain and text.strip() == text and ": " not in text and "#" not in text else json.dumps(text)
