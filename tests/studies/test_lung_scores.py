"""Scores of the lung study against plain loops."""

import numpy as np
import pytest

from shiftgauge.studies.lung_scores import confusion, of_recordings, score_arrays

NAMES = ("a", "b", "c")


def said(seed, n=60):
    return np.random.default_rng(seed).dirichlet(np.ones(3), n)


def balanced(probability, labels):
    guess = probability.argmax(axis=1)
    return float(np.mean([np.mean(guess[labels == k] == k) for k in np.unique(labels)]))


def test_scores_are_those_of_a_loop_and_differences_are_paired():
    labels, units = np.random.default_rng(0).integers(0, 3, 60), np.arange(60) // 4
    ways = {"one": said(1), "same": said(1), "two": said(2)}
    found = score_arrays(ways, labels, units, NAMES, level=0.95, seed=0, prefix="way")
    for way, probability in ways.items():
        score = found["way_score"].sel(way=way, figure="balanced accuracy")
        assert float(score) == pytest.approx(balanced(probability, labels))
        low, high = found["way_score_interval"].sel(way=way, figure="balanced accuracy").values
        assert low <= score <= high
    assert not found["way_difference_interval"].sel(way="same").values.any()


def test_the_interval_is_wider_over_recordings_than_over_frames():
    labels = np.repeat(np.arange(3), 40)
    probability = np.eye(3)[np.where(np.arange(120) // 10 % 2, labels, (labels + 1) % 3)]

    def width(units):
        found = score_arrays({"x": probability}, labels, units, NAMES, level=0.95, seed=0, prefix="way")
        low, high = found["way_score_interval"].sel(way="x", figure="balanced accuracy").values
        return high - low

    assert width(np.arange(120) // 10) > 2 * width(np.arange(120))


def test_a_constant_answer_has_a_third():
    labels = np.repeat(np.arange(3), [50, 5, 5])
    constant = np.eye(3)[np.zeros(60, int)]
    found = score_arrays({"x": constant}, labels, np.arange(60), NAMES, level=0.95, seed=0, prefix="way")
    assert found["way_score"].values[0, :2] == pytest.approx([1 / 3, 50 / 60])


def test_recordings_are_judged_by_the_mean_of_their_frames():
    probability = np.array([[0.6, 0.4, 0], [0.1, 0.9, 0], [0, 0, 1]])
    means, labels, units = of_recordings({"x": probability}, np.array([1, 1, 2]), np.array([5, 5, 9]), ("p", "p", "q"))
    assert means["x"] == pytest.approx(np.array([[0.35, 0.65, 0], [0, 0, 1]]))
    assert (labels.tolist(), units.tolist()) == ([1, 2], [5, 9])


def test_confusion_counts_rows_of_truth():
    assert confusion(np.eye(3)[[0, 1, 1, 2]], np.array([0, 0, 1, 2])).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
