"""The page, the figures and the summary of the glass study."""

import io

from rich.console import Console

from glass_arrays import glass_result
from shiftgauge.report.glass_figures import write_study_figures
from shiftgauge.report.glass_page import PAGE
from shiftgauge.report.glass_terminal import study_summary

HOSTILE = ("no defect", "<script>alert(1)</script>", "$x$ \x1b[31m", "a" * 60)


def test_the_page_shows_claims_tables_and_data():
    page = PAGE.render(glass_result(watch={"both on test, as published": 0.0123}))
    for part in (
        "Glass study, task 2",
        "on glass: 3,000 train",
        "stain",
        "without class weights",
        "+0.0123",
        "+1.23 points",
    ):
        assert part in page, part


def test_the_luck_of_choosing_stands_beside_the_published_way():
    page = PAGE.render(glass_result(watch={"both on test, as published": 0.03}, luck=(0.0123, 0.01, 0.02)))
    for part in (
        "Luck of choosing on test",
        "+1.23 [+1.00, +2.00]",
        "+3.00 points",
        "The other half",
        "score averages over",
    ):
        assert part in page, part
    assert "Claimed too much" not in page


def test_figures_of_a_former_run_that_are_not_drawn_again_are_removed(tmp_path):
    write_study_figures(glass_result(), tmp_path)
    (tmp_path / "mine.svg").touch()
    write_study_figures(glass_result(watched=False), tmp_path)
    assert {p.stem for p in tmp_path.iterdir()} == {"ablation", "labels", "mine"}


def test_without_the_watched_training_its_section_is_left_out():
    page = PAGE.render(glass_result(watched=False))
    assert 'id="watch"' not in page
    assert "Luck of choosing on test" not in page


def test_hostile_names_stay_text():
    page = PAGE.render(glass_result(labels=HOSTILE))
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page


def test_figures_are_written_as_files(tmp_path):
    names = {p.name for p in write_study_figures(glass_result(labels=HOSTILE), tmp_path)}
    assert {"ablation.svg", "labels.png", "chosen_on_test.svg", "epochs.png"} <= names
    few = {p.stem for p in write_study_figures(glass_result(watched=False), tmp_path / "few")}
    assert few == {"ablation", "labels"}


def test_the_summary_fits_eighty_columns():
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(study_summary(glass_result()))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "What each part is worth" in text
    assert "DIFFERS" in text
