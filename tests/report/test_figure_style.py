"""The look of the figures, and what it leaves behind."""

import logging

import matplotlib as mpl

from shiftgauge.report.figure_style import figure_style


def test_a_font_that_is_missing_is_not_spoken_of(caplog):
    fonts = logging.getLogger("matplotlib.font_manager")
    before, size = fonts.level, mpl.rcParams["font.size"]
    with figure_style():
        fonts.warning("findfont: not found")
        assert mpl.rcParams["font.size"] == 9
    assert not caplog.records
    assert (fonts.level, mpl.rcParams["font.size"]) == (before, size)
    fonts.warning("heard again")
    assert len(caplog.records) == 1
