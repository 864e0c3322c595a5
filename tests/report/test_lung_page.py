"""The page, the figures and the summary of the lung study."""

import io

import numpy as np
from rich.console import Console

from lung_arrays import lung_result
from shiftgauge.report.blocks.lung import diverging, overlaid
from shiftgauge.report.kinds import open_run
from shiftgauge.report.lung_figures import write_study_figures
from shiftgauge.report.lung_page import PAGE
from shiftgauge.report.lung_terminal import study_summary
from shiftgauge.results.study import StudyResult

HOSTILE = ("<script>alert(1)</script>", "$x$ \x1b[31m", "a" * 60)


def test_the_page_shows_claims_scores_maps_and_pictures():
    page = PAGE.render(lung_result(score={"mean intensity": 0.41}))
    for part in (
        "on lus: 42 frames of 9 recordings",
        "whole frames, border alone at test",
        "−0.190",
        "activation maximisation",
        "features.40",
        "0.123",
        "border cut off 9 (1 without a map by Grad-CAM)",
        "14 × 14 cells",
        "other frames of the same recordings were trained on",
        "random steps in one direction",
        "pneumonia, from class mean",
        "another class, another seed",
        "+0.100 [+0.080, +0.120]",
        "data:image/jpeg",
    ):
        assert part in page, part


def test_hostile_names_stay_text():
    page = PAGE.render(lung_result(names=HOSTILE))
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page


def test_figures_are_written_as_files(tmp_path):
    found = write_study_figures(lung_result(names=HOSTILE), tmp_path)
    assert {p.stem for p in found} == {"scores", "maps", "figure15", "figure16"}
    assert all(p.stat().st_size > 1000 for p in found)


def test_the_summary_names_every_way():
    text = io.StringIO()
    Console(file=text, width=80).print(study_summary(lung_result()))
    assert "border alone at test" in text.getvalue()
    assert "Grad-CAM" in text.getvalue()


def test_a_study_is_read_back_from_its_folder(tmp_path):
    result = lung_result()
    found = StudyResult.from_disk(result.to_disk(tmp_path / "run"))
    assert found.findings == result.findings
    assert (tmp_path / "run" / "scores.csv").read_text().startswith("table,way,figure")
    assert PAGE.render(found) == PAGE.render(result)


def test_colours_of_maps():
    found = diverging(np.array([[255, 0, 128]], np.uint8))
    assert found.tolist() == [[[232, 118, 24], [36, 99, 190], [255, 255, 255]]]
    frame = np.full((1, 1), 100, np.uint8)
    assert overlaid(frame, np.zeros((1, 1), np.uint8)).tolist() == [[[100, 100, 100]]]


def test_a_finished_study_is_shown_again_from_its_folder(tmp_path):
    result = lung_result()
    opened = open_run(result.to_disk(tmp_path / "run"))
    assert opened.write_page(tmp_path / "page.html").read_text(encoding="utf-8") == PAGE.render(result)
