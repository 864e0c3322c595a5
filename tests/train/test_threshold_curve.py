import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve

from shiftgauge.train.threshold_curve import counts_at, curve_at, scores_between

rows = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), min_size=1, max_size=30)


@given(rows, st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_counts_are_those_of_a_loop_in_which_a_tie_decides(pairs, threshold):
    score, truth = (np.array(column) for column in zip(*pairs, strict=True))
    counted = [int(c[0]) for c in counts_at(score, truth.astype(bool), np.array([threshold]))]
    assert counted == [
        sum(p >= threshold and y for p, y in pairs),
        sum(p >= threshold and not y for p, y in pairs),
        sum(p < threshold and y for p, y in pairs),
    ]


def test_precision_and_recall_at_the_scores_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.random(200) < 0.3
    score = np.round(rng.beta(2, 4, 200) + 0.2 * truth, 2).clip(0, 1)
    precision, recall, thresholds = precision_recall_curve(truth, score)
    found = curve_at(score, truth, thresholds, 1.0)
    np.testing.assert_allclose(found.precision, precision[:-1], rtol=1e-12)
    np.testing.assert_allclose(found.recall, recall[:-1], rtol=1e-12)


@given(rows)
@settings(max_examples=60, deadline=None)
def test_a_stretch_between_scores_holds_one_outcome(pairs):
    score, truth = (np.array(column) for column in zip(*pairs, strict=True))
    edges, middles = scores_between(score)
    assert (middles > edges[:-1]).all()
    assert (middles <= edges[1:]).all()
    inside = counts_at(score, truth.astype(bool), middles)
    at_the_end = counts_at(score, truth.astype(bool), edges[1:])
    np.testing.assert_array_equal(inside, at_the_end)


def test_scores_that_touch_are_still_told_apart():
    score = np.array([0.3, np.nextafter(0.3, 1)])
    _, middles = scores_between(score)
    assert counts_at(score, np.array([False, True]), middles)[1].tolist() == [1, 0, 0]


def test_what_is_not_defined_is_nan():
    found = curve_at(np.array([0.2, 0.3]), np.array([False, False]), np.array([0.1, 0.5]), 1.0)
    assert np.isnan(found.recall).all()
    assert np.isnan(found.precision).tolist() == [False, True]
    assert np.isnan(found.f1).tolist() == [False, True]
    assert found.cost.tolist() == [1.0, 0.0]
