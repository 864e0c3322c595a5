"""The page, the figures, the tables and the summary of the eye-state study."""

import io

import numpy as np
import pandas as pd
from rich.console import Console

from eye_arrays import eye_result
from shiftgauge.report.blocks.boxes import draw_boxes
from shiftgauge.report.eye_figures import write_study_figures
from shiftgauge.report.eye_page import PAGE
from shiftgauge.report.eye_tables import write_tables
from shiftgauge.report.eye_terminal import study_summary
from shiftgauge.report.kinds import open_run
from shiftgauge.results.study import StudyResult
from shiftgauge.studies.eye_models import WIDE_FGSM

HOSTILE = ("<script>alert(1)</script>", "$x$ \x1b[31m")


def test_the_page_answers_with_intervals():
    page = PAGE.render(eye_result(transfer={WIDE_FGSM: [0.9, *[0.8] * 5]}))
    for part in (
        "on eyes: 300 crops of 2 classes in 5 folds, of 150 persons",
        "FGSM copies less clean copies",
        "FGSM copies, 50%, ε 0.003",
        "p, sign flips",
        "Transfer overstates by",
        "+0.300 [+0.",
        "Parseval, scaled less WRN",
        "ε\u00a00.022, 33.2\u00a0dB",
        "ε\u00a00.009 (printed 0.011), 40.67\u00a0dB",
        "Published order found",
        "Certified accuracy",
        "Table 7: noisy copies",
        "0.7398",
        "Crops of each class",
        'class="box',
        "log10 of the false positive rate",
        "data:image/png",
    ):
        assert part in page, part


def test_crops_without_persons_are_said_to_have_none():
    page = PAGE.render(eye_result(by_person=0))
    assert "whom the data do not name" in page
    assert "those of one person are on both sides of every fold" in page


def test_hostile_names_stay_text():
    page = PAGE.render(eye_result(names=HOSTILE, data_name=HOSTILE[0]))
    assert "<script>alert(1)" not in page
    assert "\x1b" not in page


def test_figures_are_written_as_files(tmp_path):
    found = write_study_figures(eye_result(names=HOSTILE), tmp_path)
    assert {p.stem for p in found} == {"models", "scale", "boxes", "roc", "learning", "copies", "pictures", "classes"}
    assert all(p.stat().st_size > 1000 for p in found)


def test_tables_hold_every_number(tmp_path):
    result = eye_result()
    found = {p.stem: pd.read_csv(p) for p in write_tables(result, tmp_path)}
    attacks = found["attacks"].set_index(["model", "attack", "epsilon"])
    value = result.arrays["white"].sel(model="CNN", attack="PGD", epsilon=0.022)
    assert attacks.loc[("CNN", "PGD", 0.022), "white"] == float(value)
    assert {"white_low", "overstated_high"} <= set(attacks.columns)
    assert len(found["published"]) == 60
    assert len(found["copy_folds"]) == 12 * 5
    assert found["contrasts"]["contrast_p"].notna().all()


def test_the_summary_names_every_network():
    text = io.StringIO()
    Console(file=text, width=80).print(study_summary(eye_result()))
    for part in ("Parseval, scaled", "FGSM copies less clean copies", "cannot be told"):
        assert part in text.getvalue()


def test_a_study_is_read_back_from_its_folder(tmp_path):
    result = eye_result()
    found = StudyResult.from_disk(result.to_disk(tmp_path / "run"))
    assert found.findings == result.findings
    assert (tmp_path / "run" / "scores.csv").read_text().startswith("table,way,figure")
    assert PAGE.render(found) == PAGE.render(result)
    opened = open_run(tmp_path / "run")
    assert opened.write_page(tmp_path / "page.html").is_file()
    assert result.report(tmp_path / "again.html").read_text() == (tmp_path / "page.html").read_text()


def test_boxes_reach_from_quartile_to_quartile():
    values = np.array([[[0.0, 0.25, 0.5, 0.75, 1.0], [np.nan] * 5]])
    drawn = str(draw_boxes(values, ["<b>"], ["first", "total"], said="folds"))
    assert drawn.count("<rect") == 1
    assert "median 0.5, from 0 to 1" in drawn
    assert 'height="75"' in drawn
    assert "<b>" not in drawn
