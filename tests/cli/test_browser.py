"""A page is opened where there is a screen, and nothing is tried where there is none."""

from pathlib import Path

import pytest

from shiftgauge.cli import browser


@pytest.mark.parametrize(("display", "asked"), [("", False), (":0", True)])
def test_a_page_is_opened_only_where_there_is_a_screen(monkeypatch, display, asked):
    opened: list[str] = []
    monkeypatch.setattr(browser.sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setattr(browser.typer, "launch", opened.append)
    assert browser.show_page(Path("report.html")) is asked
    assert opened == (["report.html"] if asked else [])
