"""What the pages of all studies share: outcome, claims, cost and provenance around the parts of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shiftgauge.files import write_atomic
from shiftgauge.report.blocks import record
from shiftgauge.report.document import render
from shiftgauge.report.format import clean
from shiftgauge.results.status import worst_level
from shiftgauge.results.study import StudyResult

Section = tuple[str, str]
"""Anchor and name in the list of contents."""


@dataclass(frozen=True, kw_only=True)
class StudyPage:
    """One study's page: what it adds to the frame of `study.html`.

    Args:
        template: Its template, which fills the blocks `how` and `parts`.
        title: What the page is called where the result has no title.
        sections: Its own sections, between the claims and the cost; one whose part is None is left out of the contents.
        sentence: Which network, which data, how it was measured.
        figures: Key figures: `title`, `value`, `text` and `tone`.
        parts: What the template shows beside the frame.
        scripts: Script files.
    """

    template: str
    title: str
    sections: Sequence[Section]
    sentence: Callable[[StudyResult], str]
    figures: Callable[[StudyResult], list[dict[str, str]]]
    parts: Callable[[StudyResult], Mapping[str, Any]]
    scripts: Sequence[str] = ("page.js",)

    def write(self, result: StudyResult, path: str | Path) -> Path:
        """Writes the page and returns its path.

        Raises:
            StoreError: The file cannot be written.
        """
        return write_atomic(path, self.render(result).encode("utf-8"))

    def render(self, result: StudyResult) -> str:
        """Returns the page as HTML."""
        parts = dict(self.parts(result))
        shown = [section for section in self.sections if parts.get(section[0], True) is not None]
        context: dict[str, Any] = {
            "title": clean(result.arrays.attrs.get("title") or self.title),
            "several": False,
            "sections": [
                ("verdict", "Outcome"),
                ("findings", "Claims"),
                *shown,
                ("cost", "Cost"),
                ("provenance", "Provenance"),
            ],
            "verdict": {
                "headline": result.headline,
                "level": worst_level(result.messages),
                "messages": result.messages,
                "measured": self.sentence(result),
                "figures": self.figures(result),
            },
            "findings": result.findings,
            "provenance": record.build_provenance(result),
        }
        return render(self.template, {**context, **parts}, scripts=self.scripts)
