"""Templates of pages: what the pages' own security policy would block."""

from pathlib import Path

import pytest

import shiftgauge.report

TEMPLATES = sorted((Path(shiftgauge.report.__file__).parent / "templates").glob("*.html"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_element_has_a_style_or_a_handler_of_its_own(path):
    text = path.read_text(encoding="utf-8")
    assert " style=" not in text
    assert " onclick=" not in text
    assert " onload=" not in text
