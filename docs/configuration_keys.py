"""A hook of mkdocs: puts the tables of configuration keys where a page marks their place."""

from __future__ import annotations

from typing import Any

from shiftgauge.cli.keys import KINDS, tables

MARKERS = {
    "<!-- configuration keys -->": "audit",
    "<!-- configuration keys of tables -->": "table",
    "<!-- configuration keys of trainings -->": "train",
    "<!-- configuration keys of looks inside -->": "explain",
    "<!-- configuration keys of attacks -->": "attack",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replaces the markers in a page by the tables of keys."""
    for marker, kind in MARKERS.items():
        if marker in markdown:
            markdown = markdown.replace(marker, tables(KINDS[kind]))
    return markdown
