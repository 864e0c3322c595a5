"""The local relative sensitivity, against a plain loop and the closed form of a linear layer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.estimate import local
from shiftgauge.estimate.local import linear_relative_sensitivity, relative_sensitivity

RNG = np.random.default_rng(0)
ROWS = RNG.uniform(-3, 200, (700, 8))
WEIGHT = RNG.normal(size=(64, 8)) * 0.1
BIAS = RNG.normal(size=64)


def curved(x):
    return np.tanh(x @ WEIGHT.T / 50 + BIAS)


def test_linear_layer_has_its_closed_form():
    found = relative_sensitivity(lambda x: x @ WEIGHT.T + BIAS, ROWS)
    expected = 0.01 * np.abs(ROWS).mean(axis=0) * np.sqrt((WEIGHT**2).sum(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    np.testing.assert_allclose(linear_relative_sensitivity(WEIGHT, ROWS), expected, rtol=1e-12)


def test_any_function_agrees_with_one_row_and_one_input_at_a_time():
    rows = ROWS[:40]
    slow = np.zeros(8)
    for i in range(8):
        for x in rows:
            y = x.copy()
            y[i] = y[i] * 1.05
            slow[i] += np.sqrt(((curved(y[None])[0] - curved(x[None])[0]) ** 2).sum()) / len(rows)
    np.testing.assert_allclose(relative_sensitivity(curved, rows, 0.05), slow, rtol=1e-10)


def test_chunks_change_nothing(monkeypatch):
    whole = relative_sensitivity(curved, ROWS)
    monkeypatch.setattr(local, "_NUMBERS", 64 * 37)
    np.testing.assert_allclose(relative_sensitivity(curved, ROWS), whole, rtol=1e-13)


@given(scale=st.floats(0.01, 100), step=st.floats(1e-4, 0.5))
def test_it_bears_the_unit_of_the_output_and_the_sign_of_the_step_does_not_matter(scale, step):
    rows = ROWS[:5]
    plain = relative_sensitivity(lambda x: x @ WEIGHT.T, rows, step)
    np.testing.assert_allclose(relative_sensitivity(lambda x: scale * x @ WEIGHT.T, rows, -step), scale * plain)


def test_input_that_is_zero_does_not_move():
    rows = ROWS.copy()
    rows[:, 3] = 0
    assert relative_sensitivity(curved, rows)[3] == 0


def test_rows_are_left_as_they_were_and_one_output_may_be_a_vector():
    before = ROWS.copy()
    found = relative_sensitivity(lambda x: x.sum(axis=1), ROWS)
    np.testing.assert_array_equal(before, ROWS)
    np.testing.assert_allclose(found, 0.01 * np.abs(ROWS).mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("function", "rows", "step", "error", "text"),
    [
        (curved, ROWS, 0.0, ConfigError, "must not be 0"),
        (curved, ROWS, float("nan"), ConfigError, "relative_step"),
        (curved, ROWS[0], 0.01, DataError, "must be a table"),
        (curved, ROWS[:0], 0.01, DataError, "must be a table"),
        (lambda x: x[:0], ROWS, 0.01, DataError, "one row for each of 1 rows"),
        (lambda x: np.full((len(x), 2), np.nan), ROWS, 0.01, NumericalError, "NaN"),
        (curved, np.full((2, 8), np.inf), 0.01, NumericalError, "rows"),
    ],
)
def test_what_cannot_be_computed_is_said_in_one_line(function, rows, step, error, text):
    with pytest.raises(error, match=text):
        relative_sensitivity(function, rows, step)


def test_weight_must_fit_the_rows():
    with pytest.raises(DataError, match=r"\(M, 8\)"):
        linear_relative_sensitivity(WEIGHT.T, ROWS)
