import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn import metrics

from shiftgauge.train.monitor import average_precision, best_epoch, epochs_without_gain, validation_values


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(2, 60), st.integers(0, 10_000))
def test_values_of_one_class_an_image_are_those_of_scikit_learn(k, n, seed):
    rng = np.random.default_rng(seed)
    logits, classes = rng.normal(size=(n, k)), rng.integers(0, k, n)
    found = validation_values(logits, classes)
    decided = logits.argmax(axis=1)
    present = np.unique(np.concatenate([classes, decided]))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(classes, decided))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(classes, decided, labels=present, average="macro"))
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(classes, decided, labels=range(k), average="micro"))
    assert found["loss"] == pytest.approx(metrics.log_loss(classes, p, labels=range(k)))


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 5), st.integers(2, 60), st.integers(0, 10_000))
def test_values_of_several_labels_are_those_of_scikit_learn(k, n, seed):
    rng = np.random.default_rng(seed)
    logits, truth = rng.normal(size=(n, k)).round(1), (rng.random((n, k)) < 0.4).astype(float)
    found = validation_values(logits, truth)
    decided = logits >= 0
    borne = truth.any(axis=0)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(truth, decided))
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(truth, decided, average="micro", zero_division=0))
    if borne.any():
        expected = metrics.average_precision_score(truth[:, borne], expit(logits)[:, borne])
        assert found["average_precision"] == pytest.approx(expected)


def test_equal_scores_enter_together():
    truth = np.array([True, False, True, False])
    assert average_precision(np.full(4, 0.5), truth) == pytest.approx(0.5)


def test_huge_logits_have_a_finite_loss():
    for targets, loss in ((np.array([0, 1]), 1e4), (np.eye(2), 5e3)):
        found = validation_values(np.array([[1e4, -1e4], [1e4, -1e4]]), targets)
        assert found["loss"] == pytest.approx(loss)


def test_no_gain_is_counted_from_the_first_best():
    history = [{"accuracy": a, "loss": b} for a, b in ((0.5, 1.0), (0.7, 0.9), (0.7, 0.8), (0.6, 0.1))]
    assert epochs_without_gain(history, "accuracy") == 2
    assert epochs_without_gain(history, "loss") == 0
    assert best_epoch(history, "accuracy") == 2  # the same accuracy at a smaller loss
    assert best_epoch(history, "loss") == 3


def test_nan_is_never_the_best():
    history = [{"accuracy": float("nan"), "loss": 0.0}, {"accuracy": 0.1, "loss": 1.0}]
    assert best_epoch(history, "accuracy") == 1
    assert epochs_without_gain(history[:1], "accuracy") == 1
