import numpy as np
import pytest

from shiftgauge.errors import ConfigError
from shiftgauge.estimate.bootstrap import (
    MAX_GROUPS,
    check_bootstrap,
    multinomial_weights,
    percentile_interval,
    resampled_means,
    resampling_groups,
)


def test_one_product_equals_drawing_samples_one_by_one():
    values = np.random.default_rng(0).normal(size=(3, 2, 40))
    weights = multinomial_weights(40, 5, seed=1)
    found = resampled_means(values, np.ones(40), weights)
    for r in range(5):
        drawn = np.repeat(np.arange(40), weights[r].astype(int))
        assert len(drawn) == 40
        assert np.allclose(found[:, :, r], values[:, :, drawn].mean(axis=-1))


def test_weights_are_multinomial():
    weights = multinomial_weights(50, 4000, seed=0)
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.1)
    assert weights.var(axis=0) == pytest.approx(np.full(50, 49 / 50), abs=0.15)
    assert not np.array_equal(weights, multinomial_weights(50, 4000, seed=1))


@pytest.mark.parametrize("n", [2, MAX_GROUPS, MAX_GROUPS + 1, 65_536])
def test_groups_cover_all_samples_within_the_bound(n):
    starts = resampling_groups(n)
    assert starts[0] == 0
    assert len(starts) <= MAX_GROUPS
    assert len(np.unique(np.diff(starts))) <= 1


def test_groups_give_the_same_spread_of_a_mean_as_single_samples():
    x = np.random.default_rng(3).normal(size=16_384)
    starts = resampling_groups(len(x))
    counts = np.diff(np.append(starts, len(x))).astype(float)
    means = resampled_means(np.add.reduceat(x, starts)[None, None], counts, multinomial_weights(len(starts), 2000, 0))
    assert means.std() == pytest.approx(x.std() / np.sqrt(len(x)), rel=0.08)


def test_undefined_resamples_are_left_out_of_the_interval():
    replicates = np.concatenate([np.arange(101.0), [np.nan] * 5])[None]
    assert percentile_interval(replicates, 0.9)[0] == pytest.approx([5.0, 95.0])
    assert np.isnan(percentile_interval(np.empty((2, 0)), 0.9)).all()
    assert np.isnan(percentile_interval(np.full((1, 3), np.nan), 0.9)).all()


@pytest.mark.parametrize(("resamples", "level"), [(-1, 0.95), (1.5, 0.95), (10, 1.0), (10, float("nan"))])
def test_bad_options_are_refused(resamples, level):
    with pytest.raises(ConfigError):
        check_bootstrap(resamples, level)
