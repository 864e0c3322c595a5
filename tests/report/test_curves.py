"""The convergence curve on the page, as a figure and in the terminal."""

import io
import re
from dataclasses import replace

import numpy as np
from rich.console import Console

from shiftgauge.report.blocks.curves import build_curves
from shiftgauge.report.figure_curves import plot_convergence
from shiftgauge.report.figure_file import figure_bytes
from shiftgauge.report.page import render_page
from shiftgauge.report.read import quantities
from shiftgauge.report.terminal import summary


def test_the_page_of_an_audit_shows_one_panel_for_each_input_and_says_why_it_ended(measured):
    page = render_page(measured)
    assert '<section id="convergence">' in page
    assert '<a href="#convergence">' in page
    assert measured.arrays.attrs["reason"] in page.replace("&#39;", "'")
    found = build_curves(measured, quantities(measured))
    assert found["sizes"] == ["32", "64"]
    for group in found["groups"]:
        assert [p["label"] for p in group["panels"]].count("brightness") == 1
        assert len(group["panels"]) == measured.arrays.sizes["input"]


def test_without_a_curve_of_several_sizes_there_is_no_section(measured, results):
    one = measured.arrays.isel(n_base=[-1])
    assert build_curves(replace(measured, arrays=one), quantities(measured)) is None
    assert build_curves(results["plain"], quantities(results["plain"])) is None


def test_intervals_beyond_all_sense_do_not_leave_the_panel(measured):
    arrays = measured.arrays.copy(deep=True)
    arrays["curve_total_order_interval"][0] = np.array([-40.0, 70.0])
    found = build_curves(replace(measured, arrays=arrays), quantities(measured))
    for group in found["groups"]:
        for panel in group["panels"]:
            heights = [float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", str(panel["svg"]))]
            assert min(heights) >= 0
            assert max(heights) <= 196


def test_the_figure_has_one_panel_for_each_input(measured):
    figure = plot_convergence(measured)
    assert len(figure.axes) == measured.arrays.sizes["input"]
    assert len(measured.plot_convergence("margin").axes) == len(figure.axes)


def test_an_output_that_never_changed_leaves_its_panels_empty(measured):
    arrays = measured.arrays.copy(deep=True)
    for name in (n for n in arrays.data_vars if str(n).startswith("curve_") and "order" in str(n)):
        arrays[name][:] = np.nan
    still = replace(measured, arrays=arrays)
    assert figure_bytes(plot_convergence(still), "svg")
    assert build_curves(still, quantities(still)) is not None


def test_the_terminal_says_why_the_run_ended(measured):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary(measured))
    assert "The size was given: the widest 95% interval is ±" in console.export_text()
