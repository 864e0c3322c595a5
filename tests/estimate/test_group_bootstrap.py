import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from shiftgauge.errors import ConfigError, DataError
from shiftgauge.estimate.group_bootstrap import GroupBootstrap, bootstrap_interval


def _drawn_rows(drawn, r):
    """The images of one resample, written out."""
    return np.repeat(np.arange(len(drawn.group_n)), drawn.count_gr[drawn.group_n, r])


def test_every_resample_draws_as_many_groups_as_there_are():
    drawn = GroupBootstrap.of(["a", "a", "b", "c"], 4, resamples=50)
    assert drawn.n_groups == 3
    assert drawn.count_gr.sum(axis=0).tolist() == [3] * 50


def test_images_of_a_group_are_drawn_together():
    drawn = GroupBootstrap.of(list("abab"), 4, resamples=30)
    for r in range(30):
        rows = np.bincount(_drawn_rows(drawn, r), minlength=4)
        assert rows[0] == rows[2]
        assert rows[1] == rows[3]


def test_images_without_a_group_are_on_their_own():
    assert GroupBootstrap.of(None, 5, resamples=1).n_groups == 5
    assert GroupBootstrap.of(["", "a", "", "a"], 4, resamples=1).n_groups == 3
    assert GroupBootstrap.of(["0", "", "", "0"], 4, resamples=1).n_groups == 3


def test_one_group_gives_no_resamples():
    assert GroupBootstrap.of(["a"] * 4, 4, resamples=100).resamples == 0


def test_draws_follow_from_the_seed():
    first, second, other = (GroupBootstrap.of(None, 9, resamples=20, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.count_gr, second.count_gr)
    assert (first.count_gr != other.count_gr).any()


@given(st.integers(2, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_sums_are_those_over_the_images_of_each_resample(n, seed):
    rng = np.random.default_rng(seed)
    drawn = GroupBootstrap.of([str(g) for g in rng.integers(0, 4, n)], n, resamples=5, seed=seed)
    values = rng.normal(size=(n, 3))
    for r, found in enumerate(drawn.sums(values)):
        np.testing.assert_allclose(found, values[_drawn_rows(drawn, r)].sum(axis=0), atol=1e-12)


@given(st.integers(2, 12), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_counts_of_the_first_images_are_those_of_a_loop(n, seed):
    rng = np.random.default_rng(seed)
    drawn = GroupBootstrap.of(None, n, resamples=6, seed=seed)
    rows, bounds = rng.permutation(n), rng.integers(0, n + 1, 5)
    found = drawn.counts_between(rows, bounds, slice(1, 4))
    for b, bound in enumerate(bounds):
        for column, r in enumerate(range(1, 4)):
            assert found[b, column] == np.isin(_drawn_rows(drawn, r), rows[:bound]).sum()


@pytest.mark.parametrize("groups", [3, 40])
def test_where_all_agree_the_interval_is_that_of_clopper_and_pearson(groups):
    for value in (0.0, 1.0):
        expected = binomtest(int(value * groups), groups).proportion_ci(0.95, method="exact")
        found = bootstrap_interval(value, np.full(100, value), groups, 0.95)
        np.testing.assert_allclose(found, (expected.low, expected.high))


def test_the_interval_of_a_share_covers_it_as_often_as_said():
    rng, covered = np.random.default_rng(0), 0
    for seed in range(200):
        right = rng.random(150) < 0.8
        drawn = GroupBootstrap.of(None, 150, resamples=300, seed=seed)
        low, high = bootstrap_interval(right.mean(), drawn.sums(right[:, None])[:, 0] / 150, 150, 0.9)
        covered += bool(low <= 0.8 <= high)
    assert 0.84 <= covered / 200 <= 0.96


def test_images_of_one_group_that_agree_widen_the_interval():
    rng = np.random.default_rng(0)
    right = np.repeat(rng.random(40) < 0.7, 20)
    groups = [str(i) for i in np.repeat(np.arange(40), 20)]
    widths = []
    for given_groups in (None, groups):
        drawn = GroupBootstrap.of(given_groups, 800, resamples=400)
        low, high = bootstrap_interval(right.mean(), drawn.sums(right[:, None])[:, 0] / 800, drawn.n_groups, 0.95)
        widths.append(float(high - low))
    assert widths[1] > 3 * widths[0]


def test_without_resamples_there_is_no_interval():
    assert np.isnan(bootstrap_interval(1.0, np.empty(0), 5, 0.95)).all()
    assert np.isnan(bootstrap_interval(np.nan, np.ones(5), 5, 0.95)).all()


def test_options_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="1 groups for 2 images"):
        GroupBootstrap.of(["a"], 2, resamples=1)
    with pytest.raises(ConfigError, match="resamples"):
        GroupBootstrap.of(None, 2, resamples=-1)
