"""Quantities of several labels against a plain enumeration of all sets."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftgauge.evaluate.label_sets import measure_sets, set_codes, set_text
from shiftgauge.evaluate.quantities import measure


def drawn(seed: int, n: int = 6, k: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((n, k)), rng.integers(0, 2, (n, k)), rng.uniform(0.05, 0.95, k)


def slow(p: np.ndarray, y: np.ndarray, t: np.ndarray) -> list[float]:
    """One image, one label at a time."""
    probability, margin, loss, right, code = 1.0, float("inf"), 0.0, True, 0
    for k in range(len(p)):
        q = p[k] if y[k] else 1 - p[k]
        distance = np.log(p[k] / (1 - p[k])) - np.log(t[k] / (1 - t[k]))
        probability *= q
        loss -= np.log(q)
        margin = min(margin, distance if y[k] else -distance)
        right = right and (p[k] >= t[k]) == bool(y[k])
        code += 2**k * bool(p[k] >= t[k])
    return [probability, margin, loss, float(right), p[1], float(code)]


@given(st.integers(0, 10_000))
def test_every_quantity_equals_a_plain_loop(seed):
    p, y, t = drawn(seed)
    expected = [slow(p[i], y[i], t) for i in range(len(p))]
    np.testing.assert_allclose(measure_sets(p, y, t, [1]), expected, rtol=1e-9, atol=1e-12)


@given(st.integers(0, 10_000))
def test_the_probabilities_of_all_sets_add_up_to_one(seed):
    p, _, t = drawn(seed, n=1)
    total = sum(measure_sets(p, np.array([y]), t)[0, 0] for y in itertools.product([0, 1], repeat=3))
    assert total == pytest.approx(1)


@given(st.integers(0, 10_000))
def test_the_margin_is_positive_exactly_where_every_label_is_right(seed):
    values = measure_sets(*drawn(seed, n=40))
    assert ((values[:, 1] > 0) == (values[:, 3] == 1)).all()


def test_a_probability_at_its_threshold_says_that_the_label_holds():
    p = np.array([[0.25, 0.5]])
    assert measure_sets(p, np.array([[1, 1]]), [0.25, 0.5])[0, 3] == 1
    assert measure_sets(p, np.array([[0, 1]]), [0.25, 0.5])[0, 3] == 0


def test_probabilities_are_not_made_to_add_up_to_one():
    p, y = np.array([[0.9, 0.8]]), np.array([[1, 1]])
    assert measure_sets(p, y, [0.5, 0.5], [0, 1])[0, [0, 4, 5]] == pytest.approx([0.72, 0.9, 0.8])
    assert measure(p, np.array([0]), "probabilities")[0, 0] == pytest.approx(0.9 / 1.7)


def test_certain_probabilities_stay_finite_and_both_ends_count_alike():
    low = measure_sets(np.array([[0.0, 0.5]]), np.array([[1, 0]]), [0.0, 1.0])
    high = measure_sets(np.array([[1.0, 0.5]]), np.array([[0, 0]]), [1.0, 1.0])
    assert np.isfinite(low).all()
    assert low[0, 2] == pytest.approx(high[0, 2], rel=1e-6)


def test_rows_that_are_not_finite_give_nan_and_leave_the_others():
    p = np.array([[0.3, np.nan], [0.3, 0.6], [np.inf, 0.1]])
    values = measure_sets(p, np.ones((3, 2)), [0.5, 0.5])
    assert np.isnan(values[[0, 2]]).all()
    np.testing.assert_array_equal(values[1], measure_sets(p[1:2], np.ones((1, 2)), [0.5, 0.5])[0])


def test_codes_of_many_labels_are_exact():
    sets = np.random.default_rng(0).integers(0, 2, (50, 52))
    for row, code in zip(sets, set_codes(sets), strict=True):
        names = [str(k) for k in range(52)]
        assert set_text(code, names) == (" + ".join(n for n, y in zip(names, row, strict=True) if y) or "no label")
