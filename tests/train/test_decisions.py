import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.train.decisions import checked_pair, decide, one_versus_rest


def _p(n=50, k=4, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(k), n)


def test_a_probability_at_its_threshold_decides_for_the_label():
    p = np.array([[0.3, np.nextafter(0.3, 0)]])
    assert decide(p, "multi", thresholds=[0.3, 0.3]).tolist() == [[1, 0]]


def test_a_label_without_threshold_needs_one_half():
    assert decide(np.array([[0.5, 0.49]]), "multi").tolist() == [[1, 0]]


def test_equal_costs_decide_for_the_largest_probability():
    p = _p()
    np.testing.assert_array_equal(decide(p, "single"), p.argmax(axis=1))
    np.testing.assert_array_equal(decide(p, "single", costs_kk=1 - np.eye(4)), p.argmax(axis=1))


def test_with_costs_the_class_of_least_expected_cost_is_decided():
    p, costs = _p(), np.random.default_rng(1).random((4, 4))
    expected = [min(range(4), key=lambda j: sum(row[i] * costs[i, j] for i in range(4))) for row in p]
    assert decide(p, "single", costs_kk=costs).tolist() == expected


def test_two_classes_with_a_cost_ratio_are_cut_at_one_over_one_plus_ratio():
    p = np.linspace(0.01, 0.99, 99)
    decided = decide(np.column_stack([1 - p, p]), "single", costs_kk=[[0, 1], [4, 0]])
    np.testing.assert_array_equal(decided == 1, p > 0.2 + 1e-9)


def test_classes_become_one_column_each():
    np.testing.assert_array_equal(one_versus_rest(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]])
    with pytest.raises(DataError, match="must lie in 0 … 2, got 0 … 3"):
        one_versus_rest(np.array([0, 3]), 3)


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("multi", {"thresholds": [0.5]}, "1 thresholds for 4 labels"),
        ("multi", {"thresholds": [0.5, 0.5, 0.5, 1.5]}, r"in \[0, 1\], got 1.5"),
        ("multi", {"costs_kk": np.eye(4)}, "belong to one class"),
        ("single", {"thresholds": [0.5] * 4}, "belong to several labels"),
        ("single", {"costs_kk": np.eye(3)}, r"must have shape \(4, 4\), got \(3, 3\)"),
        ("single", {"costs_kk": np.full((4, 4), np.nan)}, "NaN or infinite"),
        ("both", {}, "unknown task `both`"),
    ],
)
def test_options_that_do_not_fit_are_refused(task, options, message):
    with pytest.raises(ConfigError, match=message):
        decide(_p(), task, **options)


@pytest.mark.parametrize(
    ("p", "targets", "message"),
    [
        (np.full((2, 2), 0.5), np.zeros((2, 3)), "must both have shape"),
        (np.zeros((0, 2)), np.zeros((0, 2)), "must both have shape"),
        (np.full((2, 2), 3.0), np.zeros((2, 2)), "are these logits"),
        (np.full((2, 2), np.nan), np.zeros((2, 2)), "NaN or infinite"),
        (np.full((2, 2), 0.5), np.full((2, 2), 2), "0 or 1, got `2`"),
    ],
)
def test_probabilities_and_targets_must_go_together(p, targets, message):
    with pytest.raises(DataError, match=message):
        checked_pair(p, targets)
