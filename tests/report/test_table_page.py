"""The pages of a table audit: what they say, and that nothing from outside becomes markup."""

import numpy as np
import pandas as pd
import pytest

from shiftgauge.report.table_figures import plot_convergence, plot_derivatives
from shiftgauge.report.table_page import render_table_page
from shiftgauge.studies.table_audit import audit_table
from shiftgauge.studies.table_measure import TableEstimate

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def result():
    data = pd.DataFrame(np.random.default_rng(0).random((30, 3)), columns=["a", HOSTILE, "c"])
    return audit_table(
        lambda x: x[:, 0] * x[:, 1] + x[:, 2] ** 2,
        data,
        estimate=TableEstimate(n_base=256),
        title=HOSTILE,
        data_name=HOSTILE,
        progress=False,
    )


def test_the_page_holds_every_section(result):
    page = render_table_page(result)
    for name in ("verdict", "space", "indices", "interactions", "convergence", "derivatives", "cost", "provenance"):
        assert f'<section id="{name}"' in page
        assert f'href="#{name}"' in page
    assert 'id="reduction"' not in page


def test_names_from_outside_never_become_markup(result):
    page = render_table_page(result)
    assert HOSTILE not in page
    assert "&lt;script&gt;alert" in page


def test_the_page_without_curve_and_slopes_leaves_them_out(result):
    from dataclasses import replace

    kept = result.arrays.drop_vars([n for n in result.arrays if "curve" in str(n) or "derivative" in str(n)])
    page = render_table_page(replace(result, arrays=kept))
    assert 'id="convergence"' not in page
    assert 'id="derivatives"' not in page


def test_the_figures_have_a_panel_for_each_input(result):
    assert len(plot_convergence(result).axes) == 3
    assert len(plot_derivatives(result).axes) == 1


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_its_window_and_says_nothing_on_the_console(chromium, result, tmp_path, width, scheme):
    (tmp_path / "p.html").write_text(render_table_page(result), encoding="utf-8")
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    said = []
    page.on("console", lambda m: said.append(m.text))
    page.on("pageerror", lambda e: said.append(str(e)))
    page.goto((tmp_path / "p.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert said == []
    context.close()
