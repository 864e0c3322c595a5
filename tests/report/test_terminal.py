import io

import pytest
from rich.console import Console

from factories import HOSTILE_CLASSES
from shiftgauge.report.format import clean, fixed
from shiftgauge.report.terminal import summary


def shown(result, width=80, page=None, **options):
    console = Console(width=width, file=io.StringIO(), **options)
    console.print(summary(result, page))
    return console.file.getvalue()


@pytest.mark.parametrize("name", ["plain", "hostile", "rough", "gpc", "fixed", "constant"])
def test_summary_fits_80_columns_without_colour_or_cut_numbers(results, name):
    text = shown(results[name])
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert "…" not in text or name == "hostile"


def test_hostile_text_is_neither_markup_nor_terminal_code(results):
    text = shown(results["hostile"], width=200, force_terminal=True)
    flat = " ".join(text.split())
    assert " ".join(clean(HOSTILE_CLASSES[1]).split()) in flat
    assert "\x1b[31m {{" not in text
    assert "\u202e" not in text


def test_verdict_stands_before_trust_gauge_indices_cost_and_page(results):
    text = shown(results["plain"], page="runs/weld/report.html")
    order = [
        results["plain"].headline,
        "You can rely",
        "MISSED",
        "Gauge R&R",
        "Sensitivity indices",
        "Cost:",
        "runs/weld",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_indices_are_the_result_s(results):
    text = shown(results["plain"])
    for name in ("rotation", "brightness"):
        value = results["plain"].arrays["total_order"].sel(quantity="probability", input=name)
        line = next(row for row in text.splitlines() if row.startswith(name))
        assert fixed(float(value)) in line


def test_poor_surrogate_alone_is_an_alarm_above_the_headline(results):
    text = " ".join(shown(results["gpc"]).split())
    assert text.startswith("ALARM:")
    assert results["gpc"].headline in text
    assert "distinct categories" not in text
    assert "OF THE SURROGATE, not facts" in text


def test_constant_output_is_said(results):
    assert "the output never changed" in " ".join(shown(results["constant"]).split())


@pytest.mark.parametrize(("kind", "why"), [("constant", "the output never changed"), ("still", "no shift moved")])
def test_a_gauge_without_a_verdict_says_why(results, kind, why):
    text = " ".join(shown(results[kind]).split())
    assert f"distinct categories: not defined; verdict: none, because {why}" in text
    assert "undefined; " not in text


def test_sub_rows_of_the_gauge_table_are_indented(results):
    text = shown(results["plain"])
    assert "\nPart to part" in text
    assert "\n  within class" in text
