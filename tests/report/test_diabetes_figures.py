"""The figures of the diabetes study: what is written in them, and where their legends lie."""

import numpy as np
import pytest

from diabetes_arrays import study_arrays
from shiftgauge.report.diabetes_figures import plot_components, plot_indices_upright, plot_pairs, plot_retraining
from shiftgauge.results.study import StudyResult


def study(**changes):
    empty = {"config": {}, "provenance": {}, "cost": {"evaluations": 0}, "headline": "", "findings": ()}
    attrs = {"quantity_of_interest": "probability", "confidence_level": 0.95}
    return StudyResult(study="diabetes", arrays=study_arrays(**changes).assign_attrs(attrs), messages=(), **empty)


@pytest.mark.parametrize("draw", [plot_components, plot_indices_upright, plot_retraining])
def test_no_legend_lies_over_a_bar_or_the_title(draw):
    figure = draw(study())
    figure.draw_without_rendering()
    axes = figure.axes[0]
    box = axes.get_legend().get_window_extent()
    assert axes.patches
    assert not [p for p in axes.patches if box.overlaps(p.get_window_extent())]
    assert not box.overlaps(axes.title.get_window_extent())
    assert not [t for t in axes.get_children() if t is not axes.get_legend() and _titled(t) and _over(t, box)]


def _titled(artist):
    return bool(getattr(artist, "get_text", str)().strip())


def _over(artist, box):
    return box.overlaps(artist.get_window_extent())


def test_the_heat_map_prints_no_negative_zero():
    second = np.full((1, 8, 8), -1e-5)
    second[0, 1, 5], second[0, 0, 1] = 0.018, -0.0123
    texts = [t.get_text() for t in plot_pairs(study(second_order=second)).axes[0].texts]
    assert len(texts) == 28
    assert texts.count("0.000") == 26
    assert {"0.018", "−0.012"} <= set(texts)
