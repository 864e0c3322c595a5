"""The table of a profile counts what it averages; growth is judged by the interval over images."""

import numpy as np
import pytest
from scipy import stats

from shiftgauge.results.depth import depth_rows, growth


def table(images=4):
    rng = np.random.default_rng(0)
    raw, relative = rng.random((2, images, 2, 3))
    shares = rng.random((images, 2))
    relative[0, 1], shares[1:, 0] = np.nan, np.nan
    return raw, relative, shares, depth_rows(["a", "b"], ["red", "green", "blue"], raw, relative, [0.25, 0.5], shares)


def test_numbers_are_those_of_the_images_that_have_them():
    raw, relative, shares, found = table()
    assert found["block"].tolist() == ["a"] * 4 + ["b"] * 4
    assert found["channel"].tolist() == ["red", "green", "blue", "all"] * 2
    assert found["images"].tolist() == [4] * 8
    assert found["relative_images"].tolist() == [4] * 4 + [3] * 4
    np.testing.assert_allclose(found["mean"][4:7], raw[:, 1].mean(axis=0))
    np.testing.assert_allclose(found["relative_mean"][4:7], relative[1:, 1].mean(axis=0))
    np.testing.assert_allclose(found["relative_standard_deviation"][7], relative[1:, 1].mean(axis=1).std(ddof=1))
    assert found["channel_share"].tolist() == [0.25] * 4 + [0.5] * 4
    assert found["channel_share_images"].tolist() == [1] * 4 + [4] * 4
    assert found["channel_share_mean"][0] == pytest.approx(shares[0, 0])
    assert found[["channel_share_low", "channel_share_high"]].iloc[0].isna().all()
    own = stats.ttest_1samp(shares[:, 1], 0).confidence_interval(0.95)
    np.testing.assert_allclose(found[["channel_share_low", "channel_share_high"]].iloc[5], np.clip(own, 0, 1))


def test_one_image_has_no_spread_and_nothing_at_all_is_nan():
    found = depth_rows(["a"], ["together"], [[[1.0]]], [[[np.nan]]], [np.nan], [[np.nan]])
    assert found["standard_deviation"].isna().all()
    assert found["relative_images"].tolist() == [0, 0]
    assert found["relative_mean"].isna().all()


def profiles(first, last):
    """Relative sensitivities of images in three blocks and two channels whose mean is the one that is given."""
    both = np.stack([first, np.full(len(first), 7.0), last], axis=1)
    return np.stack([0.5 * both, 1.5 * both], axis=2)


def test_growth_is_the_mean_of_the_logarithms_with_students_interval():
    first, last = np.array([1.0, 2.0, 4.0, 1.0]), np.array([3.0, 5.0, 9.0, 4.0])
    found = growth(profiles(first, last))
    own = stats.ttest_1samp(np.log(last / first), 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], np.exp(own))
    assert found.ratio == pytest.approx(stats.gmean(last / first))
    assert (found.images, found.word) == (4, "grows")
    assert growth(profiles(last, first)).word == "falls"


def test_growth_that_one_image_alone_carries_cannot_be_told():
    first, last = np.ones(4), np.array([100.0, 0.9, 1.1, 0.95])
    assert np.mean(last) / np.mean(first) > 25
    assert growth(profiles(first, last)).word == "cannot be told"


def test_growth_counts_the_images_that_have_both_ends():
    first, last = np.array([1.0, 0.0, np.nan, 2.0]), np.array([2.0, 1.0, 1.0, 0.0])
    found = growth(profiles(first, last))
    assert (found.images, found.ratio, found.word) == (1, 2.0, "cannot be told")
    assert np.isnan([found.low, found.high]).all()
    none = growth(profiles(np.zeros(2), np.ones(2)))
    assert none.images == 0
    assert np.isnan(none.ratio)
    assert none.word == "cannot be told"


@pytest.mark.parametrize("seed", range(5))
def test_growth_turns_round_with_the_depth_and_knows_no_unit(seed):
    rng = np.random.default_rng(seed)
    first, last = rng.lognormal(sigma=2, size=(2, 2 + seed))
    there, back = growth(profiles(first, last)), growth(profiles(7 * last, 7 * first))
    assert there.ratio * back.ratio == pytest.approx(1)
    assert there.low * back.high == pytest.approx(1)
    assert there.low <= there.ratio <= there.high
