"""Levels of messages."""

import pytest

from shiftgauge.results.status import Message, worst_level


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([], "info"), (["info"], "info"), (["info", "alarm", "caution"], "alarm"), (["caution", "info"], "caution")],
)
def test_the_worst_level_decides(levels, expected):
    assert worst_level(Message(level=level, code="x", text="y") for level in levels) == expected
