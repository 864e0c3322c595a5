import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown import Markdown

from factories import HOSTILE_CLASSES, audit_result
from shiftgauge.errors import ConfigError
from shiftgauge.report import tables


def cells(markdown):
    return [line.strip("|").split(" | ") for line in markdown.splitlines() if line.startswith("|")]


def test_markdown_indices_hold_every_input_ranked(results):
    rows = cells(tables.indices_markdown(results["plain"]))[2:]
    data = results["plain"].arrays["total_order"].sel(quantity="probability")
    assert len(rows) == data.size
    totals = [float(r[2].split()[0].replace("−", "-")) for r in rows]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] == pytest.approx(float(data.max()), abs=6e-4)


def test_markdown_gauge_has_a_row_for_each_component(results):
    data = results["plain"].arrays
    rows = cells(tables.gauge_markdown(results["plain"]))[2:]
    assert len(rows) == data.sizes["component"]
    assert "Verdict by the customary limits: not acceptable." in tables.gauge_markdown(results["plain"])
    assert "fixed images" in tables.gauge_markdown(results["fixed"])


@given(st.text(max_size=40) | st.sampled_from(HOSTILE_CLASSES))
def test_markdown_cell_shows_text_as_it_stands(text):
    cell = tables.markdown_cell(text)
    html = Markdown().convert(f"x{cell}x")
    for tag in ("<script", "<img", "<a ", "<em", "<strong", "<code", "<b>"):
        assert tag not in html
    assert "|" not in cell.replace(r"\|", "")
    assert "\n" not in cell


def test_csv_reads_back_to_the_numbers(results):
    data = results["plain"].arrays
    rows = list(csv.DictReader(io.StringIO(tables.gauge_csv(results["plain"]))))
    found = np.array([float(r["contribution"]) for r in rows if r["quantity"] == "probability"])
    assert np.array_equal(found, data["gauge_contribution"].sel(quantity="probability").values)
    rows = list(csv.DictReader(io.StringIO(tables.indices_csv(results["plain"]))))
    first = next(r for r in rows if r["kind"] == "total_order" and r["input"] == "rotation")
    assert float(first["estimate"]) == float(data["total_order"].sel(quantity="probability", input="rotation"))


@pytest.mark.parametrize(
    ("kind", "categories", "why"),
    [("constant", np.nan, "the output never changed"), ("still", np.inf, "no shift moved the output")],
)
def test_a_gauge_without_a_verdict_says_why(results, kind, categories, why):
    result = results[kind]
    data = result.arrays.assign(gauge_ndc=("quantity", np.full(4, categories)))
    text = tables.gauge_markdown(replace(result, arrays=data))
    count = "unlimited" if np.isinf(categories) else "not defined"
    assert f"Distinct categories: {count}. Verdict by the customary limits: none, because {why}." in text
    assert not set(text.split()) & {"nan", "inf"}


def test_undefined_numbers_are_empty_cells(results):
    rows = list(csv.DictReader(io.StringIO(tables.indices_csv(results["constant"]))))
    assert {r["estimate"] for r in rows} == {""}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1"])
def test_spreadsheets_run_no_formula(text):
    assert tables.csv_cell(text).startswith("'")


def test_poor_surrogate_is_said_above_the_tables(results):
    for table in (tables.indices_markdown, tables.gauge_markdown):
        assert table(results["gpc"]).startswith("**Surrogate only")
        assert table(results["rough"]).startswith("|")


def test_each_quantity_is_judged_by_its_own_surrogate():
    result = audit_result(estimator="gpc", share=0.95, n_base=16)
    assert tables.indices_markdown(result).startswith("|")
    poor = str(result.arrays["quantity"].values[3])
    for table in (tables.indices_markdown, tables.gauge_markdown):
        assert table(result, poor).startswith("**Surrogate only, Q² = 0.65")


def test_unknown_quantity_names_the_nearest(results):
    with pytest.raises(ConfigError, match="did you mean `margin`"):
        tables.indices_markdown(results["plain"], "margins")
