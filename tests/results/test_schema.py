"""What passes the check of a run folder can be shown in full."""

import io

import pytest
from rich.console import Console

from factories import audit_result
from shiftgauge.errors import StoreError
from shiftgauge.report import figures, tables
from shiftgauge.report.page import render_page
from shiftgauge.report.terminal import summary
from shiftgauge.report.tracking import metrics
from shiftgauge.results.audit import AuditResult
from shiftgauge.results.schema import REQUIRED, check_arrays

RESULT = audit_result(n_base=8, shifts=("rotation", "brightness"))
FIXED = audit_result(n_base=8, shifts=("rotation", "brightness"), images_mode="fixed")


def refused(arrays):
    try:
        check_arrays(arrays)
    except StoreError as error:
        return str(error)
    return ""


def test_a_whole_result_passes():
    check_arrays(RESULT.arrays)
    check_arrays(FIXED.arrays)


@pytest.mark.parametrize("name", sorted(map(str, {*RESULT.arrays.variables, *FIXED.arrays.variables})))
def test_without_a_variable_a_result_is_refused_or_shown(name):
    whole = RESULT if name in RESULT.arrays.variables else FIXED
    arrays = whole.arrays.drop_vars(name)
    refusal = refused(arrays)
    assert refusal or name not in REQUIRED
    if refusal:
        assert name in refusal
        return
    less = AuditResult(config={}, provenance={}, cost={}, headline="x", arrays=arrays)
    render_page(less)
    Console(file=io.StringIO()).print(summary(less))
    for table in (tables.indices_markdown, tables.gauge_markdown, tables.indices_csv, tables.gauge_csv, metrics):
        table(less)
    for draw in (figures.plot_main_effects, figures.plot_gauge, figures.plot_strips, figures.plot_indices):
        draw(less)
