"""F1 of counts is that of scikit-learn, and what is not defined is left out of means."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from shiftgauge.train.f1 import f1_of, macro


@pytest.mark.parametrize("seed", range(5))
def test_f1_of_labels_and_over_all_of_them_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    truth, decided = rng.random((2, 50, 4)) < [0.5, 0.3, 0.1, 0.05]
    counts = [values.sum(axis=0) for values in (truth & decided, decided, truth)]
    assert np.allclose(f1_of(*counts), f1_score(truth, decided, average=None, zero_division=np.nan), equal_nan=True)
    assert np.isclose(f1_of(*(c.sum() for c in counts)), f1_score(truth, decided, average="micro"))
    assert np.isclose(macro(f1_of(*counts)), f1_score(truth, decided, average="macro", zero_division=np.nan))


def test_a_class_that_neither_occurs_nor_is_decided_has_no_f1():
    assert np.isnan(f1_of(0, 0, 0))
    assert f1_of(0, 1, 0) == f1_of(0, 0, 1) == 0


def test_counts_may_have_any_shapes_that_go_together():
    found = f1_of(np.ones((3, 2, 5)), np.full((3, 2, 5), 2), np.ones((3, 2, 1)))
    assert found.shape == (3, 2, 5)
    assert np.allclose(found, 2 / 3)


def test_a_mean_of_nothing_is_not_a_number():
    assert macro([[np.nan, 1.0, 0.0], [np.nan] * 3]).tolist()[0] == 0.5
    assert np.isnan(macro([[np.nan] * 3])).all()
