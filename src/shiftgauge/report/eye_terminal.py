"""The eye-state study in a terminal: outcome, claims, copies, accuracies."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from shiftgauge.report.blocks.eye import accuracy, build_contrasts, build_study_cost
from shiftgauge.report.eye_page import study_sentence
from shiftgauge.report.format import clean, fixed
from shiftgauge.report.read import estimate, strings
from shiftgauge.report.study_terminal import framed
from shiftgauge.report.terminal import plain_table
from shiftgauge.results.study import StudyResult


def study_summary(result: StudyResult) -> RenderableType:
    """Returns what a terminal shows after the study; readable at 80 columns without colour."""
    at = f"Accuracy, and under white-box attacks of ε {float(result.arrays.attrs['loud']):g}"
    tables = [("What copies add to clean accuracy", _copies(result)), (at, _models(result))]
    return framed(result, study_sentence(result), tables, build_study_cost(result))


def _copies(result: StudyResult) -> RenderableType:
    table = plain_table("On the same folds")
    for column in ("Difference", "p"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, gap, chance, _ in build_contrasts(result)["main"]["rows"]:
        table.add_row(Text(clean(name)), Text(gap), Text(chance, style="dim"))
    return table


def _models(result: StudyResult) -> RenderableType:
    table, data = plain_table("Network"), result.arrays
    for column in ("Clean", "FGSM", "PGD", "Noise"):
        table.add_column(column, justify="right", no_wrap=True)
    for model in strings(data, "model"):
        given = estimate(data, "model_score", model=model, figure="accuracy")
        found = [accuracy(result, model, attack, float(data.attrs["loud"])) for attack in strings(data, "attack")]
        table.add_row(Text(clean(model)), Text(fixed(given.value)), *(Text(fixed(e.value)) for e in found))
    return table
