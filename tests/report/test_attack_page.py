"""The page of attacks shows what was done, leaves out what was not, and its pictures lie in files as well."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from rich.console import Console

from attack_runs import MODELS, options, run
from explain_runs import classifier
from shiftgauge.report.attack_figures import attack_pictures, write_attack_figures
from shiftgauge.report.attack_page import key_figures, render_attack_page
from shiftgauge.report.attack_terminal import attack_summary
from shiftgauge.report.format import percent
from shiftgauge.report.kinds import open_run
from shiftgauge.results.attack import AttackResult
from shiftgauge.studies.attack_gates import AccuracyGate, AttackGates

SECTIONS = ("gates", "curves", "table", "comparison", "transfer", "pictures", "asked", "cost", "provenance")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("attack") / "run"
    gates = AttackGates(min_accuracy=(AccuracyGate(accuracy=0.9, at=20.0),))
    run(place, gates=gates, title="<b>x</b>")
    return place


@pytest.fixture(scope="module")
def result(folder):
    return AttackResult.from_disk(folder)


def without(result, *names):
    """The result without the variables whose names begin so."""
    left = [n for n in result.arrays.data_vars if str(n).startswith(names)]
    fields = {n: getattr(result, n) for n in ("config", "provenance", "cost", "headline", "messages")}
    return AttackResult(**fields, arrays=result.arrays.drop_vars(left))


def test_the_page_has_every_section_and_escapes_what_it_is_given(result):
    page = render_attack_page(result)
    for key in SECTIONS:
        assert f'<section id="{key}">' in page
    assert "<b>x</b>" not in page
    assert MODELS[1] not in page
    assert 'id="audit"' not in page
    assert page.count("white-box</span>") == 2 * 3 * 2  # two attacks, three budgets, two models
    assert "✕ missed" in page


def test_what_was_left_out_leaves_its_section_out(result):
    page = render_attack_page(without(result, "transfer", "comparison", "attacked", "picture"))
    for key in ("transfer", "comparison", "pictures", "gates"):
        assert f'<section id="{key}">' not in page
    assert '<section id="curves">' in page


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_is_silent_shows_every_picture_and_never_scrolls_sideways(result, chromium, tmp_path, width, scheme):
    (tmp_path / "page.html").write_text(render_attack_page(result), encoding="utf-8")
    page, said = chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme), []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto((tmp_path / "page.html").as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page.wait_for_function("[...document.images].every(i => i.complete)")
    widths = page.evaluate("[...document.images].map(i => [i.naturalWidth, i.getBoundingClientRect().width])")
    assert len(widths) == 4 * 2 * 3  # models × ways, images, as given and two ratios
    assert all(stored > 0 and shown > 20 for stored, shown in widths)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    frames = page.evaluate("[...document.querySelectorAll('td.own')].map(c => getComputedStyle(c).outlineStyle)")
    assert set(frames) == {"solid"}
    assert said == []
    page.close()


@pytest.mark.browser
def test_the_content_needs_no_script(result, chromium, tmp_path):
    (tmp_path / "page.html").write_text(render_attack_page(result), encoding="utf-8")
    context = chromium.new_context(java_script_enabled=False, viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto((tmp_path / "page.html").as_uri())
    for key in SECTIONS:
        assert page.locator(f"section#{key}").is_visible()
    assert page.locator("section#curves svg").count() == 2 + 4
    context.close()


def test_numbers_of_the_page_are_those_of_the_table(result):
    found = {figure["title"]: figure["value"] for figure in key_figures(result)}
    table = result.to_dataframe()
    way, at = result.arrays.attrs["strongest"], result.arrays.attrs["headline_at"]
    for model in MODELS:
        own = table[table["model"] == model]
        rest = own[own["kind"] == "clean"]["accuracy"].iloc[0]
        left = own[(own["way"] == way) & (own["asked"] == at)]["accuracy"].iloc[0]
        assert found[model] == f"{percent(rest)} → {percent(left)}"
        assert percent(left) in result.headline


def test_pictures_and_figures_lie_in_files_and_those_of_earlier_runs_go(result, tmp_path):
    written = write_attack_figures(result, tmp_path)
    names = {path.name for path in written}
    drawings = ("curves", "models", "transfer", "pictures")
    assert {f"{name}.{kind}" for name in drawings for kind in ("svg", "png")} <= names
    assert len(list((tmp_path / "pictures").iterdir())) == len(list(attack_pictures(result))) == 2 + 4 * 2 * 2
    first = next((tmp_path / "pictures").glob("given_0_*.png"))
    shown = np.asarray(Image.open(io.BytesIO(first.read_bytes())), float) / 255
    assert np.allclose(np.moveaxis(shown, -1, 0), result.arrays["picture"].values[0], atol=0.003)
    mine = tmp_path / "pictures" / "my-own.png"
    mine.write_bytes(b"x")
    fewer = write_attack_figures(without(result, "attacked", "transfer"), tmp_path)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*fewer, mine}


def test_the_summary_fits_a_narrow_terminal(result):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(attack_summary(result))
    text = console.export_text()
    assert "plain, pgd" in text
    assert "MISSED" in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_a_run_is_shown_again_from_its_folder(folder, tmp_path):
    opened = open_run(folder)
    assert opened.write_page(tmp_path / "again.html").read_text() == (folder / "report.html").read_text()


def test_tables_are_written_for_other_programs(folder):
    table = pd.read_csv(folder / "comparison.csv")
    assert list(table.columns) == ["first", "second", "way", "at", "difference", "low", "high", "images"]
    assert (table["low"] <= table["difference"]).all()


def test_shifts_alone_need_no_attack(tmp_path):
    alone = run(tmp_path / "run", of={"plain": classifier()}, chosen=options(attacks={}, pictures=None))
    assert "brightness" in alone.headline
    page = render_attack_page(alone)
    assert '<section id="curves">' in page
    assert '<section id="pictures">' not in page
