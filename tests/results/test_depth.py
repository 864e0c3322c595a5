"""The table of a profile counts what it averages."""

import numpy as np
import pytest

from shiftgauge.results.depth import depth_rows


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


def test_one_image_has_no_spread_and_nothing_at_all_is_nan():
    found = depth_rows(["a"], ["together"], [[[1.0]]], [[[np.nan]]], [np.nan], [[np.nan]])
    assert found["standard_deviation"].isna().all()
    assert found["relative_images"].tolist() == [0, 0]
    assert found["relative_mean"].isna().all()
