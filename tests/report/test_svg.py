import math
import xml.etree.ElementTree as ET

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.report import svg
from shiftgauge.report.blocks.bars import Axis, axis_for, bar
from shiftgauge.report.format import clean
from shiftgauge.report.read import Estimate

FINITE = st.floats(-1e6, 1e6, allow_nan=False)
XML_TEXT = st.text(alphabet=st.characters(exclude_categories=("Cs",), exclude_characters="\ufffe\uffff"), max_size=40)


@given(XML_TEXT, XML_TEXT)
def test_an_element_gives_back_its_text_and_attribute(text, attribute):
    found = ET.fromstring(str(svg.element("text", text, data_tip=attribute)))
    assert (found.text or "") == clean(text)
    assert found.get("data-tip") == clean(attribute)


@given(FINITE, FINITE)
def test_ticks_cover_the_range_evenly(a, b):
    low, high = sorted((a, b))
    if high - low < 1e-6 * max(abs(low), abs(high), 1e-3):
        return
    found = svg.ticks(low, high)
    slack = 1e-6 * (high - low)
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    steps = np.diff(found)
    assert np.allclose(steps, steps[0], rtol=1e-4)
    assert 2 <= len(found) <= 9


@given(FINITE, st.floats(1e-3, 1e6))
def test_inner_ticks_stay_inside(low, width):
    slack = 1e-6 * (abs(low) + width)
    found = svg.inner_ticks(low, low + width)
    assert all(low - slack <= t <= low + width + slack for t in found)


def test_undefined_points_break_a_line_and_drop_a_dot():
    assert svg.line_path([0, 1, 2, 3], [0, 1, math.nan, 3]) == "M0 0L1 1M3 3"
    assert svg.dots_path([0, math.nan], [1, 1]) == "M0 1h0"


def test_bar_and_whisker_stand_where_the_numbers_say():
    root = ET.fromstring(str(bar(Axis((0.0, 0.5, 1.0)), ((Estimate(0.4, 0.3, 0.6), "first"),))))
    rectangle = root.find("rect")
    assert (float(rectangle.get("x")), float(rectangle.get("width"))) == (0.0, 40.0)
    whisker = next(e for e in root.findall("line") if e.get("class") == "whisker")
    assert (float(whisker.get("x1")), float(whisker.get("x2"))) == (30.0, 60.0)


def test_negative_bars_start_at_zero_and_grow_left():
    axis = axis_for([Estimate(-0.3), Estimate(0.5)])
    rectangle = ET.fromstring(str(bar(axis, ((Estimate(-0.3), "first"),)))).find("rect")
    right = float(rectangle.get("x")) + float(rectangle.get("width"))
    assert abs(right - axis.at(0.0)) < 0.02
    assert abs(float(rectangle.get("x")) - axis.at(-0.3)) < 0.02


def test_undefined_bar_draws_only_the_grid():
    root = ET.fromstring(str(bar(axis_for([Estimate(math.nan)]), ((Estimate(math.nan), "first"),))))
    assert root.find("rect") is None
