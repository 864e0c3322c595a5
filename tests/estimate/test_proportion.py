"""Shares of images and their differences: equations, coverage, groups."""

import numpy as np
import pytest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap
from shiftgauge.estimate.proportion import paired_difference, share_interval, wilson_interval


def test_wilson_interval_solves_its_equation():
    hits, trials, z = 7, 20, 1.959963984540054
    for end in wilson_interval(hits, trials):
        assert abs(hits / trials - end) == pytest.approx(z * np.sqrt(end * (1 - end) / trials))


def test_share_of_each_row_has_the_interval_of_its_own_count():
    hits = np.arange(30).reshape(3, 10) % 3 == 0
    share, low, high = share_interval(hits)
    assert share.tolist() == hits.mean(axis=1).tolist()
    for row in range(3):
        ends = wilson_interval(hits[row].sum(), 10)
        assert (low[row], high[row]) == (ends[0], ends[1])


def test_images_of_one_person_widen_the_interval():
    people = [str(i // 20) for i in range(200)]
    right = np.repeat(np.arange(10) % 2 == 0, 20)
    drawn = GroupBootstrap.of(people, 200, resamples=500)
    _, low, high = share_interval(np.stack([right, right]), drawn)
    _, alone_low, alone_high = share_interval(right)
    assert low.shape == (2,)
    assert (high - low > 2 * (alone_high - alone_low)).all()


def _pairs(rng, n):
    """Columns with shares 0.8 and 0.7 whose errors go together."""
    hard = rng.random(n)
    return hard + 0.2 * rng.random(n) < 0.9, hard + 0.2 * rng.random(n) < 0.8


def test_interval_of_a_paired_difference_holds_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    truth = float(np.subtract(*[c.mean() for c in _pairs(rng, 1_000_000)]))
    found = [paired_difference(*_pairs(rng, 80)) for _ in range(1500)]
    covered = np.mean([f.low <= truth <= f.high for f in found])
    assert 0.93 <= covered <= 0.985


def test_pairing_narrows_what_two_separate_intervals_would_give():
    rng = np.random.default_rng(1)
    first, second = _pairs(rng, 400)
    found = paired_difference(first, second)
    separate = sum(float(np.diff(share_interval(c)[1:])[0]) for c in (first, second))
    assert found.high - found.low < 0.6 * separate


def test_difference_changes_its_sign_with_the_order():
    first, second = _pairs(np.random.default_rng(2), 50)
    one, other = paired_difference(first, second), paired_difference(second, first)
    assert (one.difference, one.only_first, one.only_second) == (-other.difference, other.only_second, other.only_first)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_equal_columns_differ_by_nothing_with_an_interval_about_it():
    same = np.arange(40) % 4 > 0
    for groups in (None, [str(i // 4) for i in range(40)]):
        found = paired_difference(same, same, groups=groups)
        assert found.difference == 0
        assert found.low < 0 < found.high


def test_groups_are_resampled_whole():
    people = [str(i // 10) for i in range(100)]
    first = np.repeat(np.arange(10) < 6, 10)
    second = np.repeat(np.arange(10) < 3, 10)
    found = paired_difference(first, second, groups=people)
    alone = paired_difference(first, second)
    assert found.difference == alone.difference == pytest.approx(0.3)
    assert found.high - found.low > 1.5 * (alone.high - alone.low)
    assert paired_difference(first, second, groups=people) == found


@pytest.mark.parametrize("n_groups", [2, 4, 8])
def test_interval_of_few_groups_misses_no_more_often_than_it_says(n_groups):
    rng, size = np.random.default_rng(n_groups), 20
    groups = [str(i // size) for i in range(n_groups * size)]
    drawn, missed = GroupBootstrap.of(groups, len(groups), resamples=500), 0
    for _ in range(300):
        taste = np.repeat(rng.normal(0, 0.15, n_groups), size) / 2  # one group likes the first more, another the second
        first, second = rng.random(len(groups)) < 0.7 + taste, rng.random(len(groups)) < 0.7 - taste
        found = paired_difference(first, second, groups=drawn)
        missed += not found.low <= 0 <= found.high
    assert missed / 300 <= 0.085


def test_resamples_that_were_drawn_before_give_the_same():
    people = [str(i // 10) for i in range(100)]
    rng = np.random.default_rng(0)
    first, second = rng.random(100) < 0.7, rng.random(100) < 0.5
    drawn = GroupBootstrap.of(people, 100, resamples=300, seed=4)
    expected = paired_difference(first, second, groups=people, resamples=300, seed=4)
    assert paired_difference(first, second, groups=drawn) == expected


def test_groups_that_all_differ_alike_leave_room():
    people, second = ["a"] * 10 + ["b"] * 10, np.tile(np.arange(10) < 3, 2)
    found = paired_difference(np.tile(np.arange(10) < 6, 2), second, groups=people)
    assert found.difference == pytest.approx(0.3)
    assert found.low < 0


def test_what_does_not_fit_is_refused():
    with pytest.raises(DataError, match="two columns of one length"):
        paired_difference([1, 0], [1])
    with pytest.raises(ConfigError, match="`confidence_level`"):
        paired_difference([1, 0], [1, 1], confidence_level=2)
