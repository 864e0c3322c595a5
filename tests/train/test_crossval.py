"""Folds: spread and comparison beside closed forms, SciPy's permutation test, and enumeration."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shiftgauge.errors import ConfigError, DataError, NumericalError
from shiftgauge.train.crossval import compare_folds, fold_spread, mean_test_ratio
from shiftgauge.train.sign_flips import sign_flip_interval, sign_flip_p

DIFFERENCES = st.lists(st.integers(-20, 20).map(lambda v: v / 8), min_size=2, max_size=9)


def test_the_spread_is_students_with_the_corrected_error():
    values = np.array([0.71, 0.69, 0.74, 0.70, 0.72, 0.75, 0.66, 0.71, 0.73, 0.70])
    found = fold_spread(values, confidence_level=0.9)
    s = math.sqrt(((values - values.mean()) ** 2).sum() / 9)
    assert found.mean == pytest.approx(0.711)
    assert found.standard_deviation == pytest.approx(s)
    assert found.standard_error == pytest.approx(s / math.sqrt(10))
    assert found.corrected_error == pytest.approx(s * math.sqrt(1 / 10 + 1 / 9))
    low, high = stats.t.interval(0.9, 9, loc=values.mean(), scale=found.corrected_error)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_without_correction_the_interval_and_the_p_value_are_those_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    first, second = rng.random((2, 7))
    found = compare_folds(first, second, test_ratio=0)
    expected = stats.ttest_rel(first, second)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval(0.95)))


def test_the_corrected_test_holds_its_level_where_training_sets_overlap():
    """Fold estimates with the correlation that the correction stands for: ρ / (1 + ρ) with ρ = n_test / n_train."""
    rng, folds, ratio, trials = np.random.default_rng(1), 10, 1 / 9, 4000
    shared = math.sqrt(ratio / (1 + ratio)) * rng.standard_normal((trials, 1))
    values = shared + math.sqrt(1 / (1 + ratio)) * rng.standard_normal((trials, folds))
    rejected = {
        kind: np.mean([abs(row.mean()) / (row.std(ddof=1) * factor) > stats.t.ppf(0.975, folds - 1) for row in values])
        for kind, factor in (("plain", math.sqrt(1 / folds)), ("corrected", math.sqrt(1 / folds + ratio)))
    }
    assert abs(rejected["corrected"] - 0.05) < 0.012
    assert rejected["plain"] > 0.1
    found = compare_folds(values[0], np.zeros(folds))
    assert found.standard_error == pytest.approx(values[0].std(ddof=1) * math.sqrt(1 / folds + ratio))


@settings(max_examples=60, deadline=None)
@given(DIFFERENCES)
def test_the_sign_flip_p_value_is_that_of_all_patterns(values):
    total = abs(sum(values))
    patterns = list(itertools.product((-1, 1), repeat=len(values)))
    expected = np.mean([abs(sum(s * v for s, v in zip(p, values, strict=True))) >= total for p in patterns])
    assert sign_flip_p(values) == (expected, True)


def test_the_sign_flip_p_value_is_that_of_scipy():
    values = np.random.default_rng(3).normal(0.5, 1, 10)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(values)[0] == pytest.approx(expected.pvalue)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-2, 2), min_size=2, max_size=8, unique=True), st.sampled_from([0.5, 0.8, 0.95]))
def test_the_sign_flip_interval_holds_the_shifts_that_are_not_rejected(values, level):
    differences = np.array(values)
    low, high = sign_flip_interval(differences, level)
    size = 2 ** len(values)
    ends = [e for e in (low, high) if math.isfinite(e)]
    for shift in np.linspace(-2.5, 2.5, 41):
        if any(abs(shift - e) < 1e-6 for e in ends):
            continue
        moved = differences - shift
        below = sum(moved @ np.array(p) >= moved.sum() - 1e-12 for p in itertools.product((-1, 1), repeat=len(values)))
        above = sum(moved @ np.array(p) <= moved.sum() + 1e-12 for p in itertools.product((-1, 1), repeat=len(values)))
        kept = min(below, above) / size > (1 - level) / 2 + 1e-12
        assert kept == (low <= shift <= high), (shift, low, high)


def test_the_sign_flip_interval_covers_as_often_as_it_says():
    rng, trials = np.random.default_rng(4), 1500
    found = [sign_flip_interval(rng.laplace(0.3, 1, 8), 0.9) for _ in range(trials)]
    covered = np.mean([low <= 0.3 <= high for low, high in found])
    exact = 1 - 2 * math.floor(0.05 * 2**8) / 2**8
    assert abs(covered - exact) < 4 * math.sqrt(exact * (1 - exact) / trials)


def test_many_folds_draw_patterns_and_say_so():
    values = np.random.default_rng(5).normal(0.25, 1, 60)
    found = compare_folds(values, np.zeros(60))
    assert not found.exact
    z = 2 * stats.norm.sf(abs(values.sum()) / math.sqrt((values**2).sum()))
    assert found.sign_flip_p == pytest.approx(z, rel=0.2)
    assert found == compare_folds(values, np.zeros(60))
    assert found.sign_flip_low < values.mean() < found.sign_flip_high
    width = stats.t.ppf(0.975, 59) * values.std(ddof=1) / math.sqrt(60)
    assert found.sign_flip_high - found.sign_flip_low == pytest.approx(2 * width, rel=0.1)


def test_five_folds_are_too_few_for_the_sign_flip_interval_at_95_percent():
    found = compare_folds([0.8] * 5, [0.7, 0.72, 0.71, 0.69, 0.7])
    assert (found.sign_flip_low, found.sign_flip_high) == (-math.inf, math.inf)
    assert found.sign_flip_p == 2 / 2**5


def test_a_swap_of_the_recipes_turns_every_sign():
    first, second = np.random.default_rng(6).random((2, 8))
    one, other = compare_folds(first, second), compare_folds(second, first)
    assert one.difference == -other.difference
    assert (one.low, one.sign_flip_low) == (pytest.approx(-other.high), pytest.approx(-other.sign_flip_high))
    assert (one.p_value, one.sign_flip_p) == (pytest.approx(other.p_value), other.sign_flip_p)


def test_equal_differences_have_a_clear_answer():
    values = [0.7, 0.8, 0.75, 0.72, 0.71, 0.77]
    same = compare_folds(values, values)
    assert (same.difference, same.low, same.high, same.p_value, same.sign_flip_p) == (0, 0, 0, 1, 1)
    more = compare_folds([1.0] * 6, [0.5] * 6)
    assert (more.difference, more.low, more.high, more.p_value, more.sign_flip_p) == (0.5, 0.5, 0.5, 0, 2 / 64)
    assert fold_spread([0.1] * 3).standard_deviation == 0


def test_one_fold_has_a_mean_alone():
    found = fold_spread([0.7])
    assert found.mean == 0.7
    assert math.isnan(found.standard_error)
    assert math.isnan(found.low)


def test_the_ratio_is_that_of_the_folds():
    assert mean_test_ratio([20, 10], [80, 100]) == pytest.approx((0.25 + 0.1) / 2)
    assert fold_spread([0.1, 0.2], test_ratio=0.5).corrected_error == pytest.approx(math.sqrt(0.005))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fold_spread([]), DataError, "one for each fold"),
        (lambda: fold_spread([0.1, math.nan]), NumericalError, "the value of fold 2 is nan"),
        (lambda: fold_spread([0.1, 0.2], test_ratio=-1), ConfigError, "`test_ratio` must be ≥ 0"),
        (lambda: fold_spread([0.1, 0.2], confidence_level=1), ConfigError, "`confidence_level` must be in"),
        (lambda: compare_folds([0.1], [0.2]), DataError, "compare at least two"),
        (lambda: compare_folds([0.1, 0.2], [0.2]), DataError, "2 folds of the first recipe and 1 of the second"),
        (lambda: compare_folds([0.1, math.inf], [0.2, 0.1]), NumericalError, "fold 2 is inf"),
        (lambda: mean_test_ratio([1], [0]), DataError, "each at least 1"),
        (lambda: sign_flip_p([]), DataError, "at least one finite number"),
        (lambda: sign_flip_interval([math.nan]), DataError, "at least one finite number"),
    ],
)
def test_what_cannot_be_compared_is_said(call, error, message):
    with pytest.raises(error, match=message):
        call()
