import numpy as np
import pytest
from scipy.stats import skew

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.resampling import (
    MAX_GROUPS,
    Grouping,
    Resampling,
    check_resampling,
    multinomial_weights,
    percentile_interval,
    upper_reach,
)


def test_one_product_equals_drawing_samples_one_by_one():
    values = np.random.default_rng(0).normal(size=(3, 2, 40))
    weights = multinomial_weights(40, 5, seed=1)
    found = Resampling("bootstrap", weights).means(values, np.ones(40))
    for r in range(5):
        drawn = np.repeat(np.arange(40), weights[r].astype(int))
        assert len(drawn) == 40
        assert np.allclose(found[:, :, r], values[:, :, drawn].mean(axis=-1))


def test_weights_are_multinomial():
    weights = multinomial_weights(50, 4000, seed=0)
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.1)
    assert weights.var(axis=0) == pytest.approx(np.full(50, 49 / 50), abs=0.15)
    assert not np.array_equal(weights, multinomial_weights(50, 4000, seed=1))


@pytest.mark.parametrize("replicates", [1, 4, 16])
@pytest.mark.parametrize("n", [2, 17, MAX_GROUPS, MAX_GROUPS + 1, 10_007])
@pytest.mark.parametrize("width", [1, 3_000])
def test_sums_over_groups_equal_the_plain_ones(n, replicates, width):
    grouping = Grouping(n, replicates)
    values = np.random.default_rng(n).normal(size=(2, n))
    sums, spans = np.zeros((2, grouping.n_groups)), list(grouping.chunks(width))
    for span in spans:
        grouping.add(sums, values[:, span], span.start)
    assert [s.start for s in spans[1:]] == [s.stop for s in spans[:-1]]
    assert (spans[0].start, spans[-1].stop) == (0, n)
    group = grouping.of_block(np.arange(n))
    wanted = np.stack([np.bincount(group, v, minlength=grouping.n_groups) for v in values])
    assert np.allclose(sums, wanted)
    assert grouping.counts.sum() == n
    assert grouping.counts.min() > 0
    assert grouping.n_groups <= MAX_GROUPS


def test_groups_give_the_same_spread_of_a_mean_as_single_samples():
    x = np.random.default_rng(3).normal(size=16_384)
    grouping, sums = Grouping(len(x)), np.zeros(MAX_GROUPS)
    grouping.add(sums, x, 0)
    means = Resampling.of(grouping, 2000, 0).means(sums, grouping.counts)
    assert means.std() == pytest.approx(x.std() / np.sqrt(len(x)), rel=0.08)


def test_jackknife_of_a_mean_is_the_t_interval():
    groups = np.random.default_rng(5).normal(size=12)
    resampling = Resampling.of(Grouping(12, replicates=12), 1000, 0)
    resampled = resampling.means(groups, np.ones(12))
    low, high = resampling.interval(groups.mean(), resampled, 0.9)
    half = 1.795885 * groups.std(ddof=1) / np.sqrt(12)  # t at 0.95 with 11 degrees of freedom
    assert [low, high] == pytest.approx([groups.mean() - half, groups.mean() + half], rel=1e-6)


def test_only_the_upper_end_follows_skewness_and_only_to_the_right():
    values = np.random.default_rng(2).exponential(size=(4, 16)) ** 2
    values[3] = 5.0
    resampling = Resampling.of(Grouping(16, replicates=16), 1000, 0)

    def interval(sample, squares):
        return resampling.interval(sample.mean(axis=-1), resampling.means(sample, np.ones(16)), 0.95, squares=squares)

    plain, found, mirrored = interval(values, False), interval(values, True), interval(-values, True)
    assert np.array_equal(plain[:, 0], found[:, 0])
    assert (found[:3, 1] > plain[:3, 1]).all()
    assert found[3].tolist() == pytest.approx([5.0, 5.0])
    assert mirrored == pytest.approx(-plain[:, ::-1])
    assert interval(7 + 3 * values, True) == pytest.approx(7 + 3 * found)


def test_the_upper_end_is_where_halls_transformed_t_statistic_is_the_quantile():
    x = np.random.default_rng(4).exponential(size=16)
    a = 1.5 * np.mean((x - x.mean()) ** 3) / x.std() ** 3 / 4
    t = -upper_reach(a, 2.131450)  # (estimate - upper end) / standard error, with 15 degrees of freedom
    assert t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6 == pytest.approx(-2.131450)
    resampling = Resampling.of(Grouping(16, replicates=16), 1000, 0)
    upper = resampling.interval(x.mean(), resampling.means(x, np.ones(16)), 0.95, squares=True)[1]
    assert upper == pytest.approx(x.mean() - t * x.std(ddof=1) / 4, rel=1e-6)


def test_the_bootstrap_follows_the_skewness_of_its_resamples():
    x = np.random.default_rng(4).exponential(size=(2, 100)) ** 2
    x[1] = -x[1]
    resampling = Resampling.of(Grouping(100), 2000, 0)
    means = resampling.means(x, np.ones(100))
    means[0, :3] = np.nan
    plain, found = (resampling.interval(x.mean(axis=1), means, 0.95, squares=squares) for squares in (False, True))
    a, s = skew(means[0, 3:]), means[0, 3:].std()
    assert found[0] == pytest.approx([plain[0, 0], x[0].mean() + upper_reach(a, 1.959964) * s], rel=1e-6)
    assert found[0, 1] > plain[0, 1]
    assert found[1, 0] == plain[1, 0]


def test_no_resamples_give_no_interval():
    for replicates in (1, 16):
        resampling = Resampling.of(Grouping(64, replicates), 0, 0)
        resampled = resampling.means(
            np.ones((3, min(64, resampling.weights.shape[1]))), np.ones(resampling.weights.shape[1])
        )
        assert np.isnan(resampling.interval(np.ones(3), resampled, 0.95)).all()


def test_undefined_resamples_are_left_out_of_the_interval():
    replicates = np.concatenate([np.arange(101.0), [np.nan] * 5])[None]
    assert percentile_interval(replicates, 0.9)[0] == pytest.approx([5.0, 95.0])
    assert np.isnan(percentile_interval(np.empty((2, 0)), 0.9)).all()
    assert np.isnan(percentile_interval(np.full((1, 3), np.nan), 0.9)).all()


@pytest.mark.parametrize(("resamples", "level"), [(-1, 0.95), (1.5, 0.95), (10, 1.0), (10, float("nan"))])
def test_bad_options_are_refused(resamples, level):
    with pytest.raises(ConfigError):
        check_resampling(resamples, level)
