"""Profiles over depth: means over pixels, spread over images, shares of variance between channels."""

import numpy as np
import pytest

from shiftgauge.errors import DataError
from shiftgauge.explain.depth_profile import channel_share, depth_profile, depth_table
from shiftgauge.explain.perturbation import PerturbationMaps, PerturbationOptions

RNG = np.random.default_rng(0)


def made(n_images: int = 4, blocks: tuple[str, ...] = ("b1", "b2"), values: np.ndarray | None = None):
    shape = (n_images, len(blocks), 3, 5, 6)
    values = RNG.random(shape).astype(np.float32) if values is None else values
    norms = RNG.uniform(1, 2, (n_images, len(blocks)))
    return PerturbationMaps(
        norm_of_difference=values,
        difference_of_norms=-values,
        block_norm=norms,
        blocks=blocks,
        options=PerturbationOptions(),
    )


def test_means_and_spread():
    maps = made()
    table = depth_profile(maps).table()
    own = maps.norm_of_difference[:, 1, 2].astype(float).mean(axis=(1, 2))
    row = table[(table.block == "b2") & (table.channel == "2")].iloc[0]
    assert row["mean"] == pytest.approx(own.mean())
    assert row["standard_deviation"] == pytest.approx(own.std(ddof=1))
    assert row["relative_mean"] == pytest.approx((own / maps.block_norm[:, 1]).mean())
    assert (row["depth"], row["images"]) == (1.0, 4)
    every = table[(table.block == "b1") & (table.channel == "all")].iloc[0]
    assert every["mean"] == pytest.approx(maps.norm_of_difference[:, 0].mean(), rel=1e-6)


def test_an_image_that_a_block_does_not_answer_to_is_left_out_and_counted():
    maps = made(3)
    maps.block_norm[1, 0] = 0.0
    maps.norm_of_difference[1, 0] = 0.0
    row = depth_profile(maps).table().iloc[3]
    others = maps.norm_of_difference[[0, 2], 0].astype(float).mean(axis=(1, 2, 3))
    relative = others / maps.block_norm[[0, 2], 0]
    assert (row["channel"], row["images"], row["relative_images"], row["channel_share_images"]) == ("all", 3, 2, 2)
    assert row["mean"] == pytest.approx(others.sum() / 3)
    assert row["relative_mean"] == pytest.approx(relative.mean())
    assert row["relative_standard_deviation"] == pytest.approx(relative.std(ddof=1))
    assert np.isfinite(row["channel_share_mean"])


def test_share_of_variance_is_that_of_scipy():
    from scipy.stats import f_oneway

    groups = RNG.normal(size=(3, 50)) + np.array([[0.0], [0.5], [1.0]])
    share = channel_share(groups).item()
    f = f_oneway(*groups).statistic
    assert share == pytest.approx(2 * f / (2 * f + 147))


def test_share_at_its_ends():
    by_channel = np.zeros((2, 1, 3, 5, 6), np.float32) + np.arange(3, dtype=np.float32)[:, None, None]
    by_pixel = np.zeros((2, 1, 3, 5, 6), np.float32) + RNG.random((5, 6)).astype(np.float32)
    assert depth_profile(made(2, ("b",), by_channel)).channel_share == pytest.approx(1)
    assert depth_profile(made(2, ("b",), by_pixel)).channel_share == pytest.approx(0, abs=1e-12)
    constant = depth_profile(made(2, ("b",), np.ones((2, 1, 3, 5, 6), np.float32)))
    assert np.isnan(constant.channel_share).all()


def test_share_over_images_counts_how_images_differ():
    values = np.zeros((2, 1, 3, 5, 6), np.float32) + np.arange(3, dtype=np.float32)[:, None, None]
    values[1] += 10
    profile = depth_profile(made(2, ("b",), values))
    np.testing.assert_allclose(profile.channel_share_of_images, 1)
    assert profile.channel_share.item() < 0.05


def test_several_results_and_several_networks():
    a, b = made(2), made(3)
    profile = depth_profile([a, b])
    assert profile.sensitivity.shape == (5, 2, 3)
    table = depth_table({"vgg": profile, "resnet": depth_profile(made(1, ("x", "y", "z")))})
    assert list(table.columns[:4]) == ["network", "block", "depth", "channel"]
    assert table.groupby("network").size().to_dict() == {"resnet": 12, "vgg": 8}
    assert table[table.network == "resnet"].standard_deviation.isna().all()
    assert profile.dataset()["channel_share_of_images"].shape == (5, 2)


def test_clear_errors():
    with pytest.raises(DataError, match="no maps"):
        depth_profile([])
    with pytest.raises(DataError, match="different blocks"):
        depth_profile([made(), made(blocks=("x", "y"))])
    with pytest.raises(DataError, match="no profile"):
        depth_table({})
