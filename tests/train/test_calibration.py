import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torch.nn import functional

from shiftgauge.errors import DataError
from shiftgauge.train.calibration import calibration, fit_temperature, negative_log_likelihood
from shiftgauge.train.predict import probabilities


def _data(task, n=3000, k=4, true_temperature=1.0, seed=0):
    """Logits that are too large by a known factor."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1.5, (n, k))
    p = probabilities(z, task)
    if task == "single":
        targets = (p.cumsum(axis=1) > rng.random((n, 1))).argmax(axis=1)
    else:
        targets = (rng.random((n, k)) < p).astype(int)
    return z * true_temperature, targets


@pytest.mark.parametrize("task", ["single", "multi"])
@pytest.mark.parametrize("truth", [0.4, 1.0, 3.0])
def test_a_known_temperature_is_found(task, truth):
    z, y = _data(task, true_temperature=truth)
    assert fit_temperature(z, y, task).value == pytest.approx(truth, rel=0.08)


@given(st.integers(0, 10_000), st.sampled_from(["single", "multi"]), st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_no_other_temperature_is_likelier(seed, task, factor):
    z, y = _data(task, n=60, k=3, true_temperature=factor, seed=seed)
    found = fit_temperature(z, y, task)
    if found.note:
        return
    bounds = (np.log(found.value) - 2, np.log(found.value) + 2)
    other = minimize_scalar(lambda t: negative_log_likelihood(z, y, task, np.exp(t)), bounds=bounds, method="bounded")
    assert negative_log_likelihood(z, y, task, found.value) <= other.fun + 1e-12
    assert np.log(found.value) == pytest.approx(other.x, abs=1e-3)


def test_scaled_logits_give_a_scaled_temperature():
    z, y = _data("single")
    assert fit_temperature(7 * z, y, "single").value == pytest.approx(7 * fit_temperature(z, y, "single").value)


def test_likelihood_is_that_of_torch():
    z, y = _data("single", n=50)
    expected = functional.cross_entropy(torch.from_numpy(z) / 2, torch.from_numpy(y))
    assert negative_log_likelihood(z, y, "single", 2.0) == pytest.approx(float(expected), rel=1e-12)
    z, y = _data("multi", n=50)
    expected = functional.binary_cross_entropy_with_logits(torch.from_numpy(z) / 2, torch.from_numpy(y).double())
    assert negative_log_likelihood(z, y, "multi", 2.0) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("task", ["single", "multi"])
def test_calibration_error_falls_and_no_decision_changes(task):
    z, y = _data(task, true_temperature=4.0)
    t = fit_temperature(z, y, task).value
    found = calibration(z, y, task, t, class_names=["a", "b", "c", "d"])
    assert found.ece_after < 0.3 * found.ece_before
    assert found.nll_after < found.nll_before
    assert len(found.before) == len(found.after) == (1 if task == "single" else 4)
    before, after = probabilities(z, task), probabilities(z, task, t)
    if task == "single":
        np.testing.assert_array_equal(before.argmax(axis=1), after.argmax(axis=1))
    else:
        np.testing.assert_array_equal(before >= 0.5, after >= 0.5)


def test_where_no_image_is_wrong_the_temperature_stays_one_and_says_so():
    z = np.array([[3.0, 0.0], [0.0, 1.0]])
    found = fit_temperature(z, np.array([0, 1]), "single")
    assert found.value == 1
    assert "no image is wrong" in found.note
    assert "no image is wrong" in fit_temperature(z - 0.5, np.eye(2), "multi").note


def test_where_logits_say_nothing_the_temperature_stays_one_and_says_so():
    z, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([1, 1])
    found = fit_temperature(z, y, "single")
    assert found.value == 1
    assert "say nothing" in found.note
    assert "say nothing" in fit_temperature(np.zeros((3, 2)), np.zeros(3, int), "single").note


def test_a_calibration_is_plain_values():
    z, y = _data("multi", n=40)
    plain = json.loads(json.dumps(calibration(z, y, "multi", 1.5).to_dict()))
    assert plain["temperature"] == 1.5
    assert len(plain["before"]) == 4


@pytest.mark.parametrize(
    ("z", "y", "task", "message"),
    [
        (np.zeros((3, 2)), np.zeros(2), "single", "must have shape"),
        (np.zeros((3, 2)), np.zeros(3), "multi", "must have shape"),
        (np.zeros((3, 2)), np.full(3, 2), "single", r"must lie in 0 … 1, got `2`"),
        (np.zeros((3, 2)), np.full((3, 2), 0.5), "multi", r"must lie in 0 … 1, got `0.5`"),
        (np.full((3, 2), np.inf), np.zeros(3), "single", "NaN or infinite"),
    ],
)
def test_logits_and_targets_must_go_together(z, y, task, message):
    with pytest.raises(DataError, match=message):
        fit_temperature(z, y, task)
