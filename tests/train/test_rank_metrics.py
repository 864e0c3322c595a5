import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.train.rank_metrics import SHARES, rank_resamples


def _written_out(drawn, score, truth, r):
    rows = np.repeat(np.arange(len(score)), drawn.count_gr[drawn.group_n, r])
    return score[rows], truth[rows]


@given(st.integers(0, 10_000), st.integers(3, 25), st.sampled_from([4, 50]))
@settings(max_examples=60, deadline=None)
def test_areas_of_a_resample_are_those_of_scikit_learn_on_its_images(seed, n, levels):
    rng = np.random.default_rng(seed)
    score, truth = rng.integers(0, levels, n) / levels, rng.random(n) < 0.4
    drawn = GroupBootstrap.of([str(g) for g in rng.integers(0, 6, n)], n, resamples=4, seed=seed)
    found = rank_resamples(score, truth, drawn)
    for r in range(drawn.resamples):
        s, t = _written_out(drawn, score, truth, r)
        if not t.any():
            assert np.isnan(found.average_precision[r])
            continue
        assert found.average_precision[r] == pytest.approx(average_precision_score(t, s), abs=1e-12)
        if t.all():
            assert np.isnan(found.roc_auc[r])
        else:
            assert found.roc_auc[r] == pytest.approx(roc_auc_score(t, s), abs=1e-12)


@pytest.mark.parametrize("levels", [7, 10_000])
def test_points_of_the_bands_lie_on_the_curves_of_a_resample(levels):
    rng = np.random.default_rng(2)
    truth = rng.random(120) < 0.3
    score = np.round((rng.beta(2, 3, 120) + 0.3 * truth) * levels) / levels
    drawn = GroupBootstrap.of(None, 120, resamples=5)
    found = rank_resamples(score, truth, drawn)
    for r in range(5):
        s, t = _written_out(drawn, score, truth, r)
        false, true, _ = roc_curve(t, s, drop_intermediate=False)
        np.testing.assert_allclose(found.true_positive_rate[r], np.interp(SHARES, false, true), atol=1e-12)
        precision, recall, thresholds = precision_recall_curve(t, s)
        for share, value in zip(SHARES, found.precision[r], strict=True):
            first = max(i for i in range(len(thresholds)) if recall[i] >= share - 1e-12 and recall[i] > 0)
            assert value == pytest.approx(precision[first], abs=1e-12)


def test_resamples_in_pieces_are_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    score, truth = rng.random(40), rng.random(40) < 0.5
    drawn = GroupBootstrap.of(None, 40, resamples=30)
    whole = rank_resamples(score, truth, drawn)
    monkeypatch.setattr("shiftgauge.estimate.group_bootstrap._NUMBERS", 16 * 40 * 7)
    pieces = rank_resamples(score, truth, drawn)
    np.testing.assert_array_equal(whole.average_precision, pieces.average_precision)
    np.testing.assert_array_equal(whole.precision, pieces.precision)


@pytest.mark.parametrize("truth", [False, True])
def test_a_class_that_is_nowhere_or_everywhere_has_no_area(truth):
    drawn = GroupBootstrap.of(None, 5, resamples=3)
    found = rank_resamples(np.linspace(0, 1, 5), np.full(5, truth), drawn)
    assert np.isnan(found.roc_auc).all()
    assert np.isnan(found.true_positive_rate).all()
    assert np.isnan(found.average_precision).all() != truth
